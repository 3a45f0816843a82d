//! Fetches the prices and coupons that a list does not tell enough of, each once a run.

use std::collections::btree_map::Entry;

use super::{
    answers::Subscription,
    api,
    mrr::{Facts, Needs},
};
use crate::http::{Error, Http};

impl Facts {
    /// Fetches what is needed and not known yet. What may not be read, or is gone, is remembered as such.
    pub(super) async fn learn(&mut self, http: &Http, needs: Needs) -> Result<(), Error> {
        for key in needs.prices {
            if let Entry::Vacant(unknown) = self.prices.entry(key) {
                let price = api::if_readable(api::price(http, unknown.key())).await?;
                unknown.insert(price);
            }
        }
        for id in needs.coupons {
            if let Entry::Vacant(unknown) = self.coupons.entry(id) {
                let coupon = api::if_readable(api::coupon(http, unknown.key())).await?;
                unknown.insert(coupon);
            }
        }
        Ok(())
    }
}

/// Reads the items that did not fit into the subscription's own answer.
pub(super) async fn complete_items(http: &Http, sub: &mut Subscription) -> Result<(), Error> {
    if !sub.items.has_more {
        return Ok(());
    }
    let last = sub.items.data.last().map(|item| item.id.clone());
    let mut pages = api::items(http, &sub.id, last.as_deref());
    while let Some(page) = pages.next().await? {
        sub.items.data.extend(page.body.data);
    }
    sub.items.has_more = false;
    Ok(())
}
