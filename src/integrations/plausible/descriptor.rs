//! What the integration says about itself.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use super::metrics::{METRICS, Reading};
use crate::{
    http::{Auth, Limits, Window, WindowScope},
    integrations::{
        BaseUrl, Category, CredentialField, Descriptor, FieldKind, SettingField, SettingKind, Shape, Stream, ZonePolicy,
    },
};

/// How far back a first sync goes.
const HISTORY_DAYS: u32 = 90;

static DESCRIPTOR: LazyLock<Arc<Descriptor>> = LazyLock::new(|| Arc::new(describe()));

/// The descriptor, made once.
pub(super) fn descriptor() -> Arc<Descriptor> {
    DESCRIPTOR.clone()
}

fn describe() -> Descriptor {
    Descriptor {
        id: "plausible".to_owned(),
        name: "Plausible".to_owned(),
        category: Category::Analytics,
        icon: include_str!("icon.svg").to_owned(),
        summary: "Visitors, visits, page views, sources, goals and their revenue of a web site.".to_owned(),
        auth: Auth::Bearer { field: "api_key".to_owned() },
        credentials: vec![api_key()],
        settings: settings(),
        base_url: BaseUrl::Setting { key: "base_url".to_owned(), default: "https://plausible.io".to_owned() },
        hosts: Vec::new(),
        headers: Vec::new(),
        limits: limits(),
        exceptions: Vec::new(),
        streams: streams(),
        metrics: METRICS.iter().map(|row| row.definition()).collect(),
        sync_interval_minutes: 30,
        zone: ZonePolicy::AccountIfSaid,
        history_days: HISTORY_DAYS,
        guide: include_str!("guide.md").to_owned(),
    }
}

fn api_key() -> CredentialField {
    let rejected = [
        ("Bearer ", "give the key alone, without the word Bearer"),
        ("http", "this is an address; give the key that Plausible showed when it was made"),
    ];
    CredentialField {
        key: "api_key".to_owned(),
        label: "API key".to_owned(),
        placeholder: "64 letters, digits, - and _".to_owned(),
        kind: FieldKind::Password,
        required: true,
        help_text: "A key of the type Stats API: in Plausible under Account settings, API keys. It is shown once."
            .to_owned(),
        pattern: Some(r"[A-Za-z0-9_=\-]{16,200}".to_owned()),
        rejected_prefixes: rejected.iter().map(|(prefix, why)| ((*prefix).to_owned(), (*why).to_owned())).collect(),
        link: Some("https://plausible.io/settings/api-keys".to_owned()),
    }
}

fn settings() -> Vec<SettingField> {
    let streams = |which: &[Reading]| which.iter().map(|reading| reading.stream().to_owned()).collect();
    let field = |key: &str, label: &str, kind: SettingKind, affects: &[Reading], help_text: &str| SettingField {
        key: key.to_owned(),
        label: label.to_owned(),
        help_text: help_text.to_owned(),
        kind,
        default: None,
        affects: streams(affects),
    };
    vec![
        field(
            "site_id",
            "Site",
            SettingKind::Text,
            &Reading::ALL,
            "The site's domain as Plausible lists it, such as example.com: not its address.",
        ),
        field(
            "goals",
            "Goals",
            SettingKind::List,
            &[Reading::Goals, Reading::Revenue],
            "Names of the goals to measure, as Plausible shows them. Leave it empty to measure all of them.",
        ),
        field(
            "base_url",
            "Address",
            SettingKind::Url,
            &Reading::ALL,
            "Only for a Plausible of your own: its address, with the path where it is installed under one.",
        ),
    ]
}

/// 600 requests an hour for all keys of a team, and no word of how long a limit lasts (providers.md 7.4).
fn limits() -> Limits {
    Limits {
        windows: vec![Window { scope: WindowScope::Everything, calls: 600, per: Duration::from_secs(3600) }],
        concurrent: 2,
        headers: None,
        wait_unless_said: Duration::from_secs(600),
    }
}

fn streams() -> Vec<Stream> {
    Reading::ALL
        .into_iter()
        .map(|reading| {
            let (window_days, cost) = match reading {
                Reading::Days => (HISTORY_DAYS, "one call for 90 days; two more where weeks and months changed"),
                Reading::Now => (1, "one call"),
                Reading::Goals => {
                    (HISTORY_DAYS, "one call for 90 days where anything happened, and two for weeks and months")
                }
                Reading::Revenue => (HISTORY_DAYS, "one call for 90 days where anything happened"),
                Reading::Pages | Reading::Sources | Reading::Countries => {
                    (30, "one call for 30 days and 10,000 rows where anything happened")
                }
            };
            Stream {
                id: reading.stream().to_owned(),
                shape: Shape::ByDay { window_days },
                version: 1,
                cost: cost.to_owned(),
                periods: matches!(reading, Reading::Days | Reading::Goals),
            }
        })
        .collect()
}
