//! What was read equals what the generator knows, day by day, for every metric that it knows.

use std::collections::BTreeMap;

use dashtray::{
    demo::{
        Company, GITHUB_TOKEN, STRIPE_KEY, Truth,
        company::{Days, Money, RepositoryTruth},
    },
    metric::{Day, Exact, Zone, exact},
};
use serde_json::{Value as Json, json};

use super::{
    list,
    sandbox::{Sandbox, company, stripe_file},
    text,
};

const FROM: &str = "2026-01-01";
const TODAY: &str = "2026-03-31";

/// One of the amounts of a day.
type Part = fn(&Money) -> i64;

/// What a series has to be: values by day. A day that is missing is zero of a flow, empty of a ratio and not asked of a
/// level, which only today has.
enum Expected {
    Flow(BTreeMap<Day, Json>),
    Level(Json),
    Sparse(BTreeMap<Day, Json>),
}

use Expected::{Flow, Level, Sparse};

fn truth() -> (std::sync::Arc<Company>, Truth) {
    let company = company();
    let truth = company.truth(&Zone::utc());
    (company, truth)
}

fn counts(days: &Days) -> Expected {
    Flow(days.iter().map(|(day, count)| (*day, json!(count))).collect())
}

/// Minor units as they leave.
fn money(minor: i64, currency: &str) -> Json {
    json!(exact::format_scaled(minor, if currency == "JPY" { 0 } else { 2 }))
}

fn percent(of: &Days, and: &Days) -> Expected {
    let days = of.keys().chain(and.keys());
    Sparse(
        days.map(|day| {
            let count = |days: &Days| days.get(day).copied().unwrap_or(0);
            let share = exact::fraction(100 * count(of), count(of) + count(and)).unwrap();
            (*day, json!(exact::to_decimal(&share, 2).unwrap()))
        })
        .collect(),
    )
}

/// Holds a series against what is expected of it.
#[track_caller]
fn compare(series: &Json, expected: &Expected) {
    let points = list(&series["points"]);
    assert_eq!(points.len(), 90, "every asked day has a point");
    let zero = if series["unit"] == "currency" { money(0, text(&series["currency"])) } else { json!(0) };
    let name = format!("{} {} {}", series["metric_id"], series["dimension"], series["currency"]);
    for point in points {
        let day: Day = text(&point["date"]).parse().unwrap();
        let (value, state) = match expected {
            Flow(days) => match days.get(&day).unwrap_or(&zero) {
                value if *value == zero => (value.clone(), "zero"),
                value => (value.clone(), "value"),
            },
            Level(value) if text(&point["date"]) == TODAY => {
                (value.clone(), if *value == zero { "zero" } else { "value" })
            }
            Level(_) => (Json::Null, "beyond_retention"),
            Sparse(days) => match days.get(&day) {
                Some(value) if text(value).trim_matches(['0', '.']).is_empty() => (value.clone(), "zero"),
                Some(value) => (value.clone(), "value"),
                None => (Json::Null, "empty"),
            },
        };
        assert_eq!((&point["value"], text(&point["state"])), (&value, state), "{name} on {day}");
    }
}

async fn read(sandbox: &Sandbox, metric: &str, more: &str) -> Vec<Json> {
    let view = sandbox.json(&format!("get {metric} --from {FROM} --to {TODAY} {more}")).await;
    list(&view["series"]).to_vec()
}

/// A metric that is not money: one series.
async fn one(sandbox: &Sandbox, metric: &str, expected: Expected) {
    let series = read(sandbox, metric, "").await;
    assert_eq!(series.len(), 1, "{metric}");
    compare(&series[0], &expected);
}

