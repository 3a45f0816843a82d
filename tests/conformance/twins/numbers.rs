//! The ways in which a twin's numbers are wrong although each answer by itself looks right.

use std::collections::BTreeMap;

use dashtray::{
    integrations::{Batch, Context, Error},
    metric::{Day, Definition, Kind, Period, Value},
};

use super::{
    flaw::Flaw,
    twin::{Twin, USERS},
};

impl Twin {
    /// What it says wrongly of what it measures.
    pub(super) fn misdefine(&self, mut definition: Definition) -> Definition {
        let is_users = definition.id == USERS;
        match self.0 {
            Flaw::SettlesAtOnce => definition.settles_after_days = 0,
            Flaw::NeverSettles if !is_users => definition.settles_after_days = 100,
            Flaw::PromisesTooMuch if is_users => definition.retention_days = Some(3),
            Flaw::SnapshotAsFlow if is_users => definition.kind = Kind::Flow,
            _ => {}
        }
        definition
    }

    /// What it makes of the days that it read, and the period that it answers for.
    pub(super) async fn misread(
        &self,
        ctx: &Context,
        period: Period,
        by_day: &mut BTreeMap<Day, i64>,
    ) -> Result<Period, Error> {
        match self.0 {
            Flaw::BoundaryDayTwice => {
                let boundary = by_day.get(&period.end()).copied().unwrap_or(0);
                *by_day.entry(period.end().plus(-1)).or_default() += boundary;
            }
            Flaw::SkipsWhatIsOlder => {
                let kept = ctx.checkpoint("things").await?;
                let newest = kept.and_then(|kept| String::from_utf8(kept).ok()?.parse::<Day>().ok());
                by_day.retain(|day, _| newest.is_none_or(|newest| *day >= newest));
                let newest = newest.max(period.last()).map(|day| day.to_string().into_bytes());
                ctx.commit(Batch::new().checkpoint("things", newest.unwrap_or_default())).await?;
            }
            Flaw::KeepsFirstReading => {
                let kept = ctx.checkpoint("things").await?;
                let mut first: BTreeMap<i32, i64> =
                    kept.and_then(|kept| serde_json::from_slice(&kept).ok()).unwrap_or_default();
                for day in period.days() {
                    let count = by_day.entry(day).or_default();
                    *count = *first.entry(day.number()).or_insert(*count);
                }
                let bytes = serde_json::to_vec(&first).unwrap_or_default();
                ctx.commit(Batch::new().checkpoint("things", bytes)).await?;
            }
            Flaw::RewritesSettled => return Ok(Period::inclusive(ctx.today().plus(-20), ctx.today())),
            _ => {}
        }
        Ok(period)
    }

    /// A share as it keeps it.
    pub(super) fn share_of(&self, good: i64, all: i64) -> Option<Value> {
        match self.0 {
            Flaw::SharesInHundredths => Value::ratio((good * 100).checked_div(all)?, 100),
            _ => Value::ratio(good, all),
        }
    }
}
