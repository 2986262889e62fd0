//! Passwords of exports: random, and sealed in the database with the password of this service's own user.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::ExportError;
use crate::shared::Core;

/// Bytes of a password; in base64 these are the 16 signs that every initiator takes.
const BYTES: usize = 12;

/// The member of `connection_info` that is kept sealed.
const PASSWORD: &str = "auth_password";

/// A new password, sealed.
///
/// # Errors
/// The service has no user of its own.
pub fn new(core: &Core) -> Result<String, ExportError> {
    let images = core.images().map_err(|_| ExportError::NoUser)?;
    let password = URL_SAFE.encode(rand::random::<[u8; BYTES]>());
    Ok(images.sealed(&password))
}

/// The password that was sealed.
///
/// # Errors
/// The password of the service's own user changed since.
pub fn open(core: &Core, sealed: &str) -> Result<SecretString, ExportError> {
    let images = core.images().map_err(|_| ExportError::NoUser)?;
    let opened = images.opened(sealed).ok_or(ExportError::Sealed)?;
    Ok(opened.into())
}

/// A `connection_info` as the database keeps it.
///
/// # Errors
/// The service has no user of its own.
pub fn sealed(core: &Core, mut info: Value) -> Result<Value, ExportError> {
    if let Some(password) = info["data"][PASSWORD].as_str() {
        let images = core.images().map_err(|_| ExportError::NoUser)?;
        let sealed = images.sealed(password);
        info["data"][PASSWORD] = json!({"sealed": sealed});
    }
    Ok(info)
}

/// What [`sealed`] was made of. A password that cannot be read any more is null.
pub fn opened(core: &Core, mut info: Value) -> Value {
    if let Some(sealed) = info["data"][PASSWORD]["sealed"].as_str() {
        let images = core.images().ok();
        let password = images.and_then(|images| images.opened(sealed));
        info["data"][PASSWORD] = json!(password);
    }
    info
}
