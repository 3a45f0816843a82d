//! A form drawn from a descriptor, and what was typed into it.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::{
    connections::{self, ConnectRequest},
    integrations::{Choice, CredentialField, Descriptor, FieldKind, SettingField, SettingKind, ZonePolicy},
    metric::FailureKind,
    secret::Secret,
    web::{
        Error,
        auth::{Fields, Viewer},
    },
};

/// No setting needs more.
const LONGEST_SETTING: usize = 4_000;
/// No credential needs more: the key file of a service account has about 2,400.
const LONGEST_CREDENTIAL: usize = 20_000;

/// One field of a form.
pub(in crate::web) struct Input {
    pub(in crate::web) name: String,
    pub(in crate::web) label: String,
    pub(in crate::web) help: String,
    /// The type of the input, or `select` or `boxes`.
    pub(in crate::web) kind: &'static str,
    pub(in crate::web) value: String,
    pub(in crate::web) placeholder: String,
    pub(in crate::web) required: bool,
    /// The page at the provider, and its host.
    pub(in crate::web) link: Option<(String, String)>,
    pub(in crate::web) error: String,
    pub(in crate::web) options: Vec<Choosable>,
}

/// One value of several.
pub(in crate::web) struct Choosable {
    pub(in crate::web) value: String,
    pub(in crate::web) label: String,
    pub(in crate::web) is_chosen: bool,
}

/// What is wrong with a form.
#[derive(Default)]
pub(in crate::web) struct Refusal {
    /// By key of the field.
    pub(super) fields: BTreeMap<String, String>,
    /// What concerns no field alone.
    pub(in crate::web) sentence: String,
    /// Where that can be put right: address and words.
    pub(in crate::web) link: Option<(String, String)>,
    /// Whether another setting may put it right.
    pub(super) is_choice: bool,
    /// What the account has to choose from, by key of the setting.
    pub(super) offered: BTreeMap<String, Vec<Choice>>,
}

impl Refusal {
    /// What somebody can do something about; anything else is an error page.
    pub(in crate::web) async fn of(
        app: &crate::app::App,
        viewer: &Viewer,
        error: connections::Error,
    ) -> Result<Self, Error> {
        use connections::Error as E;
        let sentence = error.to_string();
        let plain = Self::because(capital(&sentence));
        Ok(match error {
            E::InvalidFields { fields } => Self::of_fields(fields.into_iter().map(|one| (one.field, one.message))),
            E::NameTaken(_) => Self::of_fields([("name".to_owned(), "another connection has this name".to_owned())]),
            E::AlreadyConnected { name } => {
                let other = app.connections.find(&viewer.project, &name).await?;
                Self {
                    sentence: format!("This account is connected already, as “{name}”."),
                    link: Some((format!("/connections/{}", other.public_id), "Open that connection".to_owned())),
                    ..Self::default()
                }
            }
            E::Provider(error) => {
                let choice = |(value, label): &(String, String)| Choice { value: value.clone(), label: label.clone() };
                let offer = error.offer().map(|one| (one.setting.clone(), one.values.iter().map(choice).collect()));
                let is_choice = offer.is_some() || error.kind() == FailureKind::InvalidSettings;
                Self { is_choice, offered: offer.into_iter().collect(), ..plain }
            }
            E::AccountMismatch { .. }
            | E::Conflict(_)
            | E::SignIn(_)
            | E::NoClient { .. }
            | E::NoSignIn { .. }
            | E::Unreadable { .. }
            | E::Vault(_) => plain,
            other => return Err(other.into()),
        })
    }

    pub(in crate::web) fn because(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), ..Self::default() }
    }

    pub(in crate::web) fn of_fields(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { fields: fields.into_iter().collect(), ..Self::default() }
    }

    /// The same for a form that shows what is offered: what was given is wrong in its field, and what was not is merely
    /// still to be chosen.
    pub(super) fn offering(mut self, given: &Map<String, Json>) -> Self {
        let Some(key) = self.offered.keys().next().cloned() else { return self };
        let sentence = std::mem::take(&mut self.sentence);
        if given.contains_key(&key) {
            self.fields.insert(key, sentence);
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sentence.is_empty() && self.fields.is_empty()
    }

    fn take(&mut self, key: &str) -> String {
        self.fields.remove(key).unwrap_or_default()
    }

    /// What is wrong with a field that the form does not show stands on top of it.
    pub(in crate::web) fn rest_on_top(&mut self) {
        let rest = std::mem::take(&mut self.fields).into_iter().map(|(key, message)| format!("{key}: {message}"));
        let sentences: Vec<String> = std::iter::once(std::mem::take(&mut self.sentence)).chain(rest).collect();
        self.sentence = sentences.join(" ").trim().to_owned();
    }
}

