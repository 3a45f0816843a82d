//! What was read equals what the generator knows, day by day, for every metric that it knows.

use std::collections::BTreeMap;

use dashtray::{
    demo::{
        Company, GITHUB_TOKEN, STRIPE_KEY, Truth,
        company::{Days, Money, Movement, RepositoryTruth},
    },
    metric::{Day, Exact, Period, Zone, exact},
};
use serde_json::{Value as Json, json};

use super::{
    list,
    sandbox::{NOW, Sandbox, company, stripe_file},
    text,
};

const FROM: &str = "2026-01-01";
const TODAY: &str = "2026-03-31";

/// One of the movements of a day.
type Moved = fn(&Movement) -> &Exact;
/// A rate of 30 days.
type Rate = fn(&Movement) -> Option<Exact>;
/// One of the amounts of a day.
type Part = fn(&Money) -> i64;

/// What a series has to be: values by day. A day that is missing is zero of a flow, empty of a ratio, and of a level of
/// which only the present is known whatever is there.
enum Expected {
    Flow(BTreeMap<Day, Json>),
    Level(Json),
    Sparse(BTreeMap<Day, Json>),
    /// A level whose past cannot be asked.
    OnlyNow(Json),
}

use Expected::{Flow, Level, OnlyNow, Sparse};

fn truth() -> (std::sync::Arc<Company>, Truth) {
    let company = company();
    let truth = company.truth(&Zone::utc());
    (company, truth)
}

fn counts(days: &Days) -> Expected {
    Flow(days.iter().map(|(day, count)| (*day, json!(count))).collect())
}

