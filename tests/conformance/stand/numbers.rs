//! What Gold has to know of an integration: accounts in which just that happened which a check says.

use std::collections::BTreeMap;

use dashtray::metric::{Currency, Day};
use futures_util::future::BoxFuture;
use jiff::{Timestamp, tz::TimeZone};

use super::Provider;
use crate::conformance::front::{Act, Asked, Front};

/// Things that happened.
pub(crate) struct Happenings {
    /// The flow that counts each of them once.
    pub(crate) metric: &'static str,
    /// Starts an account in which they happened at these instants. Its zone is this one, where it has one.
    pub(crate) start: fn(Vec<Timestamp>, &'static str) -> BoxFuture<'static, Provider>,
}

/// Money that came in.
pub(crate) struct Takings {
    pub(crate) form: Form,
    /// The flow that comes to all that was taken on a day.
    pub(crate) metric: &'static str,
    /// Whether an account has amounts in several currencies on one day. Else each day has one of its own here.
    pub(crate) mixes: bool,
    /// Starts an account that took these amounts, and no others.
    pub(crate) start: fn(Vec<Taken>) -> BoxFuture<'static, Provider>,
}

/// How a provider writes amounts. The check works out the digits, since it is to find out whether the integration does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// In the currency's smallest unit: 1234 is 12.34 dollars, or 1234 yen.
    Minor,
    /// In whole units with decimals: 12.34.
    Units,
}

/// An amount that came in.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) day: Day,
    pub(crate) currency: &'static str,
    /// The digits, as the provider writes them.
    pub(crate) written: String,
}

/// What the settings do that change a definition.
pub(crate) struct Switches {
    /// The metric that shows all of them in the small account.
    pub(crate) metric: &'static str,
    /// Values of settings that are numbers, where each makes a difference. Those of choices are in the descriptor.
    pub(crate) numbers: &'static [(&'static str, i64)],
}

/// How many things happened on each day of a zone.
pub(super) fn by_day(at: &[Timestamp], zone: &str) -> BTreeMap<Day, i64> {
    let mut days = BTreeMap::new();
    for at in at {
        *days.entry(civil_day(*at, zone)).or_default() += 1;
    }
    days
}

/// The day of an instant, worked out without the program's own arithmetic.
pub(crate) fn civil_day(at: Timestamp, zone: &str) -> Day {
    let zone = TimeZone::get(zone).expect("a zone of the database");
    at.to_zoned(zone).date().to_string().parse().expect("a day")
}

/// The instant of noon in UTC, as seconds since 1970.
pub(super) fn noon(day: Day) -> i64 {
    format!("{day}T12:00:00Z").parse::<Timestamp>().expect("an instant").as_second()
}

/// The days that were asked for, by the names of the first and the last.
pub(super) fn days_of(asked: &Asked, first: &str, last: &str) -> Vec<Day> {
    let day = |name: &str| asked.param(name).and_then(|text| text.parse::<Day>().ok());
    let Some((first, last)) = day(first).zip(day(last)) else { return Vec::new() };
    (0..=last.number() - first.number()).map(|number| first.plus(number)).collect()
}

/// A provider some of whose answers are made here.
pub(super) async fn answering(
    provider: Provider,
    answer: impl Fn(&Asked) -> Option<String> + Send + Sync + 'static,
) -> Provider {
    let front = Front::before(&provider.url).await.expect("a port on this machine");
    front.rule(move |asked| match answer(asked) {
        Some(body) => Act::Reply(crate::conformance::front::Reply::json(200, &body)),
        None => Act::Forward,
    });
    let Provider { catch_up, _running: behind, .. } = provider;
    Provider { url: front.url.clone(), catch_up, _running: Box::new((behind, front)) }
}

/// The code, which the check gives in capitals.
pub(super) fn small(currency: &str) -> String {
    currency.parse::<Currency>().map(|code| code.code().to_lowercase()).expect("a currency")
}
