//! What the integration says about itself.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use super::metrics::METRICS;
use crate::{
    http::{Auth, Exception, LimitHeaders, Limits, Meaning, ResetForm, When, Window, WindowScope},
    integrations::{
        BaseUrl, Category, CredentialField, Descriptor, FieldKind, SettingField, SettingKind, Shape, Stream, ZonePolicy,
    },
    metric::FailureKind,
};

/// How far back a first sync goes.
pub(super) const HISTORY_DAYS: u16 = 90;

static DESCRIPTOR: LazyLock<Arc<Descriptor>> = LazyLock::new(|| Arc::new(describe()));

/// The descriptor, made once.
pub(super) fn descriptor() -> Arc<Descriptor> {
    DESCRIPTOR.clone()
}

fn describe() -> Descriptor {
    Descriptor {
        id: "github".to_owned(),
        name: "GitHub".to_owned(),
        category: Category::Development,
        icon: include_str!("icon.svg").to_owned(),
        summary: "Stars, commits, issues, pull requests, releases, Actions and traffic of repositories.".to_owned(),
        auth: Auth::Bearer { field: "token".to_owned() },
        credentials: vec![token()],
        settings: settings(),
        base_url: BaseUrl::Setting { key: "base_url".to_owned(), default: "https://api.github.com".to_owned() },
        hosts: Vec::new(),
        headers: vec![
            ("Accept".to_owned(), "application/vnd.github+json".to_owned()),
            ("X-GitHub-Api-Version".to_owned(), "2022-11-28".to_owned()),
        ],
        limits: limits(),
        exceptions: exceptions(),
        streams: streams(),
        metrics: METRICS.iter().map(|row| row.definition()).collect(),
        sync_interval_minutes: 30,
        zone: ZonePolicy::Utc,
        history_days: HISTORY_DAYS.into(),
        guide: include_str!("guide.md").to_owned(),
    }
}

fn token() -> CredentialField {
    let rejected = [
        ("ghr_", "this is a refresh token; give the access token that came with it (ghu_…)"),
        ("Bearer ", "give the token alone, without the word Bearer"),
        ("-----BEGIN", "this is the private key of a GitHub App; give a token that was made with it (ghs_…)"),
        ("Iv", "this is the client id of an app; give a token (github_pat_…, ghp_…)"),
    ];
    CredentialField {
        key: "token".to_owned(),
        label: "Token".to_owned(),
        placeholder: "github_pat_…".to_owned(),
        kind: FieldKind::Password,
        required: false,
        help_text:
            "A fine-grained personal access token with read access to Contents, Issues, Pull requests and Actions, \
                    and to Administration for traffic. Classic (ghp_), OAuth (gho_) and app tokens (ghu_, ghs_) work \
                    too. Leave it empty for public repositories: 60 requests an hour and no traffic."
                .to_owned(),
        // Installation tokens of 2026 hold points and dashes and are long.
        pattern: Some(r"(?:gh[opsu]_|github_pat_)[A-Za-z0-9_.\-]+|[0-9a-fA-F]{40}".to_owned()),
        rejected_prefixes: rejected.iter().map(|(prefix, why)| ((*prefix).to_owned(), (*why).to_owned())).collect(),
        link: Some("https://github.com/settings/personal-access-tokens/new".to_owned()),
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
            "repositories",
            "Repositories",
            SettingKind::List,
            "The repositories to measure as owner/name, such as octocat/hello-world. Leave it empty to measure an owner's.",
        ),
        field(
            "owner",
            "Owner",
            SettingKind::Text,
            "A user or an organisation: all its repositories are measured, archived ones too and forks not. Leave it \
             empty where repositories are listed.",
        ),
        field(
            "base_url",
            "API address",
            SettingKind::Url,
            "Only for GitHub Enterprise: https://HOST/api/v3, or https://api.NAME.ghe.com.",
        ),
    ]
}

/// GitHub's primary limit is learned from its headers, the secondary one of 900 points a minute is never said
/// (providers.md 4.3). It asks for one request after another.
fn limits() -> Limits {
    let window = |scope, calls, seconds| Window { scope, calls, per: Duration::from_secs(seconds) };
    Limits {
        windows: vec![
            window(WindowScope::Resource("core".to_owned()), 5000, 3600),
            window(WindowScope::Everything, 900, 60),
        ],
        concurrent: 1,
        headers: Some(LimitHeaders {
            limit: "x-ratelimit-limit".to_owned(),
            remaining: "x-ratelimit-remaining".to_owned(),
            reset: "x-ratelimit-reset".to_owned(),
            reset_form: ResetForm::EpochSeconds,
            resource: Some("x-ratelimit-resource".to_owned()),
        }),
        wait_unless_said: Duration::from_secs(60),
    }
}

/// A 403 may be a limit, a missing permission or a single sign-on that is due (providers.md 4.4).
fn exceptions() -> Vec<Exception> {
    let header =
        |name: &str, value: Option<&str>| When::Header { name: name.to_owned(), value: value.map(str::to_owned) };
    let forbidden = |when, means| Exception { status: 403, when, means };
    vec![
        forbidden(
            header("x-github-sso", None),
            Meaning::FailureWithLink { kind: FailureKind::Forbidden, header: "x-github-sso" },
        ),
        forbidden(header("retry-after", None), Meaning::RateLimited),
        forbidden(header("x-ratelimit-remaining", Some("0")), Meaning::RateLimited),
        forbidden(When::BodyContains("rate limit".to_owned()), Meaning::RateLimited),
        forbidden(When::BodyContains("abuse detection".to_owned()), Meaning::RateLimited),
        Exception { status: 451, when: When::Always, means: Meaning::Failure(FailureKind::Forbidden) },
        // "Accepted, ask again": the answer is still being made.
        Exception { status: 202, when: When::Always, means: Meaning::Transient },
    ]
}

fn streams() -> Vec<Stream> {
    let stream = |id: &str, shape: Shape, cost: &str| Stream {
        id: id.to_owned(),
        shape,
        version: 2,
        cost: format!("for each repository, {cost}"),
        // Who committed and how long each merge took is kept, so that a week is made of its days exactly. Visitors are
        // asked for by week.
        periods: matches!(id, "commits" | "pulls" | "traffic"),
    };
    let month = Shape::ByDay { window_days: 30 };
    vec![
        stream("repositories", Shape::WholeAccount, "two calls"),
        stream("commits", month, "one call for each 100 commits, and none while nothing was pushed"),
        stream("issues", month, "one call for each 100 issues and pull requests changed since"),
        stream("pulls", month, "one call for each 100 pull requests changed since"),
        stream("releases", Shape::WholeAccount, "one call for each 100 releases"),
        stream("workflows", month, "one call for each 100 workflow runs"),
        stream("stars", month, "one call, and one for each 100 stars given since"),
        stream("traffic", Shape::ByDay { window_days: 14 }, "two calls, and two for the weeks"),
    ]
}
