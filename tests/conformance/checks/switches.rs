//! C49: settings that change what is counted do so, and what is explained adds up.

use std::collections::{BTreeMap, BTreeSet};

use dashtray::{
    integrations::{SettingField, SettingKind},
    metric::{Definition, Exact, Period, Receipt, Value, exact},
};
use serde_json::{Map, Value as Json, json};

use super::bronze::fronted;
use crate::conformance::{
    direct::{Direct, Fetched, Options},
    front::Front,
    stand::{Account, Stand, numbers::Switches},
};

type Checked = Result<(), String>;

/// What a metric comes to, by dimension and currency.
type Figures = BTreeMap<(String, String), Value>;

/// C49
pub(crate) async fn have_their_effect(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Small).await?;
    front.remembers();
    let usual = read(stand, &front, &[], Map::new()).await?;
    let descriptor = stand.integration.descriptor();
    let fields: Vec<&SettingField> = descriptor.settings.iter().filter(|field| is_switch(field)).collect();
    match &stand.switches {
        None => ensure!(fields.is_empty(), "{} changes what is counted, and on nothing is it shown", fields[0].key),
        Some(switches) => each_makes_a_difference(stand, &front, &fields, switches).await?,
    }
    adds_up(stand, &usual)?;
    explains_all(stand).await
}

/// Whatever is said to be explained is, in an account in which everything happens. Rates look back a month.
async fn explains_all(stand: &Stand) -> Checked {
    let descriptor = stand.integration.descriptor();
    let explained: Vec<&Definition> = descriptor.metrics.iter().filter(|metric| metric.explained).collect();
    if explained.is_empty() {
        return Ok(());
    }
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    let end = stand.period().end();
    let options = Options {
        period: Some(Period::new(end.plus(-40), end)),
        streams: Some(explained.iter().map(|metric| metric.stream.clone()).collect()),
        ..Options::default()
    };
    let fetched = Direct::open_with(stand, &front.url, &stand.valid, options)?.fetch().await;
    ensure!(fetched.fatal.is_none() && fetched.lost().is_empty(), "undisturbed, {:?} is lost", fetched.lost());
    for metric in explained {
        let is_told = fetched.receipts.iter().any(|receipt| receipt.metric_id == metric.id);
        ensure!(is_told, "{} is said to be explained and has no receipt", metric.id);
    }
    adds_up(stand, &fetched)
}

/// Whether a setting changes a definition, and not only what is measured.
fn is_switch(field: &SettingField) -> bool {
    let is_rule = matches!(field.kind, SettingKind::Choice { .. } | SettingKind::Integer { .. });
    is_rule && !field.affects.is_empty()
}

/// Reads the newest days; all metrics of the stand where none is named.
async fn read(stand: &Stand, front: &Front, metrics: &[&str], settings: Map<String, Json>) -> Result<Fetched, String> {
    let end = stand.period().end();
    let period = Period::new(end.plus(-3), end);
    let options = Options { period: Some(period), settings, ..Options::default() };
    let direct = Direct::open_with(stand, &front.url, &stand.valid, options)?;
    let fetched = if metrics.is_empty() { direct.fetch().await } else { direct.fetch_days(metrics, period).await? };
    ensure!(fetched.fatal.is_none() && fetched.lost().is_empty(), "undisturbed, {:?} is lost", fetched.lost());
    front.take();
    Ok(fetched)
}

async fn each_makes_a_difference(
    stand: &Stand,
    front: &Front,
    fields: &[&SettingField],
    switches: &Switches,
) -> Checked {
    let metric = switches.metric;
    let usual = read(stand, front, &[metric], Map::new()).await?;
    let mut offered = alternatives(&usual.receipts, metric);
    for field in fields {
        let mut seen: Vec<(String, Figures)> = vec![(String::new(), figures(stand, &usual, metric))];
        for value in values(field, switches)? {
            let settings = Map::from_iter([(field.key.clone(), value.clone())]);
            let fetched = read(stand, front, &[metric], settings).await?;
            let figures = figures(stand, &fetched, metric);
            let is_usual = field.default.as_deref().is_some_and(|usual| value == usual);
            let same = seen.iter().find(|(_, other)| *other == figures).map(|(other, _)| other);
            match (is_usual, same) {
                (true, Some(other)) if other.is_empty() => {}
                (true, _) => return Err(format!("{} = {value} is said to be usual and is not", field.key)),
                (false, Some(other)) => {
                    return Err(format!("{} = {value} makes no difference to {metric} from {other:?}", field.key));
                }
                (false, None) => {
                    told(&mut offered, field, &value, &seen[0].1, &figures)?;
                    seen.push((value.to_string(), figures));
                }
            }
        }
    }
    // A currency in which nothing is counted either way has nothing to tell.
    offered.retain(|_, amount| !amount.is_zero());
    ensure!(offered.is_empty(), "the receipt tells of what cannot be set: {:?}", offered.keys().next());
    Ok(())
}