/// Money: one series a currency.
async fn each_currency(sandbox: &Sandbox, metric: &str, expected: BTreeMap<String, Expected>) {
    let mut series = read(sandbox, metric, "").await;
    series.sort_by_key(|series| text(&series["currency"]).to_owned());
    let currencies: Vec<&str> = series.iter().map(|series| text(&series["currency"])).collect();
    assert_eq!(currencies, expected.keys().collect::<Vec<_>>(), "{metric}");
    series.iter().zip(expected.values()).for_each(|(series, expected)| compare(series, expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stripe_agrees_with_the_books() {
    let (_, truth) = truth();
    let sandbox = Sandbox::new().await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    sandbox.sync("stripe", 0).await;

    one(&sandbox, "stripe_active_subscriptions", Level(json!(truth.active_subscriptions))).await;
    one(&sandbox, "stripe_trialing_subscriptions", Level(json!(truth.trialing_subscriptions))).await;
    one(&sandbox, "stripe_customers", Level(json!(truth.customers))).await;
    one(&sandbox, "stripe_new_customers", counts(&truth.new_customers)).await;
    one(&sandbox, "stripe_new_subscriptions", counts(&truth.new_subscriptions)).await;
    one(&sandbox, "stripe_churned_subscriptions", counts(&truth.churned_subscriptions)).await;
    one(&sandbox, "stripe_failed_payments", counts(&truth.failed_payments)).await;
    one(&sandbox, "stripe_payment_success_rate", percent(&truth.succeeded_payments, &truth.failed_payments)).await;

    let rounded = |months: i64| {
        let mut sums: BTreeMap<&str, Exact> = BTreeMap::new();
        for ((currency, _), amount) in &truth.mrr_by_price {
            *sums.entry(currency).or_default() += amount;
        }
        let level = |(currency, sum): (&str, Exact)| {
            let minor = exact::round(&(sum * exact::from_int(months))).unwrap();
            (currency.to_owned(), Level(money(minor, currency)))
        };
        sums.into_iter().map(level).collect::<BTreeMap<_, _>>()
    };
    let of_books = truth.mrr.iter().map(|(code, minor)| (code.clone(), Level(money(*minor, code)))).collect();
    each_currency(&sandbox, "stripe_mrr", of_books).await;
    each_currency(&sandbox, "stripe_arr", rounded(12)).await;

    let parts: [(&str, Part); 5] = [
        ("stripe_revenue", |money| money.revenue),
        ("stripe_gross_volume", |money| money.gross),
        ("stripe_refunds", |money| -money.refunds),
        ("stripe_fees", |money| money.fees),
        ("stripe_net", |money| money.net),
    ];
    for (metric, part) in parts {
        let mut expected: BTreeMap<String, BTreeMap<Day, Json>> = BTreeMap::new();
        for (day, by_currency) in truth.money.iter().filter(|(day, _)| **day >= FROM.parse().unwrap()) {
            for (code, amounts) in by_currency {
                expected.entry(code.clone()).or_default().insert(*day, money(part(amounts), code));
            }
        }
        each_currency(&sandbox, metric, expected.into_iter().map(|(code, days)| (code, Flow(days))).collect()).await;
    }

    let mut plans: BTreeMap<(String, String), Json> = BTreeMap::new();
    for series in read(&sandbox, "stripe_mrr_by_plan", "").await {
        let key = (text(&series["currency"]).to_owned(), text(&series["dimension"]).to_owned());
        plans.insert(key, list(&series["points"])[89]["value"].clone());
    }
    let rounded = |((code, price), amount): (&(String, String), &Exact)| {
        ((code.clone(), price.clone()), money(exact::round(amount).unwrap(), code))
    };
    assert_eq!(plans, truth.mrr_by_price.iter().map(rounded).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn github_agrees_with_the_books_in_sum_and_by_repository() {
    let (company, truth) = truth();
    let sandbox = Sandbox::new().await;
    let repositories: Vec<&String> = truth.repositories.keys().collect();
    assert!(repositories.len() > 2, "{repositories:?}");
    let file = json!({"credentials": {"token": GITHUB_TOKEN}, "settings": {"owner": company.github.organization}});
    sandbox.connect("github", &file).await;
    sandbox.sync("github", 0).await;

    for metric in CODE {
        let sum = truth.repositories.values().fold(RepositoryTruth::default(), joined);
        one(&sandbox, &format!("github_{metric}"), code(&sum, metric)).await;
        let mut each = read(&sandbox, &format!("github_{metric}"), "--by-dimension").await;
        each.sort_by_key(|series| text(&series["dimension"]).to_owned());
        let names: Vec<&str> = each.iter().map(|series| text(&series["dimension"])).collect();
        assert_eq!(names, repositories, "{metric}");
        for (series, truth) in each.iter().zip(truth.repositories.values()) {
            if !has_issues(&company, text(&series["dimension"])) && metric.starts_with("issues") {
                let off = list(&series["points"])
                    .iter()
                    .all(|point| point["value"] == Json::Null && point["state"] != "zero");
                assert!(off, "issues are switched off: {series}");
                continue;
            }
            if !metric.starts_with("traffic") {
                compare(series, &code(truth, metric));
            }
        }
    }
    for (place, metric) in
        ["traffic_views", "traffic_unique_views", "traffic_clones", "traffic_unique_clones"].into_iter().enumerate()
    {
        for series in read(&sandbox, &format!("github_{metric}"), "--by-dimension").await {
            let known = &truth.repositories[text(&series["dimension"])].traffic;
            let points = list(&series["points"]);
            for point in &points[76..] {
                let day: Day = text(&point["date"]).parse().unwrap();
                let expected = known.get(&day).map_or(0, |counts| counts[place]);
                assert_eq!(point["value"], expected, "{metric} of {} on {day}", series["dimension"]);
            }
            assert!(points[..76].iter().all(|point| point["state"] == "beyond_retention"), "{metric}");
        }
    }
}

fn has_issues(company: &Company, repository: &str) -> bool {
    company.github.repositories.iter().any(|one| one.full_name() == repository && one.has_issues)
}

const CODE: [&str; 18] = [
    "stars",
    "new_stars",
    "forks",
    "watchers",
    "commits",
    "contributors",
    "open_issues",
    "open_prs",
    "issues_opened",
    "issues_closed",
    "prs_opened",
    "prs_merged",
    "pr_merge_time",
    "releases",
    "release_downloads",
    "workflow_runs",
    "workflow_success_rate",
    "workflow_duration",
];

fn code(truth: &RepositoryTruth, metric: &str) -> Expected {
    let level = |count: i64| Level(json!(count));
    match metric {
        "stars" => level(truth.stars),
        "forks" => level(truth.forks),
        "watchers" => level(truth.watchers),
        "open_issues" => level(truth.open_issues),
        "open_prs" => level(truth.open_prs),
        "release_downloads" => level(truth.release_downloads),
        "new_stars" => counts(&truth.new_stars),
        "commits" => counts(&truth.commits),
        "issues_opened" => counts(&truth.issues_opened),
        "issues_closed" => counts(&truth.issues_closed),
        "prs_opened" => counts(&truth.prs_opened),
        "prs_merged" => counts(&truth.prs_merged),
        "releases" => counts(&truth.releases),
        "workflow_runs" => counts(&truth.workflow_runs),
        "contributors" => {
            Flow(truth.contributors.iter().map(|(day, authors)| (*day, json!(authors.len()))).collect())
        }
        "workflow_duration" => Sparse(
            truth.workflow_runs.iter().map(|(day, runs)| (*day, mean(truth.workflow_seconds[day], *runs))).collect(),
        ),
        "workflow_success_rate" => percent(&truth.workflow_successes, &truth.workflow_failures),
        "pr_merge_time" => Sparse(truth.pr_merge_seconds.iter().map(|(day, all)| (*day, median(all))).collect()),
        other => panic!("{other} is not in the books"),
    }
}

/// Seconds, with a half where two are in the middle.
fn median(seconds: &[i64]) -> Json {
    let mut sorted = seconds.to_vec();
    sorted.sort_unstable();
    let doubled = sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2];
    let half = if doubled % 2 == 1 { ".5" } else { "" };
    json!(format!("{}{half}", doubled / 2))
}

/// Seconds with up to three decimals, rounded half up.
fn mean(seconds: i64, count: i64) -> Json {
    let ms = (2000 * seconds + count) / (2 * count);
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    json!(text.trim_end_matches('0').trim_end_matches('.'))
}

/// Two repositories as one.
fn joined(mut sum: RepositoryTruth, one: &RepositoryTruth) -> RepositoryTruth {
    sum.stars += one.stars;
    sum.forks += one.forks;
    sum.watchers += one.watchers;
    sum.open_issues += one.open_issues;
    sum.open_prs += one.open_prs;
    sum.release_downloads += one.release_downloads;
    for (day, authors) in &one.contributors {
        sum.contributors.entry(*day).or_default().extend(authors);
    }
    let parts: [(&mut Days, &Days); 11] = [
        (&mut sum.new_stars, &one.new_stars),
        (&mut sum.commits, &one.commits),
        (&mut sum.issues_opened, &one.issues_opened),
        (&mut sum.issues_closed, &one.issues_closed),
        (&mut sum.prs_opened, &one.prs_opened),
        (&mut sum.prs_merged, &one.prs_merged),
        (&mut sum.releases, &one.releases),
        (&mut sum.workflow_runs, &one.workflow_runs),
        (&mut sum.workflow_successes, &one.workflow_successes),
        (&mut sum.workflow_failures, &one.workflow_failures),
        (&mut sum.workflow_seconds, &one.workflow_seconds),
    ];
    for (into, from) in parts {
        for (day, count) in from {
            *into.entry(*day).or_default() += count;
        }
    }
    for (day, seconds) in &one.pr_merge_seconds {
        sum.pr_merge_seconds.entry(*day).or_default().extend(seconds);
    }
    sum
}
