//! Testing a connection: whether reports can be read, what the property is, and which others there are.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::{
    api::{self, ReportRequest},
    metrics::REVENUE,
    refusal::{Api, explain, hidden},
    settings::{self, PROPERTY},
    sheet::Sheet,
};
use crate::{
    integrations::{AccountInfo, Check, Choice, Context, Error},
    metric::{FailureKind, Period},
};

/// So many properties are named in a sentence.
const NAMED: usize = 10;

/// Tests a connection.
pub(super) async fn test(ctx: &Context) -> Result<AccountInfo, Error> {
    let property = match settings::property(&ctx.settings) {
        Ok(property) => property,
        Err(error) => return Err(with_offer(ctx, error).await),
    };
    let yesterday = Period::single(ctx.today().plus(-1));
    let request = ReportRequest::new(Some(yesterday), &[], &["sessions", "totalRevenue"]);
    let report = api::report(&ctx.http, property, &request).await;
    let sheet = Sheet::read(report.map_err(|error| explain(ctx, error, Api::Data, property))?, &request)?;
    let mut checks = vec![Check {
        id: "reports".to_owned(),
        ok: true,
        message: format!("reports of the property {property} can be read"),
        costs: Vec::new(),
    }];
    let is_hidden = sheet.hides("totalRevenue");
    checks.push(Check {
        id: "revenue".to_owned(),
        ok: !is_hidden,
        message: if is_hidden { hidden(property).to_string() } else { "can be read".to_owned() },
        costs: vec![REVENUE.to_owned()],
    });
    let details = tolerated(ctx, api::property(&ctx.http, property).await, property)?;
    let choices = tolerated(ctx, choices(ctx).await, property)?;
    let told = details.as_ref().err().or(choices.as_ref().err());
    checks.push(Check {
        id: "properties".to_owned(),
        ok: told.is_none(),
        message: told.map_or_else(|| "the account's properties are listed".to_owned(), ToString::to_string),
        // Name, zone and currency come from there; the latter two are in reports as well.
        costs: Vec::new(),
    });
    let (details, choices) = (details.ok(), choices.unwrap_or_default());
    let zone = details.as_ref().map(|details| details.time_zone.clone()).or_else(|| sheet.zone());
    let currency = match &details {
        Some(details) => details.currency_code.parse().ok(),
        None => sheet.currency(ctx.currency).ok(),
    };
    Ok(AccountInfo {
        id: format!("properties/{property}"),
        label: details.as_ref().map_or_else(|| format!("property {property}"), |details| details.display_name.clone()),
        zone,
        currency,
        info: details.map(info).unwrap_or_default(),
        checks,
        choices: BTreeMap::from([(PROPERTY.to_owned(), choices)]),
    })
}

/// The Admin API may be switched off or refuse: it is a help and not needed. What concerns the whole connection ends it.
fn tolerated<T>(ctx: &Context, result: Result<T, Error>, property: &str) -> Result<Result<T, Error>, Error> {
    match result {
        Err(error) if error.is_connection_wide() => Err(error),
        result => Ok(result.map_err(|error| explain(ctx, error, Api::Admin, property))),
    }
}

fn info(details: api::Property) -> Map<String, Json> {
    let facts = [
        ("service_level", details.service_level),
        ("industry", details.industry_category),
        ("created", details.create_time),
    ];
    facts.into_iter().filter_map(|(key, fact)| Some((key.to_owned(), fact?.into()))).collect()
}

/// The properties to choose from.
async fn choices(ctx: &Context) -> Result<Vec<Choice>, Error> {
    let accounts = api::summaries(&ctx.http).await?;
    let choices = accounts.into_iter().flat_map(|account| {
        let name = account.display_name;
        account.property_summaries.into_iter().map(move |one| Choice {
            value: one.property.trim_start_matches("properties/").to_owned(),
            label: format!("{} ({name})", one.display_name),
        })
    });
    Ok(choices.collect())
}

/// The error of the setting with the properties that could have been given. That the credentials are refused is more
/// important.
async fn with_offer(ctx: &Context, error: Error) -> Error {
    let offered = match choices(ctx).await {
        Ok(offered) => offered,
        Err(refused) if refused.kind() == FailureKind::Unauthorized => return refused,
        Err(_) => return error,
    };
    let named: Vec<String> = offered.iter().take(NAMED).map(|one| format!("{} {}", one.value, one.label)).collect();
    let more = match offered.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match named.is_empty() {
        true => Error::invalid_settings(format!("{}; these credentials can read no property yet", error.message())),
        false => Error::invalid_settings(format!(
            "{}; these credentials can read: {}{more}",
            error.message(),
            named.join(", ")
        ))
        .with_offer(PROPERTY, offered.into_iter().map(|one| (one.value, one.label))),
    }
}
