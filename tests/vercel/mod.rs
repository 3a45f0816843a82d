//! The Vercel integration over a real store against the emulator: whether what was read is what the company did, and what
//! is left when Vercel forgets it.

use std::{collections::BTreeMap, sync::Arc};

use dashtray::{
    clock::Clock,
    connections::{ConnectRequest, Connections, Overrides},
    demo::{
        Company, Emulators, Options, Truth, VERCEL_TEAM_TOKEN, VERCEL_TOKEN, VercelToken,
        company::{Days, ProjectTruth, Usage},
    },
    http::ClientConfig,
    integrations::Registry,
    metric::{Currency, Day, Interval, Period, State, Zone, exact},
    secret::Secret,
    series::{self, GetRequest, PointView, SeriesView},
    store::NewProject,
    sync::{Range, RunStatus, RunView, Syncer},
    vault::{Vault, VaultKeys},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use crate::support::{
    app::{MASTER_KEY, Process},
    database::Database,
};

const NOW: &str = "2026-03-31T12:00:00Z";
/// One of the things that are used.
type Part = fn(&Usage) -> i64;

const BUILDS: [&str; 9] = [
    "deployments",
    "deployments_success",
    "deployments_failed",
    "deployments_production",
    "deployments_preview",
    "build_time",
    "build_time_p95",
    "build_success_rate",
    "queue_time",
];

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn company() -> Arc<Company> {
    static COMPANY: std::sync::OnceLock<Arc<Company>> = std::sync::OnceLock::new();
    COMPANY.get_or_init(|| Arc::new(Company::generate(7, now()))).clone()
}

fn truth() -> &'static Truth {
    static TRUTH: std::sync::OnceLock<Truth> = std::sync::OnceLock::new();
    TRUTH.get_or_init(|| company().truth(&Zone::utc()))
}

/// A Vercel, and a place to keep what is read of it.
struct Place {
    emulators: Emulators,
    db: Database,
}

impl Place {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        Self { emulators: Emulators::start(company(), options).await.unwrap(), db: Database::sqlite().await }
    }

    /// A process over the place, at an instant.
    async fn open(&self, at: Timestamp) -> Process {
        let clock = Clock::ticking_from(at);
        let store = self.db.open().await;
        let new = NewProject { slug: "default".into(), zone: "UTC".into(), currency: Currency::USD };
        // Another process may have made it.
        let _ = store.insert_project(&new, clock.now()).await;
        let vault = Vault::load(&VaultKeys::Text(Secret::new(MASTER_KEY))).unwrap();
        let url = self.emulators.url("vercel").parse().unwrap();
        let overrides = Overrides { provider_urls: BTreeMap::from([("vercel".to_owned(), url)]), now: Some(at) };
        let registry = Registry::builtin();
        let client = ClientConfig::default();
        let connections = Connections::new(store.clone(), vault, registry.clone(), client, clock, overrides).unwrap();
        let sync = Syncer::new(connections.clone(), 4);
        Process { store, connections, sync, registry }
    }
}

async fn connect(process: &Process, token: &str, settings: Json) -> Result<Json, String> {
    let request = ConnectRequest {
        project: "default".to_owned(),
        integration_id: "vercel".to_owned(),
        name: Some("main".to_owned()),
        credentials: BTreeMap::from([("token".to_owned(), Secret::new(token))]),
        settings: settings.as_object().cloned().unwrap(),
    };
    let view = process.connections.connect(request).await.map_err(|error| error.to_string())?;
    Ok(json!(view))
}

/// The series of a metric by project, the total under no name; each point by its day.
async fn series(
    app: &Process,
    metric: &str,
    at: Timestamp,
    interval: Interval,
) -> BTreeMap<String, BTreeMap<Day, PointView>> {
    let today = Day::of(at, &Zone::utc());
    let mut found = BTreeMap::new();
    for by_dimension in [false, true] {
        let request = GetRequest {
            project: "default".to_owned(),
            metric_id: format!("vercel_{metric}"),
            connection: None,
            from: Some(today.plus(-89)),
            to: Some(today),
            interval,
            by_dimension,
            now: at,
        };
        for SeriesView { dimension, points, .. } in series::get(&app.store, &app.registry, &request).await.unwrap() {
            let points = points.into_iter().map(|point| (point.date, point)).collect();
            found.insert(dimension.unwrap_or_default(), points);
        }
    }
    found
}

