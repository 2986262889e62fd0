//! Tokens of users, sealed with a secret of those who are to read them.
//!
//! **Of who asked for a console**: sealed with the console's own token. The database keeps the seal beside a hash of the console's token: whoever reads both opens
//! neither. The proxy, to which the browser brings the console's token, opens the seal and can ask
//! again and again whether the user still has the right.
//!
//! **Of who asked for long work**, which is done in their name: sealed with the password of compute's own user, which
//! the API, conductors and agents know, and the database and the broker do not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// Seals a user's token with a secret, as a console's token.
pub fn seal(secret: &str, user_token: &str) -> String {
    key(secret).encrypt(user_token.as_bytes())
}

/// The user's token that was sealed with this secret; none when it was another.
pub fn open(secret: &str, sealed: &str) -> Option<SecretString> {
    let bytes = key(secret).decrypt(sealed).ok()?;
    String::from_utf8(bytes).ok().map(SecretString::from)
}

/// Another digest than the one that the database keeps. Tokens of consoles and passwords of services are random enough
/// (122 bits and more) to need no slow derivation.
fn key(secret: &str) -> Fernet {
    let digest = Sha256::digest(format!("seal of a user's token: {secret}"));
    Fernet::new(&URL_SAFE.encode(digest)).expect("a digest has the 32 bytes of a key")
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn only_the_consoles_own_token_opens_the_seal() {
        let sealed = seal("console", "secret");
        let opened = open("console", &sealed).expect("its own");
        assert_eq!(opened.expose_secret(), "secret");
        assert!(!sealed.contains("secret"));
        let kept = hex::encode(Sha256::digest("console"));
        for other in ["", "other", &kept] {
            assert!(open(other, &sealed).is_none(), "{other}");
        }
        assert!(open("console", "no seal").is_none());
    }
}