/// The values to try of a setting.
fn values(field: &SettingField, switches: &Switches) -> Result<Vec<Json>, String> {
    if let SettingKind::Choice { values } = &field.kind {
        return Ok(values.iter().map(|choice| json!(choice.value)).collect());
    }
    let tried = switches.numbers.iter().filter(|(key, _)| *key == field.key).map(|(_, number)| json!(number));
    let tried: Vec<Json> = tried.collect();
    ensure!(!tried.is_empty(), "{} is set to nothing that makes a difference", field.key);
    Ok(tried)
}

/// The values of the newest day.
fn figures(stand: &Stand, fetched: &Fetched, metric: &str) -> Figures {
    let today = stand.period().end().plus(-1);
    let of_today = fetched.facts.values().filter(|(id, _, day, _)| *id == metric && *day == today);
    let currency = |value: &Value| value.currency().map(|code| code.code().to_owned()).unwrap_or_default();
    of_today.map(|(_, dimension, _, value)| ((dimension.to_owned(), currency(&value)), value)).collect()
}

/// By setting, value and currency: what a receipt says that another setting would make of it.
fn alternatives(receipts: &[Receipt], metric: &str) -> BTreeMap<(String, String, String), Exact> {
    let of_metric = receipts.iter().filter(|receipt| receipt.metric_id == metric);
    let all = of_metric.flat_map(|receipt| receipt.alternatives.iter().map(move |one| (receipt, one)));
    all.filter_map(|(receipt, one)| {
        let currency = receipt.currency.map(|code| code.code().to_owned()).unwrap_or_default();
        Some(((one.setting.clone(), one.value.clone(), currency), exact::parse_decimal(&one.amount)?))
    })
    .collect()
}

/// What the receipt tells of another setting is what that setting does.
fn told(
    offered: &mut BTreeMap<(String, String, String), Exact>,
    field: &SettingField,
    value: &Json,
    usual: &Figures,
    other: &Figures,
) -> Checked {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let currencies: BTreeSet<&String> = usual.keys().chain(other.keys()).map(|(_, currency)| currency).collect();
    for currency in currencies {
        let Some(said) = offered.remove(&(field.key.clone(), value.clone(), currency.clone())) else { continue };
        let total = |figures: &Figures| figures.get(&(String::new(), currency.clone())).map(|value| value.parts().0);
        let minor = total(other).unwrap_or(0) - total(usual).unwrap_or(0);
        let digits = currency.parse::<dashtray::metric::Currency>().map_or(0, dashtray::metric::Currency::digits);
        let is = exact::parse_decimal(&exact::format_scaled(minor, digits));
        ensure!(is == Some(said.clone()), "{} = {value} makes {minor} of {currency}, not {said}", field.key);
    }
    Ok(())
}

/// Receipts are of the metrics that are explained, and come to their values.
fn adds_up(stand: &Stand, usual: &Fetched) -> Checked {
    let descriptor = stand.integration.descriptor();
    for receipt in &usual.receipts {
        let id = &receipt.metric_id;
        let metric = descriptor.metric(id).filter(|metric| metric.explained);
        ensure!(metric.is_some(), "{id} has a receipt and is not said to be explained");
        let number = |text: &str| exact::parse_decimal(text).ok_or_else(|| format!("{id}: \"{text}\" is no amount"));
        let amounts = receipt.terms.iter().map(|term| &term.amount).chain([&receipt.other.amount]);
        let sum: Exact = amounts.map(|amount| number(amount)).sum::<Result<_, _>>()?;
        let value = number(&receipt.value)?;
        ensure!(sum == value, "the terms of {id} in {:?} come to {sum}, not {value}", receipt.currency);
        ensure!(!receipt.formula.is_empty() && !receipt.rounding.is_empty(), "{id} does not say how it came about");
    }
    let today = stand.period().end().plus(-1);
    for metric in descriptor.metrics.iter().filter(|metric| metric.explained) {
        for (id, dimension, day, value) in usual.facts.values() {
            if id != metric.id || day != today || !dimension.is_empty() {
                continue;
            }
            let shown = value.normalised(metric.unit);
            let is_its = |receipt: &&Receipt| {
                let same_currency = receipt.currency.is_none() || receipt.currency == value.currency();
                receipt.metric_id == id && receipt.date == day && same_currency
            };
            let receipt = usual.receipts.iter().rfind(is_its).map(|receipt| receipt.value.clone());
            ensure!(shown == receipt, "{id} of {day} is {shown:?}, and its receipt says {receipt:?}");
        }
    }
    Ok(())
}
