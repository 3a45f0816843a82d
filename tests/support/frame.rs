//! What integrations made up for tests have in common: one key, no provider, nothing that a test would look at.

use std::{collections::BTreeMap, time::Duration};

use dashtray::{
    http::{Auth, Limits},
    integrations::{
        AccountInfo, BaseUrl, Category, CredentialField, Descriptor, FieldKind, SettingField, SettingKind, Stream,
        ZonePolicy,
    },
    metric::{Currency, Definition, Kind, Polarity, Unit, ValidRange, WidgetType},
};

/// An integration of these streams and metrics.
pub(crate) fn descriptor(id: &str, streams: Vec<Stream>, metrics: Vec<Definition>) -> Descriptor {
    Descriptor {
        id: id.to_owned(),
        name: capitalised(id),
        category: Category::Analytics,
        icon: String::new(),
        summary: "For tests".to_owned(),
        auth: Auth::Bearer { field: "api_key".to_owned() },
        credentials: vec![CredentialField {
            key: "api_key".to_owned(),
            label: "Key".to_owned(),
            placeholder: "key".to_owned(),
            kind: FieldKind::Password,
            required: true,
            help_text: "Any.".to_owned(),
            pattern: None,
            rejected_prefixes: Vec::new(),
            link: None,
        }],
        settings: Vec::new(),
        base_url: BaseUrl::Fixed(format!("https://{id}.example")),
        hosts: Vec::new(),
        headers: Vec::new(),
        limits: Limits { windows: Vec::new(), concurrent: 1, headers: None, wait_unless_said: Duration::from_secs(1) },
        exceptions: Vec::new(),
        streams,
        metrics,
        sync_interval_minutes: 30,
        zone: ZonePolicy::Choosable,
        history_days: 30,
        guide: String::new(),
    }
}

/// A count of some kind.
pub(crate) fn definition(id: &str, kind: Kind, stream: &str) -> Definition {
    Definition {
        id: id.to_owned(),
        name: id.to_owned(),
        description: "made up".to_owned(),
        unit: Unit::Count,
        category: "made_up".to_owned(),
        widget_type: WidgetType::Metric,
        kind,
        polarity: Polarity::Neutral,
        valid: ValidRange::NotNegative,
        settles_after_days: 1,
        retention_days: None,
        definition: 1,
        dimension: None,
        stream: stream.to_owned(),
        source: "`/stats`".to_owned(),
        differs: None,
        explained: false,
        of_money: false,
        exchange_effect: None,
    }
}

/// A text that these streams depend on.
pub(crate) fn setting(key: &str, affects: &[&str]) -> SettingField {
    SettingField {
        key: key.to_owned(),
        label: capitalised(key),
        help_text: "Any.".to_owned(),
        kind: SettingKind::Text,
        default: None,
        affects: affects.iter().map(|id| (*id).to_owned()).collect(),
    }
}

/// An account in dollars.
pub(crate) fn account(id: &str, label: &str) -> AccountInfo {
    AccountInfo {
        id: id.to_owned(),
        label: label.to_owned(),
        zone: None,
        currency: Some(Currency::USD),
        info: serde_json::Map::new(),
        checks: Vec::new(),
        choices: BTreeMap::new(),
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str()))
}
