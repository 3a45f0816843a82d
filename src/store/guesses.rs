//! Wrong guesses at passwords, counted among all processes. Who guessed, and at whom, is here only as a hash.

use jiff::Timestamp;

use super::{
    Error, Store,
    db::{Row, args},
};

/// Somebody whose guesses are counted, or at whom is guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guesser {
    /// Who, as a hash.
    pub hash: Vec<u8>,
    /// How many wrong guesses count until no more are let in.
    pub most: i64,
}

impl Store {
    /// Counts a guess for each of these: for all, or for none where one of them has none left. Of that one it gives since
    /// when it is counted. What was counted up to `over` is over.
    ///
    /// Two who are counted together must always come in the same order.
    pub async fn count_guess(
        &self,
        guessers: &[Guesser],
        now: Timestamp,
        over: Timestamp,
    ) -> Result<Option<Timestamp>, Error> {
        // Whoever is refused costs no write, however often they come.
        for Guesser { hash, most } in guessers {
            let sql = "SELECT since_at FROM guesses WHERE guesser_hash = $1 AND since_at > $2 AND wrong >= $3";
            if let Some(row) = self.db.first(sql, args![hash, over, *most]).await? {
                return since(&row).map(Some);
            }
        }
        let mut tx = self.db.begin().await?;
        let mut is_news = false;
        for Guesser { hash, most } in guessers {
            let sql = "INSERT INTO guesses (guesser_hash, since_at, wrong) VALUES ($1, $2, 1)
                 ON CONFLICT (guesser_hash) DO UPDATE SET
                     wrong = CASE WHEN guesses.since_at > $3 THEN guesses.wrong + 1 ELSE 1 END,
                     since_at = CASE WHEN guesses.since_at > $3 THEN guesses.since_at ELSE excluded.since_at END
                 RETURNING since_at, wrong";
            let row = tx.first(sql, args![hash, now, over]).await?;
            let row = row.ok_or_else(|| Error::Unavailable("a guess could not be counted; try again".to_owned()))?;
            let wrong: i64 = row.get("wrong")?;
            // Others were let in since the look above. What was counted here goes with the transaction.
            if wrong > *most {
                return since(&row).map(Some);
            }
            is_news |= wrong == 1;
        }
        tx.commit("count of a guess").await?;
        if is_news {
            self.prune_guesses(over).await?;
        }
        Ok(None)
    }

    /// Takes one guess back that was none.
    pub async fn take_guess_back(&self, hash: &[u8]) -> Result<(), Error> {
        let sql = "UPDATE guesses SET wrong = wrong - 1 WHERE guesser_hash = $1 AND wrong > 0";
        self.db.execute(sql, args![hash]).await.map(drop)
    }

    /// Forgets all guesses of, or at, somebody.
    pub async fn forget_guesses(&self, hash: &[u8]) -> Result<(), Error> {
        self.db.execute("DELETE FROM guesses WHERE guesser_hash = $1", args![hash]).await.map(drop)
    }

    /// Drops what is over, passing over what others are just counting.
    async fn prune_guesses(&self, over: Timestamp) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        let old = tx.locking_free("SELECT guesser_hash FROM guesses WHERE since_at <= $1 ORDER BY since_at LIMIT 1000");
        for row in tx.all(old, args![over]).await? {
            let hash: Vec<u8> = row.get("guesser_hash")?;
            tx.execute("DELETE FROM guesses WHERE guesser_hash = $1", args![&hash]).await?;
        }
        tx.commit("removal of old guesses").await
    }
}

fn since(row: &Row) -> Result<Timestamp, Error> {
    row.get("since_at")
}
