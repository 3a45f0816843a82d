//! C40 and C41: amounts of money are exact, of one currency each, and read in the form in which the provider writes them.

use std::collections::{BTreeMap, BTreeSet};

use dashtray::{
    metric::{Currency, Day, Definition, Money, Period, Value, exact},
    series::Number,
    sync::RunStatus,
};
use serde_json::Value as Json;

use super::bronze::fronted;
use crate::conformance::{
    direct::{Direct, Fetched},
    front::{Act, Reply},
    stand::{
        Account, Stand,
        numbers::{Form, Taken, Takings},
    },
    whole::Whole,
};

type Checked = Result<(), String>;

/// Currencies with none, three and two digits, and amounts in their smallest units. The last one has more digits than a
/// float holds.
const AMOUNTS: [(&str, usize, &[i64]); 3] =
    [("JPY", 0, &[3_000, 1]), ("KWD", 3, &[12_345, 5_000, 1]), ("USD", 2, &[10, 20, 9_007_199_254_740_993])];

/// What stands for each currency of an account in its place: all of three digits.
const OTHERS: [(&str, &str); 4] = [("USD", "KWD"), ("EUR", "BHD"), ("JPY", "TND"), ("GBP", "JOD")];

/// Money by day and currency, in smallest units.
type Sums = BTreeMap<(Day, String), i64>;

/// C40
pub(crate) async fn is_exact(stand: &Stand) -> Checked {
    let Some(takings) = &stand.takings else { return has_none(stand).await };
    let first = stand.period().end().plus(-8);
    let (taken, expected) = fixture(takings, first);
    let days: BTreeSet<Day> = expected.keys().map(|(day, _)| *day).collect();
    let all = Period::new(first, first.plus(i32::try_from(days.len()).unwrap_or(0)));
    let windows: Vec<Period> = match takings.mixes {
        true => vec![all],
        // What changes its currency meanwhile is told in one of them at a time.
        false => all.days().map(Period::single).collect(),
    };
    let provider = (takings.start)(taken.clone()).await;
    let direct = Direct::open(stand, &provider.url, &stand.valid)?;
    let mut told = Fetched::default();
    for window in &windows {
        told = direct.fetch_days(&[takings.metric], *window).await?;
    }
    let told = sums(&told, takings.metric)?;
    ensure!(told == expected, "{} took {expected:?} and is {told:?}", takings.metric);
    refuses_to_add(&expected)?;

    // Over a database: all at once, or an account in each currency.
    let currencies = AMOUNTS.map(|(currency, ..)| currency);
    let accounts = if takings.mixes { vec![currencies.to_vec()] } else { currencies.map(|one| vec![one]).to_vec() };
    for currencies in accounts {
        let of_account = taken.iter().filter(|taken| currencies.contains(&taken.currency)).cloned().collect();
        let whole = Whole::over(stand, (takings.start)(of_account).await).await?;
        whole.connect(&stand.valid).await.map_err(|error| error.to_string())?;
        let run = whole.sync_days(all).await?;
        ensure!(run.status == RunStatus::Ok, "the run ends {}", run.status.name());
        let shown = shown(stand, &whole, takings).await?;
        let expected = expected.iter().filter(|((_, code), _)| currencies.contains(&code.as_str()));
        let expected: BTreeMap<(Day, String), String> =
            expected.map(|((day, code), minor)| ((*day, code.clone()), units(*minor, digits(code)))).collect();
        ensure!(shown == expected, "{} should show {expected:?} and shows {shown:?}", takings.metric);
    }
    Ok(())
}

/// Where nothing is money nothing pretends to be.
async fn has_none(stand: &Stand) -> Checked {
    let descriptor = stand.integration.descriptor();
    let metric = descriptor.metrics.iter().find(|metric| metric.has_currency() || metric.exchange_effect.is_some());
    ensure!(metric.is_none(), "{:?} is money, and nothing is known of how it comes", metric.map(|metric| &metric.id));
    let (_provider, front) = fronted(stand, Account::Small).await?;
    let read = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
    let money = read.facts.values().find(|(.., value)| value.currency().is_some());
    ensure!(money.is_none(), "{money:?} is money of no metric that is");
    Ok(())
}

