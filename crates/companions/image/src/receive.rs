//! Receiving data: within the limits of size, rate and quota, onto a thread that writes and hashes.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures::{Stream, StreamExt};

use crate::db;
use crate::fault::Fault;
use crate::quota::Allowance;
use crate::service::Images;
use crate::settings::Settings;
use crate::store::{Incoming, is_full};
use crate::tables::Status;
use crate::transfers::Permit;

/// An upload, staging or import that holds an image: what it may receive, and where it goes.
#[derive(Debug)]
pub struct Transfer {
    /// The image.
    pub id: String,
    /// Name of the data file: whoever holds the image under it may change it.
    pub data: String,
    /// The image's state meanwhile.
    pub status: Status,
    /// None: nobody's quota counts it.
    pub allowance: Option<Allowance>,
    /// Bytes reserved of the quota.
    pub reserved: u64,
    /// The right to run, given back at the end.
    pub _permit: Permit,
}

impl Transfer {
    /// Sees that `needed` bytes are reserved before they are taken.
    async fn reserve(&mut self, images: &Images, needed: u64) -> Result<(), Fault> {
        let Some(allowance) = self.allowance.as_ref().filter(|_| needed > self.reserved) else {
            return Ok(());
        };
        let before = self.reserved;
        self.reserved = sql::retry(|| async {
            let tx = images.db().begin().await?;
            let now = allowance.extend(&tx, self.status, (before, needed)).await?;
            if !db::images::reserve(&tx, &self.id, &self.data, now).await? {
                return Err(deleted(&self.id));
            }
            tx.commit().await?;
            Ok::<_, Fault>(now)
        })
        .await?;
        Ok(())
    }
}

/// The image went away while its data came.
pub fn deleted(id: &str) -> Fault {
    Fault::Gone(format!(
        "Image {id} could not be found after upload. The image may have been deleted during the \
         upload, cleaning up the chunks uploaded."
    ))
}

/// Receives a stream. Nothing of it is left after an error.
pub async fn receive<S, E>(
    images: &Images,
    transfer: &mut Transfer,
    mut stream: S,
) -> Result<Incoming, Fault>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let settings = images.settings();
    let mut feed = images.store().begin(&transfer.data)?;
    let mut pace = Pace::new(settings);
    let mut total = 0u64;
    let fed = loop {
        let piece = match pace.next(&mut stream).await {
            Err(fault) => break Err(fault),
            Ok(None) => break Ok(()),
            Ok(Some(Err(error))) => {
                let text = format!("The image data ended early: {error}");
                break Err(Fault::BadRequest(text));
            }
            Ok(Some(Ok(piece))) => piece,
        };
        total += piece.len() as u64;
        if total > settings.size_cap {
            break Err(too_large(settings.size_cap));
        }
        if let Err(fault) = transfer.reserve(images, total).await {
            break Err(fault);
        }
        if !feed.push(piece).await {
            // The writer ended, and says why itself.
            break Ok(());
        }
    };
    match fed {
        Ok(()) => feed.finish().await.map_err(unwritten),
        Err(fault) => {
            feed.abandon().await;
            Err(fault)
        }
    }
}

/// More than the settings allow at once.
pub fn too_large(cap: u64) -> Fault {
    Fault::TooLarge(format!(
        "The incoming image is too large: it exceeds the limit of {cap} bytes."
    ))
}

/// There is no room on the disk.
pub fn full() -> Fault {
    Fault::TooLarge(
        "Image storage media is full: There is not enough disk space on the image storage media."
            .to_owned(),
    )
}

/// Failures to write, in Glance's words and codes.
pub fn unwritten(error: std::io::Error) -> Fault {
    match error.kind() {
        _ if is_full(&error) => full(),
        std::io::ErrorKind::PermissionDenied => Fault::Unavailable(format!(
            "Insufficient permissions on image storage media: {error}"
        )),
        _ => Fault::Files(error),
    }
}

/// Watches that data comes fast enough. Only the time spent waiting for the sender counts: a slow
/// disk is not the sender's fault.
struct Pace {
    idle: Duration,
    /// Bytes in each [`Pace::window`]; 0 asks for none.
    least: u64,
    rate: u64,
    window: Duration,
    waited: Duration,
    came: u64,
}

impl Pace {
    fn new(settings: &Settings) -> Self {
        let window = settings.min_rate_window;
        let least = settings.min_rate as u128 * window.as_millis() / 1000;
        Pace {
            idle: settings.idle_timeout,
            least: u64::try_from(least).unwrap_or(u64::MAX),
            rate: settings.min_rate,
            window,
            waited: Duration::ZERO,
            came: 0,
        }
    }

    /// The next item of the stream.
    async fn next<S, T, E>(&mut self, stream: &mut S) -> Result<Option<Result<T, E>>, Fault>
    where
        S: Stream<Item = Result<T, E>> + Unpin,
        T: AsRef<[u8]>,
    {
        let mut silent = Duration::ZERO;
        loop {
            let began = Instant::now();
            let wait = self.left().min(self.idle.saturating_sub(silent));
            let came = tokio::time::timeout(wait, stream.next()).await;
            let took = began.elapsed();
            match came {
                Ok(None) => return Ok(None),
                Ok(Some(item)) => {
                    let bytes = item.as_ref().map_or(0, |piece| piece.as_ref().len());
                    self.count(took, bytes as u64)?;
                    return Ok(Some(item));
                }
                Err(_) => {
                    silent += took;
                    if silent >= self.idle {
                        return Err(Fault::TooSlow(format!(
                            "No image data came for {} seconds.",
                            self.idle.as_secs()
                        )));
                    }
                    self.count(took, 0)?;
                }
            }
        }
    }

    /// What is left of the window.
    fn left(&self) -> Duration {
        match self.least {
            0 => Duration::MAX,
            _ => self.window.saturating_sub(self.waited),
        }
    }

    fn count(&mut self, waited: Duration, bytes: u64) -> Result<(), Fault> {
        self.waited += waited;
        self.came += bytes;
        if self.least == 0 || self.waited < self.window {
            return Ok(());
        }
        if self.came < self.least {
            return Err(Fault::TooSlow(format!(
                "The image data came slower than {} bytes a second for {} seconds.",
                self.rate,
                self.window.as_secs_f64()
            )));
        }
        (self.waited, self.came) = (Duration::ZERO, 0);
        Ok(())
    }
}
