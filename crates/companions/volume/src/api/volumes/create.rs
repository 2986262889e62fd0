//! `POST /volumes`.

mod body;
mod group;

use clients::image::Image;
use rest::Answer;
use workflow::{Kind, WorkflowId};

pub use body::CREATE;
use body::{CreateVolume, NewVolume};

use super::view;
use crate::api::words::{only_known, trimmed};
use crate::api::{Call, Cx, backups, has, types};
use crate::db::properties::{self, Properties};
use crate::db::store::{self, Tx};
use crate::db::types::VolumeType;
use crate::db::volumes as rows;
use crate::fault::Fault;
use crate::images;
use crate::policy::{self, version};
use crate::quota::{self, More};
use crate::service::Volumes;
use crate::tables::{BackupStatus, Owner, SnapshotStatus, Status, Word, backup, snapshot, volume};
use crate::work::create::{Create, Origin, State};
use crate::work::restore;

/// What the new volume is made of, as far as rows tell.
enum Found {
    Nothing,
    Snapshot(Box<snapshot::Model>),
    Volume(Box<volume::Model>),
    Image(Box<Image>),
    Backup(Box<backup::Model>),
}

/// `POST /volumes`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    if !has(&call, version(53)) {
        only_known::<NewVolume>(&mut call.body["volume"], call.version);
    }
    let CreateVolume { volume: new, hints } = call.admit()?;
    let cx = call.cx.clone();
    volumes.allow(&cx, &policy::own(&cx.caller))?;
    body::refuse(&new, hints)?;
    let wish = match new.volume_type.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => Some(types::find_any(&volumes, &cx, name).await?),
        None => None,
    };
    let group = group::asked(&volumes, &cx, &new, wish.as_ref()).await?;
    let found = origin(&volumes, &call, &new).await?;
    let kind = match wish {
        Some(kind) => kind,
        None => type_of(&volumes, &cx, &found).await?,
    };
    let size = size(&new, &found)?;
    if let Found::Image(image) = &found {
        images::fits(image, size)?;
    }
    provisioning(&kind.specs, size)?;
    let zones = zones(&volumes, &new, &found, &kind).await?;
    let multiattach = multiattach(&volumes, &cx, &kind)?;
    let metadata = new.metadata.clone().unwrap_or_default().0;
    let row = volume::Model {
        id: store::new_id(),
        project_id: cx.project()?.to_owned(),
        user_id: cx.caller.user_id.clone(),
        name: trimmed(new.name.clone().or(new.display_name.clone())),
        description: trimmed(new.description.clone().or(new.display_description.clone())),
        status: Status::Creating,
        previous: None,
        size,
        type_id: kind.row.id.clone(),
        availability_zone: match (&group, zones.as_slice()) {
            (Some(group), _) => group.availability_zone.clone(),
            (None, [one]) => Some(one.clone()),
            _ => None,
        },
        // All volumes of a group are in one place.
        host: group.and_then(|group| group.host),
        migration_status: None,
        target_of: None,
        bootable: bootable(&volumes, &found).await?,
        multiattach,
        readonly: None,
        snapshot_id: match &found {
            Found::Snapshot(row) => Some(row.id.clone()),
            _ => None,
        },
        source_volid: new.source_volid.clone(),
        group_id: new.group_id.clone(),
        consumes_quota: true,
        created_at: store::now(),
        updated_at: None,
    };
    let new = Accepted {
        row,
        kind,
        metadata,
        zones,
        found,
    };
    let (made, nudge) = sql::retry(|| accept(&volumes, &cx, &new)).await?;
    volumes.nudge(nudge);
    call.render_under("volume", &view::plain(&volumes, &call, &made))
}

/// Whether several servers may attach a volume of this type, which not everybody may make.
fn multiattach(volumes: &Volumes, cx: &Cx, kind: &VolumeType) -> Result<bool, Fault> {
    let is = types::is_multiattach(&kind.specs);
    if is {
        volumes.allow_rule("volume:multiattach", &cx.caller, &policy::own(&cx.caller))?;
    }
    Ok(is)
}

