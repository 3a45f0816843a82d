//! What outbound HTTP remembers, kept in the store; kept answers compressed and sealed by the vault.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    sync::Arc,
};

use async_trait::async_trait;
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    http::{
        Allowance, Credentials, Grant, Kept, KeptGrant, Learned, Memory, MemoryError, Place, Renewal, RenewalWish,
        Reservation,
    },
    secret::Secret,
    store::{self, CredentialsRow, KeptRow, RenewalRow, SealedRow, Store},
    vault::{self, Sealed, Vault},
};

/// The store and the vault as outbound HTTP's memory.
#[derive(Debug)]
pub struct SealedMemory {
    store: Store,
    vault: Arc<Vault>,
}

/// Where the grant stands among the fields that are sealed. No field can be called so.
const GRANT: &str = "@grant";

/// Largest body that is unpacked again.
const MAX_KEPT_BYTES: u64 = 64 << 20;

impl SealedMemory {
    pub(super) fn new(store: Store, vault: Arc<Vault>) -> Self {
        Self { store, vault }
    }
}

fn failed(error: impl std::fmt::Display) -> MemoryError {
    MemoryError(error.to_string())
}

#[async_trait]
impl Memory for SealedMemory {
    async fn reserve(&self, reservation: &Reservation) -> Result<Allowance, MemoryError> {
        self.store.reserve(reservation).await.map_err(failed)
    }

    fn is_shared(&self) -> bool {
        !self.store.is_sqlite()
    }

    async fn learn(&self, learned: &Learned) -> Result<(), MemoryError> {
        self.store.learn(learned).await.map_err(failed)
    }

    async fn recall(&self, connection_id: &str, request_key: &str) -> Result<Option<Kept>, MemoryError> {
        let Some(row) = self.store.kept(connection_id, request_key).await.map_err(failed)? else { return Ok(None) };
        // A kept answer that cannot be opened is asked for again; nothing depends on it.
        Ok(unpack(&self.vault, connection_id, request_key, row))
    }

    async fn begin_renewal(&self, wish: &RenewalWish) -> Result<Renewal, MemoryError> {
        let id = public_id(&wish.connection_id)?;
        let begun = self.store.begin_renewal(id, wish.version, &wish.owner, wish.now, wish.until).await;
        Ok(match begun.map_err(failed)? {
            RenewalRow::Begun { open_since } => Renewal::Begun { interrupted_at: open_since },
            RenewalRow::Busy => Renewal::Busy,
            RenewalRow::Newer(row) => Renewal::Newer(self.kept_grant(id, &row)?),
        })
    }

    async fn keep_grant(&self, connection_id: &str, version: i64, grant: &Grant) -> Result<Option<i64>, MemoryError> {
        let id = public_id(connection_id)?;
        let row = self.store.credentials(id).await.map_err(failed)?;
        if row.version != version {
            return Ok(None);
        }
        // What lies beside the grant stays as it is: it is of the same version.
        let credentials = open_credentials(&self.vault, id, &row).map_err(failed)?.with_grant(Some(grant.clone()));
        let sealed = seal_credentials(&self.vault, id, &credentials).map_err(failed)?;
        self.store.keep_renewed(id, version, &sealed).await.map_err(failed)
    }

    async fn end_renewal(
        &self,
        connection_id: &str,
        owner: &str,
        open_since: Option<Timestamp>,
    ) -> Result<(), MemoryError> {
        self.store.end_renewal(public_id(connection_id)?, owner, open_since).await.map_err(failed)
    }