fn shown(point: &PointView) -> Option<String> {
    point.value.as_ref().map(ToString::to_string)
}

/// Seconds as they leave.
fn seconds(ms: i64) -> String {
    let text = exact::format_scaled(ms, 3);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What the books say of a day of some projects; `None` where there is no value.
fn expected(projects: &[&ProjectTruth], metric: &str, day: Day) -> Option<String> {
    let count = |of: fn(&ProjectTruth) -> &Days| -> i64 { projects.iter().filter_map(|one| of(one).get(&day)).sum() };
    let lengths = |of: fn(&ProjectTruth) -> &Days<Vec<i64>>| -> Vec<i64> {
        let mut all: Vec<i64> = projects.iter().filter_map(|one| of(one).get(&day)).flatten().copied().collect();
        all.sort_unstable();
        all
    };
    let mean = |all: Vec<i64>| {
        let mean = exact::fraction(all.iter().sum(), i64::try_from(all.len()).unwrap())?;
        exact::round(&mean).map(seconds)
    };
    match metric {
        "deployments" => Some(count(|one| &one.deployments).to_string()),
        "deployments_success" => Some(count(|one| &one.success).to_string()),
        "deployments_failed" => Some(count(|one| &one.failed).to_string()),
        "deployments_production" => Some(count(|one| &one.production).to_string()),
        "deployments_preview" => Some(count(|one| &one.preview).to_string()),
        "build_time" => mean(lengths(|one| &one.build_ms)),
        "queue_time" => mean(lengths(|one| &one.queue_ms)),
        "build_time_p95" => {
            let all = lengths(|one| &one.build_ms);
            // The first that no more than five of a hundred are longer than.
            all.iter()
                .find(|ms| 100 * all.iter().filter(|other| other > ms).count() <= 5 * all.len())
                .map(|ms| seconds(*ms))
        }
        "build_success_rate" => {
            let (ready, failed) = (count(|one| &one.success), count(|one| &one.failed));
            exact::to_decimal(&exact::fraction(100 * ready, ready + failed)?, 2)
        }
        other => panic!("{other} is not in the books"),
    }
}

async fn run(app: &Process) -> RunView {
    app.run("main").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deployments_agree_with_the_books_in_sum_and_by_project() {
    let place = Place::new().await;
    let app = place.open(now()).await;
    connect(&app, VERCEL_TOKEN, json!({ "team": "fernwerk" })).await.unwrap();
    let view = run(&app).await;
    assert_eq!(view.status, RunStatus::Ok, "{view:?}");

    let all: Vec<&ProjectTruth> = truth().projects.values().collect();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for metric in BUILDS {
        let found = series(&app, metric, now(), Interval::Day).await;
        assert_eq!(
            found.keys().map(String::as_str).collect::<Vec<_>>(),
            ["", "fern", "fern-docs", "website"],
            "{metric}"
        );
        for (project, points) in &found {
            let of = truth().projects.get(project).map_or(all.clone(), |one| vec![one]);
            assert_eq!(points.len(), 90);
            for (day, point) in points {
                assert_eq!(shown(point), expected(&of, metric, *day), "{metric} of {project} on {day}");
                *seen.entry(metric).or_default() += usize::from(point.state == State::Value);
            }
        }
    }
    assert!(seen.values().all(|days| *days > 20), "all of it happens: {seen:?}");
    for (project, points) in series(&app, "deployments_today", now(), Interval::Day).await {
        let of = truth().projects.get(&project).map_or(all.clone(), |one| vec![one]);
        let sum: i64 = of.iter().map(|one| one.deployments_today).sum();
        let last = points.values().next_back().unwrap();
        assert_eq!(shown(last), Some(sum.to_string()), "{project}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weeks_of_ratios_are_made_of_all_their_builds() {
    let place = Place::new().await;
    let app = place.open(now()).await;
    connect(&app, VERCEL_TEAM_TOKEN, json!({ "team": "fernwerk" })).await.unwrap();
    run(&app).await;
    let found = series(&app, "build_time", now(), Interval::Week).await.remove("").unwrap();
    let week: Day = "2026-03-16".parse().unwrap();
    let days = Interval::Week.bucket(week);
    let builds: Vec<i64> = truth()
        .projects
        .values()
        .flat_map(|one| days.days().filter_map(|day| one.build_ms.get(&day)).flatten().copied())
        .collect();
    let mean = exact::fraction(builds.iter().sum(), i64::try_from(builds.len()).unwrap()).unwrap();
    assert_eq!(shown(&found[&week]), exact::round(&mean).map(seconds));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visits_and_usage_agree_with_the_site() {
    let place = Place::new().await;
    let app = place.open(now()).await;
    connect(&app, VERCEL_TOKEN, json!({ "team": "fernwerk" })).await.unwrap();
    run(&app).await;
    let website = &truth().projects["website"];
    for (metric, days) in [("pageviews", &website.pageviews), ("visitors", &website.visitors)] {
        let found = series(&app, metric, now(), Interval::Day).await;
        // The others do not count visitors, so that these are all.
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), ["", "website"], "{metric}");
        for points in found.values() {
            for (day, point) in points {
                assert_eq!(shown(point), Some(days[day].to_string()), "{metric} on {day}");
            }
        }
    }
    let parts: [(&str, Part); 3] = [
        ("function_invocations", |usage| usage.invocations),
        ("bandwidth", |usage| usage.bytes),
        ("edge_requests", |usage| usage.requests),
    ];
    for (metric, of) in parts {
        let found = series(&app, metric, now(), Interval::Day).await;
        assert_eq!(found.len(), 4, "{metric}");
        for (project, points) in &found {
            for (day, point) in points.iter().rev().take(30) {
                let used = truth().projects.iter().filter(|(name, _)| project.is_empty() || *name == project);
                let sum: i64 = used.map(|(_, one)| of(&one.usage[day])).sum();
                assert_eq!(shown(point), Some(sum.to_string()), "{metric} of {project} on {day}");
            }
        }
        let before = found[""].values().next().unwrap();
        assert_eq!(before.state, State::BeyondRetention, "{metric}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_without_the_rest_is_said_and_degrades_nothing() {
    let options = Options { vercel_lacks: vec!["web_analytics", "observability"], ..Options::default() };
    let place = Place::with(options).await;
    let app = place.open(now()).await;
    let account = connect(&app, VERCEL_TOKEN, json!({ "team": "fernwerk" })).await.unwrap();
    let failed: Vec<&str> = account["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["ok"] == false)
        .filter_map(|check| check["id"].as_str())
        .collect();
    assert_eq!(failed, ["web_analytics", "observability"]);
    let view = run(&app).await;
    assert_eq!(view.status, RunStatus::Ok, "{view:?}");
    let connection = app.connections.list("default").await.unwrap().remove(0);
    assert_eq!((connection.state.as_str(), connection.reason), ("ok", None));
    for (metric, word) in [("visitors", "Web Analytics"), ("edge_requests", "Observability Plus")] {
        let points = series(&app, metric, now(), Interval::Day).await.remove("").unwrap();
        let last = points.values().next_back().unwrap();
        assert_eq!(last.state, State::Unsupported, "{metric}");
        assert!(last.reason.as_ref().is_some_and(|reason| reason.contains(word)), "{last:?}");
    }
    assert_eq!(series(&app, "deployments", now(), Interval::Day).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_by_age_still_counts_on_its_day() {
    let place = Place::new().await;
    let app = place.open(now()).await;
    connect(&app, VERCEL_TOKEN, json!({ "team": "fernwerk" })).await.unwrap();
    run(&app).await;
    let before = series(&app, "deployments", now(), Interval::Day).await;
    // Previews of February are gone by June.
    let later = now() + SignedDuration::from_hours(24 * 80);
    place.emulators.advance(later);
    let forgotten = company().at(later).truth(&Zone::utc());
    let day: Day = "2026-02-10".parse().unwrap();
    let sum = |truth: &Truth| truth.projects.values().filter_map(|one| one.deployments.get(&day)).sum::<i64>();
    assert!(sum(&forgotten) < sum(truth()), "Vercel shows less of it");

    let app = place.open(later).await;
    let range = Range { from: Some("2026-01-15".parse().unwrap()), to: None };
    let view = app.run_range("main", range).await;
    assert_eq!(view.status, RunStatus::Ok, "{view:?}");
    let after = series(&app, "deployments", later, Interval::Day).await;
    for (project, points) in &before {
        for (day, point) in points.iter().filter(|(day, _)| after[project].contains_key(day)) {
            // The youngest days were not over, or what they held was under way.
            if *day < "2026-03-29".parse().unwrap() {
                assert_eq!(shown(&after[project][day]), shown(point), "{project} on {day}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_read_again_until_it_has_ended() {
    // While the newest build of yesterday was running.
    let projects = company().projects();
    let yesterday = Zone::utc().start_of("2026-03-31".parse().unwrap()).as_millisecond();
    let all = projects.iter().flat_map(|project| &project.deployments);
    let built = all.filter(|one| one.created_ms < yesterday && one.state == "READY" && one.source == "git");
    let began_ms = built.filter_map(|one| one.building_ms).max().unwrap();
    let during = Timestamp::from_millisecond(began_ms + 2_000).unwrap();
    let early = company().at(during);
    let emulators = Emulators::start(Arc::new(early), Options::default()).await.unwrap();
    let place = Place { emulators, db: Database::sqlite().await };
    let app = place.open(during).await;
    connect(&app, VERCEL_TOKEN, json!({ "team": "fernwerk" })).await.unwrap();
    run(&app).await;
    let day = Day::of(during, &Zone::utc());
    let success = |found: &BTreeMap<String, BTreeMap<Day, PointView>>| shown(&found[""][&day]);
    let before = series(&app, "deployments_success", during, Interval::Day).await;
    place.emulators.advance(now());
    let app = place.open(now()).await;
    run(&app).await;
    let after = series(&app, "deployments_success", now(), Interval::Day).await;
    let all: Vec<&ProjectTruth> = truth().projects.values().collect();
    assert_eq!(success(&after), expected(&all, "deployments_success", day));
    assert_ne!(success(&before), success(&after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_finds_nothing_new_asks_little() {
    let place = Place::new().await;
    let app = place.open(now()).await;
    connect(&app, VERCEL_TOKEN, json!({ "team": "fernwerk" })).await.unwrap();
    run(&app).await;
    let asked = place.emulators.count("vercel");
    assert_eq!(run(&app).await.status, RunStatus::Ok);
    // Projects, deployments, visits of a day, what observability offers, and three queries; visits of the open week and month.
    let again = place.emulators.count("vercel") - asked;
    assert!(again <= 12, "{again} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_named_projects_are_measured_and_one_that_is_not_there_is_named() {
    let place = Place::new().await;
    let app = place.open(now()).await;
    let error = connect(&app, VERCEL_TOKEN, json!({ "team": "fernwerk", "projects": ["nix"] })).await.unwrap_err();
    assert!(error.contains("there is no project nix"), "{error}");
    let account =
        connect(&app, VERCEL_TOKEN, json!({ "team": "fernwerk", "projects": ["website", "nix"] })).await.unwrap();
    assert_eq!(account["account"]["label"], "Fernwerk: website, nix");
    let view = run(&app).await;
    assert_eq!(view.status, RunStatus::Partial, "{view:?}");
    let found = series(&app, "deployments", now(), Interval::Day).await;
    let website = vec![&truth().projects["website"]];
    let day: Day = "2026-03-20".parse().unwrap();
    assert_eq!(shown(&found["website"][&day]), expected(&website, "deployments", day));
    assert!(matches!(found[""][&day].state, State::Failed(_)), "a sum without one part would be wrong");
    assert!(!found.contains_key("fern"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_that_is_wrong_or_missing_is_said_with_what_there_is() {
    let place = Place::with(Options {
        vercel_tokens: vec![VercelToken::full("a"), VercelToken::full("b").limited_to_team()],
        ..Options::default()
    })
    .await;
    let app = place.open(now()).await;
    let error = connect(&app, "a", json!({ "team": "acme" })).await.unwrap_err();
    assert!(error.contains("no team \"acme\"") && error.contains("fernwerk"), "{error}");
    let error = connect(&app, "b", json!({})).await.unwrap_err();
    assert!(error.contains("limited to a team") && error.contains("fernwerk"), "{error}");
    let error = connect(&app, "c", json!({ "team": "fernwerk" })).await.unwrap_err();
    assert!(error.contains("refused"), "{error}");
    let account = connect(&app, "b", json!({ "team": "fernwerk" })).await.unwrap();
    assert_eq!(account["choices"]["team"][0]["value"], "fernwerk");
    let projects: Vec<&str> =
        account["choices"]["projects"].as_array().unwrap().iter().filter_map(|one| one["value"].as_str()).collect();
    assert_eq!(projects.len(), 3, "{projects:?}");
    let whole = Period::inclusive("2026-03-01".parse().unwrap(), "2026-03-31".parse().unwrap());
    assert!(truth().total("vercel_deployments", None, whole).is_some_and(|sum| sum > 50));
}
