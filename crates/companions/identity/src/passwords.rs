//! Password hashes, written as Keystone's `bcrypt_sha256` (its passlib form, version 2).
//!
//! bcrypt reads no more than 72 bytes. So the password goes through HMAC-SHA-256 first, keyed with the
//! salt, and every byte of it counts. Hashes that Keystone's plain `bcrypt` or an older version of
//! this service made (`$2b$…`) are still read; they know only the first 72 bytes of a password, and
//! are replaced when their user logs in ([`Fit::Outdated`]).

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use bcrypt::BcryptError;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::fault::Fault;
use crate::queue::{Asker, Queue, Turn};
use crate::settings::QueueLimits;

/// How a hash of ours begins; rounds, salt and digest follow.
const PREFIX: &str = "$bcrypt-sha256$v=2,t=2b,r=";

/// The least cost that bcrypt knows.
const LEAST_ROUNDS: u32 = 4;

/// Letters of a salt of 16 bytes in bcrypt's base 64.
const SALT_LENGTH: usize = 22;

/// bcrypt's own base 64.
const LETTERS: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);

/// bcrypt reads no more bytes than this.
const BCRYPT_LONGEST: usize = 72;

/// Whether a password fits a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    No,
    Yes,
    /// It fits a hash of plain bcrypt, which should be replaced.
    Outdated,
}

/// Hashes and checks passwords, each in its turn.
pub struct Hasher {
    rounds: u32,
    queue: Arc<Queue>,
    /// A hash that no password fits, checked when there is no user, so that an attacker cannot
    /// tell unknown names by the time of the answer.
    nobody: OnceLock<String>,
}

impl Hasher {
    /// A hasher of this cost (2^rounds; bcrypt knows 4 to 31).
    pub fn new(rounds: u32, limits: QueueLimits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
        Hasher {
            rounds: rounds.clamp(LEAST_ROUNDS, 31),
            queue: Queue::new(cores, limits),
            nobody: OnceLock::new(),
        }
    }

    /// Waits for the asker's turn to hash.
    ///
    /// # Errors
    /// [`Fault::Busy`] when the line is full.
    pub async fn turn(&self, asker: Asker) -> Result<Turn, Fault> {
        Ok(self.queue.turn(asker).await?)
    }

    /// A salted hash of `password`.
    pub async fn hash(&self, turn: &Turn, password: &str) -> Result<String, Fault> {
        let (bytes, rounds) = (password.as_bytes().to_vec(), self.rounds);
        slowly(turn, move || make(&bytes, rounds))
            .await?
            .map_err(|error| Fault::Internal(format!("bcrypt: {error}")))
    }

    /// A salted hash of a secret that this cloud made: of the least cost, since nobody guesses 256 bits of chance,
    /// however fast the hash.
    pub fn hash_made(&self, secret: &str) -> Result<String, Fault> {
        make(secret.as_bytes(), LEAST_ROUNDS)
            .map_err(|error| Fault::Internal(format!("bcrypt: {error}")))
    }

    /// Whether `password` fits. A wrong one takes as long as any other, also when there is no hash to compare with or
    /// a cheap one.
    pub async fn verify(
        &self,
        turn: &Turn,
        password: &str,
        hash: Option<&str>,
    ) -> Result<Fit, Fault> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash.to_owned(),
            None => self.nobody(turn).await?,
        };
        let cheap = rounds_of(&hash).is_some_and(|rounds| rounds < self.rounds);
        let bytes = password.as_bytes().to_vec();
        let fitting = slowly(turn, move || fit(&bytes, &hash)).await?;
        if fitting == Fit::No && cheap {
            let (bytes, hash) = (password.as_bytes().to_vec(), self.nobody(turn).await?);
            slowly(turn, move || fit(&bytes, &hash)).await?;
        }
        Ok(if known { fitting } else { Fit::No })
    }

    async fn nobody(&self, turn: &Turn) -> Result<String, Fault> {
        if let Some(hash) = self.nobody.get() {
            return Ok(hash.clone());
        }
        let hash = self.hash(turn, &crate::record::new_id()).await?;
        Ok(self.nobody.get_or_init(|| hash).clone())
    }
}

/// Runs beside the asynchronous workers. The turn goes along: it lasts as long as the work, also when
/// nobody waits for the outcome any more.
async fn slowly<T: Send + 'static>(
    turn: &Turn,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let turn = turn.clone();
    let run = move || {
        let outcome = work();
        drop(turn);
        outcome
    };
    tokio::task::spawn_blocking(run)
        .await
        .map_err(|error| Fault::Internal(format!("hashing: {error}")))
}

