//! Reading files of daily exchange rates.

use crate::{
    metric::{Currency, Day, exact},
    store::Rate,
};

/// A file of rates cannot be read. Says which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct InvalidRates {
    line: usize,
    message: String,
}

fn invalid(line: usize, message: impl Into<String>) -> InvalidRates {
    InvalidRates { line, message: message.into() }
}

/// Reads daily rates: CSV with the columns date, base, quote, rate (in any order, named in the first line), or the
/// European Central Bank's file, as CSV (`Date,USD,JPY,…`, quotes for one euro) or as XML.
pub fn parse(text: &str) -> Result<Vec<Rate>, InvalidRates> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('<') {
        return ecb_xml(text);
    }
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let Some((number, header)) = lines.next() else { return Err(invalid(1, "the file is empty")) };
    let columns: Vec<String> = fields(header).map(str::to_lowercase).collect();
    let at = |name: &str| columns.iter().position(|column| column == name);
    match (at("date"), at("base"), at("quote"), at("rate")) {
        (Some(date), Some(base), Some(quote), Some(rate)) => plain_csv(lines, [date, base, quote, rate]),
        (Some(0), None, None, None) if columns.len() > 1 => ecb_csv(lines, number, &columns),
        _ => Err(invalid(number, "the first line must name the columns date,base,quote,rate, or be the ECB's")),
    }
}

fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|field| field.trim().trim_matches('"'))
}

fn plain_csv<'a>(
    lines: impl Iterator<Item = (usize, &'a str)>,
    columns: [usize; 4],
) -> Result<Vec<Rate>, InvalidRates> {
    lines
        .map(|(number, line)| {
            let cells: Vec<&str> = fields(line).collect();
            let [date, base, quote, rate] = columns.map(|column| cells.get(column).copied().unwrap_or_default());
            let currency = |code: &str| code.parse::<Currency>().map_err(|error| invalid(number, error.to_string()));
            checked(number, date, currency(base)?, currency(quote)?, rate)
        })
        .collect()
}

fn ecb_csv<'a>(
    lines: impl Iterator<Item = (usize, &'a str)>,
    header_line: usize,
    columns: &[String],
) -> Result<Vec<Rate>, InvalidRates> {
    let euro = euro(header_line)?;
    let mut rates = Vec::new();
    for (number, line) in lines {
        let cells: Vec<&str> = fields(line).collect();
        let date = cells.first().copied().unwrap_or_default();
        for (column, cell) in columns.iter().zip(&cells).skip(1) {
            if column.is_empty() || cell.is_empty() || *cell == "N/A" {
                continue;
            }
            let quote = column.parse::<Currency>().map_err(|error| invalid(header_line, error.to_string()))?;
            rates.push(checked(number, date, euro, quote, cell)?);
        }
    }
    Ok(rates)
}

/// `<Cube time='2026-03-31'><Cube currency='USD' rate='1.08'/>…</Cube>`, in any order of attributes.
fn ecb_xml(text: &str) -> Result<Vec<Rate>, InvalidRates> {
    let euro = euro(1)?;
    let mut rates = Vec::new();
    let mut date: Option<&str> = None;
    for (number, line) in (1..).zip(text.lines()) {
        for tag in line.split('<').filter(|tag| tag.starts_with("Cube ")) {
            if let Some(time) = attribute(tag, "time") {
                date = Some(time);
            }
            if let (Some(currency), Some(rate)) = (attribute(tag, "currency"), attribute(tag, "rate")) {
                let quote = currency.parse::<Currency>().map_err(|error| invalid(number, error.to_string()))?;
                let date = date.ok_or_else(|| invalid(number, "a rate comes before its date"))?;
                rates.push(checked(number, date, euro, quote, rate)?);
            }
        }
    }
    if rates.is_empty() {
        Err(invalid(1, "no rate was found in this XML; use the ECB's euro reference rates"))
    } else {
        Ok(rates)
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = tag.split_once(&format!("{name}="))?;
    let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    after[1..].split(quote).next()
}

fn euro(line: usize) -> Result<Currency, InvalidRates> {
    "EUR".parse().map_err(|_| invalid(line, "EUR is not a currency"))
}

fn checked(line: usize, date: &str, base: Currency, quote: Currency, rate: &str) -> Result<Rate, InvalidRates> {
    let day: Day = date.parse().map_err(|error: crate::metric::InvalidDate| invalid(line, error.to_string()))?;
    let positive = exact::parse_decimal(rate).is_some_and(|value| value > exact::from_int(0));
    if !positive || rate.len() > 30 {
        let shown: String = rate.chars().take(30).collect();
        return Err(invalid(line, format!("\"{shown}\" is not a rate; give a decimal above zero such as 1.0842")));
    }
    if base == quote {
        return Err(invalid(line, format!("{base} is quoted in itself")));
    }
    Ok(Rate { day, base, quote, rate: rate.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADS: [&str; 4] = ["date,base,quote,rate\n", "Date,USD,JPY\n", "<Cube time='2026-03-31'>\n", ""];

    proptest! {
        #[test]
        fn no_file_is_too_strange(head in 0..HEADS.len(), text in any::<String>(), like in "[0-9A-Z,.'=<>/ \\n-]{0,120}") {
            for text in [text, like] {
                for rate in parse(&format!("{}{text}", HEADS[head])).unwrap_or_default() {
                    prop_assert!(exact::parse_decimal(&rate.rate).is_some_and(|value| value > exact::from_int(0)));
                    prop_assert!(rate.base != rate.quote);
                }
            }
        }

        #[test]
        fn what_is_written_is_read(number in 0_i32..40_000, minor in 1_i64..1_000_000_000) {
            let day = Day::from_number(number).unwrap();
            let rate = exact::format_scaled(minor, 6);
            let read = parse(&format!("quote,rate,date,base\nUSD,{rate},{day},EUR\n")).unwrap();
            prop_assert_eq!((read[0].day, &read[0].rate, read.len()), (day, &rate, 1));
        }
    }

    fn shown(text: &str) -> Vec<String> {
        let rates = parse(text).unwrap();
        rates.iter().map(|rate| format!("{} {}{} {}", rate.day, rate.base, rate.quote, rate.rate)).collect()
    }

    #[test]
    fn reads_the_three_forms() {
        assert_eq!(shown("date,base,quote,rate\n2026-03-31,EUR,usd,1.08\n\n"), ["2026-03-31 EURUSD 1.08"]);
        assert_eq!(
            shown("Date,USD,JPY,BGN,\n2026-03-31,1.08,160.5,N/A,\n"),
            ["2026-03-31 EURUSD 1.08", "2026-03-31 EURJPY 160.5"]
        );
        let xml = "<?xml version=\"1.0\"?>\n<Cube>\n<Cube time='2026-03-31'>\n<Cube currency='USD' rate='1.08'/></Cube></Cube>";
        assert_eq!(shown(xml), ["2026-03-31 EURUSD 1.08"]);
    }

    #[test]
    fn says_which_line_is_wrong() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        assert!(error("date,base,quote,rate\n2026-03-31,EUR,USD,-1").starts_with("line 2: \"-1\" is not a rate"));
        assert!(
            error("date,base,quote,rate\n31.03.2026,EUR,USD,1").starts_with("line 2: \"31.03.2026\" is not a date")
        );
        assert!(error("a,b\n1,2").starts_with("line 1: the first line must name the columns"));
        assert!(error("").starts_with("line 1: the file is empty"));
        assert!(error("date,base,quote,rate\n2026-03-31,EUR,EUR,1").contains("quoted in itself"));
    }
}
