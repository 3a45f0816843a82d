//! The one place that writes numbers for people: pages, mail and exports take their words from here.
//!
//! Everything is computed from the exact value and rounded once, half away from zero. Three widths:
//!
//! | width | for | money | count | percent |
//! | --- | --- | --- | --- | --- |
//! | [`Figure::full`] | tables, titles | €12,480.50 | 12,480 | 43.12 % |
//! | [`Figure::short`] | cards | €12,481 | 12,480 | 43 % |
//! | [`Figure::compact`] | small cards, axes | €12.5k | 12.5k | 43 % |

mod change;
mod time;

use super::Number;
use crate::metric::{Currency, Exact, Unit, exact};

pub use change::{Change, Direction, change};
pub use time::{age, duration, instant, old};

/// Between a number and its unit: narrow, and no line is broken there.
pub const THIN: char = '\u{202f}';
/// A minus as wide as a plus.
const MINUS: char = '\u{2212}';
/// Where a number would pass what can be written.
const UNWRITABLE: &str = "–";

/// A value with what it is counted in, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// In the normalised unit: currency units, seconds, percent.
    amount: Exact,
    unit: Unit,
    currency: Option<Currency>,
}

impl Figure {
    /// Of a value as it leaves; `None` where that is no number.
    pub fn of(number: &Number, unit: Unit, currency: Option<Currency>) -> Option<Self> {
        let amount = match number {
            Number::Integer(number) => exact::from_int(*number),
            Number::Decimal(text) => exact::parse_decimal(text)?,
        };
        Some(Self { amount, unit, currency })
    }

    /// Of an exact value in the normalised unit.
    pub fn new(amount: Exact, unit: Unit, currency: Option<Currency>) -> Self {
        Self { amount, unit, currency }
    }

    /// The exact value in the normalised unit.
    pub fn amount(&self) -> &Exact {
        &self.amount
    }

    /// With every digit that is known.
    pub fn full(&self) -> String {
        match self.unit {
            Unit::Currency => self.money(self.digits()),
            Unit::Percent => self.with_unit(&trimmed(&self.amount, 2), "%"),
            Unit::Ratio => trimmed(&self.amount, 4),
            Unit::Bytes => {
                self.with_unit(&grouped(&self.amount, 0), if is_one(&self.amount) { "byte" } else { "bytes" })
            }
            Unit::Seconds => duration(&self.amount),
            Unit::Count => grouped(&self.amount, 0),
            Unit::Decimal { scale } => grouped(&self.amount, scale),
        }
    }

    /// As a card shows it: without cents of thousands, and no more decimals than tell something.
    pub fn short(&self) -> String {
        match self.unit {
            Unit::Currency if self.amount.abs() >= exact::from_int(1000) => self.money(0),
            Unit::Percent => percent(&self.amount),
            Unit::Ratio => trimmed(&self.amount, 2),
            Unit::Bytes => bytes(&self.amount),
            Unit::Decimal { scale } => trimmed(&self.amount, scale.min(2)),
            Unit::Currency | Unit::Seconds | Unit::Count => self.full(),
        }
    }

    /// As little as says it: from ten thousand on in thousands, millions and so on.
    pub fn compact(&self) -> String {
        let counted = matches!(self.unit, Unit::Currency | Unit::Count | Unit::Ratio | Unit::Decimal { .. });
        if !counted || self.amount.abs() < exact::from_int(10_000) {
            return self.short();
        }
        let (text, letter) = scaled(&self.amount.abs(), &["k", "M", "B", "T"], 1000);
        self.in_currency(&format!("{text}{letter}"))
    }

    /// As an axis has it: compact, and without decimals that are zero.
    pub fn axis(&self) -> String {
        let whole = exact::round(&self.amount).is_some_and(|whole| exact::from_int(whole) == self.amount);
        if whole && self.unit == Unit::Currency && self.amount.abs() < exact::from_int(10_000) {
            return self.money(0);
        }
        self.compact()
    }

    fn digits(&self) -> u8 {
        self.currency.map_or(2, Currency::digits)
    }

