//! Images made of a server's disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::servers::images::{self, Backup, NewImage};

use super::actions::{CreateBackup, CreateImage, ImageMade};
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::IMAGE_ID_IN_BODY;
use crate::words::Metadata;

/// `createImage`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let asked: CreateImage = call.admit()?;
    let asked = asked.create_image;
    let new = NewImage {
        name: asked.name.0,
        metadata: properties(asked.metadata),
        backup: None,
    };
    let id = images::create_image(&api.control, &call.cx, call.path("id"), &new).await?;
    answer(&call, &id)
}

/// `createBackup`.
pub async fn create_backup(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let asked: CreateBackup = call.admit()?;
    let asked = asked.create_backup;
    let new = NewImage {
        name: asked.name.0,
        metadata: properties(asked.metadata),
        backup: Some(Backup {
            backup_type: asked.backup_type,
            rotation: asked.rotation,
        }),
    };
    let id = images::create_image(&api.control, &call.cx, call.path("id"), &new).await?;
    // It goes again as soon as it is made: no address, but since 2.45 its id.
    if asked.rotation == 0 && !call.version.at_least(IMAGE_ID_IN_BODY) {
        return Ok(Answer::empty());
    }
    answer(&call, &id)
}

fn properties(metadata: Option<Metadata>) -> BTreeMap<String, String> {
    metadata.map(Metadata::into_map).unwrap_or_default()
}

fn answer(call: &Call, id: &str) -> Result<Answer, Fault> {
    match call.version.at_least(IMAGE_ID_IN_BODY) {
        true => call.render(&ImageMade { image_id: id }),
        false => Ok(Answer::empty().with_location(&call.link(&format!("images/{id}")))),
    }
}
