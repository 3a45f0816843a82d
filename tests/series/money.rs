//! Amounts of several currencies: what each says, what they make together, and what exchange rates alone did.

use std::{collections::BTreeMap, sync::Arc};

use dashtray::{
    metric::{Day, Interval, Period, Quality, Sample, State, Value, exact},
    series::{self, GetRequest, Number, PointView, SeriesView, rates},
};
use serde_json::json;

use super::{day, request};
use crate::support::{
    app::Process,
    books::{Books, money},
    database::{Database, on_both},
};

const NOW: &str = "2026-03-10T12:00:00Z";

on_both! {
    beginning_movements_and_what_rates_did_add_up_to_the_end,
    what_rates_did_is_unknown_where_a_part_of_it_is,
    without_a_foreign_currency_rates_do_nothing,
    a_share_of_money_is_read_in_each_currency_and_in_all,
}

fn days(first: &str, last: &str) -> Period {
    Period::inclusive(day(first), day(last))
}

/// Euros gain in worth, then lose; some are gained and some dollars lost meanwhile.
fn books() -> Books {
    let books = Books::default();
    books.say("books_mrr", days("2026-03-01", "2026-03-04"), money(100_000, "EUR"));
    books.say_as(
        "books_mrr",
        days("2026-03-05", "2026-03-05"),
        Value::Money(money(110_001, "EUR")),
        Quality::Estimated,
    );
    books.say("books_mrr", days("2026-03-06", "2026-03-10"), money(110_001, "EUR"));
    books.say("books_mrr", days("2026-03-01", "2026-03-06"), money(50_000, "USD"));
    books.say("books_mrr", days("2026-03-07", "2026-03-10"), money(45_000, "USD"));
    books.say("books_mrr_new", days("2026-03-05", "2026-03-05"), money(10_001, "EUR"));
    books.say("books_mrr_churned", days("2026-03-07", "2026-03-07"), money(5_000, "USD"));
    books
}

const RATES: &str = "date,base,quote,rate\n2026-03-01,EUR,USD,1.10\n2026-03-04,EUR,USD,1.05\n\
    2026-03-06,EUR,USD,1.0777\n2026-03-09,EUR,USD,1.0333\n";

/// Reads the books into a connection that reports in dollars.
async fn read(db: &Database, books: &Books, rates_file: &str) -> Process {
    let process = Process::start(db, vec![Arc::new(books.clone())], NOW).await;
    process.store.load_rates(&rates::parse(rates_file).unwrap()).await.unwrap();
    process.connect("books", "main", json!({"reporting_currency": "USD"})).await;
    process.run("main").await;
    process
}

fn of_history(metric_id: &str) -> GetRequest {
    GetRequest { from: Some(day("2026-03-01")), now: NOW.parse().unwrap(), ..request(metric_id) }
}

async fn all(process: &Process, request: &GetRequest) -> Vec<SeriesView> {
    series::get(&process.store, &process.registry, request).await.unwrap()
}

/// The points of a metric as one currency, by date.
async fn in_dollars(process: &Process, request: &GetRequest) -> BTreeMap<Day, PointView> {
    let mut series = all(process, request).await;
    // What is counted in dollars alone needs no converted series.
    series.retain(|series| series.converted || series.currency == Some("USD".parse().unwrap()));
    let newest = series.pop().unwrap();
    newest.points.into_iter().map(|point| (point.date, point)).collect()
}

/// Cents of a point.
fn cents(point: &PointView) -> i64 {
    let Some(Number::Decimal(text)) = &point.value else { panic!("{point:?} has no value") };
    exact::round_scaled(&exact::parse_decimal(text).unwrap(), 2).unwrap()
}

