//! What the integration says about itself.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use super::metrics::{METRICS, Reading};
use crate::{
    http::{Auth, Exception, LimitHeaders, Limits, Meaning, ResetForm, When, Window, WindowScope},
    integrations::{
        BaseUrl, Category, CredentialField, Descriptor, FieldKind, SettingField, SettingKind, Shape, Stream, ZonePolicy,
    },
    metric::FailureKind,
};

static DESCRIPTOR: LazyLock<Arc<Descriptor>> = LazyLock::new(|| Arc::new(describe()));

/// The descriptor, made once.
pub(super) fn descriptor() -> Arc<Descriptor> {
    DESCRIPTOR.clone()
}

fn describe() -> Descriptor {
    Descriptor {
        id: "vercel".to_owned(),
        name: "Vercel".to_owned(),
        category: Category::Development,
        icon: include_str!("icon.svg").to_owned(),
        summary: "Deployments, builds, visits and usage of projects.".to_owned(),
        auth: Auth::Bearer { field: "token".to_owned() },
        credentials: vec![token()],
        settings: settings(),
        base_url: BaseUrl::Fixed("https://api.vercel.com".to_owned()),
        hosts: Vec::new(),
        headers: Vec::new(),
        limits: limits(),
        exceptions: exceptions(),
        streams: streams(),
        metrics: METRICS.iter().map(|row| row.definition()).collect(),
        sync_interval_minutes: 30,
        zone: ZonePolicy::Utc,
        history_days: 90,
        guide: include_str!("guide.md").to_owned(),
    }
}

fn token() -> CredentialField {
    let rejected = [
        ("Bearer ", "give the token alone, without the word Bearer"),
        ("team_", "this is the id of a team, which is a setting; make a token at vercel.com/account/settings/tokens"),
        ("prj_", "this is the id of a project, which is a setting; make a token at vercel.com/account/settings/tokens"),
    ];
    CredentialField {
        key: "token".to_owned(),
        label: "Access token".to_owned(),
        placeholder: "24 letters and digits, or vcp_…".to_owned(),
        kind: FieldKind::Password,
        required: true,
        help_text: "An access token, limited to the team that you want to measure. Vercel's tokens may do what their \
                    owner may: use that of a member with the role Viewer, if your plan has it."
            .to_owned(),
        // Vercel says nothing of their form.
        pattern: None,
        rejected_prefixes: rejected.iter().map(|(prefix, why)| ((*prefix).to_owned(), (*why).to_owned())).collect(),
        link: Some("https://vercel.com/account/settings/tokens".to_owned()),
    }
}

fn settings() -> Vec<SettingField> {
    let all_streams: Vec<String> = streams().into_iter().map(|stream| stream.id).collect();
    let field = |key: &str, label: &str, kind: SettingKind, help_text: &str| SettingField {
        key: key.to_owned(),
        label: label.to_owned(),
        help_text: help_text.to_owned(),
        kind,
        default: None,
        affects: all_streams.clone(),
    };
    vec![
        field(
            "team",
            "Team",
            SettingKind::Text,
            "The team to measure: its name as in vercel.com/NAME, or its id (team_…). Leave it empty for projects of the \
             token's own account.",
        ),
        field(
            "projects",
            "Projects",
            SettingKind::List,
            "The projects to measure, by name or id (prj_…). Leave it empty to measure all of the team.",
        ),
    ]
}

/// Vercel counts each endpoint for itself and says in its headers how much is left. Until it has said so, it is taken for
/// less than any endpoint is known to have.
fn limits() -> Limits {
    Limits {
        windows: vec![Window { scope: WindowScope::Endpoint, calls: 120, per: Duration::from_secs(60) }],
        concurrent: 1,
        headers: Some(LimitHeaders {
            limit: "x-ratelimit-limit".to_owned(),
            remaining: "x-ratelimit-remaining".to_owned(),
            reset: "x-ratelimit-reset".to_owned(),
            reset_form: ResetForm::EpochSeconds,
            resource: None,
        }),
        wait_unless_said: Duration::from_secs(60),
    }
}

/// A token that is wrong or has expired is a 403 with a word in the body (providers.md 5.3).
fn exceptions() -> Vec<Exception> {
    let contains = |status, text: &str, kind| Exception {
        status,
        when: When::BodyContains(text.to_owned()),
        means: Meaning::Failure(kind),
    };
    vec![
        contains(403, "\"invalidToken\"", FailureKind::Unauthorized),
        // Nothing is wrong with the request: it asks for what is switched off.
        contains(400, "web_analytics_not_enabled", FailureKind::PlanRequired),
    ]
}

fn streams() -> Vec<Stream> {
    let stream = |reading: Reading, cost: &str| Stream {
        id: reading.stream().to_owned(),
        shape: Shape::ByDay { window_days: 30 },
        version: 1,
        cost: cost.to_owned(),
        periods: reading != Reading::Usage,
    };
    vec![
        stream(Reading::Builds, "one call for each 100 deployments, and one for each 100 projects"),
        stream(
            Reading::Visits,
            "one call for each project that counts visitors, and one for each of its weeks and months",
        ),
        stream(Reading::Usage, "one call for each metric and 100 projects, and one for what there is"),
    ]
}
