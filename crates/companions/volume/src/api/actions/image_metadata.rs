//! What a volume knows of its image.

use microversion::{Rules, Shape, Version, Versioned};
use rest::Answer;
use serde::Deserialize;
use serde_json::json;

use crate::api::volumes::locked;
use crate::api::words::keys;
use crate::api::{Call, find};
use crate::db::properties::{self, Properties};
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::{Owner, Status, Word};

/// Names with values of up to 64 KiB.
#[derive(Debug, Deserialize)]
pub struct ImageMetadata(pub Properties);

impl Versioned for ImageMetadata {
    const SHAPE: &'static Shape = &Shape::Ruled(
        &Shape::Map(&VALUE),
        &[(Version::MIN, keys(r"^[a-zA-Z0-9\-_:. /]{1,255}$"))],
    );
}

const VALUE: Shape = Shape::Ruled(
    &Shape::Text,
    &[(
        Version::MIN,
        Rules {
            max_length: Some(65535),
            ..Rules::NONE
        },
    )],
);

#[derive(Debug, Deserialize, Versioned)]
pub struct SetBody {
    #[mv(wire = "os-set_image_metadata")]
    pub set: Set,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Set {
    pub metadata: ImageMetadata,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UnsetBody {
    #[mv(wire = "os-unset_image_metadata")]
    pub unset: Unset,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Unset {
    #[mv(min_length = 1, max_length = 255)]
    pub key: String,
}

/// `os-show_image_metadata`.
pub async fn show(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let all = properties::of(volumes.db().read(), Owner::Image, &seen.id).await?;
    Ok(Answer::of(&json!({"metadata": all})))
}

/// `os-set_image_metadata`.
pub async fn set(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let SetBody {
        set: Set { metadata },
    } = call.admit()?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let all = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        changeable(&tx, &seen.id).await?;
        properties::merge(&tx, Owner::Image, &seen.id, &metadata.0).await?;
        let all = properties::of(&tx, Owner::Image, &seen.id).await?;
        tx.commit().await?;
        Ok::<_, Fault>(all)
    })
    .await?;
    Ok(Answer::of(&json!({"metadata": all})))
}

/// `os-unset_image_metadata`.
pub async fn unset(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let UnsetBody {
        unset: Unset { key },
    } = call.admit()?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        changeable(&tx, &seen.id).await?;
        if !properties::remove(&tx, Owner::Image, &seen.id, &key).await? {
            return Err(Fault::NotFound("Metadata item was not found".to_owned()));
        }
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(Answer::empty())
}

async fn changeable(tx: &crate::db::store::Tx, id: &str) -> Result<(), Fault> {
    let row = locked(tx, id).await?;
    match row.status {
        Status::Maintenance | Status::Uploading => Err(Fault::InvalidVolume(format!(
            "Updating volume metadata is not allowed for volumes in {} status.",
            row.status.word()
        ))),
        _ => Ok(()),
    }
}
