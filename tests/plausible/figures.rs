//! The figures are those of the books, day by day and by each dimension.

use dashtray::{
    demo::{
        PlausibleServer,
        company::{Hit, SITE_ZONE, Tally, Visit, tally, tally_by},
    },
    metric::{Period, Zone, exact},
    sync::RunStatus,
};

use super::*;

fn zone() -> Zone {
    SITE_ZONE.parse().unwrap()
}

fn visits(day: Day) -> Vec<Visit> {
    company().web().period(Period::single(day), &zone()).to_vec()
}

fn half_up(a: i64, b: i64) -> i64 {
    (2 * a + b) / (2 * b)
}

/// What Plausible would say of a day, as it leaves here.
fn expected(metric: &str, day: &Tally) -> String {
    let of_visits = |text: String| if day.visits == 0 { "empty".to_owned() } else { text };
    match metric {
        "visitors" => day.visitors().to_string(),
        "visits" => day.visits.to_string(),
        "pageviews" => day.pageviews.to_string(),
        "events" => day.events().to_string(),
        "bounce_rate" => of_visits(format!("{}.00", half_up(100 * day.bounces, day.visits.max(1)))),
        "visit_duration" => of_visits(half_up(day.duration_secs, day.visits.max(1)).to_string()),
        "views_per_visit" => {
            let quotient = exact::fraction(day.pageviews, day.visits);
            quotient.and_then(|quotient| exact::to_decimal(&quotient, 4)).unwrap_or_else(|| "empty".to_owned())
        }
        _ => unreachable!(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_day_of_the_site_is_that_of_the_books_in_the_sites_own_zone() {
    let place = Place::new(Options::default()).await;
    let app = place.open(0).await;
    let view = connect(&app, json!({})).await;
    assert_eq!(view.account.zone.as_deref(), Some(SITE_ZONE));
    assert_eq!(app.run("main").await.status, RunStatus::Ok);
    let metrics = ["visitors", "visits", "pageviews", "events", "bounce_rate", "visit_duration", "views_per_visit"];
    for metric in metrics {
        let view = &series(&app, &format!("plausible_{metric}"), false).await[""];
        assert_eq!(view.points.len(), history().len());
        for (day, found) in said(view) {
            let of_books = tally(&visits(day));
            assert_eq!(found, expected(metric, &of_books), "{metric} of {day}");
        }
    }
    // Clocks change on the 29th: its 23 hours are a day like any other. And on some days the counter was down.
    assert!(!visits("2026-03-29".parse().unwrap()).is_empty());
    assert!(history().days().any(|day| visits(day).is_empty()));
}

/// The books' figures by name, of one day.
fn by_name(day: Day, name: impl Fn(&Visit, &Hit) -> Option<String>, of: fn(&Tally) -> i64) -> BTreeMap<String, i64> {
    tally_by(&visits(day), name).into_iter().map(|(name, tally)| (name, of(&tally))).collect()
}

fn goal(hit: &Hit) -> Option<String> {
    let of_page = (hit.goal.is_none() && hit.page == "/pricing").then(|| "Visit /pricing".to_owned());
    hit.goal.map(str::to_owned).or(of_page)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_of_a_dimension_is_that_of_the_books() {
    let place = Place::new(Options::default()).await;
    let app = place.open(0).await;
    connect(&app, json!({})).await;
    app.run("main").await;
    type OfDay = fn(Day) -> BTreeMap<String, i64>;
    let tables: [(&str, OfDay); 4] = [
        ("plausible_pages", |day| {
            by_name(day, |_, hit| hit.goal.is_none().then(|| hit.page.to_owned()), |tally| tally.pageviews)
        }),
        ("plausible_sources", |day| by_name(day, |visit, _| Some(visit.source.to_owned()), |tally| tally.visits)),
        ("plausible_countries", |day| by_name(day, |visit, _| Some(visit.country.to_owned()), |tally| tally.visits)),
        ("plausible_conversions", |day| by_name(day, |_, hit| goal(hit), Tally::events)),
    ];
    for (metric, of_day) in tables {
        let views = series(&app, metric, true).await;
        assert!(views.len() > 3, "{metric}");
        for (name, view) in views.iter().filter(|(name, _)| !name.is_empty()) {
            for (day, found) in said(view) {
                let of_books = of_day(day).get(name).copied().unwrap_or(0);
                assert_eq!(found, of_books.to_string(), "{metric} {name} of {day}");
            }
        }
        let all: BTreeMap<String, i64> = history().days().flat_map(of_day).collect();
        assert!(all.keys().all(|name| views.contains_key(name)), "{metric}: {:?}", views.keys());
    }
    let rates = series(&app, "plausible_conversion_rate", true).await;
    for (day, found) in said(&rates["Download"]) {
        let (everybody, converted) =
            (tally(&visits(day)).visitors(), by_name(day, |_, hit| goal(hit), Tally::visitors));
        let expected = converted.get("Download").map(|some| exact::format_scaled(half_up(10_000 * some, everybody), 2));
        // A share of nobody, and one that nobody reached.
        let expected = expected.unwrap_or_else(|| "empty".to_owned());
        assert!(found == expected || (expected == "empty" && found == "0.00"), "{day}: {found}, not {expected}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_are_those_that_the_demo_compares_with() {
    let place = Place::new(Options::default()).await;
    let app = place.open(0).await;
    connect(&app, json!({})).await;
    app.run("main").await;
    let truth = company().truth(&zone());
    let sum = |view: &SeriesView| -> exact_sum::Sum { exact_sum::of(said(view).into_iter().map(|(_, text)| text)) };
    for metric in ["plausible_visits", "plausible_pageviews", "plausible_events", "plausible_conversions"] {
        let total = truth.total(metric, None, history()).unwrap();
        assert_eq!(sum(&series(&app, metric, false).await[""]), exact_sum::whole(total), "{metric}");
    }
    let revenue = &series(&app, "plausible_revenue", false).await[""];
    let cents = truth.total("plausible_revenue", revenue.currency, history()).unwrap();
    assert!(cents > 0);
    assert_eq!(sum(revenue), exact_sum::hundredths(cents));
    let bought = &series(&app, "plausible_revenue", true).await["Purchase"];
    assert_eq!(sum(bought), exact_sum::hundredths(cents), "one goal alone has money");
}

/// Sums of what leaves as text.
mod exact_sum {
    use dashtray::metric::{Exact, exact};

    pub(super) type Sum = Exact;

    pub(super) fn of(texts: impl Iterator<Item = String>) -> Sum {
        texts.filter_map(|text| exact::parse_decimal(&text)).fold(exact::from_int(0), |sum, one| sum + one)
    }

    pub(super) fn whole(number: i64) -> Sum {
        exact::from_int(number)
    }

    pub(super) fn hundredths(number: i64) -> Sum {
        exact::fraction(number, 100).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_comes_a_sync_takes_two_requests_and_writes_nothing() {
    let place = Place::new(Options::default()).await;
    let app = place.open(0).await;
    connect(&app, json!({})).await;
    app.run("main").await;
    let asked = place.asked();
    // Later by the clock of runs; the company stands still, and whoever was there has left.
    let app = place.open(10).await;
    let again = app.run("main").await;
    assert_eq!((again.status, place.asked() - asked), (RunStatus::Ok, 2));
    assert_eq!(again.samples_written, 0);
    // Somebody comes: everything of the days that may change is read once more, and nothing else.
    let asked = place.asked();
    place.emulators.advance(now() + jiff::SignedDuration::from_mins(90));
    let app = place.open(90).await;
    let later = app.run("main").await;
    assert!(later.samples_written > 0);
    assert!((7..=11).contains(&(place.asked() - asked)), "{}", place.asked() - asked);
    let today = said(&series(&app, "plausible_sources", true).await["Google"]).pop().unwrap().1;
    let later = place.emulators.company();
    let of_books = later.web().period(Period::single(history().last().unwrap()), &zone());
    let google = of_books.iter().filter(|visit| visit.source == "Google").count();
    assert_eq!(today, google.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_plausible_under_a_path_gives_the_same_figures_without_money() {
    let new = Place::new(Options::default()).await;
    let server =
        PlausibleServer { base: "/stats".to_owned(), only_v1: true, interval: false, ..PlausibleServer::default() };
    let old = Place::new(Options { plausible: server, rate_limits: false, ..Options::default() }).await;
    let (app, other) = (new.open(0).await, old.open(0).await);
    connect(&app, json!({})).await;
    let view = connect(&other, json!({ "base_url": "https://stats.fernwerk.example/stats/" })).await;
    assert_eq!(view.account.id, "site:fernwerk.example@stats.fernwerk.example");
    assert!(view.checks.iter().any(|check| !check.ok && check.costs == ["plausible_revenue"]), "{:?}", view.checks);
    assert_eq!(app.run("main").await.status, RunStatus::Ok);
    let run = other.run("main").await;
    assert_eq!(run.status, RunStatus::Ok, "what a version does not have is no failure: {:?}", run.error);
    for metric in &app.registry.descriptors().next().unwrap().metrics {
        let by_dimension = metric.dimension.is_some();
        let (here, there) =
            (series(&app, &metric.id, by_dimension).await, series(&other, &metric.id, by_dimension).await);
        if metric.id == "plausible_revenue" {
            let states = there.values().flat_map(|view| &view.points);
            assert!(states.into_iter().all(|point| point.state.name() == "unsupported"));
            continue;
        }
        let shown = |views: &BTreeMap<String, SeriesView>| -> Vec<_> {
            views.iter().map(|(name, view)| (name.clone(), said(view))).collect()
        };
        assert_eq!(shown(&here), shown(&there), "{}", metric.id);
    }
}
