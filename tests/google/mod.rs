//! The Google Analytics integration over a real store against the emulator: figures that agree with the company's books,
//! what a sync costs, and what limits and late counts leave behind.

use std::{collections::BTreeMap, sync::Arc};

use dashtray::{
    clock::Clock,
    connections::{ConnectRequest, Overrides},
    demo::{
        Analytics, Company, Emulators, GOOGLE_PROPERTY, GOOGLE_READER, GoogleProperty, Options, Uncertain,
        authorization::service_account_key,
    },
    integrations::google_analytics::GoogleAnalytics,
    metric::{Day, Interval, Period, Quality, Zone},
    secret::Secret,
    series::{self, GetRequest, PointView, SeriesView},
    sync::RunStatus,
};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::support::{
    app::{MASTER_KEY, Outside, Process},
    database::Database,
};

const NOW: &str = "2026-03-31T12:00:00Z";
const TABLES: [&str; 3] = ["ga_pages", "ga_sources", "ga_countries"];

fn company() -> Arc<Company> {
    static COMPANY: std::sync::OnceLock<Arc<Company>> = std::sync::OnceLock::new();
    COMPANY.get_or_init(|| Arc::new(Company::generate(7, NOW.parse().unwrap()))).clone()
}

fn zone() -> Zone {
    "Europe/Berlin".parse().unwrap()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// The 90 days of a first sync.
fn history() -> Period {
    Period::inclusive(day("2026-01-01"), day("2026-03-31"))
}

/// A Google, and a place to keep what is read of it.
struct Place {
    emulators: Emulators,
    db: Database,
}

impl Place {
    async fn new(options: Options) -> Self {
        Self { emulators: Emulators::start(company(), options).await.unwrap(), db: Database::sqlite().await }
    }

    /// A process over the place at an instant.
    async fn open(&self, at: &str) -> Process {
        let url = self.emulators.url("google-analytics").parse().unwrap();
        let overrides = Overrides { provider_urls: BTreeMap::from([("google-analytics".to_owned(), url)]), now: None };
        let outside = Outside { overrides, ..Outside::default() };
        let clock = Clock::ticking_from(at.parse::<Timestamp>().unwrap());
        Process::start_over(&self.db, vec![Arc::new(GoogleAnalytics)], clock, MASTER_KEY, outside).await
    }

    async fn connected(&self) -> Process {
        let process = self.open(NOW).await;
        let request = ConnectRequest {
            project: "default".to_owned(),
            integration_id: "google-analytics".to_owned(),
            name: Some("site".to_owned()),
            credentials: BTreeMap::from([(
                "service_account".to_owned(),
                Secret::new(service_account_key(GOOGLE_READER)),
            )]),
            settings: json!({ "property": GOOGLE_PROPERTY }).as_object().cloned().unwrap(),
        };
        process.connections.connect(request).await.unwrap();
        process
    }

    fn asked(&self) -> u64 {
        self.emulators.count("google-analytics")
    }
}

/// The series of a metric over all days of the history, or of one that begins with them.
async fn series(app: &Process, metric: &str, by_dimension: bool) -> Vec<SeriesView> {
    let request = GetRequest {
        project: "default".to_owned(),
        metric_id: metric.to_owned(),
        connection: None,
        from: Some(history().start()),
        to: history().last(),
        interval: Interval::Day,
        by_dimension,
        now: NOW.parse().unwrap(),
    };
    series::get(&app.store, &app.registry, &request).await.unwrap()
}

async fn points(app: &Process, metric: &str) -> BTreeMap<Day, PointView> {
    let [one] = <[SeriesView; 1]>::try_from(series(app, metric, false).await).unwrap();
    one.points.into_iter().map(|point| (point.date, point)).collect()
}

/// What a metric should show, as it leaves.
fn expected(metric: &str, truth: &Analytics) -> Json {
    let share = |part: i64| match truth.sessions {
        0 => Json::Null,
        // Rounded half up; a share of whole numbers is never negative.
        of => {
            let hundredths = (part * 20_000 + of) / (2 * of);
            json!(format!("{}.{:02}", hundredths / 100, hundredths % 100))
        }
    };
    match metric {
        "ga_users" => json!(truth.users),
        "ga_new_users" => json!(truth.new_users),
        "ga_total_users" => json!(truth.total_users),
        "ga_sessions" => json!(truth.sessions),
        "ga_engaged_sessions" => json!(truth.engaged_sessions),
        "ga_pageviews" => json!(truth.pageviews),
        "ga_events" => json!(truth.events),
        "ga_key_events" => json!(truth.key_events),
        "ga_bounce_rate" => share(truth.sessions - truth.engaged_sessions),
        "ga_engagement_rate" => share(truth.engaged_sessions),
        "ga_revenue" => json!(format!("{}.{:02}", truth.revenue / 100, truth.revenue % 100)),
        "ga_session_duration" if truth.sessions == 0 => Json::Null,
        "ga_session_duration" => {
            let ms = (truth.seconds * 2000 + truth.sessions) / (2 * truth.sessions);
            let text = format!("{}.{:03}", ms / 1000, ms % 1000);
            json!(text.trim_end_matches('0').trim_end_matches('.'))
        }
        other => panic!("{other}"),
    }
}

const DAILY: [&str; 12] = [
    "ga_users",
    "ga_new_users",
    "ga_total_users",
    "ga_sessions",
    "ga_engaged_sessions",
    "ga_pageviews",
    "ga_events",
    "ga_key_events",
    "ga_bounce_rate",
    "ga_engagement_rate",
    "ga_session_duration",
    "ga_revenue",
];

/// Compares every metric of every day, and every table, with the company's books.
async fn agrees(app: &Process, company: &Company) {
    let truth: BTreeMap<Day, Analytics> =
        history().days().map(|day| (day, company.analytics(Period::single(day), &zone()))).collect();
    for metric in DAILY {
        let points = points(app, metric).await;
        assert_eq!(points.len(), truth.len(), "{metric}");
        for (day, point) in &points {
            assert_eq!(json!(point.value), expected(metric, &truth[day]), "{metric} of {day}");
            assert_eq!(point.quality, Quality::Exact);
        }
    }
    for metric in TABLES {
        let of = |day: &Day| match metric {
            "ga_pages" => &truth[day].pages,
            "ga_sources" => &truth[day].sources,
            _ => &truth[day].countries,
        };
        let all = series(app, metric, true).await;
        let named: Vec<&SeriesView> = all.iter().filter(|one| one.dimension.is_some()).collect();
        assert!(named.len() >= 7, "{metric} has {} rows", named.len());
        for one in named {
            let name = one.dimension.as_ref().unwrap();
            for point in &one.points {
                let count = of(&point.date).get(name).copied().unwrap_or(0);
                assert_eq!(json!(point.value), json!(count), "{metric} {name} of {}", point.date);
            }
        }
        let names: Vec<_> = all.iter().filter_map(|one| one.dimension.clone()).collect();
        for day in truth.keys() {
            assert!(of(day).keys().all(|name| names.contains(name)), "{metric} of {day} lacks a row");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_agrees_with_the_companys_books_and_so_does_one_days_later() {
    let place = Place::new(Options::default()).await;
    let app = place.connected().await;
    let before = place.asked();
    let run = app.run("site").await;
    assert_eq!(run.status, RunStatus::Ok, "{:?}", run.error);
    assert!(place.asked() - before <= 5, "a first sync takes {} requests", place.asked() - before);
    agrees(&app, &place.emulators.company()).await;
    let today = points(&app, "ga_sessions").await;
    assert!(today[&day("2026-03-28")].provisional && !today[&day("2026-03-27")].provisional);

    // Three days on, late visits are counted too: the days that were provisional are read again.
    let later = "2026-04-03T12:00:00Z";
    place.emulators.advance(later.parse().unwrap());
    let app = place.open(later).await;
    app.run("site").await;
    let settled = points(&app, "ga_sessions").await;
    let grown = |day: &Day| json!(settled[day].value).as_i64() > json!(today[day].value).as_i64();
    assert!(grown(&day("2026-03-30")), "some of yesterday's visits were not counted yet");
    agrees(&app, &place.emulators.company()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_where_nothing_changed_costs_at_most_five_requests_and_writes_nothing() {
    let place = Place::new(Options::default()).await;
    let app = place.connected().await;
    app.run("site").await;
    let before = place.asked();
    let run = app.run("site").await;
    assert_eq!((run.status, run.samples_written), (RunStatus::Ok, 0));
    assert!(place.asked() - before <= 5, "{} requests", place.asked() - before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_runs_low_ends_the_run_until_it_starts_anew() {
    let place = Place::new(Options::default()).await;
    let app = place.connected().await;
    // Somebody else has used nearly all of it: less than a tenth is left.
    place.emulators.use_up_google_tokens(13_000);
    let run = app.run("site").await;
    assert_eq!(run.status, RunStatus::RateLimited, "{:?}", run.error);
    let again = run.retry_at.unwrap().to_string();
    assert!(again.starts_with("2026-03-31T13:00:00"), "{again}");
    let read = points(&app, "ga_sessions").await;
    assert!(read.values().all(|point| point.value.is_some()), "what came before is kept");

    // In the next hour it goes on where it stopped.
    place.emulators.wait(std::time::Duration::from_secs(3600));
    let app = place.open("2026-03-31T13:00:01Z").await;
    assert_eq!(app.run("site").await.status, RunStatus::Ok);
    agrees(&app, &place.emulators.company()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_google_marks_as_uncertain_is_kept_as_an_estimate_with_the_reason() {
    let uncertain = Uncertain { sampled: true, thresholded: true, other_row: true };
    let property = GoogleProperty { uncertain, ..GoogleProperty::site("Europe/Berlin") };
    let place = Place::new(Options { google_properties: vec![property], ..Options::default() }).await;
    let app = place.connected().await;
    assert_eq!(app.run("site").await.status, RunStatus::Ok);
    for point in points(&app, "ga_users").await.values() {
        assert_eq!(point.quality, Quality::Estimated, "{point:?}");
        let facts = point.metadata.as_ref().unwrap();
        assert_eq!((&facts["events_read"], &facts["events_in_all"]), (&json!("10000000"), &json!("24680135")));
        assert_eq!((&facts["thresholded"], &facts["other_row"]), (&json!(true), &json!(true)));
    }
}