    async fn grant(&self, connection_id: &str) -> Result<Option<KeptGrant>, MemoryError> {
        let id = public_id(connection_id)?;
        match self.store.credentials(id).await {
            Ok(row) => Ok(Some(self.kept_grant(id, &row)?)),
            Err(store::Error::NotFound(_)) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

fn public_id(connection_id: &str) -> Result<Uuid, MemoryError> {
    connection_id.parse().map_err(|_| MemoryError("this is no connection's id".to_owned()))
}

impl SealedMemory {
    fn kept_grant(&self, id: Uuid, row: &CredentialsRow) -> Result<KeptGrant, MemoryError> {
        let credentials = open_credentials(&self.vault, id, row).map_err(failed)?;
        Ok(KeptGrant { version: row.version, grant: credentials.grant().cloned() })
    }
}

/// Compresses and seals an answer's body.
pub(crate) fn pack(vault: &Vault, connection_id: &str, kept: &Kept) -> Result<KeptRow, vault::Error> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail.
    let packed = encoder.write_all(&kept.body).and_then(|()| encoder.finish()).unwrap_or_default();
    Ok(KeptRow {
        etag: kept.etag.clone(),
        last_modified: kept.last_modified.clone(),
        link: kept.link.clone(),
        sealed: to_row(vault.seal(&label(connection_id, &kept.request_key), &packed)?),
    })
}

fn unpack(vault: &Vault, connection_id: &str, request_key: &str, row: KeptRow) -> Option<Kept> {
    let packed = vault.open(&label(connection_id, request_key), &from_row(row.sealed)).ok()?;
    let mut body = Vec::new();
    DeflateDecoder::new(packed.as_slice()).take(MAX_KEPT_BYTES).read_to_end(&mut body).ok()?;
    Some(Kept {
        request_key: request_key.to_owned(),
        etag: row.etag,
        last_modified: row.last_modified,
        link: row.link,
        body,
    })
}

fn label(connection_id: &str, request_key: &str) -> String {
    format!("kept {connection_id} {request_key}")
}

/// The label that binds sealed credentials to their connection.
pub(super) fn credentials_label(connection_id: Uuid) -> String {
    format!("credentials {connection_id}")
}

/// Seals the credentials of a connection, with the grant if they have one.
pub(super) fn seal_credentials(
    vault: &Vault,
    connection_id: Uuid,
    credentials: &Credentials,
) -> Result<SealedRow, vault::Error> {
    Ok(to_row(vault.seal(&credentials_label(connection_id), &plain(credentials))?))
}

/// All of credentials as they are sealed.
pub(super) fn plain(credentials: &Credentials) -> zeroize::Zeroizing<Vec<u8>> {
    let grant = credentials.grant().map(Grant::to_text);
    let mut plain: BTreeMap<&str, &str> = credentials.iter().map(|(key, secret)| (key, secret.expose())).collect();
    plain.extend(grant.as_ref().map(|text| (GRANT, text.as_str())));
    zeroize::Zeroizing::new(serde_json::to_vec(&plain).unwrap_or_default())
}

/// The way back.
pub(super) fn of_plain(plain: &[u8]) -> Result<Credentials, vault::Error> {
    let mut fields: BTreeMap<String, Secret> = serde_json::from_slice(plain).map_err(|_| vault::Error::Corrupt)?;
    let grant = fields.remove(GRANT);
    let grant = grant.map(|text| Grant::from_text(text.expose()).ok_or(vault::Error::Corrupt)).transpose()?;
    Ok(Credentials::new(fields).with_grant(grant))
}

/// Opens the credentials of a connection. They know where they lie, so that a renewed grant goes there.
pub(super) fn open_credentials(
    vault: &Vault,
    connection_id: Uuid,
    row: &CredentialsRow,
) -> Result<Credentials, vault::Error> {
    let plain = vault.open(&credentials_label(connection_id), &from_row(row.sealed.clone()))?;
    let place = Place { connection_id: connection_id.to_string(), version: row.version };
    Ok(of_plain(&plain)?.kept_at(place))
}

pub(super) fn to_row(sealed: Sealed) -> SealedRow {
    SealedRow { key_id: sealed.key_id, wrapped_key: sealed.wrapped_key, body: sealed.body }
}

pub(super) fn from_row(row: SealedRow) -> Sealed {
    Sealed { key_id: row.key_id, wrapped_key: row.wrapped_key, body: row.body }
}
