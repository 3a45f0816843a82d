//! The discounts that customers have of their own, as they are kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        answers::Discount,
        api,
        codec::{decode, encode},
    },
    CHANGED, STREAM,
    events::{Happened, What},
};
use crate::{
    http::Http,
    integrations::{Batch, Context, Error, Record},
    metric::FailureKind,
};

/// Customers that are read one by one at the same time.
const ABREAST: usize = 8;

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Of the walk that was begun last when it was read.
    generation: u64,
    discount: Discount,
}

/// The discounts of some customers.
pub(super) async fn of(ctx: &Context, customers: &[String]) -> Result<HashMap<String, Discount>, Error> {
    let mut discounts = HashMap::new();
    for record in ctx.records(STREAM, customers).await? {
        let kept: Kept = decode(&record.bytes)?;
        discounts.insert(record.key, kept.discount);
    }
    Ok(discounts)
}

/// A customer's own discount, if it has one. Those whose time is simulated are in no list.
pub(super) fn own(discount: Option<Discount>, is_simulated: bool) -> Option<Discount> {
    discount.filter(|discount| !is_simulated && discount.coupon().is_some())
}

pub(super) fn record(customer: &str, generation: u64, discount: Discount) -> Result<Record, Error> {
    let bytes = encode(&Kept { generation, discount })?;
    Ok(Record { key: customer.to_owned(), group: String::new(), bytes })
}

/// Says that a customer's discount may be another one since an instant.
pub(super) fn changed(customer: &str, at: i64) -> Result<Record, Error> {
    Ok(Record { key: format!("{CHANGED}{customer}"), group: String::new(), bytes: encode(&at)? })
}

/// The generation of a record that is a discount.
pub(super) fn generation(record: &Record) -> Result<u64, Error> {
    Ok(decode::<Kept>(&record.bytes)?.generation)
}

/// Reads anew what may have changed, customer by customer. What is kept of somebody is as new as the event or newer, so
/// that nothing is lost or wrong if only a part gets committed.
pub(super) async fn reread(ctx: &Context, generation: u64, happened: &[Happened]) -> Result<(), Error> {
    let mut deleted = BTreeSet::new();
    let mut changed_at: BTreeMap<&str, i64> = BTreeMap::new();
    for Happened { customer, at, what, .. } in happened {
        match what {
            What::Created => {}
            What::Discounted => drop(changed_at.insert(customer, *at)),
            What::Deleted => drop(deleted.insert(customer.as_str())),
        }
    }
    changed_at.retain(|customer, _| !deleted.contains(customer));
    if !deleted.is_empty() {
        ctx.commit(deleted.into_iter().fold(Batch::new(), |batch, customer| batch.delete(STREAM, customer))).await?;
    }
    let changed_at: Vec<(&str, i64)> = changed_at.into_iter().collect();
    for some in changed_at.chunks(ABREAST) {
        let read = try_join_all(some.iter().map(|(customer, _)| find(&ctx.http, customer))).await?;
        let mut batch = Batch::new();
        for ((customer, at), discount) in some.iter().zip(read) {
            batch = match discount {
                Some(discount) => batch.upsert(STREAM, record(customer, generation, discount)?),
                None => batch.delete(STREAM, customer),
            };
            batch = batch.upsert(STREAM, changed(customer, *at)?);
        }
        ctx.commit(batch).await?;
    }
    Ok(())
}

/// A customer's own discount as it is now.
async fn find(http: &Http, customer: &str) -> Result<Option<Discount>, Error> {
    match api::customer(http, customer).await {
        Ok(customer) => Ok(own(customer.discount, customer.deleted || customer.test_clock.is_some())),
        Err(error) if error.kind() == FailureKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