/// How many customers there were at the end of each day, without those who are deleted by now.
fn customers(truth: &Truth) -> Expected {
    let days = Period::inclusive(FROM.parse().unwrap(), TODAY.parse().unwrap()).days();
    let later = |day: Day| truth.new_customers.range(day.next()..).map(|(_, count)| count).sum::<i64>();
    Flow(days.map(|day| (day, json!(truth.customers - later(day)))).collect())
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
            Level(_) => (point["value"].clone(), text(&point["state"])),
            OnlyNow(value) if text(&point["date"]) == TODAY => {
                (value.clone(), if *value == zero { "zero" } else { "value" })
            }
            OnlyNow(_) => (Json::Null, "beyond_retention"),
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
    one(&sandbox, "stripe_customers", customers(&truth)).await;
    one(&sandbox, "stripe_new_customers", counts(&truth.new_customers)).await;
    // What became unpaid is lost as well.
    let mut churned = truth.churned_subscriptions.clone();
    truth.unpaid_subscriptions.iter().for_each(|(day, count)| *churned.entry(*day).or_default() += count);
    for (metric, books) in
        [("stripe_new_subscriptions", &truth.new_subscriptions), ("stripe_churned_subscriptions", &churned)]
    {
        // Of the last 29 days events tell everything.
        for (day, value) in by_currency(&sandbox, metric).await[""].iter().rev().take(29) {
            assert_eq!(*value, json!(books.get(day).copied().unwrap_or(0)), "{metric} on {day}");
        }
    }
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

/// The series of a metric by currency, as values by day.
async fn by_currency(sandbox: &Sandbox, metric: &str) -> BTreeMap<String, BTreeMap<Day, Json>> {
    let values = |series: &Json| -> BTreeMap<Day, Json> {
        let value = |point: &Json| (text(&point["date"]).parse().unwrap(), point["value"].clone());
        list(&series["points"]).iter().map(value).collect()
    };
    let all = read(sandbox, metric, "").await;
    all.iter().map(|series| (series["currency"].as_str().unwrap_or_default().to_owned(), values(series))).collect()
}

/// What an amount or quotient leaves as, where there is one.
fn shown(value: Option<Exact>, digits: u8) -> Json {
    value.map_or(Json::Null, |value| json!(exact::to_decimal(&value, digits).unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_of_stripe_agrees_with_the_books() {
    let (_, truth) = truth();
    let sandbox = Sandbox::new().await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    sandbox.sync("stripe", 0).await;
    let days: Vec<Day> = Period::inclusive(FROM.parse().unwrap(), TODAY.parse().unwrap()).days().collect();
    // Events tell all of the last 29 days. Before that invoices tell, and not everything: which customers that concerns
    // is held where the integration is tested.
    let is_told = |day: Day| day > days[89].plus(-29);
    let mut wrong: Vec<String> = Vec::new();
    let mut hold = |what: &str, day: Day, is: &Json, should: Json| {
        if *is != should && is_told(day) {
            wrong.push(format!("{what} on {day} is {is} and should be {should}"));
        }
    };

    for (currency, values) in by_currency(&sandbox, "stripe_mrr").await {
        for day in &days[..89] {
            let minor = truth.mrr_history[day].get(&currency).copied().unwrap_or(0);
            hold(&format!("MRR in {currency}"), *day, &values[day], money(minor, &currency));
        }
    }
    let parts: [(&str, Moved); 5] = [
        ("new", |of| &of.new),
        ("expansion", |of| &of.expansion),
        ("contraction", |of| &of.contraction),
        ("churned", |of| &of.churned),
        ("reactivation", |of| &of.reactivation),
    ];
    let mut moved: BTreeMap<&str, BTreeMap<String, BTreeMap<Day, Json>>> = BTreeMap::new();
    for (name, part) in parts {
        let series = by_currency(&sandbox, &format!("stripe_mrr_{name}")).await;
        for (currency, values) in &series {
            for day in &days {
                let none = Movement::default();
                let of = truth.movements[day].by_currency.get(currency).unwrap_or(&none);
                let digits = if currency == "JPY" { 0_u32 } else { 2 };
                let is = exact::parse_decimal(text(&values[day])).unwrap() * exact::from_int(10_i64.pow(digits));
                // The largest of a day takes what rounding leaves.
                if (is - part(of)).abs() > exact::from_int(2) {
                    hold(&format!("{name} in {currency}"), *day, &values[day], shown(Some(part(of).clone()), 2));
                }
            }
        }
        moved.insert(name, series);
    }
    // The day before and all movements come to the day, to the last unit.
    for (currency, values) in by_currency(&sandbox, "stripe_mrr").await {
        let amount = |value: &Json| exact::parse_decimal(text(value)).unwrap();
        let part =
            |name: &str, day: Day| moved[name].get(&currency).map_or_else(Exact::default, |of| amount(&of[&day]));
        for pair in days.windows(2) {
            let gains = part("new", pair[1]) + part("expansion", pair[1]) + part("reactivation", pair[1]);
            let losses = part("contraction", pair[1]) + part("churned", pair[1]);
            assert_eq!(amount(&values[&pair[0]]) + gains - losses, amount(&values[&pair[1]]), "{currency} {}", pair[1]);
        }
    }

    // A rate compares with 30 days before, which no event tells of: it is near.
    let near = |is: &Json, should: Option<&Exact>, by: i64| {
        let is = is.as_str().map(|value| exact::parse_decimal(value).unwrap());
        match (is, should) {
            (Some(is), Some(should)) => (is - should).abs() <= exact::from_int(by),
            (is, should) => is.is_none() && should.is_none(),
        }
    };
    let churn = by_currency(&sandbox, "stripe_churn_rate").await;
    for (place, day) in days.iter().enumerate() {
        let rate = truth.months[day].churn_rate().filter(|_| place >= 29).map(|rate| rate * exact::from_int(100));
        assert!(near(&churn[""][day], rate.as_ref(), 2), "churn rate on {day}: {} {rate:?}", churn[""][day]);
    }
    let shares: [(&str, Rate); 4] = [
        ("stripe_mrr_churn_rate", Movement::gross_churn),
        ("stripe_net_mrr_churn_rate", Movement::net_churn),
        ("stripe_nrr", Movement::net_retention),
        ("stripe_grr", Movement::gross_retention),
    ];
    for (metric, share) in shares {
        // Where few pay, one that is off by a few days is much.
        for (currency, values) in by_currency(&sandbox, metric).await.into_iter().filter(|(code, _)| code == "USD") {
            for (place, day) in days.iter().enumerate() {
                let of = truth.months[day].by_currency.get(&currency).filter(|_| place >= 29);
                let share = of.and_then(share).map(|share| share * exact::from_int(100));
                let is = &values[day];
                assert!(near(is, share.as_ref(), 4), "{metric} in {currency} on {day}: {is} {share:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
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
    let level = |count: i64| OnlyNow(json!(count));
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
        "contributors" => Flow(truth.contributors.iter().map(|(day, authors)| (*day, json!(authors.len()))).collect()),
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

/// An account of one subscription that was upgraded, discounted, paused, resumed and canceled, first read when all of that
/// is over: each day is worth what it was, and the movements of the month add up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_subscription_is_followed_through_ninety_days() {
    let company = std::sync::Arc::new(Company::story(NOW.parse().unwrap()));
    let sandbox = Sandbox::of(company.clone()).await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    sandbox.sync("stripe", 0).await;

    let worth: BTreeMap<Day, Json> = Period::inclusive(FROM.parse().unwrap(), TODAY.parse().unwrap())
        .days()
        .filter_map(|day| {
            let steps = company.story_steps();
            let last = steps.iter().rev().find(|step| Day::of(step.at, &Zone::utc()) <= day)?;
            Some((day, money(last.monthly, "USD")))
        })
        .collect();
    each_currency(&sandbox, "stripe_mrr", BTreeMap::from([("USD".to_owned(), Flow(worth.clone()))])).await;

    // The sum of all movements is what is left in the end.
    let mut left = 0;
    for (metric, sign) in [("new", 1), ("expansion", 1), ("reactivation", 1), ("contraction", -1), ("churned", -1)] {
        let series = read(&sandbox, &format!("stripe_mrr_{metric}"), "").await;
        let cents = |point: &Json| text(&point["value"]).replace('.', "").parse::<i64>().unwrap();
        let sum: i64 = list(&series[0]["points"]).iter().filter(|point| !point["value"].is_null()).map(cents).sum();
        assert!(sum > 0, "{metric} happens in the story");
        left += sign * sum;
    }
    assert_eq!(left, 0, "it is canceled");

    let receipt = sandbox.json("explain stripe_mrr").await;
    assert_eq!((&receipt["value"], list(&receipt["terms"]).len()), (&json!("0.00"), 0));
    let left_out = &list(&receipt["excluded"])[0];
    assert_eq!((&left_out["reason"], &left_out["amount"]), (&json!("cancelled"), &json!("60.00")));
}
