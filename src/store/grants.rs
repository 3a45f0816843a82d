//! Grants that renew themselves: who renews, since when, and what it brought. They lie sealed with the credentials.

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    ConnectionKey, Error, SealedRow, Store,
    connections::{key, missing, sealed},
    db::args,
};

/// Sealed credentials and their version, which rises with everything that changes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialsRow {
    /// The credentials, with the grant if they have one.
    pub sealed: SealedRow,
    /// Their version.
    pub version: i64,
}

/// What becomes of the wish to renew a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenewalRow {
    /// The lease is the caller's, and that the renewal is open is on disk.
    Begun {
        /// Since when an earlier one is open.
        open_since: Option<Timestamp>,
    },
    /// Another one holds the lease.
    Busy,
    /// The credentials are of another version than the caller knows.
    Newer(CredentialsRow),
}

impl Store {
    /// The key of the connection with a public id.
    async fn key_of(&self, public_id: Uuid) -> Result<ConnectionKey, Error> {
        let sql = "SELECT project_id, connection_id FROM connections WHERE public_id = $1";
        let row = self.db.first(sql, args![public_id]).await?;
        key(&row.ok_or_else(|| Error::NotFound("the connection is not there any more".to_owned()))?)
    }

    /// The sealed credentials of the connection with a public id.
    pub async fn credentials(&self, public_id: Uuid) -> Result<CredentialsRow, Error> {
        let key = self.key_of(public_id).await?;
        let sql = "SELECT key_id, wrapped_key, body, version FROM credentials
             WHERE project_id = $1 AND connection_id = $2";
        let row = self.db.first(sql, args![key.project_id, key.connection_id]).await?.ok_or_else(|| missing(key))?;
        Ok(CredentialsRow { sealed: sealed(&row)?, version: row.get("version")? })
    }

    /// Takes the lease on a connection's credentials until an instant, if they are still of that version and nobody else
    /// holds it, and notes that a renewal is open.
    pub async fn begin_renewal(
        &self,
        public_id: Uuid,
        version: i64,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<RenewalRow, Error> {
        let key = self.key_of(public_id).await?;
        let mut tx = self.db.begin().await?;
        let sql = tx.locking(
            "SELECT key_id, wrapped_key, body, version, lease_owner, lease_until, renewal_at FROM credentials
             WHERE project_id = $1 AND connection_id = $2",
        );
        let row = tx.first(sql, args![key.project_id, key.connection_id]).await?.ok_or_else(|| missing(key))?;
        let found: i64 = row.get("version")?;
        if found != version {
            return Ok(RenewalRow::Newer(CredentialsRow { sealed: sealed(&row)?, version: found }));
        }
        let (holder, held_until) =
            (row.get::<Option<String>>("lease_owner")?, row.get::<Option<Timestamp>>("lease_until")?);
        if holder.is_some_and(|holder| holder != owner) && held_until.is_some_and(|held_until| held_until > now) {
            return Ok(RenewalRow::Busy);
        }
        let open_since: Option<Timestamp> = row.get("renewal_at")?;
        let sql = "UPDATE credentials SET lease_owner = $3, lease_until = $4, renewal_at = $5
             WHERE project_id = $1 AND connection_id = $2";
        let open = open_since.unwrap_or(now);
        tx.execute(sql, args![key.project_id, key.connection_id, owner, until, open]).await?;
        tx.commit("intent of a renewal").await?;
        Ok(RenewalRow::Begun { open_since })
    }

    /// Puts renewed credentials in the place of those of a version; the new version. `None` where there are others by now.
    ///
    /// Whose the lease is does not count: what a provider gave is not dropped because it came late.
    pub async fn keep_renewed(&self, public_id: Uuid, version: i64, renewed: &SealedRow) -> Result<Option<i64>, Error> {
        let key = self.key_of(public_id).await?;
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE credentials SET key_id = $3, wrapped_key = $4, body = $5, version = version + 1,
             lease_owner = NULL, lease_until = NULL, renewal_at = NULL
             WHERE project_id = $1 AND connection_id = $2 AND version = $6";
        let values =
            args![key.project_id, key.connection_id, &renewed.key_id, &renewed.wrapped_key, &renewed.body, version];
        let kept = tx.execute(sql, values).await? > 0;
        tx.commit("renewed grant").await?;
        Ok(kept.then_some(version + 1))
    }

    /// Gives the lease back without renewed credentials. Where nobody knows whether the provider renewed them, the
    /// renewal stays open since an instant.
    pub async fn end_renewal(&self, public_id: Uuid, owner: &str, open_since: Option<Timestamp>) -> Result<(), Error> {
        let key = self.key_of(public_id).await?;
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE credentials SET lease_owner = NULL, lease_until = NULL, renewal_at = $4
             WHERE project_id = $1 AND connection_id = $2 AND lease_owner = $3";
        tx.execute(sql, args![key.project_id, key.connection_id, owner, open_since]).await?;
        tx.commit("end of a renewal").await
    }
}
