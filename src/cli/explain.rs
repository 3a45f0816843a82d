//! `dashtray explain`

use super::{
    Invocation, ProjectArg,
    failure::{Done, Failure},
    output::{number, table, text},
};
use crate::{
    metric::{Currency, Receipt, exact},
    series::{self, ReceiptView},
};

/// Show how a computed value came about
///
/// Prints the newest receipt of a metric such as MRR: the formula, the settings, what was counted, what was left out and
/// why, and what other settings would make of it. The contributions add up to the value.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dashtray explain stripe_mrr\n  dashtray explain stripe_mrr --currency EUR --json")]
pub(super) struct Args {
    /// The metric
    #[arg(value_name = "METRIC")]
    metric: String,
    /// The connection, by name or id, where several have it
    #[arg(long, value_name = "C")]
    connection: Option<String>,
    /// The currency, where there are several
    #[arg(long, value_name = "CODE")]
    currency: Option<Currency>,
    #[command(flatten)]
    project: ProjectArg,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let (project, connection) = (args.project.project.as_str(), args.connection.as_deref());
    let view = series::explain(&app.store, &app.registry, project, &args.metric, connection, args.currency).await?;
    invocation.out.show(&view, human)?;
    Ok(Done::All)
}

fn human(view: &ReceiptView) -> String {
    let receipt = &view.receipt;
    let unit = receipt.currency.map(|code| format!(" {code}")).unwrap_or_default();
    let mut out = format!("{} on {}: {}{unit}\n\n", receipt.metric_id, receipt.date, receipt.value);
    out.push_str(&format!("formula   {} (definition {})\n", receipt.formula, receipt.definition));
    if !receipt.settings.is_empty() {
        let settings = receipt.settings.iter().map(|(key, value)| match value.as_str() {
            Some(text) => format!("{key}={text}"),
            None => format!("{key}={value}"),
        });
        out.push_str(&format!("settings  {}\n", settings.collect::<Vec<_>>().join(" ")));
    }
    out.push_str(&format!("rounding  {}\n\n", receipt.rounding));

    let mut rows = table(&["contribution", "id", "amount"]);
    for term in &receipt.terms {
        rows.add_row([term.label.as_str().into(), term.entity_id.as_str().into(), number(&term.amount)]);
    }
    rows.add_row([format!("{} others", receipt.other.count).into(), "".into(), number(&receipt.other.amount)]);
    rows.add_row(["total".into(), "".into(), number(total(receipt))]);
    out.push_str(&text(&rows));
    if total(receipt) != receipt.value {
        out.push_str(&format!("\nThe contributions do not add up to {}; please report this.\n", receipt.value));
    }
    if !receipt.excluded.is_empty() {
        let mut rows = table(&["left out", "count", "amount"]);
        for excluded in &receipt.excluded {
            rows.add_row([excluded.reason.as_str().into(), number(excluded.count), number(&excluded.amount)]);
        }
        out.push_str(&format!("\n{}", text(&rows)));
    }
    if !receipt.alternatives.is_empty() {
        let sentences = receipt.alternatives.iter().map(|alternative| format!("  {}\n", alternative.sentence));
        out.push_str(&format!("\nwith other settings\n{}", sentences.collect::<String>()));
    }
    out
}

/// What the contributions add up to, with as many digits as the value has.
fn total(receipt: &Receipt) -> String {
    let digits = receipt.value.split_once('.').map_or(0, |(_, digits)| digits.len());
    let amounts = receipt.terms.iter().map(|term| &term.amount).chain([&receipt.other.amount]);
    let sum = amounts.map(|amount| exact::parse_decimal(amount)).sum::<Option<exact::Exact>>();
    let sum = sum.and_then(|sum| exact::to_decimal(&sum, u8::try_from(digits).ok()?));
    sum.unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Alternative, Excluded, Other, Term};

    fn view() -> ReceiptView {
        let term = |label: &str, id: &str, amount: &str| Term {
            label: label.to_owned(),
            entity_id: id.to_owned(),
            amount: amount.to_owned(),
        };
        let settings = serde_json::json!({"discounts": "recurring", "max_past_due_days": null});
        ReceiptView {
            connection_id: uuid::Uuid::nil(),
            receipt: Receipt {
                metric_id: "stripe_mrr".to_owned(),
                currency: Some(Currency::USD),
                date: "2026-03-31".parse().unwrap(),
                value: "124.80".to_owned(),
                formula: "monthly value of active subscriptions".to_owned(),
                definition: 1,
                settings: settings.as_object().unwrap().clone(),
                terms: vec![term("Acme", "sub_1", "100.00"), term("Foo Ltd", "sub_2", "25.00")],
                other: Other { count: 3, amount: "-0.20".to_owned() },
                rounding: "once, half away from zero".to_owned(),
                excluded: vec![Excluded { reason: "trialing".to_owned(), count: 2, amount: "40.00".to_owned() }],
                alternatives: vec![Alternative {
                    setting: "past_due".to_owned(),
                    value: "exclude".to_owned(),
                    amount: "-120.00".to_owned(),
                    sentence: "with past due left out 120.00 less".to_owned(),
                }],
            },
        }
    }

    #[test]
    fn the_receipt_adds_up_visibly() {
        insta::assert_snapshot!(human(&view()), @r#"
        stripe_mrr on 2026-03-31: 124.80 USD

        formula   monthly value of active subscriptions (definition 1)
        settings  discounts=recurring max_past_due_days=null
        rounding  once, half away from zero

        CONTRIBUTION  ID     AMOUNT
        Acme          sub_1  100.00
        Foo Ltd       sub_2   25.00
        3 others              -0.20
        total                124.80

        LEFT OUT  COUNT  AMOUNT
        trialing      2   40.00

        with other settings
          with past due left out 120.00 less
        "#);
    }

    #[test]
    fn a_receipt_that_does_not_add_up_says_so() {
        let mut view = view();
        view.receipt.other.amount = "0.00".to_owned();
        assert!(human(&view).contains("total                125.00"), "{}", human(&view));
        assert!(human(&view).contains("do not add up to 124.80"));
    }

    #[test]
    fn the_json_is_flat() {
        let json = serde_json::to_value(view()).unwrap();
        assert_eq!(json["terms"][0]["entity_id"], "sub_1");
        assert_eq!(json["alternatives"][0]["amount"], "-120.00");
        assert_eq!(json["connection_id"], uuid::Uuid::nil().to_string());
    }
}
