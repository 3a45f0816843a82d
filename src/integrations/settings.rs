//! The user's settings of a connection: parsed by the descriptor's fields, complete with defaults.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use url::Url;

use super::{FieldError, SettingField, SettingKind, credentials::unknown_key};
use crate::metric::Currency;

/// One typed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingValue {
    /// A text, or the chosen one of several.
    Text(String),
    /// An address.
    Url(Url),
    /// A currency.
    Currency(Currency),
    /// A whole number.
    Integer(i64),
    /// Several texts.
    List(Vec<String>),
}

/// The settings of a connection by key. A setting without value and default is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, SettingValue>);

impl Settings {
    /// Reads settings as `connect` and the database have them: an object of strings, numbers and lists. All errors
    /// are reported at once; unknown keys are refused by name.
    pub fn parse(fields: &[SettingField], given: &serde_json::Map<String, Json>) -> Result<Self, Vec<FieldError>> {
        let mut errors: Vec<FieldError> = given
            .keys()
            .filter(|key| fields.iter().all(|field| field.key != **key))
            .map(|key| unknown_key(key, fields.iter().map(|field| field.key.as_str())))
            .collect();
        let mut values = BTreeMap::new();
        for field in fields {
            match read(field, given.get(&field.key)) {
                Ok(Some(value)) => {
                    values.insert(field.key.clone(), value);
                }
                Ok(None) => {}
                Err(message) => errors.push(FieldError::new(&field.key, message)),
            }
        }
        if errors.is_empty() { Ok(Self(values)) } else { Err(errors) }
    }

    /// The value of a text or choice.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(SettingValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The value of an address.
    pub fn url(&self, key: &str) -> Option<&Url> {
        match self.0.get(key) {
            Some(SettingValue::Url(url)) => Some(url),
            _ => None,
        }
    }

    /// The value of a currency.
    pub fn currency(&self, key: &str) -> Option<Currency> {
        match self.0.get(key) {
            Some(SettingValue::Currency(currency)) => Some(*currency),
            _ => None,
        }
    }

    /// The value of a whole number.
    pub fn integer(&self, key: &str) -> Option<i64> {
        match self.0.get(key) {
            Some(SettingValue::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// The value of a list; empty where there is none.
    pub fn list(&self, key: &str) -> &[String] {
        match self.0.get(key) {
            Some(SettingValue::List(list)) => list,
            _ => &[],
        }
    }

    /// The settings as they are stored and shown.
    pub fn to_json(&self) -> serde_json::Map<String, Json> {
        let json = |value: &SettingValue| match value {
            SettingValue::Text(text) => Json::from(text.as_str()),
            SettingValue::Url(url) => Json::from(url.as_str()),
            SettingValue::Currency(currency) => Json::from(currency.code()),
            SettingValue::Integer(number) => Json::from(*number),
            SettingValue::List(list) => Json::from(list.clone()),
        };
        self.0.iter().map(|(key, value)| (key.clone(), json(value))).collect()
    }
}

fn read(field: &SettingField, given: Option<&Json>) -> Result<Option<SettingValue>, String> {
    let default = field.default.as_deref().map(Json::from);
    let given = given.filter(|value| !is_blank(value)).or(default.as_ref());
    given.map(|value| typed(&field.kind, value)).transpose()
}

fn is_blank(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.trim().is_empty(),
        Json::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn typed(kind: &SettingKind, value: &Json) -> Result<SettingValue, String> {
    let text = || value.as_str().map(str::trim).ok_or_else(|| "give a text".to_owned());
    match kind {
        SettingKind::Text => Ok(SettingValue::Text(text()?.to_owned())),
        SettingKind::Url => {
            let url =
                Url::parse(text()?).map_err(|_| "give an address such as https://stats.example.com".to_owned())?;
            let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
            if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() || !plain {
                return Err("give an address such as https://stats.example.com, without user or query".to_owned());
            }
            Ok(SettingValue::Url(url))
        }
        SettingKind::Currency => text()?
            .parse()
            .map(SettingValue::Currency)
            .map_err(|error: crate::metric::InvalidCurrency| error.to_string()),
        SettingKind::Choice { values } => {
            let chosen = text()?;
            let known = values.iter().map(|choice| choice.value.as_str());
            match values.iter().find(|choice| choice.value == chosen) {
                Some(choice) => Ok(SettingValue::Text(choice.value.clone())),
                None => Err(format!("use one of: {}", known.collect::<Vec<_>>().join(", "))),
            }
        }
        SettingKind::Integer { min, max } => {
            let number = match value {
                Json::Number(number) => number.as_i64(),
                Json::String(text) => text.trim().parse().ok(),
                _ => None,
            };
            number
                .filter(|number| (min..=max).contains(&number))
                .map(SettingValue::Integer)
                .ok_or_else(|| format!("give a whole number from {min} to {max}"))
        }
        SettingKind::List => {
            let items: Option<Vec<String>> = match value {
                Json::String(text) => Some(text.split(',').map(|item| item.trim().to_owned()).collect()),
                Json::Array(items) => {
                    items.iter().map(|item| item.as_str().map(|text| text.trim().to_owned())).collect()
                }
                _ => None,
            };
            let items = items.ok_or_else(|| "give a list of texts".to_owned())?;
            let mut list: Vec<String> = Vec::new();
            for item in items.into_iter().filter(|item| !item.is_empty()) {
                if !list.contains(&item) {
                    list.push(item);
                }
            }
            Ok(SettingValue::List(list))
        }
    }
}

/// Whether a text is a name or an id as services make them, which can stand in a path: letters, digits, `-`, `_` and `.`.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !matches!(text, "" | "." | "..") && text.len() <= 100 && text.chars().all(allowed)
}

/// What was given or answered, as a message may quote it: short, and without what would move a terminal's cursor.
pub(crate) fn quotable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