/// What bcrypt sees instead of the password: 44 letters.
fn shortened(password: &[u8], salt: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(salt.as_bytes()).ok()?;
    mac.update(password);
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

fn make(password: &[u8], rounds: u32) -> Result<String, BcryptError> {
    let raw: [u8; 16] = rand::random();
    let salt = LETTERS.encode(raw);
    let short = shortened(password, &salt).ok_or(BcryptError::InvalidHash("salt"))?;
    let parts = bcrypt::hash_with_salt(short, rounds, raw)?.to_string();
    // `$2b$12$`, the salt, the digest.
    let digest = parts.get(parts.len().saturating_sub(31)..);
    Ok(format!(
        "{PREFIX}{rounds}${salt}${}",
        digest.unwrap_or_default()
    ))
}

/// The cost of a hash: what stands before its third or second `$`.
fn rounds_of(hash: &str) -> Option<u32> {
    let rounds = match hash.strip_prefix(PREFIX) {
        Some(rest) => rest.split('$').next(),
        None => hash.split('$').nth(2),
    };
    rounds?.parse().ok()
}

fn fit(password: &[u8], hash: &str) -> Fit {
    let Some(rest) = hash.strip_prefix(PREFIX) else {
        let read = &password[..password.len().min(BCRYPT_LONGEST)];
        return match bcrypt::verify(read, hash) {
            Ok(true) => Fit::Outdated,
            _ => Fit::No,
        };
    };
    let mut parts = rest.split('$');
    let (rounds, salt, digest) = (parts.next(), parts.next(), parts.next());
    let (Some(rounds), Some(salt), Some(digest)) = (rounds, salt, digest) else {
        return Fit::No;
    };
    let plain = format!("$2b${rounds:0>2}${salt}{digest}");
    let short = shortened(password, salt).filter(|_| salt.len() == SALT_LENGTH);
    match short.map(|short| bcrypt::verify(short, &plain)) {
        Some(Ok(true)) => Fit::Yes,
        _ => Fit::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let hasher = Hasher::new(4, Settings::default().password_queue);
        let turn = hasher.turn(Asker::ourselves()).await.expect("turn");
        let hash = hasher.hash(&turn, "sesame").await.expect("hash");
        assert!(hash.starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"), "{hash}");
        let fits = async |password, hash| hasher.verify(&turn, password, hash).await.expect("ok");
        assert_eq!(fits("sesame", Some(hash.as_str())).await, Fit::Yes);
        assert_eq!(fits("Sesame", Some(hash.as_str())).await, Fit::No);
        assert_eq!(fits("sesame", None).await, Fit::No);
    }

    #[tokio::test]
    async fn a_cheap_hash_is_told_from_an_expensive_one_by_nobody_who_guesses() {
        let hasher = Hasher::new(6, Settings::default().password_queue);
        let turn = hasher.turn(Asker::ourselves()).await.expect("turn");
        let made = hasher.hash_made("secret").expect("a hash");
        assert_eq!(rounds_of(&made), Some(LEAST_ROUNDS));
        assert_eq!(rounds_of("$2b$12$n79VH.0Q2TMWmt3Oqt9uku"), Some(12));
        assert_eq!(rounds_of("rubbish"), None);
        assert!(hasher.nobody.get().is_none());
        let fits = async |password| {
            hasher
                .verify(&turn, password, Some(&made))
                .await
                .expect("ok")
        };
        assert_eq!(fits("secret").await, Fit::Yes);
        assert!(hasher.nobody.get().is_none(), "who knows it need not wait");
        assert_eq!(fits("guess").await, Fit::No);
        assert!(
            hasher.nobody.get().is_some(),
            "a guess was hashed at full cost"
        );
    }

    #[test]
    fn every_byte_of_a_long_password_counts() {
        let long = "x".repeat(4096);
        let hash = make(long.as_bytes(), 4).expect("hash");
        assert_eq!(fit(long.as_bytes(), &hash), Fit::Yes);
        let other = format!("{}y", &long[1..]);
        assert_eq!(fit(other.as_bytes(), &hash), Fit::No);
        assert_eq!(fit(&long.as_bytes()[..72], &hash), Fit::No);
    }

    #[test]
    fn hashes_of_others_are_read() {
        // The example in the documentation of passlib's `bcrypt_sha256`.
        let passlib =
            "$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2";
        assert_eq!(fit(b"password", passlib), Fit::Yes);
        assert_eq!(fit(b"passwort", passlib), Fit::No);
        let plain = bcrypt::hash("password", 4).expect("hash");
        assert_eq!(fit(b"password", &plain), Fit::Outdated);
        assert_eq!(fit(b"passwort", &plain), Fit::No);
        assert_eq!(fit(b"password", "rubbish"), Fit::No);
        assert_eq!(fit(b"password", "$bcrypt-sha256$v=2,t=2b,r=4$"), Fit::No);
    }
}
