//! Tokens of users whose long work is done in their name: sealed with the password of this service's own user, which the
//! database does not know.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use sha2::{Digest, Sha256};

/// Seals a user's token with a secret.
pub fn seal(secret: &str, user_token: &str) -> String {
    key(secret).encrypt(user_token.as_bytes())
}

/// The user's token that was sealed with this secret; none when it was another.
pub fn open(secret: &str, sealed: &str) -> Option<String> {
    let bytes = key(secret).decrypt(sealed).ok()?;
    String::from_utf8(bytes).ok()
}

/// Passwords of services are random enough to need no slow derivation.
fn key(secret: &str) -> Fernet {
    let digest = Sha256::digest(format!("seal of a user's token for volumes: {secret}"));
    Fernet::new(&URL_SAFE.encode(digest)).expect("a digest has the 32 bytes of a key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_opens_the_seal() {
        let sealed = seal("password", "token");
        assert_eq!(open("password", &sealed).as_deref(), Some("token"));
        assert!(!sealed.contains("token"));
        assert_eq!(open("other", &sealed), None);
        assert_eq!(open("password", "no seal"), None);
    }
}
