//! A group without volumes is asked for.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use workflow::Kind;

use super::view;
use crate::api::words::trimmed;
use crate::api::{Call, group_types, types, zones};
use crate::db::{groups as rows, store};
use crate::fault::Fault;
use crate::policy;
use crate::quota::{self, More};
use crate::service::Volumes;
use crate::tables::group::{GroupStatus, Model};
use crate::tables::group_type;
use crate::work::group::{Create, State};

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateGroup {
    pub group: NewGroup,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewGroup {
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
    #[mv(min_length = 1, max_length = 255)]
    pub group_type: String,
    #[mv(min_items = 1, unique_items)]
    pub volume_types: Vec<String>,
    #[mv(nullable, min_length = 1, max_length = 255)]
    pub availability_zone: Option<String>,
}

/// `POST /groups`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let CreateGroup { group: new } = call.admit()?;
    let cx = call.cx.clone();
    volumes.allow(&cx, &policy::own(&cx.caller))?;
    let kind = group_types::find_any(&volumes, &cx, &new.group_type).await?;
    let mut members = Vec::new();
    for name in &new.volume_types {
        let found = types::find_any(&volumes, &cx, name).await?;
        if !members.contains(&found.row.id) {
            members.push(found.row.id);
        }
    }
    // Everybody locks several of them in this order.
    members.sort();
    let row = Model {
        id: store::new_id(),
        project_id: cx.project()?.to_owned(),
        user_id: cx.caller.user_id.clone(),
        name: trimmed(new.name),
        description: trimmed(new.description),
        group_type_id: kind.id,
        status: GroupStatus::Creating,
        availability_zone: Some(zone(&volumes, new.availability_zone).await?),
        host: None,
        group_snapshot_id: None,
        source_group_id: None,
        created_at: store::now(),
        updated_at: None,
    };
    let state = State {
        asked: cx.asked(),
        group_id: row.id.clone(),
    };
    let nudge = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let more = More {
            groups: 1,
            ..More::default()
        };
        quota::admit(volumes.settings(), &tx, &row.project_id, None, more).await?;
        // Who deletes the type waits, and sees that it is used.
        let kind = store::locked::<group_type::Entity>(&tx, &row.group_type_id).await?;
        kind.ok_or_else(|| group_types::missing(&row.group_type_id))?;
        for id in &members {
            types::hold(&tx, id).await?;
        }
        rows::insert(&tx, row.clone(), &members).await?;
        let nudge = workflow::insert(&tx, Kind::of::<Create>(), &row.id, &state).await?;
        tx.commit().await?;
        Ok::<_, Fault>(nudge)
    })
    .await?;
    volumes.nudge(nudge);
    call.render_under("group", &view::brief(&row))
}

/// The zone of a group: the one asked for, or the usual one.
async fn zone(volumes: &Volumes, wish: Option<String>) -> Result<String, Fault> {
    let settings = volumes.settings();
    let usual = settings.default_zone.as_ref().unwrap_or(&settings.zone);
    let wish = wish.unwrap_or_else(|| usual.clone());
    if zones::known(volumes).await?.contains(&wish) || wish == settings.zone {
        return Ok(wish);
    }
    match settings.zone_fallback {
        true => Ok(usual.clone()),
        false => Err(Fault::InvalidInput(format!(
            "Availability zone '{wish}' is invalid."
        ))),
    }
}
