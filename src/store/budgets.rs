//! What is left of a provider's windows, shared by all runs and processes.

use jiff::{SignedDuration, Timestamp};

use super::{
    Error, Store,
    db::{Row, Tx, args},
};
use crate::http::{Allowance, Learned, Reservation};

/// A window as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    started_at: Timestamp,
    window_ms: i64,
    /// Calls given out since it started.
    used: i64,
    /// Calls it has, by the provider's word.
    learned_limit: Option<i64>,
    /// Calls left by the provider's last word, less what was given out since.
    remaining: Option<i64>,
    resets_at: Timestamp,
    /// Nobody calls before.
    blocked_until: Option<Timestamp>,
    /// Calls that still count in a window that slides, by the millisecond at which they were given out, oldest first.
    recent: Vec<(i64, i64)>,
}

impl Store {
    /// Takes up to `wanted` calls out of a window, atomically among all processes. A window that is over starts anew.
    pub async fn reserve(&self, reservation: &Reservation) -> Result<Allowance, Error> {
        let Reservation { budget, window, now, .. } = reservation;
        let mut tx = self.db.begin().await?;
        let mut row = load(&mut tx, budget, window, *now).await?;
        let grant = row.reserve(reservation);
        save(&mut tx, budget, window, &row).await?;
        tx.commit("reservation").await?;
        Ok(grant)
    }

    /// Notes what the provider said about a window.
    pub async fn learn(&self, learned: &Learned) -> Result<(), Error> {
        let Learned { budget, window, now, .. } = learned;
        let mut tx = self.db.begin().await?;
        let mut row = load(&mut tx, budget, window, *now).await?;
        row.learn(learned);
        save(&mut tx, budget, window, &row).await?;
        tx.commit("note of what is left").await
    }
}

impl Window {
    fn reserve(&mut self, reservation: &Reservation) -> Allowance {
        let now = reservation.now;
        if now >= self.resets_at {
            self.started_at = now;
            self.window_ms = reservation.window_ms;
            self.used = 0;
            self.remaining = None;
            let length = SignedDuration::from_millis(reservation.window_ms.max(0));
            self.resets_at = now.checked_add(length).unwrap_or(Timestamp::MAX);
        }
        if let Some(until) = self.blocked_until.filter(|until| *until > now) {
            return Allowance { granted: 0, resets_at: until };
        }
        let capacity = self.learned_limit.map_or(reservation.capacity, |limit| limit.min(reservation.capacity));
        let mut left = capacity.saturating_sub(self.used).min(self.remaining.unwrap_or(i64::MAX));
        if let Some(slides_ms) = reservation.slides_ms {
            left = left.min(capacity.saturating_sub(self.count_recent(now.as_millisecond(), slides_ms)));
            let oldest = self.recent.first().map(|(at, _)| Timestamp::from_millisecond(at.saturating_add(slides_ms)));
            if let (true, Some(Ok(until))) = (left <= 0, oldest) {
                return Allowance { granted: 0, resets_at: until.max(now) };
            }
        }
        let granted = reservation.wanted.min(left).max(0);
        self.used += granted;
        self.remaining = self.remaining.map(|remaining| remaining - granted);
        if reservation.slides_ms.is_some() && granted > 0 {
            self.recent.push((now.as_millisecond(), granted));
        }
        Allowance { granted, resets_at: self.resets_at }
    }

    /// How many calls still count that were given out, once those are dropped that do not. What was given out far in the
    /// future was so by a clock that was wrong.
    fn count_recent(&mut self, now: i64, slides_ms: i64) -> i64 {
        self.recent.retain(|(at, _)| (now - slides_ms + 1..=now + slides_ms).contains(at));
        self.recent.iter().fold(0, |sum: i64, (_, calls)| sum.saturating_add(*calls))
    }

    fn learn(&mut self, learned: &Learned) {
        if let Some(until) = learned.blocked_until {
            self.blocked_until = Some(self.blocked_until.map_or(until, |known| known.max(until)));
        }
        // A late answer speaks of a window that is over.
        if learned.resets_at.is_some_and(|at| at <= learned.now) {
            return;
        }
        self.learned_limit = learned.limit.or(self.learned_limit);
        self.resets_at = learned.resets_at.unwrap_or(self.resets_at);
        // Never raised: calls that were given out and have not arrived yet are not in the provider's count.
        if let Some(said) = learned.remaining {
            self.remaining = Some(self.remaining.map_or(said, |known| known.min(said)));
        }
    }
}

/// The window, locked until the transaction ends. A new one counts as over, so that a reservation starts it.
async fn load(tx: &mut Tx, budget: &str, window: &str, now: Timestamp) -> Result<Window, Error> {
    const SELECT: &str = "SELECT * FROM budgets WHERE budget = $1 AND window_name = $2";
    let known = tx.first(tx.locking(SELECT), args![budget, window]).await?;
    if let Some(row) = known {
        return row_window(&row);
    }
    let sql = "INSERT INTO budgets (budget, window_name, started_at, window_ms, used, resets_at)
         VALUES ($1, $2, $3, 0, 0, $3) ON CONFLICT (budget, window_name) DO NOTHING";
    tx.execute(sql, args![budget, window, now]).await?;
    let row = tx.first(tx.locking(SELECT), args![budget, window]).await?;
    row_window(&row.ok_or_else(|| Error::Unavailable(format!("the budget {budget} vanished; try again")))?)
}

async fn save(tx: &mut Tx, budget: &str, window: &str, row: &Window) -> Result<(), Error> {
    let sql = "UPDATE budgets SET started_at = $3, window_ms = $4, used = $5, learned_limit = $6, remaining = $7,
         resets_at = $8, blocked_until = $9, recent = $10 WHERE budget = $1 AND window_name = $2";
    let values = args![
        budget,
        window,
        row.started_at,
        row.window_ms,
        row.used,
        row.learned_limit,
        row.remaining,
        row.resets_at,
        row.blocked_until,
        written(&row.recent)
    ];
    tx.execute(sql, values).await.map(drop)
}

fn row_window(row: &Row) -> Result<Window, Error> {
    Ok(Window {
        started_at: row.get("started_at")?,
        window_ms: row.get("window_ms")?,
        used: row.get("used")?,
        learned_limit: row.get("learned_limit")?,
        remaining: row.get("remaining")?,
        resets_at: row.get("resets_at")?,
        blocked_until: row.get("blocked_until")?,
        recent: read(&row.get::<String>("recent")?),
    })
}

fn written(recent: &[(i64, i64)]) -> String {
    recent.iter().map(|(at, calls)| format!("{at}:{calls}")).collect::<Vec<_>>().join(" ")
}

/// What cannot be read counts no more: it is about seconds.
fn read(recent: &str) -> Vec<(i64, i64)> {
    let one = |part: &str| {
        let (at, calls) = part.split_once(':')?;
        Some((at.parse().ok()?, calls.parse().ok()?))
    };
    recent.split_whitespace().filter_map(one).collect()
}
