//! `os-volume_upload_image`: an image is made of a volume.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use workflow::{Kind, WorkflowId};

use crate::api::volumes::locked;
use crate::api::words::Flag;
use crate::api::{Call, Cx, find_by, has};
use crate::db::store;
use crate::db::{properties, types};
use crate::fault::Fault;
use crate::images::Images;
use crate::policy::{self, version};
use crate::service::Volumes;
use crate::tables::{Owner, Status, Word, volume};
use crate::work::upload::{Format, State, Upload};

#[derive(Debug, Deserialize, Versioned)]
pub struct UploadBody {
    #[mv(wire = "os-volume_upload_image")]
    pub upload: NewImage,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewImage {
    #[mv(min_length = 1, max_length = 255)]
    pub image_name: String,
    /// Also of a volume in use, where the operator lets that be.
    pub force: Option<Flag>,
    #[mv(one_of("raw", "vmdk", "vdi", "qcow2", "vhd", "vhdx", "ploop"))]
    pub disk_format: Option<String>,
    #[mv(max_length = 255)]
    pub container_format: Option<String>,
    #[mv(since = "3.1", one_of("community", "public", "private", "shared"))]
    pub visibility: Option<String>,
    #[mv(since = "3.1")]
    pub protected: Option<Flag>,
}

/// From here on who sees the image is said.
const SEEN_BY: microversion::Version = version(1);

/// What an image says of itself otherwise [glance_core_properties].
const CORE: [&str; 9] = [
    "checksum",
    "container_format",
    "disk_format",
    "image_name",
    "image_id",
    "min_disk",
    "min_ram",
    "name",
    "size",
];

/// `os-volume_upload_image`.
pub async fn upload(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let UploadBody { upload: new } = call.admit()?;
    let cx = call.cx.clone();
    let seen = find_by(&volumes, &cx, call.path("id")).await?;
    volumes.allow(&cx, &policy::own(&cx.caller))?;
    let named = new.disk_format.as_deref().unwrap_or("raw");
    let format = match named {
        "raw" => Format::Raw,
        "qcow2" => Format::Qcow2,
        other => {
            return Err(Fault::NotBuilt(format!(
                "An image of format {other} is not built yet."
            )));
        }
    };
    let mut record = json!({
        "id": store::new_id(),
        "name": new.image_name,
        "disk_format": named,
        "container_format": new.container_format.as_deref().unwrap_or("bare"),
    });
    if has(&call, SEEN_BY) {
        let visibility = new.visibility.as_deref().unwrap_or("private");
        if visibility == "public" {
            let rule = "volume_extension:volume_actions:upload_public";
            volumes.allow_rule(rule, &cx.caller, &policy::own(&cx.caller))?;
        }
        record["visibility"] = json!(visibility);
        record["protected"] = json!(new.protected.is_some_and(|flag| flag.0));
    }
    if record["container_format"] == "compressed" {
        return Err(Fault::BadRequest(
            "Image compression upload disallowed, but container_format is compressed".to_owned(),
        ));
    }
    let known = properties::of(volumes.db().read(), Owner::Image, &seen.id).await?;
    for (name, value) in known {
        let own = CORE.contains(&name.as_str()) || clients::image::is_attribute(&name);
        if !own && !name.starts_with("os_glance") && record.get(&name).is_none() {
            record[name] = json!(value);
        }
    }
    let images = volumes.core().images();
    let images = images.map_err(|error| Fault::Unavailable(error.to_string()))?;
    let force = new.force.is_some_and(|flag| flag.0) && volumes.settings().force_upload;
    let (row, begun) = {
        let wanted = Wanted {
            record: &record,
            format,
            force,
        };
        sql::retry(|| begin(&volumes, &cx, images, &seen.id, &wanted)).await?
    };
    // Made in the caller's name: it is theirs, and counts for their project. The work waits for it.
    let made = clients::image::create(&images.service, cx.caller.token(), &record).await;
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            give_up(&volumes, begun).await?;
            tracing::warn!(%error, "the image service takes no image of a volume");
            return Err(match error.is_passing() {
                true => Fault::Unavailable("The image service does not answer.".to_owned()),
                false => Fault::BadRequest(error.message()),
            });
        }
    };
    volumes.nudge(begun);
    let mut answer = json!({
        "id": row.id,
        "updated_at": row.updated_at.map(web::time::naive_micros),
        "status": row.status.word(),
        "display_description": row.description,
        "size": row.size,
        "volume_type": of_type(&volumes, &row.type_id).await?,
        "image_id": made.id,
        "container_format": made.container_format,
        "disk_format": made.disk_format,
        "image_name": made.name,
    });
    for name in ["protected", "visibility"] {
        if let Some(value) = made.rest.get(name) {
            answer[name] = value.clone();
        }
    }
    Ok(Answer::of(&json!({"os-volume_upload_image": answer})))
}

/// What is asked for.
struct Wanted<'r> {
    /// The image's record.
    record: &'r Value,
    format: Format,
    /// Also of a volume in use.
    force: bool,
}

/// Claims the volume and writes down what is to be done.
async fn begin(
    volumes: &Volumes,
    cx: &Cx,
    images: &Images,
    id: &str,
    wanted: &Wanted<'_>,
) -> Result<(volume::Model, WorkflowId), Fault> {
    let tx = volumes.db().begin().await?;
    let mut row = locked(&tx, id).await?;
    let used = row.status == Status::InUse;
    if !(row.status == Status::Available || (used && wanted.force)) {
        return Err(Fault::InvalidVolume(format!(
            "Volume {} status must be {}",
            row.id,
            if wanted.force {
                "available or in-use"
            } else {
                "available"
            }
        )));
    }
    let state = State {
        asked: cx.asked(),
        volume_id: row.id.clone(),
        image_id: wanted.record["id"].as_str().unwrap_or_default().to_owned(),
        token: images.sealed(cx.caller.token()),
        format: wanted.format,
        still: used.then(store::new_id),
    };
    row.previous = Some(row.status);
    row.status = Status::Uploading;
    row.updated_at = Some(store::now());
    store::save(&tx, row.clone()).await?;
    let begun = workflow::insert(&tx, Kind::of::<Upload>(), id, &state).await?;
    tx.commit().await?;
    Ok((row, begun))
}

/// The image service refused: what was begun turns round.
async fn give_up(volumes: &Volumes, begun: WorkflowId) -> Result<(), Fault> {
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        workflow::request_cancel_of(&tx, begun).await?;
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await?;
    volumes.nudge(begun);
    Ok(())
}

/// The type as this answer alone shows it.
async fn of_type(volumes: &Volumes, id: &str) -> Result<Value, Fault> {
    let Some(kind) = types::find(volumes.db().read(), id).await? else {
        return Ok(Value::Null);
    };
    let specs: Map<String, Value> = kind
        .specs
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    Ok(json!({
        "id": kind.row.id,
        "name": kind.row.name,
        "description": kind.row.description,
        "is_public": kind.row.is_public,
        "qos_specs_id": kind.row.qos_id,
        "extra_specs": specs,
        "projects": [],
        "created_at": web::time::naive_micros(kind.row.created_at),
        "updated_at": kind.row.updated_at.map(web::time::naive_micros),
        "deleted_at": null,
        "deleted": false,
    }))
}
