//! T0: what an integration says about itself.

use std::{collections::BTreeSet, time::Duration};

use dashtray::{
    http::{Auth, Meaning, When},
    integrations::{BaseUrl, CredentialField, Descriptor, FieldKind, SettingKind, Settings, Shape},
    metric::{Definition, FailureKind, Kind, Unit, ValidRange, WidgetType},
};
use url::{Host, Url};

use crate::conformance::{
    direct::Direct,
    front::{Act, Form, Front, Reply},
    stand::Stand,
};

type Checked = Result<(), String>;

/// Keys that the host takes of every connection.
const HOST_KEYS: [&str; 4] = ["zone", "sync_interval", "max_quota_share", "history_days"];

/// Every pair that occurs twice is refused.
fn ensure_unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Checked {
    let mut seen = BTreeSet::new();
    for name in names {
        ensure!(seen.insert(name), "two {what} are called {name}");
    }
    Ok(())
}

/// A word of small letters, digits and a joint, beginning with a letter.
fn is_word(text: &str, joint: char) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with(joint)
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joint)
}

/// The credential fields that sign requests, and whether each is a secret.
fn signing(auth: &Auth) -> Vec<(&str, bool)> {
    match auth {
        Auth::Bearer { field } | Auth::Header { field, .. } => vec![(field, true)],
        Auth::Basic { user, password } => {
            let alone = password.is_none();
            std::iter::once((user.as_str(), alone)).chain(password.as_deref().map(|field| (field, true))).collect()
        }
        Auth::OAuth(_) => Vec::new(),
        Auth::ServiceAccount(account) => vec![(&account.field, true)],
        Auth::AnyOf(ways) => ways.iter().flat_map(signing).collect(),
    }
}

/// C01
pub(crate) async fn is_consistent(stand: &Stand) -> Checked {
    let descriptor = stand.integration.descriptor();
    ensure!(*descriptor == *stand.integration.descriptor(), "it describes itself differently each time");
    ensure!(!descriptor.name.trim().is_empty() && descriptor.name.len() <= 40, "the name is empty or long");
    ensure!(descriptor.summary.len() >= 15, "the summary says nothing");
    ensure!(descriptor.icon.trim_start().starts_with("<svg") && descriptor.icon.len() <= 4096, "no small SVG as icon");
    ensure!(
        !descriptor.icon.contains("<script") && !descriptor.icon.contains("href="),
        "the icon is not just a drawing"
    );
    ensure!(!descriptor.metrics.is_empty(), "it measures nothing");
    ensure!((1..=10_080).contains(&descriptor.sync_interval_minutes), "a sync interval of no use");
    ensure!((1..=3_660).contains(&descriptor.history_days), "a history of no use");
    for metric in &descriptor.metrics {
        ensure!(descriptor.stream(&metric.stream).is_some(), "{} is of no stream that there is", metric.id);
    }
    for stream in &descriptor.streams {
        ensure!(descriptor.metrics_of(&stream.id).next().is_some(), "the stream {} feeds nothing", stream.id);
    }
    for (key, _) in signing(&descriptor.auth) {
        ensure!(descriptor.credentials.iter().any(|field| field.key == key), "{key} signs and is no credential field");
    }
    for field in &descriptor.settings {
        let unknown = field.affects.iter().find(|id| descriptor.stream(id).is_none());
        ensure!(unknown.is_none(), "{} affects the unknown stream {unknown:?}", field.key);
    }
    if let BaseUrl::Setting { key, .. } = &descriptor.base_url {
        let field = descriptor.settings.iter().find(|field| field.key == *key);
        ensure!(field.is_some_and(|field| field.kind == SettingKind::Url), "the base URL's setting {key} is no URL");
    }
    for field in &descriptor.credentials {
        check_pattern(field)?;
    }
    Settings::parse(&descriptor.settings, &serde_json::Map::new())
        .map(drop)
        .map_err(|errors| format!("a default is not a value of its setting: {errors:?}"))
}

fn check_pattern(field: &CredentialField) -> Checked {
    let Some(pattern) = &field.pattern else { return Ok(()) };
    let whole = regex_lite::Regex::new(&format!("^(?:{pattern})$"));
    let whole = whole.map_err(|error| format!("{}: the pattern is none: {error}", field.key))?;
    ensure!(!whole.is_match(""), "{}: the pattern takes nothing for a credential", field.key);
    Ok(())
}