/// Finds what the volume is made of; one thing at most.
async fn origin(volumes: &Volumes, call: &Call, new: &NewVolume) -> Result<Found, Fault> {
    let cx = &call.cx;
    let image = new.image_ref.as_ref().or(new.image_id.as_ref());
    let given = [
        ("snapshot", &new.snapshot_id),
        ("imageRef", &image.cloned()),
        ("source_volume", &new.source_volid),
        ("backup", &new.backup_id),
    ]
    .into_iter()
    .filter(|(_, value)| value.is_some())
    .count();
    let found = match (&new.snapshot_id, &new.source_volid, image) {
        (Some(id), ..) => Found::Snapshot(Box::new(source_snapshot(volumes, cx, id).await?)),
        (_, Some(id), _) => Found::Volume(Box::new(source_volume(volumes, cx, id).await?)),
        (.., Some(wish)) => source_image(volumes, call, wish).await?,
        _ => match &new.backup_id {
            Some(id) => Found::Backup(Box::new(source_backup(volumes, cx, id).await?)),
            None => Found::Nothing,
        },
    };
    if given > 1 {
        return Err(Fault::InvalidInput(
            "May specify only one of snapshot, imageRef, source_volume, backup".to_owned(),
        ));
    }
    Ok(found)
}

/// From here on an image of a server with a volume stands for the snapshot of that volume.
const SERVER_IMAGES: microversion::Version = version(46);

async fn source_image(volumes: &Volumes, call: &Call, wish: &str) -> Result<Found, Fault> {
    let cx = &call.cx;
    volumes.allow_rule(
        "volume:create_from_image",
        &cx.caller,
        &policy::own(&cx.caller),
    )?;
    let images = volumes.core().images();
    let images = images.map_err(|error| Fault::Unavailable(error.to_string()))?;
    let image = images.named(cx.caller.token(), wish).await?;
    match images::boot_snapshot(&image).filter(|_| has(call, SERVER_IMAGES)) {
        None => Ok(Found::Image(Box::new(image))),
        Some(id) => {
            let row = source_snapshot(volumes, cx, &id).await;
            let row = row.map_err(|fault| match fault {
                Fault::NotFound(_) => Fault::NotFound(format!(
                    "Nova specific image is found, but boot volume snapshot id:{id} not found."
                )),
                other => other,
            });
            Ok(Found::Snapshot(Box::new(row?)))
        }
    }
}

async fn source_snapshot(volumes: &Volumes, cx: &Cx, id: &str) -> Result<snapshot::Model, Fault> {
    let found = store::find::<snapshot::Entity>(volumes.db().read(), id).await?;
    let found = found.filter(|row| volumes.sees(&cx.caller, &row.project_id));
    let row = found.ok_or_else(|| Fault::no_snapshot(id))?;
    let target = policy::target(&row.project_id, &row.user_id);
    volumes.allow_rule("volume:get_snapshot", &cx.caller, &target)?;
    if row.status != SnapshotStatus::Available {
        return Err(Fault::InvalidSnapshot(
            "Originating snapshot status must be one of 'available' values".to_owned(),
        ));
    }
    Ok(row)
}

async fn source_backup(volumes: &Volumes, cx: &Cx, id: &str) -> Result<backup::Model, Fault> {
    let row = backups::find_by(volumes, cx, id).await?;
    match row.status {
        BackupStatus::Available => Ok(row),
        _ => Err(Fault::InvalidBackup(
            "Originating backup status must be one of 'available' values".to_owned(),
        )),
    }
}

async fn source_volume(volumes: &Volumes, cx: &Cx, id: &str) -> Result<volume::Model, Fault> {
    let row = crate::api::find_by(volumes, cx, id).await?;
    check_source(&row)?;
    Ok(row)
}

fn check_source(row: &volume::Model) -> Result<(), Fault> {
    match row.status {
        Status::Available | Status::InUse => Ok(()),
        _ => Err(Fault::InvalidVolume(
            "Originating source volume status must be one of 'available, in-use' values".to_owned(),
        )),
    }
}

/// The type of a volume for which none is asked: its origin's, or the default.
async fn type_of(volumes: &Volumes, cx: &Cx, found: &Found) -> Result<VolumeType, Fault> {
    let id = match found {
        Found::Snapshot(row) => &row.type_id,
        Found::Volume(row) => &row.type_id,
        Found::Image(image) => {
            let named = image.properties().remove("cinder_img_volume_type");
            return match named {
                Some(name) => types::find_any(volumes, cx, &name).await,
                None => types::default_of(volumes, cx.project()?).await,
            };
        }
        Found::Nothing | Found::Backup(_) => {
            return types::default_of(volumes, cx.project()?).await;
        }
    };
    let kind = crate::db::types::find(volumes.db().read(), id).await?;
    kind.ok_or_else(|| Fault::no_type(id))
}

