//! How groups are shown.

use std::collections::HashMap;

use microversion::Versioned;
use serde::Serialize;
use sql::sea_orm::ConnectionTrait;

use crate::api::Call;
use crate::api::words::Link;
use crate::db::groups;
use crate::fault::Fault;
use crate::policy;
use crate::service::Volumes;
use crate::tables::Word;
use crate::tables::group::Model;

/// A page of the list with details.
#[derive(Debug, Serialize, Versioned)]
pub struct Page<'v> {
    pub groups: Vec<GroupView<'v>>,
    #[mv(wire = "group_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

/// A page of the list without details.
#[derive(Debug, Serialize, Versioned)]
pub struct Briefs<'v> {
    pub groups: Vec<Brief<'v>>,
    #[mv(wire = "group_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

/// A group without details.
#[derive(Debug, Serialize, Versioned)]
pub struct Brief<'v> {
    pub id: &'v str,
    pub name: Option<&'v str>,
}

/// A group.
#[derive(Debug, Serialize, Versioned)]
pub struct GroupView<'v> {
    pub id: &'v str,
    pub status: String,
    pub availability_zone: Option<&'v str>,
    pub created_at: String,
    pub name: Option<&'v str>,
    pub description: Option<&'v str>,
    pub group_type: &'v str,
    pub volume_types: &'v [String],
    #[mv(since = "3.14")]
    pub group_snapshot_id: Option<&'v str>,
    #[mv(since = "3.14")]
    pub source_group_id: Option<&'v str>,
    /// Where they are asked for.
    #[mv(since = "3.25")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<&'v [String]>,
    #[mv(since = "3.38")]
    pub replication_status: &'static str,
    /// For administrators.
    #[mv(since = "3.58")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<&'v str>,
}

/// A group with what belongs to it.
pub struct Found {
    row: Model,
    types: Vec<String>,
    volumes: Option<Vec<String>>,
}

/// Adds what belongs to rows; their volumes too where they are asked for.
pub async fn gather(
    db: &impl ConnectionTrait,
    rows: Vec<Model>,
    members: bool,
) -> Result<Vec<Found>, Fault> {
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut types = groups::types_of(db, &ids).await?;
    let mut volumes: HashMap<String, Vec<String>> = HashMap::new();
    if members {
        for id in &ids {
            let all = groups::volumes(db, id).await?;
            let all = all.into_iter().map(|row| row.id).collect();
            volumes.insert((*id).to_owned(), all);
        }
    }
    let found = rows.into_iter().map(|row| Found {
        types: types.remove(&row.id).unwrap_or_default(),
        volumes: volumes.remove(&row.id),
        row,
    });
    Ok(found.collect())
}

pub fn brief(row: &Model) -> Brief<'_> {
    Brief {
        id: &row.id,
        name: row.name.as_deref(),
    }
}

/// A group as the caller may see it.
pub fn detail<'v>(volumes: &Volumes, call: &Call, one: &'v Found) -> GroupView<'v> {
    let row = &one.row;
    let target = policy::target(&row.project_id, &row.user_id);
    let more = volumes.may("group:group_project_attribute", &call.cx.caller, &target);
    GroupView {
        id: &row.id,
        status: row.status.word(),
        availability_zone: row.availability_zone.as_deref(),
        created_at: web::time::naive_micros(row.created_at),
        name: row.name.as_deref(),
        description: row.description.as_deref(),
        group_type: &row.group_type_id,
        volume_types: &one.types,
        group_snapshot_id: row.group_snapshot_id.as_deref(),
        source_group_id: row.source_group_id.as_deref(),
        volumes: one.volumes.as_deref(),
        replication_status: "disabled",
        project_id: more.then_some(&row.project_id),
    }
}