/// A sentence as a page shows it.
fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

/// What was typed.
#[derive(Default)]
pub(in crate::web) struct Typed {
    pub(super) credentials: BTreeMap<String, Secret>,
    pub(in crate::web) settings: Map<String, Json>,
    pub(super) name: Option<String>,
    pub(in crate::web) errors: BTreeMap<String, String>,
}

impl Typed {
    /// Reads the fields that the descriptor knows. Blank ones are left out.
    pub(in crate::web) fn of(descriptor: &Descriptor, fields: &Fields) -> Self {
        let mut typed = Self::default();
        for field in &descriptor.credentials {
            let value = fields.secret(&format!("c-{}", field.key));
            if value.expose().len() > LONGEST_CREDENTIAL {
                typed.too_long(&field.key);
            } else if !value.expose().trim().is_empty() {
                typed.credentials.insert(field.key.clone(), value);
            }
        }
        let host = ["zone", "history_days", "sync_interval", "max_quota_share"].into_iter();
        for key in descriptor.settings.iter().map(|field| field.key.as_str()).chain(host) {
            let name = format!("s-{key}");
            let values: Vec<&str> = fields.all(&name).map(str::trim).filter(|value| !value.is_empty()).collect();
            let value = values.join(",");
            if value.len() > LONGEST_SETTING {
                typed.too_long(key);
            } else if !value.is_empty() {
                typed.settings.insert(key.to_owned(), Json::from(value));
            }
        }
        let name = fields.text("name").trim();
        typed.name = (!name.is_empty()).then(|| name.chars().take(100).collect());
        typed
    }

    fn too_long(&mut self, key: &str) {
        self.errors.insert(key.to_owned(), "this is longer than any such value; paste it again".to_owned());
    }

    pub(super) fn request(self, viewer: &Viewer, descriptor: &Descriptor) -> ConnectRequest {
        ConnectRequest {
            project: viewer.project.slug.clone(),
            integration_id: descriptor.id.clone(),
            name: self.name,
            credentials: self.credentials,
            settings: self.settings,
        }
    }
}

/// The settings that a form showed: a box that is no longer ticked says so by its absence.
pub(in crate::web) fn shown(descriptor: &Descriptor, fields: &Fields) -> Vec<String> {
    let known = descriptor.settings.iter().map(|field| field.key.as_str()).chain(["sync_interval", "max_quota_share"]);
    known
        .filter(|key| fields.all("shown").any(|name| name.strip_prefix("s-") == Some(key)))
        .map(str::to_owned)
        .collect()
}

/// The fields of the credentials. What was typed into them is never shown again.
pub(super) fn credentials(descriptor: &Descriptor, refusal: &mut Refusal) -> Vec<Input> {
    // Where somebody can sign in instead, no browser may insist on a key.
    let insists = descriptor.auth.oauth().is_none();
    descriptor.credentials.iter().map(|field| credential(field, insists, refusal)).collect()
}

fn credential(field: &CredentialField, insists: bool, refusal: &mut Refusal) -> Input {
    let host = |link: &String| {
        let url = url::Url::parse(link).ok()?;
        Some((link.clone(), url.host_str()?.to_owned()))
    };
    Input {
        name: format!("c-{}", field.key),
        label: field.label.clone(),
        help: field.help_text.clone(),
        kind: match field.kind {
            FieldKind::Text => "text",
            FieldKind::Password => "password",
            FieldKind::Url => "url",
        },
        value: String::new(),
        placeholder: field.placeholder.clone(),
        required: field.required && insists,
        link: field.link.as_ref().and_then(host),
        error: refusal.take(&field.key),
        options: Vec::new(),
    }
}

/// The fields of the integration's own settings, with the values that an account offers.
pub(in crate::web) fn settings(
    descriptor: &Descriptor,
    given: &Map<String, Json>,
    choices: &BTreeMap<String, Vec<Choice>>,
    refusal: &mut Refusal,
) -> Vec<Input> {
    descriptor.settings.iter().map(|field| setting(field, given, choices.get(&field.key), refusal)).collect()
}

/// Whether a setting says what is measured, or where. The others say how, and most people leave them as they are.
pub(super) fn says_what(field: &SettingField) -> bool {
    matches!(field.kind, SettingKind::Text | SettingKind::List | SettingKind::Url) && field.default.is_none()
}

