//! The Admin API: accounts and their properties.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Question, problem::Problem, property::GoogleProperty, written};

/// Summaries of a page unless a request says how many, and the most.
const PAGE: (usize, usize) = (50, 200);

/// `GET /v1beta/accountSummaries`
pub(super) fn summaries(question: Question<'_>) -> Result<Value, Problem> {
    let mut accounts: BTreeMap<&str, Vec<&GoogleProperty>> = BTreeMap::new();
    for property in question.site.options.google_properties.iter().filter(|one| question.caller.sees(one.number)) {
        accounts.entry(property.account).or_default().push(property);
    }
    let (size, start) = page(question)?;
    let shown: Vec<Value> = accounts.iter().skip(start).take(size).map(|(number, own)| summary(number, own)).collect();
    let next = start + shown.len();
    let token = if next < accounts.len() { format!("after-{next}") } else { String::new() };
    Ok(written(json!({ "accountSummaries": shown, "nextPageToken": token })))
}

/// How many summaries, and from which on.
fn page(question: Question<'_>) -> Result<(usize, usize), Problem> {
    let (mut size, mut start) = (PAGE.0, 0);
    for (key, value) in &question.request.pairs {
        match key.as_str() {
            "pageSize" => {
                let asked: i64 = value.parse().map_err(|_| {
                    let message = format!("Invalid value at 'page_size' (TYPE_INT32), \"{value}\"");
                    Problem::invalid(message)
                })?;
                let asked = usize::try_from(asked).map_err(|_| Problem::invalid("page_size must not be negative"))?;
                if asked > PAGE.1 {
                    return Err(Problem::invalid("page_size must not be greater than 200"));
                }
                size = if asked == 0 { PAGE.0 } else { asked };
            }
            "pageToken" => {
                let after = value.strip_prefix("after-").and_then(|after| after.parse().ok());
                start = after.ok_or_else(|| Problem::invalid("The page token is invalid."))?;
            }
            other => {
                let message =
                    format!("Invalid JSON payload received. Unknown name \"{other}\": Cannot bind query parameter.");
                return Err(Problem::invalid(message));
            }
        }
    }
    Ok((size, start))
}

fn summary(account: &str, properties: &[&GoogleProperty]) -> Value {
    let own = properties.iter().map(|property| {
        json!({ "property": format!("properties/{}", property.number), "displayName": property.name,
            "propertyType": "PROPERTY_TYPE_ORDINARY", "parent": format!("accounts/{account}") })
    });
    let name = properties.first().map_or("", |property| property.account_name);
    json!({ "name": format!("accountSummaries/{account}"), "account": format!("accounts/{account}"), "displayName": name,
        "propertySummaries": own.collect::<Vec<_>>() })
}

/// `GET /v1beta/properties/{number}`
pub(super) fn property(question: Question<'_>, number: &str) -> Result<Value, Problem> {
    let property = find(question, number)?;
    if let Some((key, _)) = question.request.pairs.first() {
        return Err(Problem::unknown_field(key, ""));
    }
    let level = if property.is_360 { "GOOGLE_ANALYTICS_360" } else { "GOOGLE_ANALYTICS_STANDARD" };
    Ok(json!({ "name": format!("properties/{}", property.number), "parent": format!("accounts/{}", property.account),
        "account": format!("accounts/{}", property.account), "displayName": property.name, "timeZone": property.zone,
        "currencyCode": property.currency, "serviceLevel": level, "propertyType": "PROPERTY_TYPE_ORDINARY",
        "industryCategory": "TECHNOLOGY", "createTime": "2023-02-01T09:30:00.123Z", "updateTime": "2024-05-06T07:08:09.456Z" }))
}

/// The property, if the caller has a role on it.
pub(super) fn find<'a>(question: Question<'a>, number: &str) -> Result<&'a GoogleProperty, Problem> {
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::invalid(format!(
            "Invalid property ID: {number}. A numeric Property ID is required. To learn more about Property ID, see \
             https://developers.google.com/analytics/devguides/reporting/data/v1/property-id."
        )));
    }
    let found = question.site.options.google_properties.iter().find(|property| property.number == number);
    found.filter(|_| question.caller.sees(number)).ok_or_else(Problem::no_role)
}
