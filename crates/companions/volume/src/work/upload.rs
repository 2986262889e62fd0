//! An image is made of a volume, in the name of who asked: **image** (its record, made by whoever accepted, is there),
//! **still** (a volume in use is read from a snapshot), **upload** (the image service has the bytes), **tidy**, **settle**.
//!
//! Undone, the image and the snapshot are gone and the volume is free.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clients::image;
use clients::{ClientError, Service};
use futures::stream::BoxStream;
use futures::{StreamExt, TryFutureExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::io::ReaderStream;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{Asked, COPY, MINUTE, TRIES, backend, database, home, id, still};
use crate::db::store::{self, Tx};
use crate::db::volumes as rows;
use crate::driver::{Part, Snapshot};
use crate::images::{Images, pack};
use crate::messages::{self, About, Action, Detail};
use crate::shared::Core;
use crate::tables::{Status, attachment, volume};

/// See the module.
pub struct Upload;

/// A format that a volume is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Raw,
    /// Holes are left out.
    Qcow2,
}

/// What steps know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub asked: Asked,
    pub volume_id: String,
    /// Chosen at random when the work was accepted: an image that has it is this one.
    pub image_id: String,
    /// The token of who asked, sealed.
    pub token: String,
    /// What the image is to be.
    #[serde(default)]
    pub format: Format,
    /// Of a volume in use: the snapshot that stands still while it is read, without a row.
    pub still: Option<String>,
}

/// How often the image's record is looked for, which is made right after the acceptance.
const LOOKS: u32 = 60;

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// How long an image service that does not answer is left alone.
const AWAY: Duration = Duration::from_secs(5);

/// Bytes sent at once.
const PIECE: usize = 1 << 20;

impl Workflow for Upload {
    const KIND: &'static str = "volume.upload";
    type State = State;
    type Env = Core;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        state.asked.request()
    }

    fn steps() -> Vec<Step<Core, State>> {
        vec![
            Step::new("image", MINUTE, image)
                .attempts(LOOKS)
                .undo(no_image),
            Step::new("still", COPY, make_still)
                .undo(no_still)
                .attempts(TRIES),
            Step::new("upload", COPY, upload).attempts(TRIES),
            Step::new("tidy", MINUTE, tidy).attempts(TRIES),
            Step::new("settle", MINUTE, settle).no_return(),
        ]
    }

    async fn undone(
        core: &Core,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        tracing::warn!(volume = state.volume_id, %why, "no image could be made of a volume");
        let tx = cx.begin().await?;
        let claimed = let_go(&tx, state).await.map_err(database)?;
        // Whom the image service refused was told at once.
        if claimed && why["cancelled"] != true {
            let what = (Action::UploadImage, Detail::UploadFailed);
            let about = About::Volume(&state.volume_id);
            let left = messages::leave(core, &tx, &state.asked, about, what).await;
            left.map_err(database)?;
        }
        Ok(tx.commit().await?)
    }
}

fn images(core: &Core) -> Result<&Images, StepError> {
    core.images()
        .map_err(|error| StepError::fail(error.to_string()))
}

async fn image(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    match shown(core, &state.image_id).await? {
        Some(_) => Ok(Next::Go),
        None => Err(StepError::retry(LOOK, "the image has no record yet")),
    }
}

async fn shown(core: &Core, id: &str) -> Result<Option<image::Image>, StepError> {
    let images = images(core)?;
    let shown = images
        .session
        .with(|token| async move { image::show(&images.service, &token, id).await });
    match shown.await {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.map(Some).map_err(away),
    }
}

/// Removes the image in the name of who asked. One that they may not remove (any more) stays: it is theirs.
async fn no_image(core: &Core, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    let Some(image) = shown(core, &state.image_id).await? else {
        return Ok(());
    };
    let (service, token) = owners(core, state).await?;
    if image.rest.get("protected") == Some(&Value::Bool(true)) {
        let done = unprotect(&service, &token, &state.image_id).await;
        if let Err(error) = done
            && !is_refusal(&error)
        {
            return Err(away(error));
        }
    }
    match image::delete(&service, &token, &state.image_id).await {
        Err(error) if is_refusal(&error) => {
            tracing::warn!(image = state.image_id, %error, "an image stays");
            Ok(())
        }
        other => other.map_err(away),
    }
}

