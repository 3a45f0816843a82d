//! Provider answers that stand behind a "not modified": validators in the open, body sealed.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Error, SealedRow, Store, Write, connections::sealed, db::args};

/// A kept answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRow {
    /// `ETag`, as it came.
    pub etag: Option<String>,
    /// `Last-Modified`, as it came.
    pub last_modified: Option<String>,
    /// `Link`, as it came.
    pub link: Option<String>,
    /// The body, compressed and sealed.
    pub sealed: SealedRow,
}

impl Store {
    /// The answer kept for a request of a connection, which is named by its public id.
    pub async fn kept(&self, connection_public_id: &str, request_key: &str) -> Result<Option<KeptRow>, Error> {
        let Ok(public_id) = connection_public_id.parse::<Uuid>() else { return Ok(None) };
        let sql = "SELECT k.* FROM connections c JOIN kept k USING (project_id, connection_id)
             WHERE c.public_id = $1 AND k.request_key = $2";
        let Some(row) = self.db.first(sql, args![public_id, request_key]).await? else { return Ok(None) };
        let (etag, last_modified, link) = (row.get("etag")?, row.get("last_modified")?, row.get("link")?);
        Ok(Some(KeptRow { etag, last_modified, link, sealed: sealed(&row)? }))
    }

    /// Forgets all kept answers: after a key was replaced they cost one full answer each and nothing else.
    pub async fn drop_all_kept(&self) -> Result<u64, Error> {
        self.db.execute("DELETE FROM kept", args![]).await
    }

    /// Forgets answers that were kept before an instant and not since.
    pub async fn prune_kept(&self, before: Timestamp) -> Result<u64, Error> {
        self.db.drop_old("kept", "project_id, connection_id, request_key", "kept_at", before).await
    }
}

impl Write {
    /// Keeps an answer, over that of the same request.
    pub async fn put_kept(&mut self, request_key: &str, kept: &KeptRow, now: Timestamp) -> Result<(), Error> {
        let key = self.key();
        let sql = "INSERT INTO kept (project_id, connection_id, request_key, etag, last_modified, link, key_id,
             wrapped_key, body, kept_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (project_id, connection_id, request_key) DO UPDATE
             SET etag = excluded.etag, last_modified = excluded.last_modified, link = excluded.link,
                 key_id = excluded.key_id, wrapped_key = excluded.wrapped_key, body = excluded.body,
                 kept_at = excluded.kept_at";
        let values = args![
            key.project_id,
            key.connection_id,
            request_key,
            kept.etag.as_deref(),
            kept.last_modified.as_deref(),
            kept.link.as_deref(),
            &kept.sealed.key_id,
            &kept.sealed.wrapped_key,
            &kept.sealed.body,
            now
        ];
        self.tx.execute(sql, values).await.map(drop)
    }
}