fn setting(
    field: &SettingField,
    given: &Map<String, Json>,
    offered: Option<&Vec<Choice>>,
    refusal: &mut Refusal,
) -> Input {
    let value = plain(given.get(&field.key)).or_else(|| field.default.clone()).unwrap_or_default();
    let chosen: Vec<&str> = value.split(',').map(str::trim).filter(|one| !one.is_empty()).collect();
    let offered = offered.map(Vec::as_slice).unwrap_or_default();
    let (kind, values) = match &field.kind {
        SettingKind::Choice { values } => ("select", values.as_slice()),
        SettingKind::List if !offered.is_empty() => ("boxes", offered),
        SettingKind::Text if !offered.is_empty() => ("select", offered),
        SettingKind::Url => ("url", [].as_slice()),
        SettingKind::Integer { .. } => ("number", [].as_slice()),
        SettingKind::Text | SettingKind::Currency | SettingKind::List => ("text", [].as_slice()),
    };
    let is_chosen = |value: &str| chosen.contains(&value);
    let mut options: Vec<Choosable> = values
        .iter()
        .map(|one| Choosable { value: one.value.clone(), label: one.label.clone(), is_chosen: is_chosen(&one.value) })
        .collect();
    if kind == "select" && field.default.is_none() {
        options.insert(0, Choosable { value: String::new(), label: "–".to_owned(), is_chosen: chosen.is_empty() });
    }
    // What is set and not offered, as a repository that is gone, is not dropped by a look at the form.
    if matches!(kind, "select" | "boxes") {
        for one in chosen.iter().filter(|one| values.iter().all(|known| known.value != **one)) {
            options.push(Choosable { value: (*one).to_owned(), label: (*one).to_owned(), is_chosen: true });
        }
    }
    Input {
        name: format!("s-{}", field.key),
        label: field.label.clone(),
        help: field.help_text.clone(),
        kind,
        placeholder: String::new(),
        required: false,
        link: None,
        error: refusal.take(&field.key),
        value,
        options,
    }
}

/// The connection's name, the zone where it can be chosen, and how far back it reads.
pub(super) fn of_host(
    descriptor: &Descriptor,
    name: &str,
    given: &Map<String, Json>,
    refusal: &mut Refusal,
) -> Vec<Input> {
    let name = own("name", "Name", "What to call it here. Left empty it is called as the service.", name, refusal);
    let mut inputs = vec![name];
    if matches!(descriptor.zone, ZonePolicy::Choosable | ZonePolicy::AccountIfSaid) {
        let help = "Whose midnight ends a day, such as Europe/Berlin. Left empty it is the account's, or the project's. \
                    It cannot be changed later.";
        let value = plain(given.get("zone")).unwrap_or_default();
        inputs.push(Input { name: "s-zone".to_owned(), ..own("zone", "Time zone", help, &value, refusal) });
    }
    let help = "How many days the first sync reads, newest first. More take longer; what comes after is kept for good.";
    let value = plain(given.get("history_days")).unwrap_or_default();
    inputs.push(Input {
        name: "s-history_days".to_owned(),
        kind: "number",
        placeholder: descriptor.history_days.to_string(),
        ..own("history_days", "Days of history", help, &value, refusal)
    });
    inputs
}

/// How it is synced.
pub(in crate::web) fn of_sync(given: &Map<String, Json>, default: u32, refusal: &mut Refusal) -> Vec<Input> {
    let (interval, share) = ("sync_interval", "max_quota_share");
    let help = format!("Minutes between two runs. Left empty it is {default}.");
    let value = |key: &str| plain(given.get(key)).unwrap_or_default();
    let share_help = "How much of the service's limit may be used, above 0 and up to 1. Left empty it is all of it.";
    vec![
        Input {
            name: format!("s-{interval}"),
            kind: "number",
            ..own(interval, "Sync interval", &help, &value(interval), refusal)
        },
        Input { name: format!("s-{share}"), ..own(share, "Share of the limit", share_help, &value(share), refusal) },
    ]
}

fn own(key: &str, label: &str, help: &str, value: &str, refusal: &mut Refusal) -> Input {
    Input {
        name: key.to_owned(),
        label: label.to_owned(),
        help: help.to_owned(),
        kind: "text",
        value: value.to_owned(),
        placeholder: String::new(),
        required: false,
        link: None,
        error: refusal.take(key),
        options: Vec::new(),
    }
}

/// A setting as a field shows it.
fn plain(value: Option<&Json>) -> Option<String> {
    match value? {
        Json::String(text) => Some(text.clone()),
        Json::Array(list) => Some(list.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(", ")),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