/// What an account takes, and what that comes to.
fn fixture(takings: &Takings, first: Day) -> (Vec<Taken>, Sums) {
    let (mut taken, mut sums) = (Vec::new(), Sums::new());
    let mut take = |day: Day, currency: &'static str, digits: usize, minor: i64| {
        let written = if takings.form == Form::Minor { minor.to_string() } else { units(minor, digits) };
        taken.push(Taken { day, currency, written });
        *sums.entry((day, currency.to_owned())).or_default() += minor;
    };
    let mut day = first;
    for (currency, digits, amounts) in AMOUNTS {
        for minor in amounts {
            take(day, currency, digits, *minor);
            // Who has one currency has one sum a day.
            day = if takings.mixes { day } else { day.next() };
        }
        day = if takings.mixes { day.next() } else { day };
    }
    for (currency, digits, amounts) in AMOUNTS.into_iter().filter(|_| takings.mixes) {
        amounts.iter().for_each(|minor| take(day, currency, digits, *minor));
    }
    (taken, sums)
}

fn digits(code: &str) -> usize {
    AMOUNTS.iter().find(|(currency, ..)| *currency == code).map_or(2, |(_, digits, _)| *digits)
}

/// Whole units with all digits, written without the program's own arithmetic.
fn units(minor: i64, digits: usize) -> String {
    let text = format!("{minor:0>width$}", width = digits + 1);
    let (whole, rest) = text.split_at(text.len() - digits);
    if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") }
}

fn sums(told: &Fetched, metric: &str) -> Result<Sums, String> {
    let of_metric = told.facts.values().filter(|(id, dimension, ..)| *id == metric && dimension.is_empty());
    let sums = of_metric.map(|(_, _, day, value)| match value {
        Value::Money(money) => Ok(((day, money.currency.code().to_owned()), money.minor)),
        other => Err(format!("{metric} of {day} is {other:?}, which is no money")),
    });
    sums.collect()
}

/// Two currencies have no sum.
fn refuses_to_add(sums: &Sums) -> Checked {
    let money = |((_, code), minor): (&(Day, String), &i64)| -> Result<Money, String> {
        let currency: Currency = code.parse().map_err(|_| format!("{code} is no currency"))?;
        Ok(Money::new(*minor, currency))
    };
    let (first, last) = sums.iter().next().zip(sums.iter().next_back()).ok_or("nothing was taken")?;
    let (one, other) = (money(first)?, money(last)?);
    ensure!(one.currency != other.currency && one.checked_add(other).is_err(), "{one:?} and {other:?} have a sum");
    Ok(())
}

/// What people see: a series of each currency.
async fn shown(stand: &Stand, whole: &Whole, takings: &Takings) -> Result<BTreeMap<(Day, String), String>, String> {
    let descriptor = stand.integration.descriptor();
    let metric = descriptor.metric(takings.metric).ok_or("the metric of its takings is none")?;
    // Of what has parts the total is wanted.
    let metric = Definition { dimension: None, ..metric.clone() };
    let mut shown = BTreeMap::new();
    for view in whole.series(&metric).await?.into_iter().filter(|view| view.dimension.is_none()) {
        let code = view.currency.map(|currency| currency.code().to_owned()).unwrap_or_default();
        for point in view.points {
            let Some(Number::Decimal(text)) = point.value else { continue };
            if text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
                shown.insert((point.date, code.clone()), text);
            }
        }
    }
    Ok(shown)
}