    fn money(&self, digits: u8) -> String {
        self.in_currency(&grouped(&self.amount.abs(), digits))
    }

    /// The sign stands before the currency: −€5.
    fn in_currency(&self, magnitude: &str) -> String {
        // What is rounded to nothing has no sign.
        let is_negative = self.amount.is_negative() && magnitude.contains(|c| ('1'..='9').contains(&c));
        let sign = if is_negative { MINUS.to_string() } else { String::new() };
        match (self.unit, self.currency) {
            (Unit::Currency, Some(currency)) => format!("{sign}{}{magnitude}", symbol(currency)),
            _ => format!("{sign}{magnitude}"),
        }
    }

    fn with_unit(&self, number: &str, unit: &str) -> String {
        format!("{number}{THIN}{unit}")
    }
}

/// A share in percent: one decimal below ten, none above.
pub fn percent(amount: &Exact) -> String {
    let is_small = exact::round_scaled(&amount.abs(), 1).is_some_and(|tenths| tenths < 100);
    let number = if is_small { trimmed(amount, 1) } else { grouped(amount, 0) };
    format!("{number}{THIN}%")
}

/// How a currency is written: its sign where it has one that is not mistaken, else its code.
fn symbol(currency: Currency) -> String {
    let known = match currency.code() {
        "USD" => "$",
        "EUR" => "€",
        "GBP" => "£",
        "JPY" => "¥",
        "INR" => "₹",
        "KRW" => "₩",
        "ILS" => "₪",
        "VND" => "₫",
        "BRL" => "R$",
        "CAD" => "CA$",
        "AUD" => "A$",
        "NZD" => "NZ$",
        "MXN" => "MX$",
        "HKD" => "HK$",
        "TWD" => "NT$",
        "CNY" => "CN¥",
        "PHP" => "₱",
        code => return format!("{code}\u{a0}"),
    };
    known.to_owned()
}