/// C02
pub(crate) async fn has_good_ids(stand: &Stand) -> Checked {
    let descriptor = stand.integration.descriptor();
    ensure!(is_word(&descriptor.id, '-'), "\"{}\" is no id", descriptor.id);
    // An id of several words may be shortened to its initials, by all metrics alike.
    let initials: String = descriptor.id.split('-').filter_map(|word| word.chars().next()).collect();
    let own = format!("{}_", descriptor.id.replace('-', "_"));
    let short = Some(format!("{initials}_")).filter(|_| initials.len() > 1);
    let is_short = short.as_ref().is_some_and(|short| descriptor.metrics.iter().any(|one| one.id.starts_with(short)));
    let prefix = short.filter(|_| is_short).unwrap_or(own);
    for metric in &descriptor.metrics {
        let noun = metric.id.strip_prefix(&prefix);
        ensure!(noun.is_some_and(|noun| is_word(noun, '_')), "{} is not {prefix}<noun>", metric.id);
    }
    ensure_unique("metrics", descriptor.metrics.iter().map(|metric| metric.id.as_str()))?;
    ensure_unique("streams", descriptor.streams.iter().map(|stream| stream.id.as_str()))?;
    let settings = descriptor.settings.iter().map(|field| field.key.as_str());
    let credentials = descriptor.credentials.iter().map(|field| field.key.as_str());
    for key in settings.clone().chain(credentials.clone()) {
        ensure!(is_word(key, '_'), "\"{key}\" is no key of a field");
    }
    ensure_unique("fields", settings.chain(credentials).chain(HOST_KEYS))
}

/// C03
pub(crate) async fn marks_secrets(stand: &Stand) -> Checked {
    let descriptor = stand.integration.descriptor();
    let sounds_secret = |text: &str| {
        let text = text.to_lowercase();
        ["secret", "password", "token", "api_key", "apikey", "api key", "private key"].iter().any(|w| text.contains(w))
    };
    for field in &descriptor.credentials {
        let signs = signing(&descriptor.auth).contains(&(field.key.as_str(), true));
        let is_secret = signs || sounds_secret(&field.key) || sounds_secret(&field.label);
        ensure!(!is_secret || field.kind == FieldKind::Password, "{} holds a secret and is not typed so", field.key);
        for (what, text) in [("label", &field.label), ("help", &field.help_text), ("placeholder", &field.placeholder)] {
            ensure!(!text.trim().is_empty(), "the field {} has no {what}", field.key);
        }
        for (prefix, sentence) in &field.rejected_prefixes {
            ensure!(
                !prefix.is_empty() && sentence.len() >= 15,
                "{}: {prefix:?} is refused without a reason",
                field.key
            );
        }
        if let Some(link) = &field.link {
            let is_https = Url::parse(link).is_ok_and(|url| url.scheme() == "https");
            ensure!(is_https, "{}: {link} is no page", field.key);
        }
    }
    for field in &descriptor.settings {
        ensure!(!sounds_secret(&field.key), "the setting {} is a secret, which belongs to the credentials", field.key);
        ensure!(!field.label.trim().is_empty(), "the setting {} has no label", field.key);
        ensure!(!field.help_text.trim().is_empty(), "the setting {} has no help", field.key);
    }
    Ok(())
}

