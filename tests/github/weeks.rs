//! Weeks and months: of contributors and of the time to merge made of what their days hold, of visitors asked for.

use std::collections::{BTreeMap, BTreeSet};

use dashtray::{
    demo::company::Traffic,
    metric::{Period, State},
    series::PointView,
};

use super::*;

/// The weeks or months of a metric that begin this year.
async fn by(app: &Process, metric: &str, interval: Interval, by_dimension: bool) -> Vec<SeriesView> {
    let first = if interval == Interval::Week { "2026-01-05" } else { "2026-01-01" };
    let request = GetRequest {
        project: "default".to_owned(),
        metric_id: metric.to_owned(),
        connection: None,
        from: Some(first.parse().unwrap()),
        to: None,
        interval,
        by_dimension,
        now: now(),
    };
    series::get(&app.store, &app.registry, &request).await.unwrap()
}

/// The middle of whole seconds, as it leaves.
fn median(mut seconds: Vec<i64>) -> Json {
    seconds.sort_unstable();
    let middle = seconds.len() / 2;
    match seconds.len() {
        0 => Json::Null,
        odd if odd % 2 == 1 => json!(seconds[middle].to_string()),
        _ => {
            let sum = seconds[middle - 1] + seconds[middle];
            json!(if sum % 2 == 0 { (sum / 2).to_string() } else { format!("{}.5", sum / 2) })
        }
    }
}

/// What each bucket of a series must be.
fn judge(series: &SeriesView, interval: Interval, expected: impl Fn(Period) -> Json) {
    assert!(series.points.len() > 2);
    for point in &series.points {
        let PointView { date, value, state, reason, .. } = point;
        let expected = expected(interval.bucket(*date));
        assert_eq!(json!(value), expected, "{} {:?} {date} {state:?} {reason:?}", series.metric_id, series.dimension);
    }
}

/// The requests for commits and pull requests that were made more often than their days need: a list of several pages
/// that may change meanwhile is looked at twice.
fn repeated(requests: &[Request]) -> Vec<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    requests.iter().for_each(|request| *times.entry(line(request)).or_default() += 1);
    let is_too_often =
        |line: &str, times: usize| line.contains("/commits?") && times > 1 || line.contains("/pulls?") && times > 2;
    times.into_iter().filter(|(line, times)| is_too_often(line, *times)).map(|(line, _)| line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weeks_and_months_are_those_of_the_company_and_cost_no_request() {
    let place = Place::new(company()).await;
    let app = place.open(NOW).await;
    connect(&app, "main", GITHUB_TOKEN, json!({ "owner": "fernwerk" })).await;
    for push in [false, true] {
        if push {
            // Somebody new pushes today; the days before stay as they are.
            place.emulators.company_mut(|company| {
                let newcomer = company.github.people.len();
                company.github.people.push(("newcomer".to_owned(), 9_999_999));
                let fern = company.github.repositories.iter_mut().find(|one| one.name == "fern").unwrap();
                let mut pushed = fern.commits.last().unwrap().clone();
                (pushed.sha, pushed.committed) = ("f".repeat(40), now());
                (pushed.author, pushed.has_account) = (newcomer, true);
                fern.commits.push(pushed);
            });
        }
        let asked = place.asked();
        app.run("main").await;
        assert_eq!(repeated(&place.since(asked)), Vec::<String>::new(), "the days have told everything");
        let truth = place.emulators.company().truth(&dashtray::metric::Zone::utc()).repositories;
        for interval in [Interval::Week, Interval::Month] {
            let authors = |bucket: Period, names: &[&String]| {
                let of = names.iter().flat_map(|name| &truth[*name].contributors);
                let days = of.filter(|(day, _)| bucket.contains(**day));
                json!(days.flat_map(|(_, authors)| authors).collect::<BTreeSet<_>>().len())
            };
            let merged = |bucket: Period, names: &[&String]| {
                let of = names.iter().flat_map(|name| &truth[*name].pr_merge_seconds);
                median(of.filter(|(day, _)| bucket.contains(**day)).flat_map(|(_, all)| all.clone()).collect())
            };
            let parts = by(&app, "github_contributors", interval, true).await;
            let names: Vec<String> = parts.iter().filter_map(|series| series.dimension.clone()).collect();
            let all: Vec<&String> = names.iter().collect();
            assert!(all.len() > 3);
            judge(&by(&app, "github_contributors", interval, false).await[0], interval, |bucket| authors(bucket, &all));
            judge(&by(&app, "github_pr_merge_time", interval, false).await[0], interval, |bucket| merged(bucket, &all));
            for (series, name) in parts.iter().zip(&names) {
                judge(series, interval, |bucket| authors(bucket, &[name]));
            }
            for series in by(&app, "github_pr_merge_time", interval, true).await {
                let name = series.dimension.clone().unwrap();
                judge(&series, interval, |bucket| merged(bucket, &[&name]));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unique_visitors_are_asked_for_by_week_within_the_fourteen_days_and_have_no_months() {
    let place = Place::new(company()).await;
    let app = place.open(NOW).await;
    connect(&app, "main", GITHUB_TOKEN, json!({ "repositories": ["fernwerk/fern"] })).await;
    app.run("main").await;
    let truth = place.emulators.company().truth(&dashtray::metric::Zone::utc()).repositories;
    let first_told = Day::of(now(), &dashtray::metric::Zone::utc()).plus(-13);
    for (metric, which) in [("github_traffic_unique_views", 1), ("github_traffic_unique_clones", 3)] {
        let weeks = by(&app, metric, Interval::Week, false).await.remove(0).points;
        let mut told = 0;
        for point in &weeks {
            let week = Interval::Week.bucket(point.date);
            let days = truth["fernwerk/fern"].traffic.iter().filter(|(day, _)| week.contains(**day));
            let people = Traffic::different(days.map(|(_, counts)| counts[which]));
            let is_told = point.date >= first_told;
            told += usize::from(is_told);
            let expected = if is_told { json!(people) } else { Json::Null };
            assert_eq!(json!(point.value), expected, "{metric} {} {:?}", point.date, point.state);
            assert!(is_told || point.state == State::BeyondRetention, "{metric} {} {:?}", point.date, point.state);
        }
        assert!((1..=2).contains(&told), "of the week in which the fourteen days begin only a part is told");
        for point in by(&app, metric, Interval::Month, false).await.remove(0).points {
            assert_eq!(json!(point.value), Json::Null);
            let is_said = point.reason.as_deref().is_some_and(|reason| reason.contains("not of months"));
            assert!(is_said || point.state == State::BeyondRetention, "{metric} {} {:?}", point.date, point.reason);
        }
    }
    let asked = place.asked();
    assert_eq!(app.run("main").await.samples_written, 0);
    let again: Vec<String> = place.since(asked).iter().map(line).filter(|line| line.contains("per=week")).collect();
    assert_eq!(again, Vec::<String>::new(), "nothing of its days has changed");
}