/// An image that was to be protected goes nevertheless: it has no data.
async fn unprotect(service: &Service, token: &str, id: &str) -> Result<(), ClientError> {
    let path = format!("/v2/images/{}", image::segment(id));
    let headers = [
        ("x-auth-token", token),
        (
            "content-type",
            "application/openstack-images-v2.1-json-patch",
        ),
    ];
    let patch = r#"[{"op": "replace", "path": "/protected", "value": false}]"#;
    let answer = service.send(http::Method::PATCH, &path, &headers, patch.into());
    answer.await?.accepted().await?;
    Ok(())
}

/// The image service as it is asked in the name of who asked for the image, and their token.
async fn owners(core: &Core, state: &State) -> Result<(Service, String), StepError> {
    let images = images(core)?;
    let token = images
        .opened(&state.token)
        .ok_or_else(|| StepError::fail("the caller's token cannot be read"))?;
    let own = images.session.token().await.map_err(away)?;
    Ok((images.service.vouched(&own), token))
}

impl State {
    /// The snapshot that stands still for this image.
    fn still(&self) -> Result<Option<Snapshot>, StepError> {
        still::of(&self.volume_id, self.still.as_ref())
    }
}

async fn make_still(core: &Core, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    still::ensure(core, state.still()?).await?;
    Ok(Next::Go)
}

async fn no_still(core: &Core, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    still::ensure_gone(core, state.still()?).await
}

/// Sends the bytes. An image that has its data already is success.
async fn upload(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let part = match state.still()? {
        Some(still) => Part::Snapshot(still),
        None => Part::Volume(id(&state.volume_id)?),
    };
    if !has_data(core, &state.image_id).await? {
        let path = home(core, &state.volume_id)
            .await?
            .driver
            .readable(part)
            .await
            .map_err(backend)?;
        let (service, token) = owners(core, state).await?;
        let data = read(path, state.format);
        let sent = image::upload(&service, &token, &state.image_id, data, COPY);
        let sent = tokio::select! {
            sent = sent => sent,
            () = cx.cancelled() => return Err(StepError::fail("cancelled")),
        };
        if let Err(error) = sent
            && !has_data(core, &state.image_id).await?
        {
            // An upload of before, which the service has not given up yet, is in the way (409).
            let busy = error.status() == Some(http::StatusCode::CONFLICT);
            return Err(match is_refusal(&error) && !busy {
                true => StepError::fail(error.to_string()),
                false => away(error),
            });
        }
    }
    Ok(Next::Go)
}

/// The bytes of an image.
fn read(path: PathBuf, format: Format) -> BoxStream<'static, io::Result<Bytes>> {
    let file = tokio::fs::File::open(path);
    match format {
        Format::Raw => file
            .map_ok(|file| ReaderStream::with_capacity(file, PIECE))
            .try_flatten_stream()
            .boxed(),
        Format::Qcow2 => file
            .and_then(async |file| Ok(pack::stream(file.into_std().await)))
            .try_flatten_stream()
            .boxed(),
    }
}

async fn tidy(core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    no_still(core, cx, state).await?;
    Ok(Next::Go)
}

async fn has_data(core: &Core, id: &str) -> Result<bool, StepError> {
    match shown(core, id).await? {
        Some(image) => Ok(image.status == "active"),
        None => Err(StepError::fail("the image is gone")),
    }
}

async fn settle(_core: &Core, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let settled = sql::retry(|| async {
        let tx = cx.begin().await?;
        let_go(&tx, state).await?;
        tx.finish(state).await
    });
    Ok(settled.await?)
}

/// The volume has its status of before again; servers may have come and gone in the meantime. Whether it was claimed.
async fn let_go(tx: &Tx, state: &State) -> Result<bool, sql::sea_orm::DbErr> {
    let row = store::locked::<volume::Entity>(tx, &state.volume_id).await?;
    let Some(mut row) = row.filter(|row| row.status == Status::Uploading) else {
        return Ok(false);
    };
    row.status = attachment::at_rest(&rows::attachments(tx, &row.id).await?);
    row.previous = None;
    row.updated_at = Some(store::now());
    store::save(tx, row).await?;
    Ok(true)
}

/// An answer that no other attempt will change.
fn is_refusal(error: &ClientError) -> bool {
    error.status().is_some_and(|status| {
        status.is_client_error() && status != http::StatusCode::TOO_MANY_REQUESTS
    })
}

/// The image service does not answer as it should: it is waited for.
fn away(error: ClientError) -> StepError {
    StepError::retry(AWAY, error)
}
