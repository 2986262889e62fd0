//! Password hashes: bcrypt, as Keystone's default. Hashing is slow on purpose, so it runs beside the
//! asynchronous workers and no more than the machine's cores at once.

use std::sync::OnceLock;

use tokio::sync::Semaphore;

use crate::fault::Fault;

/// bcrypt reads no more bytes than this; Keystone cuts there too, so hashes are interchangeable.
const BCRYPT_LONGEST: usize = 72;

/// Hashes and checks passwords.
pub struct Hasher {
    rounds: u32,
    permits: Semaphore,
    /// A hash that no password fits, checked when there is no user, so that an attacker cannot
    /// tell unknown names by the time of the answer.
    nobody: OnceLock<String>,
}

impl Hasher {
    /// A hasher of this cost (2^rounds; bcrypt knows 4 to 31).
    pub fn new(rounds: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
        Hasher {
            rounds: rounds.clamp(4, 31),
            permits: Semaphore::new(cores),
            nobody: OnceLock::new(),
        }
    }

    /// A salted hash of `password`.
    pub async fn hash(&self, password: &str) -> Result<String, Fault> {
        let (bytes, rounds) = (cut(password), self.rounds);
        self.slowly(move || bcrypt::hash(bytes, rounds))
            .await?
            .map_err(|error| Fault::Internal(format!("bcrypt: {error}")))
    }

    /// Whether `password` fits; takes as long when there is no hash to compare with.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, Fault> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash.to_owned(),
            None => self.nobody().await?,
        };
        let bytes = cut(password);
        let fits = self
            .slowly(move || bcrypt::verify(bytes, &hash).unwrap_or(false))
            .await?;
        Ok(fits && known)
    }

    async fn nobody(&self) -> Result<String, Fault> {
        if let Some(hash) = self.nobody.get() {
            return Ok(hash.clone());
        }
        let hash = self.hash(&crate::record::new_id()).await?;
        Ok(self.nobody.get_or_init(|| hash).clone())
    }

    async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| Fault::Internal("the hasher is closed".to_owned()))?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Fault::Internal(format!("hashing: {error}")))
    }
}

fn cut(password: &str) -> Vec<u8> {
    let bytes = password.as_bytes();
    bytes[..bytes.len().min(BCRYPT_LONGEST)].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let hasher = Hasher::new(4);
        let hash = hasher.hash("sesame").await.expect("hash");
        assert!(hash.starts_with("$2b$04$"));
        assert!(hasher.verify("sesame", Some(&hash)).await.expect("verify"));
        assert!(!hasher.verify("Sesame", Some(&hash)).await.expect("verify"));
        assert!(!hasher.verify("sesame", None).await.expect("verify"));
    }
}
