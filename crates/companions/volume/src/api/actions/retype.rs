//! `os-retype`: to a type that the volume's pool fits, which is done at once, or to one of another back end, to which the
//! volume then moves.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use workflow::WorkflowId;

use super::migrate;
use crate::api::volumes::{locked, provisioning};
use crate::api::{Call, Cx, find, types};
use crate::db::store::{self, Tx};
use crate::db::types::VolumeType;
use crate::fault::Fault;
use crate::hosts;
use crate::policy;
use crate::schedule::{self, Wanted};
use crate::service::Volumes;
use crate::tables::qos;
use crate::tables::{Status, Word, volume, volume_type};
use crate::work::migrate::{Kind, State, Why, admit};

#[derive(Debug, Deserialize, Versioned)]
pub struct RetypeBody {
    #[mv(wire = "os-retype")]
    pub retype: NewType,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewType {
    pub new_type: String,
    #[mv(one_of("on-demand", "never"))]
    pub migration_policy: Option<String>,
}

/// `os-retype`.
pub async fn retype(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let RetypeBody { retype: wish } = call.admit()?;
    let cx = call.cx.clone();
    let seen = find(&volumes, &cx, call.path("id")).await?;
    let kind = types::find_any(&volumes, &cx, &wish.new_type).await?;
    provisioning(&kind.specs, seen.size)?;
    let multiattach = types::is_multiattach(&kind.specs);
    if multiattach && !seen.multiattach {
        let target = policy::target(&seen.project_id, &seen.user_id);
        volumes.allow_rule("volume:multiattach", &cx.caller, &target)?;
    }
    let moves = wish.migration_policy.as_deref() == Some("on-demand");
    let to = place(&volumes, &seen, &kind, moves).await?;
    let new = New {
        kind,
        multiattach,
        to,
    };
    let nudge = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let nudge = accept(&volumes, &cx, &tx, &seen, &new).await?;
        tx.commit().await?;
        Ok::<_, Fault>(nudge)
    })
    .await?;
    if let Some(id) = nudge {
        volumes.nudge(id);
    }
    Ok(Answer::empty())
}

/// What the volume is to be.
struct New {
    kind: VolumeType,
    multiattach: bool,
    /// The pool to which it moves for that.
    to: Option<String>,
}

/// The pool to which a volume of the new type must move; none: where it is fits.
async fn place(
    volumes: &Volumes,
    seen: &volume::Model,
    kind: &VolumeType,
    moves: bool,
) -> Result<Option<String>, Fault> {
    let mut pools = hosts::pools(volumes.db().read()).await?;
    let here = pools
        .iter()
        .find(|pool| Some(&pool.name) == seen.host.as_ref());
    let wanted = Wanted {
        size: 0,
        zones: &[],
        specs: &kind.specs,
    };
    if here.is_some_and(|pool| schedule::fits(pool, &wanted)) {
        return Ok(None);
    }
    if !moves {
        return Err(Fault::InvalidInput(
            "The volume's back end does not fit the type, and it may not migrate.".to_owned(),
        ));
    }
    // Bytes move between the back ends of one host.
    let here = volumes.backends().of(seen.host.as_deref())?;
    pools.retain(|pool| {
        let own = volumes.backends().named(&pool.name);
        own.is_some_and(|own| own.host != here.host)
    });
    let zones: Vec<String> = seen.availability_zone.iter().cloned().collect();
    let wanted = Wanted {
        size: seen.size,
        zones: &zones,
        specs: &kind.specs,
    };
    match schedule::choose(&pools, &wanted) {
        Ok(pool) => Ok(Some(pool.name.clone())),
        Err(why) => Err(Fault::InvalidInput(format!(
            "No valid backend was found. No back end of the volume's host fits the type: {why}."
        ))),
    }
}

/// Whether hosts would have to enforce other limits on a volume that gets this type.
async fn limits_change(tx: &Tx, before: &str, after: &volume_type::Model) -> Result<bool, Fault> {
    let before = store::find::<volume_type::Entity>(tx, before).await?;
    let before = before.and_then(|kind| kind.qos_id);
    if before == after.qos_id {
        return Ok(false);
    }
    for id in [before.as_deref(), after.qos_id.as_deref()] {
        let specs = match id {
            Some(id) => store::find::<qos::Entity>(tx, id).await?,
            None => None,
        };
        if specs.is_some_and(|specs| specs.consumer.has_hosts()) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn accept(
    volumes: &Volumes,
    cx: &Cx,
    tx: &Tx,
    seen: &volume::Model,
    new: &New,
) -> Result<Option<WorkflowId>, Fault> {
    let mut row = locked(tx, &seen.id).await?;
    let kind = &new.kind.row;
    let rest = matches!(row.status, Status::Available | Status::InUse);
    if !rest || row.group_id.is_some() || row.type_id == kind.id {
        return Err(Fault::InvalidVolume(
            "Retype needs volume to be in available or in-use state, not be part of an active migration or a \
             consistency group, requested type has to be different that the one from the volume, and for in-use \
             volumes front-end qos specs cannot change."
                .to_owned(),
        ));
    }
    if row.status != Status::Available && limits_change(tx, &row.type_id, kind).await? {
        return Err(Fault::InvalidVolume(
            "Retype cannot change front-end qos specs for in-use volume: the servers that have it keep its limits."
                .to_owned(),
        ));
    }
    if row.multiattach != new.multiattach && row.status != Status::Available {
        return Err(Fault::InvalidInput(format!(
            "Invalid volume_type passed, retypes affecting multiattach are only allowed on available volumes, the \
             specified volume however currently has a status of: {}.",
            row.status.word()
        )));
    }
    let held = match &new.to {
        Some(_) => migrate::movable(tx, &row).await?,
        None => None,
    };
    admit(volumes.core(), tx, &row, (&kind.id, &kind.name)).await?;
    let chosen = types::hold(tx, &kind.id).await?;
    if types::is_multiattach(&chosen.specs) != new.multiattach {
        return Err(Fault::Conflict(format!(
            "Volume type {} was changed meanwhile.",
            kind.id
        )));
    }
    let after = Kind {
        type_id: kind.id.clone(),
        multiattach: new.multiattach,
    };
    match &new.to {
        Some(to) => {
            let before = Kind {
                type_id: row.type_id.clone(),
                multiattach: row.multiattach,
            };
            let state = State {
                asked: cx.asked(),
                volume_id: row.id.clone(),
                from: row.host.clone().unwrap_or_default(),
                to: to.clone(),
                why: Why::Retyped { before, after },
                held,
            };
            Ok(Some(migrate::begin(tx, row, &state).await?))
        }
        None => {
            row.type_id = after.type_id;
            row.multiattach = after.multiattach;
            row.updated_at = Some(store::now());
            store::save(tx, row).await?;
            Ok(None)
        }
    }
}
