//! The group that a new volume is in.

use super::body::NewVolume;
use crate::api::{Cx, groups};
use crate::db::groups as rows;
use crate::db::store::Tx;
use crate::db::types::VolumeType;
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::group::{GroupStatus, Model};

/// The group that is asked for, whose types include the volume's.
///
/// # Errors
/// 404 for the group; 400: it is another project's, or no type is asked for, or one that the group does not have.
pub async fn asked(
    volumes: &Volumes,
    cx: &Cx,
    new: &NewVolume,
    kind: Option<&VolumeType>,
) -> Result<Option<Model>, Fault> {
    let Some(id) = &new.group_id else {
        return Ok(None);
    };
    let group = groups::find_by(volumes, cx, id).await?;
    // Who sees the groups of all projects makes volumes in one: whose group it is would do with them as it likes.
    if group.project_id != cx.project()? {
        return Err(Fault::InvalidInput(format!(
            "Group {id} belongs to another project."
        )));
    }
    let kind = kind.ok_or_else(|| {
        let why = "volume_type must be provided when creating a volume in a group.";
        Fault::InvalidInput(why.to_owned())
    })?;
    let types = rows::types(volumes.db().read(), &group.id).await?;
    match types.contains(&kind.row.id) {
        true => Ok(Some(group)),
        false => Err(Fault::InvalidInput(format!(
            "Invalid volume_type provided: {} (requested type must be supported by this group).",
            kind.row.name
        ))),
    }
}

/// The group stays until the volume is in it.
///
/// # Errors
/// It is gone, or goes.
pub async fn hold(tx: &Tx, id: &str) -> Result<(), Fault> {
    match groups::locked(tx, id).await?.status {
        GroupStatus::Deleting | GroupStatus::Deleted => Err(Fault::no_group(id)),
        _ => Ok(()),
    }
}
