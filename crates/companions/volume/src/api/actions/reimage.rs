//! `os-reimage`: a volume holds an image again.

use clients::image::Image;
use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use workflow::Kind;

use crate::api::volumes::locked;
use crate::api::words::Flag;
use crate::api::{Call, find_by};
use crate::db::store;
use crate::db::volumes as rows;
use crate::fault::Fault;
use crate::images;
use crate::policy;
use crate::service::Volumes;
use crate::tables::{AttachStatus, SnapshotStatus, Status, Word, snapshot, volume};
use crate::work::reimage::{Reimage, State};

#[derive(Debug, Deserialize, Versioned)]
pub struct ReimageBody {
    #[mv(wire = "os-reimage")]
    pub reimage: Wish,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Wish {
    #[mv(format = "uuid")]
    pub image_id: String,
    /// Also of a volume that is reserved for a server.
    pub reimage_reserved: Option<Flag>,
}

/// `os-reimage`.
pub async fn reimage(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let ReimageBody { reimage: wish } = call.admit()?;
    let cx = call.cx.clone();
    let seen = find_by(&volumes, &cx, call.path("id")).await?;
    let target = policy::target(&seen.project_id, &seen.user_id);
    match seen.status {
        Status::Reserved => volumes.allow_rule("volume:reimage_reserved", &cx.caller, &target)?,
        _ => volumes.allow(&cx, &target)?,
    }
    if rows::attachments(volumes.db().read(), &seen.id)
        .await?
        .len()
        > 1
    {
        return Err(Fault::Conflict(
            "Cannot re-image a volume which is attached to more than one server.".to_owned(),
        ));
    }
    let service = volumes.core().images();
    let service = service.map_err(|error| Fault::Unavailable(error.to_string()))?;
    let reserved = wish.reimage_reserved.is_some_and(|flag| flag.0);
    check(&seen, reserved)?;
    let found = clients::image::show(&service.service, cx.caller.token(), &wish.image_id).await;
    let image = found.map_err(|error| match error.is_passing() {
        true => Fault::Unavailable("The image service does not answer.".to_owned()),
        false => Fault::NotFound(format!("Image {} could not be found.", wish.image_id)),
    })?;
    images::fits(&image, seen.size)?;
    let state = State {
        asked: cx.asked(),
        volume_id: seen.id.clone(),
        image_id: image.id.clone(),
        snapshot: snapshot(&volumes, &call, &image, seen.size).await?,
        known: images::known(&image),
    };
    let nudge = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        check(&row, reserved)?;
        // Whatever an administrator made of its status: a server that has it open would keep the bytes of before.
        let used = rows::attachments(&tx, &row.id).await?;
        if used
            .iter()
            .any(|one| one.connection.is_some() || one.status == AttachStatus::Attached)
        {
            return Err(Fault::InvalidVolume(format!(
                "Volume {} cannot be re-imaged while it is attached.",
                row.id
            )));
        }
        row.previous = Some(row.status);
        row.status = Status::Downloading;
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        let nudge = workflow::insert(&tx, Kind::of::<Reimage>(), &seen.id, &state).await?;
        tx.commit().await?;
        Ok(nudge)
    })
    .await?;
    volumes.nudge(nudge);
    Ok(Answer::empty())
}

fn check(row: &volume::Model, reserved: bool) -> Result<(), Fault> {
    match row.status {
        Status::Available | Status::Error => Ok(()),
        Status::Reserved if reserved => Ok(()),
        other => Err(Fault::InvalidVolume(format!(
            "Volume {} status must be {}, but current status is {}.",
            row.id,
            match reserved {
                true => "available or error or reserved",
                false => "available or error",
            },
            other.word()
        ))),
    }
}

/// The snapshot that an image of a server stands for, and its volume.
async fn snapshot(
    volumes: &Volumes,
    call: &Call,
    image: &Image,
    size: i64,
) -> Result<Option<(String, String)>, Fault> {
    let Some(id) = images::boot_snapshot(image) else {
        return Ok(None);
    };
    let found = store::find::<snapshot::Entity>(volumes.db().read(), &id).await?;
    let found = found.filter(|row| volumes.sees(&call.cx.caller, &row.project_id));
    let row = found.ok_or_else(|| {
        Fault::NotFound(format!(
            "Nova specific image is found, but boot volume snapshot id:{id} not found."
        ))
    })?;
    if row.status != SnapshotStatus::Available {
        let why = "Originating snapshot status must be one of 'available' values";
        return Err(Fault::InvalidSnapshot(why.to_owned()));
    }
    match row.size > size {
        true => Err(Fault::InvalidInput(format!(
            "Volume size {size}GB cannot be smaller than the snapshot size {}GB.",
            row.size
        ))),
        false => Ok(Some((row.id, row.volume_id))),
    }
}
