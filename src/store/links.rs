//! Links that work once. Only the hash of what they hold is here.

use jiff::Timestamp;

use super::{
    Act, Action, Error, Store,
    db::{Tx, args},
    users,
};

impl Store {
    /// Notes a link for the first account. What was noted before is void: only the newest link that was printed works.
    pub async fn insert_set_up_link(&self, token_hash: &[u8], expires_at: Timestamp) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        tx.execute("DELETE FROM one_time_links WHERE purpose = 'set_up'", args![]).await?;
        let sql = "INSERT INTO one_time_links (token_hash, purpose, expires_at) VALUES ($1, 'set_up', $2)";
        tx.execute(sql, args![token_hash, expires_at]).await?;
        tx.commit("set-up link").await
    }

    /// Notes a link that signs a user in.
    pub async fn insert_sign_in_link(
        &self,
        user_id: i64,
        token_hash: &[u8],
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        let sql =
            "INSERT INTO one_time_links (token_hash, purpose, user_id, expires_at) VALUES ($1, 'sign_in', $2, $3)";
        let mut tx = self.db.begin().await?;
        tx.execute(sql, args![token_hash, user_id, expires_at]).await?;
        let email = users::email(&mut tx, user_id).await?;
        self.noted(&mut tx, Act::of_user(user_id, Action::SignInLinkMade, email)).await?;
        tx.commit("sign-in link").await
    }

    /// Whether a link may still be used; its purpose is `set_up` or `sign_in`.
    pub async fn link_is_open(&self, purpose: &str, token_hash: &[u8], now: Timestamp) -> Result<bool, Error> {
        let sql = "SELECT 1 AS one FROM one_time_links WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3";
        Ok(self.db.first(sql, args![token_hash, purpose, now]).await?.is_some())
    }

    /// Takes a link that signs in, and says whom. Of several who try, one gets it.
    pub async fn take_sign_in_link(&self, token_hash: &[u8], now: Timestamp) -> Result<Option<i64>, Error> {
        let mut tx = self.db.begin().await?;
        let user = take(&mut tx, "sign_in", token_hash, now).await?.flatten();
        tx.commit("use of a link").await?;
        Ok(user)
    }
}

/// Takes a link in a transaction: `None` when there is none that is open, else its user if it has one.
pub(super) async fn take(
    tx: &mut Tx,
    purpose: &str,
    token_hash: &[u8],
    now: Timestamp,
) -> Result<Option<Option<i64>>, Error> {
    let sql = "DELETE FROM one_time_links WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3 RETURNING user_id";
    tx.first(sql, args![token_hash, purpose, now]).await?.map(|row| row.get("user_id")).transpose()
}
