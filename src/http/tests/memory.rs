//! A memory for tests: what a database would do, in one process.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::http::{Allowance, Kept, Learned, Memory, MemoryError, Reservation};

#[derive(Default)]
pub(super) struct Remembering {
    state: Mutex<State>,
    is_shared: bool,
}

#[derive(Default)]
struct State {
    rows: HashMap<(String, String), Row>,
    reserved: Vec<Reservation>,
    learned: Vec<Learned>,
    starts: Vec<Timestamp>,
    kept: HashMap<(String, String), Kept>,
    is_broken: bool,
}

#[derive(Default)]
struct Row {
    used: i64,
    remaining: Option<i64>,
    resets_at: Timestamp,
    blocked_until: Timestamp,
    recent: Vec<Timestamp>,
}

impl Remembering {
    /// One that several processes take calls out of.
    pub(super) fn shared() -> Self {
        Self { is_shared: true, ..Self::default() }
    }

    pub(super) fn reserved(&self) -> Vec<Reservation> {
        self.state.lock().unwrap().reserved.clone()
    }

    pub(super) fn learned(&self) -> Vec<Learned> {
        self.state.lock().unwrap().learned.clone()
    }

    /// When windows started anew.
    pub(super) fn starts(&self) -> Vec<Timestamp> {
        self.state.lock().unwrap().starts.clone()
    }

    pub(super) fn keep(&self, connection_id: &str, kept: Kept) {
        let key = (connection_id.to_owned(), kept.request_key.clone());
        self.state.lock().unwrap().kept.insert(key, kept);
    }

    pub(super) fn break_down(&self) {
        self.state.lock().unwrap().is_broken = true;
    }
}

#[async_trait]
impl Memory for Remembering {
    async fn reserve(&self, reservation: &Reservation) -> Result<Allowance, MemoryError> {
        // A database takes its time, and others come in between.
        tokio::task::yield_now().await;
        let mut state = self.state.lock().unwrap();
        if state.is_broken {
            return Err(MemoryError("the database is locked".into()));
        }
        state.reserved.push(reservation.clone());
        let now = reservation.now;
        let row = state.rows.entry((reservation.budget.clone(), reservation.window.clone())).or_default();
        if row.blocked_until > now {
            return Ok(Allowance { granted: 0, resets_at: row.blocked_until });
        }
        if let Some(slides) = reservation.slides_ms.map(SignedDuration::from_millis) {
            row.recent.retain(|at| *at + slides > now);
            if row.recent.len() as i64 >= reservation.capacity {
                return Ok(Allowance { granted: 0, resets_at: row.recent[0] + slides });
            }
        }
        let is_over = row.resets_at <= now;
        if is_over {
            let recent = std::mem::take(&mut row.recent);
            *row =
                Row { recent, resets_at: now + SignedDuration::from_millis(reservation.window_ms), ..Row::default() };
        }
        let free = (reservation.capacity - row.used).min(row.remaining.unwrap_or(i64::MAX));
        let granted = reservation.wanted.min(free).max(0);
        row.used += granted;
        row.recent.extend((0..granted).map(|_| now));
        row.remaining = row.remaining.map(|remaining| remaining - granted);
        let grant = Allowance { granted, resets_at: row.resets_at };
        if is_over {
            state.starts.push(now);
        }
        Ok(grant)
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    async fn learn(&self, learned: &Learned) -> Result<(), MemoryError> {
        let mut state = self.state.lock().unwrap();
        state.learned.push(learned.clone());
        let row = state.rows.entry((learned.budget.clone(), learned.window.clone())).or_default();
        row.remaining = learned.remaining.or(row.remaining);
        row.resets_at = learned.resets_at.unwrap_or(row.resets_at);
        row.blocked_until = learned.blocked_until.unwrap_or(row.blocked_until);
        Ok(())
    }

    async fn recall(&self, connection_id: &str, request_key: &str) -> Result<Option<Kept>, MemoryError> {
        let key = (connection_id.to_owned(), request_key.to_owned());
        Ok(self.state.lock().unwrap().kept.get(&key).cloned())
    }
}