fn size(new: &NewVolume, found: &Found) -> Result<i64, Fault> {
    let least = match found {
        Found::Nothing | Found::Image(_) => None,
        Found::Snapshot(row) => Some((row.size, "the snapshot size", "snapshot")),
        Found::Volume(row) => Some((row.size, "original volume size", "volume")),
        Found::Backup(row) => Some((row.size, "the backup size", "backup")),
    };
    match (new.size, least) {
        (Some(size), Some((least, what, "backup"))) if size < least => {
            Err(Fault::InvalidInput(format!(
                "Volume size '{size}'GB cannot be smaller than {what} {least}GB. It must be >= backup size."
            )))
        }
        (Some(size), Some((least, what, of))) if size < least => Err(Fault::InvalidInput(format!(
            "Volume size '{size}'GB cannot be smaller than {what} {least}GB. They must be >= original {of} size."
        ))),
        (Some(size), _) | (None, Some((size, ..))) => Ok(size),
        (None, None) => Err(Fault::InvalidInput(
            "Volume size 'None' must be an integer and greater than 0".to_owned(),
        )),
    }
}

/// Sizes that a type may have (`provisioning:min_vol_size`, `provisioning:max_vol_size`).
pub fn provisioning(specs: &Properties, size: i64) -> Result<(), Fault> {
    let bound = |name: &str| specs.get(name).and_then(|text| text.parse::<i64>().ok());
    let least = bound("provisioning:min_vol_size").filter(|least| size < *least);
    if let Some(least) = least {
        return Err(Fault::InvalidInput(format!(
            "Specified volume size of '{size}' is less than the minimum required size of '{least}' for this volume type."
        )));
    }
    let most = bound("provisioning:max_vol_size").filter(|most| size > *most);
    match most {
        Some(most) => Err(Fault::InvalidInput(format!(
            "Specified volume size of '{size}' is greater than the maximum allowable size of '{most}' for this volume \
             type."
        ))),
        None => Ok(()),
    }
}

/// The zones that the volume may be in.
async fn zones(
    volumes: &Volumes,
    new: &NewVolume,
    found: &Found,
    kind: &VolumeType,
) -> Result<Vec<String>, Fault> {
    let known = crate::api::zones::known(volumes).await?;
    let of_type = kind.specs.get("RESKEY:availability_zones");
    let of_type: Option<Vec<String>> =
        of_type.map(|all| all.split(',').map(|zone| zone.trim().to_owned()).collect());
    let safe: Vec<String> = match &of_type {
        Some(zones) => zones
            .iter()
            .filter(|zone| known.contains(*zone))
            .cloned()
            .collect(),
        None => known.clone(),
    };
    if safe.is_empty() {
        let zones = of_type.unwrap_or_default();
        return Err(Fault::BadRequest(format!(
            "Volume type is only supported in these availability zones: {}",
            zones.join(",")
        )));
    }
    let from = match found {
        Found::Volume(row) => row.availability_zone.clone(),
        Found::Snapshot(row) => store::find::<volume::Entity>(volumes.db().read(), &row.volume_id)
            .await?
            .and_then(|row| row.availability_zone),
        Found::Nothing | Found::Image(_) | Found::Backup(_) => None,
    };
    let settings = volumes.settings();
    let usual = || {
        settings
            .default_zone
            .clone()
            .unwrap_or_else(|| settings.zone.clone())
    };
    let wish = new.availability_zone.clone().or_else(|| from.clone());
    let zone = match (wish, of_type.is_some()) {
        (Some(zone), _) => zone,
        (None, true) => return Ok(safe),
        (None, false) => usual(),
    };
    let zone = match safe.contains(&zone) {
        true => zone,
        false if settings.zone_fallback => usual(),
        false => {
            return Err(Fault::BadRequest(format!(
                "Availability zone '{zone}' is invalid."
            )));
        }
    };
    match from.filter(|from| *from != zone) {
        None => Ok(vec![zone]),
        Some(_) => Err(Fault::InvalidInput(format!(
            "Volume must be in the same availability zone as the {}",
            if matches!(found, Found::Snapshot(_)) {
                "snapshot"
            } else {
                "source volume"
            }
        ))),
    }
}

