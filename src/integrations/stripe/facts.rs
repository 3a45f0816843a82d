//! Puts into a subscription what its list does not tell: tiers, prices in other currencies, what coupons apply to, and
//! the items that did not fit. Afterwards it can be valued without asking anybody.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::{
    answers::{Coupon, Discount, Expandable, Item, Price, Subscription},
    api,
    mrr::{self, Around, Needs, PriceKey},
};
use crate::http::{Error, Http};

/// Single objects that are read side by side.
pub(super) const ABREAST: usize = 8;
/// More than an account has, unless each subscription has a price of its own.
const REMEMBERED: usize = 5000;

/// Prices and coupons that were fetched for themselves, each once. `None`: it may not be read or is gone.
#[derive(Debug, Default)]
pub(super) struct Facts {
    prices: BTreeMap<PriceKey, Option<Price>>,
    coupons: BTreeMap<String, Option<Coupon>>,
}

impl Facts {
    /// Completes a subscription for an instant and all after it.
    pub(super) async fn complete(
        &mut self,
        http: &Http,
        sub: &mut Subscription,
        around: &mut Around,
        from: i64,
    ) -> Result<(), Error> {
        complete_items(http, sub).await?;
        self.learn(http, mrr::needs(sub, around, from)).await?;
        self.put(sub, around);
        Ok(())
    }

    /// Fetches what is needed and not known yet. What may not be read, or is gone, is remembered as such.
    pub(super) async fn learn(&mut self, http: &Http, needs: Needs) -> Result<(), Error> {
        let is_known = needs.prices.iter().all(|key| self.prices.contains_key(key))
            && needs.coupons.iter().all(|id| self.coupons.contains_key(id));
        if is_known {
            return Ok(());
        }
        if self.prices.len() + self.coupons.len() > REMEMBERED {
            *self = Self::default();
        }
        let prices: Vec<PriceKey> = needs.prices.into_iter().filter(|key| !self.prices.contains_key(key)).collect();
        for some in prices.chunks(ABREAST) {
            let read = try_join_all(some.iter().map(|key| api::if_readable(api::price(http, key)))).await?;
            self.prices.extend(some.iter().cloned().zip(read));
        }
        let coupons: Vec<String> = needs.coupons.into_iter().filter(|id| !self.coupons.contains_key(id)).collect();
        for some in coupons.chunks(ABREAST) {
            let read = try_join_all(some.iter().map(|id| api::if_readable(api::coupon(http, id)))).await?;
            self.coupons.extend(some.iter().cloned().zip(read));
        }
        Ok(())
    }

    /// Puts what is known into its places.
    pub(super) fn put(&self, sub: &mut Subscription, around: &mut Around) {
        for item in &mut sub.items.data {
            self.put_price(item, &sub.currency);
            for discount in &mut item.discounts {
                self.put_expanded(discount);
            }
        }
        sub.discounts.iter_mut().for_each(|discount| self.put_expanded(discount));
        for discount in [&mut sub.discount, &mut around.customer_discount].into_iter().flatten() {
            self.put_coupon(discount);
        }
    }

    fn put_price(&self, item: &mut Item, currency: &str) {
        let key = mrr::price_key(&item.price, currency);
        if let Some(price) = key.and_then(|key| self.price(&key, currency)) {
            item.price = price;
        }
    }

    /// A price that was fetched, with its amounts in one currency.
    pub(super) fn price(&self, key: &PriceKey, currency: &str) -> Option<Price> {
        let mut price = self.prices.get(key)?.clone()?;
        // The others are nobody's concern here, and there may be many.
        let own = price.currency.eq_ignore_ascii_case(currency);
        if let Some(options) = price.currency_options.as_mut() {
            options.retain(|code, _| !own && code.eq_ignore_ascii_case(currency));
        }
        Some(price)
    }

    fn put_expanded(&self, discount: &mut Expandable<Discount>) {
        if let Expandable::Object(discount) = discount {
            self.put_coupon(discount);
        }
    }

    fn put_coupon(&self, discount: &mut Discount) {
        let known = mrr::coupon_id(discount).and_then(|id| self.coupons.get(&id)?.as_ref());
        if let Some(coupon) = known {
            *discount = discount.clone().with_coupon(Coupon { is_whole: true, ..coupon.clone() });
        }
    }
}

/// Reads the items that did not fit into the subscription's own answer.
async fn complete_items(http: &Http, sub: &mut Subscription) -> Result<(), Error> {
    if !sub.items.has_more {
        return Ok(());
    }
    let last = sub.items.data.last().map(|item| item.id.clone());
    let mut pages = api::items(http, &sub.id, last.as_deref());
    while let Some(page) = pages.next().await? {
        page.body.data.iter().try_for_each(Item::tells_discounts)?;
        sub.items.data.extend(page.body.data);
    }
    sub.items.has_more = false;
    Ok(())
}

#[cfg(test)]
impl Facts {
    /// Facts that are known without asking.
    pub(super) fn of(prices: Vec<(PriceKey, Price)>, coupons: Vec<Coupon>) -> Self {
        Self {
            prices: prices.into_iter().map(|(key, price)| (key, Some(price))).collect(),
            coupons: coupons.into_iter().map(|coupon| (coupon.id.clone(), Some(coupon))).collect(),
        }
    }
}