/// With so many decimals, and thousands apart.
fn grouped(amount: &Exact, decimals: u8) -> String {
    let Some(text) = exact::to_decimal(amount, decimals) else { return UNWRITABLE.to_owned() };
    let (sign, plain) = match text.strip_prefix('-') {
        Some(rest) => (MINUS.to_string(), rest),
        None => (String::new(), text.as_str()),
    };
    let (whole, fraction) = plain.split_once('.').map_or((plain, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = sign;
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// The same without zeros at its end.
fn trimmed(amount: &Exact, decimals: u8) -> String {
    let text = grouped(amount, decimals);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A magnitude in the largest unit that it reaches: one decimal below a hundred, none above.
fn scaled(amount: &Exact, units: &[&'static str], step: i64) -> (String, &'static str) {
    let mut scaled = amount / exact::from_int(step);
    for (place, unit) in units.iter().enumerate() {
        let decimals = u8::from(exact::round_scaled(&scaled, 1).is_some_and(|tenths| tenths < 1000));
        let reaches_next = exact::round(&scaled).is_none_or(|whole| whole >= step);
        if !reaches_next || place + 1 == units.len() {
            return (trimmed(&scaled, decimals), unit);
        }
        scaled /= exact::from_int(step);
    }
    (trimmed(amount, 0), "")
}

fn bytes(amount: &Exact) -> String {
    if exact::round(&amount.abs()).is_some_and(|whole| whole < 1000) {
        return format!("{}{THIN}B", grouped(amount, 0));
    }
    let sign = if amount.is_negative() { MINUS.to_string() } else { String::new() };
    let (text, unit) = scaled(&amount.abs(), &["kB", "MB", "GB", "TB", "PB"], 1000);
    format!("{sign}{text}{THIN}{unit}")
}

fn is_one(amount: &Exact) -> bool {
    *amount == exact::from_int(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn figure(text: &str, unit: Unit, currency: &str) -> Figure {
        Figure::of(&Number::Decimal(text.to_owned()), unit, currency.parse().ok()).unwrap()
    }

    /// Full, short and compact, with plain blanks.
    fn written(text: &str, unit: Unit, currency: &str) -> [String; 3] {
        let figure = figure(text, unit, currency);
        [figure.full(), figure.short(), figure.compact()].map(|text| text.replace([THIN, '\u{a0}'], " "))
    }

    #[test]
    fn money_has_its_currency_s_digits() {
        let money = |text, currency| written(text, Unit::Currency, currency);
        assert_eq!(money("12480.50", "EUR"), ["€12,480.50", "€12,481", "€12.5k"]);
        assert_eq!(money("124.80", "USD"), ["$124.80", "$124.80", "$124.80"]);
        assert_eq!(money("1234567", "JPY"), ["¥1,234,567", "¥1,234,567", "¥1.2M"]);
        assert_eq!(money("5.000", "KWD"), ["KWD 5.000", "KWD 5.000", "KWD 5.000"]);
        assert_eq!(money("-0.05", "GBP"), ["−£0.05", "−£0.05", "−£0.05"]);
        assert_eq!(money("-15000", "CAD"), ["−CA$15,000.00", "−CA$15,000", "−CA$15k"]);
        assert_eq!(money("9999.99", "USD"), ["$9,999.99", "$10,000", "$10,000"]);
        let axis = |text| figure(text, Unit::Currency, "USD").axis();
        assert_eq!(["0", "800.00", "0.50", "-1500", "15000"].map(axis), ["$0", "$800", "$0.50", "−$1,500", "$15k"]);
    }

    #[test]
    fn compact_numbers_keep_no_zero_and_never_say_a_thousand_thousands() {
        let compact = |text| written(text, Unit::Count, "")[2].clone();
        let cases = [
            ("9999", "9,999"),
            ("10000", "10k"),
            ("12480", "12.5k"),
            ("99949", "99.9k"),
            ("99950", "100k"),
            ("999499", "999k"),
            ("999500", "1M"),
            ("1249999", "1.2M"),
            ("-1500000000", "−1.5B"),
            ("9223372036854775807", "9223372T"),
        ];
        for (given, expected) in cases {
            assert_eq!(compact(given).replace(',', ""), expected.replace(',', ""), "{given}");
        }
    }

    #[test]
    fn percent_has_one_decimal_below_ten() {
        let short = |text| written(text, Unit::Percent, "")[1].clone();
        assert_eq!(
            ["4.25", "9.94", "9.95", "43.12", "-4.20", "0"].map(short),
            ["4.3 %", "9.9 %", "10 %", "43 %", "−4.2 %", "0 %"]
        );
        assert_eq!(written("43.10", Unit::Percent, "")[0], "43.1 %");
    }

    #[test]
    fn other_units_say_what_they_are() {
        assert_eq!(written("1234567", Unit::Bytes, ""), ["1,234,567 bytes", "1.2 MB", "1.2 MB"]);
        assert_eq!(written("1", Unit::Bytes, ""), ["1 byte", "1 B", "1 B"]);
        assert_eq!(written("1.3542", Unit::Ratio, ""), ["1.3542", "1.35", "1.35"]);
        assert_eq!(written("192", Unit::Seconds, ""), ["3 m 12 s", "3 m 12 s", "3 m 12 s"]);
        assert_eq!(written("1234.50", Unit::Decimal { scale: 2 }, ""), ["1,234.50", "1,234.5", "1,234.5"]);
        assert_eq!(figure("1", Unit::Count, "").amount(), &exact::from_int(1));
    }

    proptest! {
        #[test]
        fn what_is_written_in_full_reads_back(minor in any::<i64>(), code in prop::sample::select(vec!["USD", "JPY", "KWD"])) {
            let currency: Currency = code.parse().unwrap();
            let text = exact::format_scaled(minor, currency.digits());
            let full = figure(&text, Unit::Currency, code).full();
            let back: String = full.replace(MINUS, "-").chars().filter(|c| c.is_ascii_digit() || "-.".contains(*c)).collect();
            prop_assert_eq!(back, text);
        }

        #[test]
        fn no_number_is_too_large_to_be_written(minor in any::<i64>()) {
            let figure = Figure::new(exact::from_int(minor), Unit::Count, None);
            prop_assert!(figure.compact().chars().count() <= 11, "{}", figure.compact());
        }
    }
}
