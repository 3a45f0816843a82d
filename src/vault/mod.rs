//! Sealing and opening of credentials: envelope encryption under a master key.
//!
//! Each seal makes a fresh data key, seals the bytes with it and wraps it with the newest master key. Both layers are
//! bound to a label that the caller gives (whose bytes these are, and what for) and to the master key's id, so that a
//! row that was moved to another connection, or edited, does not open. Rotation only wraps the data key anew.
//!
//! The cipher is AES-256-GCM-SIV (RFC 8452): a nonce that should ever repeat gives away that two plaintexts are equal
//! and nothing else.

mod key;

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use rand::Rng as _;
use zeroize::Zeroizing;

use key::Key;
pub use key::{KeyError, VaultKeys};

const NONCE_BYTES: usize = 12;

/// Knows the master keys. The first seals, all of them open. A locked vault knows none.
#[derive(Debug)]
pub struct Vault {
    newest: Option<Key>,
    older: Vec<Key>,
}

/// Sealed bytes: useless without the master key that `key_id` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which master key wrapped the data key.
    pub key_id: String,
    /// The data key under the master key: nonce, then sealed key.
    pub wrapped_key: Vec<u8>,
    /// The bytes under the data key: nonce, then sealed bytes.
    pub body: Vec<u8>,
}

/// Why something does not open. No more detail than this, for it would only help whoever tampered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It was sealed under a master key that is not among the known ones.
    #[error("sealed with a master key that is not here; start dashtray with the key it was sealed with, or reconnect")]
    WrongKey,
    /// The sealed bytes, or what they are bound to, are not as they were sealed.
    #[error("the sealed credentials are damaged; reconnect, or restore a backup")]
    Corrupt,
}

impl Vault {
    /// Reads or makes the master key as the configuration says.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says what is wrong with the key or its file and what to do. A file is never overwritten.
    pub fn load(keys: &VaultKeys) -> Result<Self, KeyError> {
        let (newest, older) = key::load(keys)?;
        Ok(Self { newest: Some(newest), older })
    }

    /// A vault whose key is lost: everything that needs no secret goes on without it.
    pub fn locked() -> Self {
        Self { newest: None, older: Vec::new() }
    }

    /// The id of the key that seals: what a backup may name.
    pub fn key_id(&self) -> Option<&str> {
        self.newest.as_ref().map(Key::id)
    }

    /// The ids of all keys that open: whose seals this process can use.
    pub fn key_ids(&self) -> Vec<&str> {
        self.newest.iter().chain(&self.older).map(Key::id).collect()
    }

    fn sealing_key(&self) -> Result<&Key, Error> {
        self.newest.as_ref().ok_or(Error::WrongKey)
    }

    /// Seals bytes for a label.
    pub fn seal(&self, label: &str, plain: &[u8]) -> Result<Sealed, Error> {
        let mut data_key = Zeroizing::new([0; key::KEY_BYTES]);
        rand::rng().fill_bytes(data_key.as_mut_slice());
        Ok(Sealed {
            key_id: self.sealing_key()?.id().to_owned(),
            wrapped_key: self.wrap(label, &data_key)?,
            // Not bound to the master key's id: rotation wraps the key and leaves the body alone.
            body: encrypt(&data_key, &bound("body", label, ""), plain)?,
        })
    }

    /// Opens what was sealed for that very label.
    pub fn open(&self, label: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, Error> {
        let data_key = self.unwrap(label, sealed)?;
        decrypt(&data_key, &bound("body", label, ""), &sealed.body)
    }

    /// Wraps the data key with the newest master key; `None` when it is already. The body stays as it is, so that a
    /// rotation can be interrupted anywhere and started again.
    pub fn rewrap(&self, label: &str, sealed: &Sealed) -> Result<Option<Sealed>, Error> {
        let newest = self.sealing_key()?;
        if sealed.key_id == newest.id() {
            return Ok(None);
        }
        let data_key = self.unwrap(label, sealed)?;
        let wrapped_key = self.wrap(label, &data_key)?;
        Ok(Some(Sealed { key_id: newest.id().to_owned(), wrapped_key, body: sealed.body.clone() }))
    }

    fn wrap(&self, label: &str, data_key: &[u8; key::KEY_BYTES]) -> Result<Vec<u8>, Error> {
        let newest = self.sealing_key()?;
        encrypt(newest.bytes(), &bound("key", label, newest.id()), data_key)
    }

    fn unwrap(&self, label: &str, sealed: &Sealed) -> Result<Zeroizing<[u8; key::KEY_BYTES]>, Error> {
        let mut known = self.newest.iter().chain(&self.older);
        let key = known.find(|key| key.id() == sealed.key_id).ok_or(Error::WrongKey)?;
        let plain = decrypt(key.bytes(), &bound("key", label, key.id()), &sealed.wrapped_key)?;
        plain.as_slice().try_into().map(Zeroizing::new).map_err(|_| Error::Corrupt)
    }
}

/// What a layer is bound to. Lengths stand before the parts, so that no two triples give the same bytes.
fn bound(layer: &str, label: &str, key_id: &str) -> Vec<u8> {
    let mut bytes = b"dashtray sealed 1".to_vec();
    for part in [layer, label, key_id] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// A random nonce, then the sealed bytes with their tag.
fn encrypt(key: &[u8; key::KEY_BYTES], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
    let mut nonce = [0; NONCE_BYTES];
    rand::rng().fill_bytes(&mut nonce);
    // Only bytes beyond 64 GiB are refused.
    let sealed = cipher(key)?.encrypt(&Nonce::from(nonce), Payload { msg: plain, aad }).map_err(|_| Error::Corrupt)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(key: &[u8; key::KEY_BYTES], aad: &[u8], bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(Error::Corrupt)?;
    let plain = cipher(key)?.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad });
    plain.map(Zeroizing::new).map_err(|_| Error::Corrupt)
}

/// From a slice: an array would leave a copy of the key on the stack.
fn cipher(key: &[u8; key::KEY_BYTES]) -> Result<Aes256GcmSiv, Error> {
    Aes256GcmSiv::new_from_slice(key).map_err(|_| Error::Corrupt)
}

#[cfg(test)]
mod tests;