/// C04
pub(crate) async fn names_its_hosts(stand: &Stand) -> Checked {
    let descriptor = stand.integration.descriptor();
    let (BaseUrl::Fixed(base) | BaseUrl::Setting { default: base, .. }) = &descriptor.base_url;
    let url = Url::parse(base).map_err(|error| format!("the base URL {base} is none: {error}"))?;
    ensure!(url.scheme() == "https", "the base URL {base} is not https");
    ensure!(url.query().is_none() && url.username().is_empty(), "the base URL {base} has more than a place");
    let own = url.host_str().unwrap_or_default().to_owned();
    for host in descriptor.hosts.iter().chain([&own]) {
        let parsed = Host::parse(host);
        let is_name = matches!(&parsed, Ok(Host::Domain(name)) if name == host);
        // A wildcard, a port, a path or an address is no name; a name without a dot is a whole top-level domain.
        ensure!(is_name && host.trim_matches('.').contains('.') && !host.starts_with('.'), "{host} is no host by name");
        ensure!(host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')), "{host} is a wildcard");
    }
    ensure_unique("hosts", descriptor.hosts.iter().map(String::as_str))
}

/// C05
pub(crate) async fn defines_its_metrics(stand: &Stand) -> Checked {
    for metric in &stand.integration.descriptor().metrics {
        define(metric).map_err(|why| format!("{}: {why}", metric.id))?;
        if let Some(effect) = &metric.exchange_effect {
            let descriptor = stand.integration.descriptor();
            let is = |id: &str, kind| {
                let found = descriptor.metric(id).map(|metric| (metric.kind, metric.unit));
                found == Some((kind, Unit::Currency))
            };
            let moved = [&metric.id].into_iter().chain(&effect.added).chain(&effect.subtracted);
            for id in moved {
                ensure!(is(id, Kind::Flow), "{}: {id} is no flow of money", metric.id);
            }
            ensure!(is(&effect.of, Kind::Level), "{}: {} is no level of money", metric.id, effect.of);
        }
    }
    Ok(())
}

fn define(metric: &Definition) -> Checked {
    let is_quotient = metric.kind == Kind::Ratio;
    let may_be = is_quotient || metric.kind == Kind::Statistic;
    ensure!(!metric.name.trim().is_empty(), "no name");
    ensure!(metric.description.len() >= 10, "no description");
    ensure!(is_word(&metric.category, '_'), "\"{}\" is no category", metric.category);
    ensure!(metric.definition >= 1, "no version of its definition");
    ensure!(metric.retention_days != Some(0), "the provider could never answer");
    ensure!(metric.settles_after_days <= 100, "it never settles");
    ensure!(may_be || !matches!(metric.unit, Unit::Percent | Unit::Ratio), "a quotient has to be a ratio");
    ensure!(!is_quotient || !matches!(metric.unit, Unit::Count | Unit::Bytes), "a ratio is not counted in things");
    ensure!(may_be || metric.valid != ValidRange::Share, "only a ratio is a share");
    ensure!(metric.widget_type != WidgetType::Table || metric.dimension.is_some(), "a table without a dimension");
    ensure!(!matches!(metric.unit, Unit::Decimal { scale } if scale > 12), "too many digits");
    let is_share = is_quotient && matches!(metric.unit, Unit::Percent | Unit::Ratio);
    ensure!(is_share || !metric.of_money, "only a share can be of money");
    Ok(())
}

/// C06: over the real layer, since a descriptor's exceptions are only as good as what they lead to.
pub(crate) async fn covers_the_error_table(stand: &Stand) -> Checked {
    use FailureKind::{
        Forbidden, InvalidResponse, NotFound, PlanRequired, RateLimited, Rejected, Unauthorized, Unavailable,
    };
    let descriptor = stand.integration.descriptor();
    check_exceptions(&descriptor)?;
    let front = Front::alone().await.map_err(|error| error.to_string())?;
    let empty = |status| Reply::json(status, "{}");
    let table: [(Reply, &[FailureKind]); 15] = [
        (empty(400), &[Rejected]),
        (empty(401), &[Unauthorized]),
        (empty(402), &[PlanRequired]),
        (empty(403), &[Forbidden, PlanRequired]),
        (empty(404), &[NotFound]),
        (empty(408), &[Unavailable]),
        (empty(409), &[Rejected, Unavailable]),
        (empty(422), &[Rejected]),
        (empty(429), &[RateLimited]),
        (empty(500), &[Unavailable]),
        (empty(502), &[Unavailable]),
        (empty(503), &[Unavailable]),
        (empty(504), &[Unavailable]),
        (Reply::html(), &[InvalidResponse]),
        (empty(200).form(Form::Silence), &[Unavailable]),
    ];
    for (reply, expected) in table {
        let (status, form) = (reply.status, reply.form);
        front.rule(move |_| Act::Reply(reply.clone()));
        // Each with a client of its own, or a limit that one answer set would hold the next request back.
        let direct = Direct::open(&Stand::bare(stand.integration.clone()), &front.url, &stand.valid)?;
        let found = direct.http().get("/anything").json::<Vec<u8>>().await.err().map(|error| error.kind());
        let is_expected = found.is_some_and(|kind| expected.contains(&kind));
        ensure!(is_expected, "{status} ({form:?}) is taken for {found:?}, not for {expected:?}");
    }
    Ok(())
}

fn check_exceptions(descriptor: &Descriptor) -> Checked {
    let mut settled = BTreeSet::new();
    for exception in &descriptor.exceptions {
        ensure!((200..600).contains(&exception.status), "{} is no status", exception.status);
        ensure!(settled.insert(exception.status), "no exception for {} is reached any more", exception.status);
        match &exception.when {
            When::Always => {}
            When::BodyContains(text) => ensure!(text.len() >= 4, "\"{text}\" is in every answer"),
            When::Header { name, .. } => ensure!(!name.trim().is_empty(), "a header without a name"),
        }
        if exception.when != When::Always {
            settled.remove(&exception.status);
        }
        let softens = exception.status == 401 && !matches!(exception.means, Meaning::Failure(_));
        ensure!(!softens, "a refused credential would be tried again");
    }
    Ok(())
}

/// C07: every text that the form, the catalogue and the docs are made of is there.
pub(crate) async fn documents_itself(stand: &Stand) -> Checked {
    let descriptor = stand.integration.descriptor();
    let mut texts: Vec<(String, String)> = vec![
        ("the name".to_owned(), descriptor.name.clone()),
        ("the summary".to_owned(), descriptor.summary.clone()),
        ("the guide".to_owned(), descriptor.guide.clone()),
    ];
    for field in &descriptor.credentials {
        texts.push((format!("the label of {}", field.key), field.label.clone()));
        texts.push((format!("the help of {}", field.key), field.help_text.clone()));
    }
    for field in &descriptor.settings {
        texts.push((format!("the label of {}", field.key), field.label.clone()));
        texts.push((format!("the help of {}", field.key), field.help_text.clone()));
        if let SettingKind::Choice { values } = &field.kind {
            ensure!(values.len() >= 2, "{} gives no choice", field.key);
            texts.extend(
                values.iter().map(|choice| (format!("{} of {}", choice.value, field.key), choice.label.clone())),
            );
        }
    }
    for metric in &descriptor.metrics {
        texts.push((format!("the name of {}", metric.id), metric.name.clone()));
        texts.push((format!("the description of {}", metric.id), metric.description.clone()));
    }
    for (what, text) in &texts {
        ensure!(!text.trim().is_empty(), "{what} is empty");
        let unfinished = ["__", "lorem", concat!("to", "do"), concat!("fix", "me")];
        let left = unfinished.iter().find(|mark| text.to_lowercase().contains(*mark));
        ensure!(left.is_none(), "{what} is unfinished: {left:?}");
    }
    ensure_unique("metrics by name", descriptor.metrics.iter().map(|metric| metric.name.as_str()))?;
    let labels = descriptor.credentials.iter().map(|field| field.label.as_str());
    ensure_unique("fields by label", labels.chain(descriptor.settings.iter().map(|field| field.label.as_str())))?;
    ensure!(descriptor.guide.len() >= 200, "the guide says next to nothing");
    ensure!(descriptor.guide.lines().any(|line| line.starts_with('#')), "the guide has no heading");
    Ok(())
}

/// C08
pub(crate) async fn declares_costs(stand: &Stand) -> Checked {
    let descriptor = stand.integration.descriptor();
    let limits = &descriptor.limits;
    ensure!(!limits.windows.is_empty(), "no limit is declared");
    ensure!((1..=64).contains(&limits.concurrent), "{} calls at once", limits.concurrent);
    ensure!(!limits.wait_unless_said.is_zero(), "a limit would be met again at once");
    ensure!(limits.wait_unless_said <= Duration::from_secs(3600), "a limit would be waited on for too long");
    for window in &limits.windows {
        ensure!(window.calls > 0 && !window.per.is_zero(), "a window without calls or length");
    }
    if let Some(headers) = &limits.headers {
        for name in [&headers.limit, &headers.remaining, &headers.reset] {
            ensure!(!name.trim().is_empty(), "a limit header without a name");
        }
    }
    for stream in &descriptor.streams {
        ensure!(stream.cost.contains("call"), "the stream {} does not say what it costs", stream.id);
        ensure!(stream.version >= 1, "the stream {} has no version", stream.id);
        ensure!(stream.shape != Shape::ByDay { window_days: 0 }, "the stream {} has windows of no days", stream.id);
    }
    Ok(())
}
