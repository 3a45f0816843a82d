//! What a run writes at once: one transaction under the run's fencing number.

use super::{
    Claim, ConnectionKey, Error, Store,
    changes::{Changed, tell},
    db::Tx,
    queue::hold,
};

/// One transaction of a run. All of it is kept by [`Write::commit`], or nothing: dropped, it leaves no trace.
///
/// As long as it is open nobody can claim the connection, so what is committed was written by its rightful owner. Keep
/// it short, and do not wait for a provider meanwhile: on SQLite nothing else can write.
#[derive(Debug)]
pub struct Write {
    pub(super) tx: Tx,
    key: ConnectionKey,
    step: &'static str,
    /// Something was written that dashboards show.
    has_news: bool,
}

impl Store {
    /// Starts writing for a claim. [`Error::FenceLost`] when another has claimed the connection, or it was deleted.
    pub async fn write(&self, claim: &Claim) -> Result<Write, Error> {
        let mut tx = self.db.begin().await?;
        hold(&mut tx, claim).await?;
        Ok(Write { tx, key: claim.key, step: "write", has_news: false })
    }
}

impl Write {
    /// Whose data it writes.
    pub fn key(&self) -> ConnectionKey {
        self.key
    }

    /// The same under a name of its own, by which its fail points are called.
    #[must_use]
    pub fn named(self, step: &'static str) -> Self {
        Self { step, ..self }
    }

    /// Notes that rows were written which dashboards show.
    pub(super) fn news(&mut self, rows: u64) -> u64 {
        self.has_news |= rows > 0;
        rows
    }

    /// Makes everything durable at once, and tells those who show the connection where there is something new.
    pub async fn commit(mut self) -> Result<(), Error> {
        if self.has_news {
            tell(&mut self.tx, self.key, Changed::Numbers).await?;
        }
        self.tx.commit(self.step).await
    }
}