async fn beginning_movements_and_what_rates_did_add_up_to_the_end(db: Database) {
    let process = read(&db, &books(), RATES).await;
    let mrr = in_dollars(&process, &of_history("books_mrr")).await;
    let new = in_dollars(&process, &of_history("books_mrr_new")).await;
    let churned = in_dollars(&process, &of_history("books_mrr_churned")).await;
    let fx = in_dollars(&process, &of_history("books_mrr_fx")).await;
    let mut moved = 0;
    for date in days("2026-03-02", "2026-03-10").days() {
        let (begin, end) = (cents(&mrr[&date.plus(-1)]), cents(&mrr[&date]));
        assert_eq!(begin + cents(&new[&date]) - cents(&churned[&date]) + cents(&fx[&date]), end, "{date}");
        moved += i64::from(cents(&fx[&date]) != 0);
    }
    assert_eq!(moved, 3, "each new rate moved what stood in euros");
    let fallen = &fx[&day("2026-03-04")];
    assert_eq!(fallen.value, Some(Number::Decimal("-50.00".into())), "1,000 euros from 1.10 to 1.05 dollars");
    let metadata = fallen.metadata.as_ref().unwrap();
    assert_eq!(metadata["rates_before"]["EUR"]["rate"], "1.100000");
    assert_eq!(metadata["rates"]["EUR"]["rate"], "1.050000");
    assert_eq!(fx[&day("2026-03-03")].state, State::Zero);

    // As sure as its least sure part.
    let quality = |date: &str| fx[&day(date)].quality;
    let around = ["2026-03-04", "2026-03-05", "2026-03-06", "2026-03-07"].map(quality);
    assert_eq!(around, [Quality::Exact, Quality::Estimated, Quality::Estimated, Quality::Exact]);
    assert!(fx[&day("2026-03-10")].provisional && !fx[&day("2026-03-05")].provisional);

    // A week is the sum of its days.
    let weekly = |metric: &str| GetRequest { interval: Interval::Week, ..of_history(metric) };
    let [mrr, new, churned, fx] = ["books_mrr", "books_mrr_new", "books_mrr_churned", "books_mrr_fx"]
        .map(|metric| async { in_dollars(&process, &weekly(metric)).await });
    let (mrr, new, churned, fx) = (mrr.await, new.await, churned.await, fx.await);
    let (before, week) = (day("2026-02-23"), day("2026-03-02"));
    assert_eq!(mrr[&before].value, Some(Number::Decimal("1600.00".into())), "the level of Sunday 1 March");
    assert_eq!(
        cents(&mrr[&before]) + cents(&new[&week]) - cents(&churned[&week]) + cents(&fx[&week]),
        cents(&mrr[&week])
    );
    assert_eq!(fx[&before].value, None, "its only day has none before it");

    let native = &all(&process, &of_history("books_mrr_fx")).await[0];
    assert!(!native.converted && native.points.iter().all(|point| point.state == State::Zero), "{native:?}");
}

async fn what_rates_did_is_unknown_where_a_part_of_it_is(db: Database) {
    let books = books();
    books.say("books_mrr", days("2026-03-08", "2026-03-08"), money(1, "GBP"));
    let process = read(&db, &books, RATES).await;
    let fx = in_dollars(&process, &of_history("books_mrr_fx")).await;
    let told = |date: &str| (fx[&day(date)].value.clone(), fx[&day(date)].reason.clone().unwrap_or_default());
    let (value, reason) = told("2026-03-01");
    assert_eq!((value, reason.as_str()), (None, "mrr of 2026-02-28 is not known: the history begins after it"));
    for date in ["2026-03-08", "2026-03-09"] {
        let (value, reason) = told(date);
        assert_eq!(value, None, "{date}");
        assert!(reason.starts_with("mrr of 2026-03-08: no exchange rate from GBP to USD"), "{date}: {reason}");
    }
    assert!(told("2026-03-07").0.is_some() && told("2026-03-10").0.is_some());

    // The first day that is asked for has one before it, unless the history begins there.
    let later = GetRequest { from: Some(day("2026-03-04")), ..of_history("books_mrr_fx") };
    let first = in_dollars(&process, &later).await.into_values().next().unwrap();
    assert_eq!((first.date, first.value), (day("2026-03-04"), Some(Number::Decimal("-50.00".into()))));
}

async fn without_a_foreign_currency_rates_do_nothing(db: Database) {
    let books = Books::default();
    books.say("books_mrr", days("2026-03-01", "2026-03-10"), money(100, "USD"));
    let process = read(&db, &books, RATES).await;
    let series = all(&process, &of_history("books_mrr_fx")).await;
    let shown: Vec<_> = series.iter().map(|series| (series.currency.unwrap().to_string(), series.converted)).collect();
    assert_eq!(shown, [("USD".to_owned(), false)]);
}

async fn a_share_of_money_is_read_in_each_currency_and_in_all(db: Database) {
    let books = Books::default();
    let gained = |date: &str, gained: i64, lost: i64, code: &str| {
        let share = Value::money_share(money(gained, code), money(lost, code));
        books.say_of("books_quick_ratio", Sample::new(day(date), share));
    };
    gained("2026-03-05", 300, 200, "USD");
    gained("2026-03-05", 100, 400, "EUR");
    gained("2026-03-06", 300, 200, "USD");
    gained("2026-03-06", 100, 0, "EUR");
    let process = read(&db, &books, "date,base,quote,rate\n2026-03-05,EUR,USD,2\n").await;
    let series = all(&process, &of_history("books_quick_ratio")).await;
    let shown: Vec<(String, bool, Vec<Option<String>>)> = series
        .iter()
        .map(|series| {
            let values = ["2026-03-05", "2026-03-06", "2026-03-07"].map(|date| {
                let point = series.points.iter().find(|point| point.date == day(date)).unwrap();
                assert_eq!(point.state == State::Empty, point.value.is_none(), "{point:?}");
                point.value.as_ref().map(ToString::to_string)
            });
            (series.currency.unwrap().to_string(), series.converted, values.into())
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    let expected = [
        ("EUR".to_owned(), false, vec![some("0.2500"), None, None]),
        ("USD".to_owned(), false, vec![some("1.5000"), some("1.5000"), None]),
        // (300 + 2 × 100) ÷ (200 + 2 × 400), and (300 + 2 × 100) ÷ 200.
        ("USD".to_owned(), true, vec![some("0.5000"), some("2.5000"), None]),
    ];
    let mut sorted = shown;
    sorted.sort();
    assert_eq!(sorted, expected);
}
