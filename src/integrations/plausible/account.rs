//! Finds out whether a key opens the site, in which zone that counts its days, and what there is to choose from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, json};

use super::{
    api,
    fetch::{OLD_WITHOUT_REVENUE, Reader},
    kept::Seen,
    metrics::{self, Reading},
    refusal::{explained, no_such_goals},
    settings::Measured,
    table::Question,
};
use crate::{
    integrations::{AccountInfo, Check, Choice, Context, Error},
    metric::{FailureKind, Interval, Period},
};

/// Goals that were reached in so many days are there to choose from.
const GOAL_DAYS: i32 = 30;

/// Tests the connection. Only a site that cannot be read is an error.
pub(super) async fn test(ctx: &Context) -> Result<AccountInfo, Error> {
    let Some(measured) = Measured::parse(&ctx.settings)? else { return Err(no_site(&sites(ctx).await?)) };
    let is_old = readable(ctx, &measured).await.map_err(|error| explained(error, &measured.site))?;
    let mut checks = vec![Check {
        id: "site".to_owned(),
        ok: true,
        message: format!("{} can be read", measured.site),
        costs: Vec::new(),
    }];
    let mut choices = BTreeMap::new();
    if is_old {
        let message = format!("{OLD_WITHOUT_REVENUE}; goals, pages, sources and countries cost a request a day each");
        let costs = vec![metrics::REVENUE.to_owned()];
        checks.push(Check { id: "version".to_owned(), ok: false, message, costs });
    } else {
        let (goals, check) = goals(ctx, &measured).await?;
        choices.insert("goals".to_owned(), goals.iter().map(|name| choice(name)).collect());
        checks.extend(check);
    }
    let listed = sites(ctx).await?;
    let zone = listed.iter().find(|site| site.domain == measured.site).and_then(|site| site.timezone.clone());
    checks.push(zone_check(zone.as_deref()));
    choices.insert("site_id".to_owned(), listed.iter().map(|site| choice(&site.domain)).collect());
    choices.retain(|_, values: &mut Vec<Choice>| !values.is_empty());
    let version = if is_old { 1 } else { 2 };
    Ok(AccountInfo {
        id: identity(ctx, &measured.site),
        label: measured.site,
        zone,
        currency: None,
        info: Map::from_iter([("api_version".to_owned(), json!(version))]),
        checks,
        choices,
    })
}

fn choice(name: &str) -> Choice {
    Choice { value: name.to_owned(), label: name.to_owned() }
}

/// The same domain on a Plausible of one's own is another site than in the cloud.
fn identity(ctx: &Context, site: &str) -> String {
    match ctx.settings.url("base_url").and_then(|url| url.host_str().map(str::to_owned)) {
        Some(host) => format!("site:{site}@{host}"),
        None => format!("site:{site}"),
    }
}

/// Days that have certainly begun, in whatever zone.
fn days(ctx: &Context, count: i32) -> Period {
    Period::new(ctx.today().plus(-count), ctx.today())
}

/// Asks for the site's days, as a sync does. Gives whether that took version 1 of the API.
async fn readable(ctx: &Context, measured: &Measured) -> Result<bool, Error> {
    let mut reader = Reader { ctx, measured, seen: Seen::default() };
    let question = reader.question(Reading::Days, days(ctx, 1), Interval::Day);
    reader.ask(&question).await?;
    Ok(reader.seen.is_old(ctx))
}

/// The goals that were reached lately, and whether those that were named are there.
async fn goals(ctx: &Context, measured: &Measured) -> Result<(BTreeSet<String>, Option<Check>), Error> {
    let mut reader = Reader { ctx, measured, seen: Seen::default() };
    let named = reader.question(Reading::Goals, days(ctx, GOAL_DAYS), Interval::Month);
    let all = reader.ask(&Question { goals: &[], ..named.clone() }).await?;
    let reached: BTreeSet<String> = all.into_iter().map(|row| row.name).collect();
    if measured.goals.is_empty() {
        return Ok((reached, None));
    }
    let missing = reader.find(&named).await?.missing;
    let check = match missing.as_slice() {
        [] => {
            Check { id: "goals".to_owned(), ok: true, message: "all of them are there".to_owned(), costs: Vec::new() }
        }
        missing => {
            let fed = [Reading::Goals, Reading::Revenue].into_iter().flat_map(Reading::rows);
            let costs = fed.map(|row| row.id.to_owned()).collect();
            Check { id: "goals".to_owned(), ok: false, message: no_such_goals(missing).to_string(), costs }
        }
    };
    Ok((reached, Some(check)))
}

/// The sites that may be listed; none where the key, the plan or the version does not have the list.
async fn sites(ctx: &Context) -> Result<Vec<api::Site>, Error> {
    match api::sites(&ctx.http).await {
        Ok(listed) => Ok(listed.sites),
        Err(error) if matches!(error.kind(), FailureKind::RateLimited | FailureKind::Unavailable) => Err(error),
        Err(_) => Ok(Vec::new()),
    }
}

fn no_site(listed: &[api::Site]) -> Error {
    let domains: Vec<&str> = listed.iter().take(20).map(|site| site.domain.as_str()).collect();
    Error::invalid_settings(match domains.as_slice() {
        [] => "site_id: give the site's domain as Plausible lists it, such as example.com".to_owned(),
        domains => format!("site_id: give the site's domain; this key may see {}", domains.join(", ")),
    })
    .with_offer("site_id", listed.iter().map(|site| (site.domain.clone(), site.domain.clone())))
}

fn zone_check(zone: Option<&str>) -> Check {
    let message = match zone {
        Some(zone) => format!("the site counts its days in {zone}"),
        None => {
            "the key may not list sites, so that Plausible does not say in which zone the site counts its days: where \
                 that is not the project's, connect with `zone` as in the site's settings"
                .to_owned()
        }
    };
    Check { id: "zone".to_owned(), ok: true, message, costs: Vec::new() }
}
