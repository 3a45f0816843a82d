//! The compact form of records and checkpoints.

use serde::{Serialize, de::DeserializeOwned};

use crate::integrations::Error;

/// Most records are shorter. One that is grown byte by byte is copied several times.
const USUAL_BYTES: usize = 512;

/// Writes a record or checkpoint.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    postcard::to_extend(value, Vec::with_capacity(USUAL_BYTES))
        .map_err(|_| Error::internal("a record could not be written"))
}

/// Reads what [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes)
        .map_err(|_| Error::internal("a kept record could not be read; sync the connection anew"))
}
