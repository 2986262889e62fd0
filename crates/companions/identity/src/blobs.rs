//! What credentials hold, as it lies in the database.

use crate::fault::Fault;
use crate::state::State;

/// Encrypts a blob for the database.
pub fn seal(state: &State, blob: &str) -> Result<String, Fault> {
    state
        .credential_keys
        .encrypt(blob.as_bytes())
        .map_err(|error| Fault::Internal(error.to_string()))
}

/// Decrypts a blob of the database.
pub fn open(state: &State, sealed: &str) -> Result<String, Fault> {
    let bytes = state.credential_keys.decrypt(sealed);
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| {
            Fault::Internal("a credential was encrypted with a key that is gone".to_owned())
        })
}