async fn bootable(volumes: &Volumes, found: &Found) -> Result<bool, Fault> {
    Ok(match found {
        Found::Nothing | Found::Backup(_) => false,
        Found::Image(_) => true,
        Found::Volume(row) => row.bootable,
        Found::Snapshot(row) => store::find::<volume::Entity>(volumes.db().read(), &row.volume_id)
            .await?
            .is_some_and(|row| row.bootable),
    })
}

/// A volume that may be made.
struct Accepted {
    row: volume::Model,
    kind: VolumeType,
    metadata: Properties,
    zones: Vec<String>,
    found: Found,
}

async fn accept(
    volumes: &Volumes,
    cx: &Cx,
    new: &Accepted,
) -> Result<(rows::Volume, WorkflowId), Fault> {
    let row = &new.row;
    let tx = volumes.db().begin().await?;
    quota::size(volumes.settings(), &tx, &row.project_id, row.size).await?;
    let more = More {
        volumes: 1,
        gigabytes: row.size,
        ..More::default()
    };
    let kind = (row.type_id.as_str(), new.kind.row.name.as_str());
    quota::admit(volumes.settings(), &tx, &row.project_id, Some(kind), more).await?;
    let origin = still_there(&tx, &new.found).await?;
    if let Some(id) = &row.group_id {
        group::hold(&tx, id).await?;
    }
    // The type may have changed since it was looked at, or be gone.
    let held = types::hold(&tx, &row.type_id).await?;
    provisioning(&held.specs, row.size)?;
    let row = &volume::Model {
        multiattach: multiattach(volumes, cx, &held)?,
        ..row.clone()
    };
    store::insert(&tx, row.clone()).await?;
    properties::merge(&tx, Owner::Volume, &row.id, &new.metadata).await?;
    let image = match &origin {
        Origin::Blank => Properties::new(),
        Origin::Image { .. } => match &new.found {
            Found::Image(image) => images::known(image),
            _ => Properties::new(),
        },
        Origin::Volume { volume_id } => properties::of(&tx, Owner::Image, volume_id).await?,
        Origin::Snapshot { snapshot_id, .. } => {
            properties::of(&tx, Owner::SnapshotImage, snapshot_id).await?
        }
    };
    properties::merge(&tx, Owner::Image, &row.id, &image).await?;
    let (asked, volume_id, zones) = (cx.asked(), row.id.clone(), new.zones.clone());
    let nudge = match &new.found {
        Found::Backup(of) => {
            let state = restore::State {
                asked,
                backup_id: of.id.clone(),
                volume_id,
                fresh: true,
                zones,
            };
            backups::restore::begin(&tx, &state).await?
        }
        _ => {
            let state = State {
                asked,
                volume_id,
                zones,
                origin,
            };
            workflow::insert(&tx, Kind::of::<Create>(), &row.id, &state).await?
        }
    };
    let made = rows::one(&tx, row.clone()).await?;
    tx.commit().await?;
    Ok((made, nudge))
}

/// What the volume is made of is locked with it: who deletes it afterwards waits for the copy.
async fn still_there(tx: &Tx, found: &Found) -> Result<Origin, Fault> {
    Ok(match found {
        Found::Nothing | Found::Backup(_) => Origin::Blank,
        Found::Image(image) => Origin::Image {
            image_id: image.id.clone(),
        },
        Found::Volume(seen) => {
            check_source(&super::locked(tx, &seen.id).await?)?;
            Origin::Volume {
                volume_id: seen.id.clone(),
            }
        }
        Found::Snapshot(seen) => {
            let row = store::locked::<snapshot::Entity>(tx, &seen.id).await?;
            let row = row.ok_or_else(|| Fault::no_snapshot(&seen.id))?;
            if row.status != SnapshotStatus::Available {
                let status = row.status.word();
                return Err(Fault::InvalidSnapshot(format!(
                    "its status is {status} by now"
                )));
            }
            Origin::Snapshot {
                volume_id: row.volume_id,
                snapshot_id: row.id,
            }
        }
    })
}
