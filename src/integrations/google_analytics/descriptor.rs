//! What the integration says about itself.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use super::{
    api::{ADMIN, ADMIN_HOST, CORE, REALTIME},
    metrics::{METRICS, Reading},
    quota::DAILY,
    settings::PROPERTY,
};
use crate::{
    http::{Auth, Exception, Limits, Meaning, OAuth, Reset, ServiceAccount, ShortLived, When, Window, WindowScope},
    integrations::{
        BaseUrl, Category, CredentialField, Descriptor, FieldKind, SettingField, SettingKind, Shape, Stream, ZonePolicy,
    },
};

/// How far back a first sync goes, in one report.
const HISTORY_DAYS: u32 = 90;

static DESCRIPTOR: LazyLock<Arc<Descriptor>> = LazyLock::new(|| Arc::new(describe()));

/// The descriptor, made once.
pub(super) fn descriptor() -> Arc<Descriptor> {
    DESCRIPTOR.clone()
}

fn describe() -> Descriptor {
    Descriptor {
        id: "google-analytics".to_owned(),
        name: "Google Analytics".to_owned(),
        category: Category::Analytics,
        icon: include_str!("icon.svg").to_owned(),
        summary: "Users, sessions, engagement, key events and revenue of a Google Analytics 4 property.".to_owned(),
        auth: Auth::AnyOf(vec![Auth::ServiceAccount(assertions()), Auth::OAuth(sign_in())]),
        credentials: vec![service_account()],
        settings: vec![property()],
        base_url: BaseUrl::Fixed("https://analyticsdata.googleapis.com".to_owned()),
        hosts: vec![ADMIN_HOST.to_owned()],
        headers: Vec::new(),
        limits: limits(),
        exceptions: exceptions(),
        streams: streams(),
        metrics: METRICS.iter().map(|row| row.definition()).collect(),
        sync_interval_minutes: 30,
        zone: ZonePolicy::Account,
        history_days: HISTORY_DAYS,
        guide: include_str!("guide.md").to_owned(),
    }
}

/// The one thing that is asked for: to see.
const SCOPE: &str = "https://www.googleapis.com/auth/analytics.readonly";
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

fn assertions() -> ServiceAccount {
    ServiceAccount {
        field: "service_account".to_owned(),
        token_url: TOKEN_URL.to_owned(),
        former_hosts: vec!["accounts.google.com".to_owned(), "www.googleapis.com".to_owned()],
        scopes: vec![SCOPE.to_owned()],
        expiry: Vec::new(),
    }
}

/// Google gives a refresh token only where it is asked for offline, and again only where consent is asked for
/// (providers.md 6.2).
fn sign_in() -> OAuth {
    let parameters = [("access_type", "offline"), ("prompt", "consent"), ("include_granted_scopes", "true")];
    OAuth {
        authorise_url: "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
        token_url: TOKEN_URL.to_owned(),
        revoke_url: Some("https://oauth2.googleapis.com/revoke".to_owned()),
        scopes: vec![SCOPE.to_owned()],
        optional_scopes: Vec::new(),
        parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        pkce: true,
        expiry: Vec::new(),
        short_lived: Some(ShortLived {
            days: 7,
            hint: "Google ends sign-ins after seven days while the consent screen of the Google Cloud project is External \
                   and its status is Testing. Publish it (status In production), make it Internal, or use a service account."
                .to_owned(),
        }),
    }
}

fn service_account() -> CredentialField {
    CredentialField {
        key: "service_account".to_owned(),
        label: "Service account key".to_owned(),
        placeholder: "{ \"type\": \"service_account\", … }".to_owned(),
        kind: FieldKind::Password,
        required: false,
        help_text: "The whole JSON file of a service account's key, from the first brace to the last. Add the service \
                    account's address to the property as Viewer; it needs no role in Google Cloud. Leave it empty to sign in \
                    with a Google account."
            .to_owned(),
        pattern: None,
        rejected_prefixes: vec![
            (
                "-----BEGIN".to_owned(),
                "this is only the private key; paste the whole JSON file that it came in".to_owned(),
            ),
            (
                "AIza".to_owned(),
                "this is an API key, which cannot read Google Analytics; give a service account's key".to_owned(),
            ),
        ],
        link: Some("https://console.cloud.google.com/iam-admin/serviceaccounts".to_owned()),
    }
}

fn property() -> SettingField {
    SettingField {
        key: PROPERTY.to_owned(),
        label: "Property".to_owned(),
        help_text:
            "The number of the Google Analytics 4 property, such as 341528790: Admin, Property details. Not the \
                    measurement id (G-…). Left empty, the properties that can be read are named."
                .to_owned(),
        kind: SettingKind::Text,
        default: None,
        affects: streams().into_iter().map(|stream| stream.id).collect(),
    }
}

/// What Google counts are tokens, which its answers tell (see `quota.rs`), and calls at once, of which it allows ten for a
/// property. The calls of a minute are our own measure, but for the Admin API.
fn limits() -> Limits {
    let window = |resource: &str, calls| Window {
        scope: WindowScope::Resource(resource.to_owned()),
        calls,
        per: Duration::from_secs(60),
    };
    Limits {
        windows: vec![window(CORE, 300), window(REALTIME, 300), window(ADMIN, 600)],
        concurrent: 2,
        headers: None,
        wait_unless_said: Duration::from_secs(10),
    }
}

/// A quota that is used up is named in the message, and nothing says for how long (providers.md 6.7). Any other 429 is of
/// calls at once.
fn exceptions() -> Vec<Exception> {
    let used_up = |said: &str, reset| Exception {
        status: 429,
        when: When::BodyContains(said.to_owned()),
        means: Meaning::UsedUp(reset),
    };
    vec![
        used_up("per day", DAILY),
        used_up("per hour", Reset::Hourly),
        used_up("thresholded requests", Reset::Hourly),
        used_up("server errors", Reset::Hourly),
    ]
}

fn streams() -> Vec<Stream> {
    let stream = |reading: Reading, shape: Shape, periods: bool, cost: &str| Stream {
        id: reading.stream().to_owned(),
        shape,
        version: 1,
        cost: cost.to_owned(),
        periods,
    };
    let history = Shape::ByDay { window_days: HISTORY_DAYS };
    vec![
        stream(Reading::Days, history, true, "one call, and one each for the weeks and the months"),
        stream(Reading::Tables, history, false, "one call, and one for each further 25,000 rows of a table"),
        stream(Reading::Realtime, Shape::WholeAccount, false, "one call"),
    ]
}
