//! The compact form of records and checkpoints.

use serde::{Serialize, de::DeserializeOwned};

use crate::integrations::Error;

/// Writes a record or checkpoint.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(value).map_err(|_| Error::internal("a record could not be written"))
}

/// Reads what [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes)
        .map_err(|_| Error::internal("a kept record could not be read; sync the connection anew"))
}