/// C41: all currencies of an account become others with other digits, and nothing else changes. What is written in smallest
/// units is the same integer then; what is written in whole units is another.
pub(crate) async fn reads_the_declared_form(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Small).await?;
    let own = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
    let money = |fetched: &Fetched| -> BTreeSet<(String, String, Day, Amount)> {
        let amount = |(metric, dimension, day, value): (&str, &str, Day, Value)| {
            Some((metric.to_owned(), dimension.to_owned(), day, Amount::of(value)?))
        };
        fetched.facts.values().filter_map(amount).collect()
    };
    let own = money(&own);
    let Some(takings) = &stand.takings else {
        ensure!(own.is_empty(), "nothing says how its amounts come: {:?}", own.first());
        return Ok(());
    };
    ensure!(!own.is_empty(), "the account has no money; nothing can be judged by it");
    front.rule(|asked| {
        let back = |target: String, (own, other): &(&str, &str)| {
            target.replace(&format!(".{}.", other.to_lowercase()), &format!(".{}.", own.to_lowercase()))
        };
        let target = OTHERS.iter().fold(asked.target(), back);
        Act::Edit(target, Box::new(exchange))
    });
    let other = money(&Direct::open(stand, &front.url, &stand.valid)?.fetch().await);
    let expected: Option<BTreeSet<_>> = own
        .into_iter()
        .map(|(metric, dimension, day, amount)| Some((metric, dimension, day, amount.in_other(takings.form)?)))
        .collect();
    let expected = expected.ok_or("an account in a currency that the check does not know")?;
    let wrong = expected.symmetric_difference(&other).next();
    ensure!(wrong.is_none(), "amounts are not in {:?}: with three digits in all currencies, {wrong:?}", takings.form);
    Ok(())
}

/// The integers of a value of money.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Amount {
    code: String,
    minor: i64,
    /// What it is divided by, and whether that is money too.
    by: Option<(i64, bool)>,
}

impl Amount {
    fn of(value: Value) -> Option<Self> {
        let (minor, by) = value.parts();
        let is_money = matches!(value, Value::MoneyShare { .. });
        Some(Self { code: value.currency()?.code().to_owned(), minor, by: by.map(|by| (by, is_money)) })
    }

    fn in_other(self, form: Form) -> Option<Self> {
        let (_, other) = OTHERS.iter().find(|(own, _)| *own == self.code)?;
        let more = 3 - u32::from(self.code.parse::<Currency>().ok()?.digits());
        let factor = if form == Form::Minor { 1 } else { 10_i64.pow(more) };
        let by = self.by.map(|(by, is_money)| (if is_money { by * factor } else { by }, is_money));
        Some(Self { code: (*other).to_owned(), minor: self.minor * factor, by })
    }
}

fn exchange(reply: &mut Reply) {
    if let Ok(mut body) = serde_json::from_slice::<Json>(&reply.body) {
        exchange_in(&mut body);
        reply.body = body.to_string().into_bytes();
    }
}

fn exchange_in(value: &mut Json) {
    match value {
        Json::Array(list) => list.iter_mut().for_each(exchange_in),
        Json::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match value {
                    Json::String(code) if name.to_lowercase().contains("currency") => *code = other(code),
                    Json::Object(options) if name == "currency_options" => {
                        *options = std::mem::take(options).into_iter().map(|(code, one)| (other(&code), one)).collect();
                    }
                    _ => {}
                }
                exchange_in(value);
            }
        }
        _ => {}
    }
}

fn other(code: &str) -> String {
    let found = OTHERS.iter().find(|(own, _)| own.eq_ignore_ascii_case(code)).map(|(_, other)| *other);
    match found {
        Some(other) if code.starts_with(|c: char| c.is_ascii_lowercase()) => other.to_lowercase(),
        Some(other) => other.to_owned(),
        None => code.to_owned(),
    }
}

#[test]
fn amounts_are_written_as_people_write_them() {
    let written = AMOUNTS.map(|(_, digits, amounts)| units(amounts[amounts.len() - 1], digits));
    assert_eq!(written, ["1", "0.001", "90071992547409.93"]);
    assert!(exact::parse_decimal(&written[2]).is_some());
}
