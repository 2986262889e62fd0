//! Images made of the disks of servers that are here: a copy in a file of this host, then its upload.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bus::{Context, Failure};
use clients::image as glance;
use compute_model::Server;
use compute_model::fault::Kind;
use compute_rpc::agent::{Discard, Export, Upload};
use compute_rpc::{code, failure, sealed};
use futures::TryFutureExt;
use hypervisor::parse_id;
use secrecy::ExposeSecret;
use tokio_util::io::ReaderStream;

use crate::failure::{chain, of_driver, of_io, unsupported};
use crate::numbers::epoch;
use crate::{Host, guest_agent, late};

/// How many images whose copies were given up are remembered: more than commands can wait for this host at one time.
const REMEMBERED: usize = 4096;

/// The copies that are being made, and those that must not be made any more.
#[derive(Default)]
pub(crate) struct Making(Mutex<Copies>);

#[derive(Default)]
struct Copies {
    /// How many commands make a copy, by image.
    makers: BTreeMap<String, usize>,
    /// Images whose copy was given up, the latest last. An image's id is never used again: a command that was overtaken by
    /// the one that gives its copy up finds it here.
    given_up: VecDeque<String>,
}

impl Making {
    fn all(&self) -> std::sync::MutexGuard<'_, Copies> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a copy may be made; then [`Making::end`] must follow.
    fn begin(&self, image_id: &str) -> bool {
        let mut all = self.all();
        let wanted = all.wants(image_id);
        if wanted {
            *all.makers.entry(image_id.to_owned()).or_default() += 1;
        }
        wanted
    }

    /// Whether what was made is wanted.
    fn end(&self, image_id: &str) -> bool {
        let mut all = self.all();
        if let Some(makers) = all.makers.get_mut(image_id) {
            *makers -= 1;
            if *makers == 0 {
                all.makers.remove(image_id);
            }
        }
        all.wants(image_id)
    }

    fn give_up(&self, image_id: &str) {
        let mut all = self.all();
        if all.wants(image_id) {
            all.given_up.push_back(image_id.to_owned());
        }
        if all.given_up.len() > REMEMBERED {
            all.given_up.pop_front();
        }
    }
}

impl Copies {
    fn wants(&self, image_id: &str) -> bool {
        !self.given_up.iter().any(|given_up| given_up == image_id)
    }
}

/// Copies the server's disk, unless that is done.
pub async fn export(host: Arc<Host>, _context: Context, message: Export) -> Result<(), Failure> {
    late::refuse(&host, &message.server, message.sent_at).await?;
    copy(&host, &message.server, &message.image_id).await?;
    Ok(())
}

/// Uploads the copy. An image that has its data already is success.
pub async fn upload(host: Arc<Host>, _context: Context, message: Upload) -> Result<(), Failure> {
    late::refuse(&host, &message.server, message.sent_at).await?;
    let id = message.image_id.as_str();
    let file = copy(&host, &message.server, id).await?;
    let images = &host.images;
    let opened = sealed::open(host.seal(), &message.token);
    let token = opened.ok_or_else(|| {
        failure(
            code::BAD_REQUEST,
            Kind::Internal,
            "the caller's token cannot be read",
        )
    })?;
    let sent = async {
        let own = images.session().token().await?;
        let data = {
            let file = file.clone();
            async move { tokio::fs::File::open(file).await.map(ReaderStream::new) }
        };
        let data = data.try_flatten_stream();
        let (service, time) = (images.service().vouched(&own), host.settings.upload_timeout);
        glance::upload(&service, token.expose_secret(), id, data, time).await
    };
    if let Err(error) = sent.await
        && !has_data(&host, id).await
    {
        // An upload of before, which the service has not given up yet, is in the way (409).
        let passing = error.is_passing() || error.status().is_some_and(|code| code.as_u16() == 409);
        let code = if passing {
            code::BUSY
        } else {
            code::HOST_FAILED
        };
        return Err(failure(code, Kind::ImageUnavailable, chain(&error)));
    }
    remove(&file).await;
    Ok(())
}

/// The copy is not wanted, nor one that is being made: that goes when its maker ends. Nor one that is asked for later.
pub async fn discard(host: Arc<Host>, _context: Context, message: Discard) -> Result<(), Failure> {
    let file = path(&host, &message.image_id)?;
    host.making.give_up(&message.image_id);
    remove(&file).await;
    Ok(())
}

/// Removes the copies that an earlier life of this agent left: whoever wants one asks again.
pub(crate) fn tidy(host: &Host) {
    match std::fs::remove_dir_all(&host.settings.snapshots) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "copies of disks stay in {}", host.settings.snapshots.display());
        }
        _ => {}
    }
}

async fn copy(host: &Host, server: &Server, image_id: &str) -> Result<PathBuf, Failure> {
    let file = path(host, image_id)?;
    if file.exists() {
        return Ok(file);
    }
    let able = host.driver.snapshot();
    let able = able.ok_or_else(|| unsupported("make an image of a server"))?;
    let made = tokio::fs::create_dir_all(&host.settings.snapshots).await;
    made.map_err(|error| failure(code::HOST_FAILED, of_io(&error), chain(&error)))?;
    if !host.making.begin(image_id) {
        return Err(unwanted());
    }
    let quiesce = guest_agent::quiesce(server);
    let (id, epoch) = (server.id.as_str(), epoch(server.epoch));
    let exported = able.export(id, epoch, &file, quiesce).await;
    let wanted = host.making.end(image_id);
    exported.map_err(|error| of_driver(&error))?;
    if !wanted {
        remove(&file).await;
        return Err(unwanted());
    }
    Ok(file)
}

fn unwanted() -> Failure {
    let text = "the copy is not wanted any more";
    failure(code::STALE, Kind::Overtaken, text)
}

/// The file of an image's copy.
fn path(host: &Host, image_id: &str) -> Result<PathBuf, Failure> {
    let id = parse_id(image_id)
        .map_err(|_| failure(code::BAD_REQUEST, Kind::Internal, "not the id of an image"))?;
    Ok(host.settings.snapshots.join(id))
}

async fn has_data(host: &Host, id: &str) -> bool {
    let images = &host.images;
    let shown = images
        .session()
        .with(|token| async move { glance::show(images.service(), &token, id).await });
    shown.await.is_ok_and(|image| image.status == "active")
}

async fn remove(file: &std::path::Path) {
    match tokio::fs::remove_file(file).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %file.display(), %error, "a copy of a disk stays");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_is_given_up_is_not_wanted_of_those_that_make_it_or_come_later() {
        let making = Making::default();
        for image_id in ["a", "a", "b"] {
            assert!(making.begin(image_id));
        }
        making.give_up("a");
        making.give_up("never begun");
        assert!(!making.end("a"));
        assert!(!making.end("a"));
        assert!(making.end("b"));
        assert!(making.all().makers.is_empty());
        assert!(!making.begin("a"));
        assert!(!making.begin("never begun"));
        assert!(making.all().makers.is_empty());
        assert!(making.begin("b"), "asked for anew");
    }

    #[test]
    fn so_many_given_up_copies_are_remembered_and_no_more() {
        let making = Making::default();
        for number in 0..=REMEMBERED {
            making.give_up(&number.to_string());
        }
        assert_eq!(making.all().given_up.len(), REMEMBERED);
        assert!(!making.begin("1"));
        assert!(making.begin("0"));
    }
}
