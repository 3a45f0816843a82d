//! Reads what happened on days: movements of the balance and attempts to charge.

use super::{
    api,
    metrics::{Attempts, Ledger},
};
use crate::{
    integrations::{Batch, Context, Error},
    metric::Period,
};

/// Days that are read at once and committed together.
pub(super) const WINDOW_DAYS: u32 = 30;

/// Reads balance transactions and answers the wanted metrics, newest days first.
pub(super) async fn read_balance(ctx: &Context, wanted: &[&str], period: Period) -> Result<(), Error> {
    for window in period.windows(WINDOW_DAYS) {
        let (from, to) = ctx.zone.bounds(window);
        let mut ledger = Ledger::default();
        let mut pages = api::balance_transactions(&ctx.http, from, to);
        while let Some(page) = pages.next().await? {
            for entry in &page.body.data {
                ledger.add(entry, window, &ctx.zone)?;
            }
        }
        ctx.commit(Batch { answers: ledger.answers(wanted, window), ..Batch::new() }).await?;
    }
    Ok(())
}

/// Reads charges and answers the wanted metrics, newest days first.
pub(super) async fn read_charges(ctx: &Context, wanted: &[&str], period: Period) -> Result<(), Error> {
    for window in period.windows(WINDOW_DAYS) {
        let (from, to) = ctx.zone.bounds(window);
        let mut attempts = Attempts::default();
        let mut pages = api::charges(&ctx.http, from, to);
        while let Some(page) = pages.next().await? {
            for charge in &page.body.data {
                attempts.add(charge, window, &ctx.zone)?;
            }
        }
        ctx.commit(Batch { answers: attempts.answers(wanted, window), ..Batch::new() }).await?;
    }
    Ok(())
}
