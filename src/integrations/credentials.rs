//! Checks what a user typed into the credential fields, before any call.

use std::collections::BTreeMap;

use super::{CredentialField, FieldKind};
use crate::{http::Credentials, nearest::nearest, secret::Secret};

/// One field is wrong. The message never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// The field's key.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl FieldError {
    /// An error of a field.
    pub fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into() }
    }
}

/// Trims and checks the fields. All errors are reported at once; unknown keys are refused by name.
pub fn check_credentials(
    fields: &[CredentialField],
    given: BTreeMap<String, Secret>,
) -> Result<Credentials, Vec<FieldError>> {
    let mut errors: Vec<FieldError> = given
        .keys()
        .filter(|key| fields.iter().all(|field| field.key != **key))
        .map(|key| unknown_key(key, fields.iter().map(|field| field.key.as_str())))
        .collect();
    let mut checked = BTreeMap::new();
    for field in fields {
        let value = given.get(&field.key).map(|secret| secret.expose().trim()).unwrap_or_default();
        match check(field, value) {
            Err(message) => errors.push(FieldError::new(&field.key, message)),
            Ok(()) if value.is_empty() => {}
            Ok(()) => {
                checked.insert(field.key.clone(), Secret::new(value));
            }
        }
    }
    if errors.is_empty() { Ok(Credentials::new(checked)) } else { Err(errors) }
}

/// An unknown key of the form, with its sentence. Keys are short words in small letters; anything else may be a
/// credential in the wrong place and is not repeated.
pub(crate) fn unknown_key<'a>(key: &str, known: impl Iterator<Item = &'a str> + Clone) -> FieldError {
    let is_word = key.len() <= 40 && key.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '-'));
    let (field, shown) = if is_word { (key, format!("field \"{key}\"")) } else { ("unknown", "such field".to_owned()) };
    let message = match nearest(key, known.clone()) {
        Some(nearest) => format!("there is no {shown}; did you mean \"{nearest}\"?"),
        None => format!("there is no {shown}; the fields are: {}", known.collect::<Vec<_>>().join(", ")),
    };
    FieldError::new(field, message)
}

fn check(field: &CredentialField, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return if field.required { Err(format!("{} is required. {}", field.label, field.help_text)) } else { Ok(()) };
    }
    if let Some((_, sentence)) = field.rejected_prefixes.iter().find(|(prefix, _)| value.starts_with(prefix.as_str())) {
        return Err(sentence.clone());
    }
    if value.chars().any(char::is_control) && field.kind != FieldKind::Password {
        return Err(format!("{} holds a control character; paste it again", field.label));
    }
    if let Some(pattern) = &field.pattern {
        let whole = format!("^(?:{pattern})$");
        let matches = regex_lite::Regex::new(&whole).is_ok_and(|regex| regex.is_match(value));
        if !matches {
            return Err(format!("this does not look like {}. {}", field.label, field.help_text));
        }
    }
    Ok(())
}
