//! Servers: insert, lock, save, find, list, count.

mod filter;
mod patterns;
mod row;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use compute_model::Server;
use compute_model::listing::{Paging, ServerFilter};
use compute_model::quota::ServerUsage;
use compute_model::state::{TaskState, VmState};
use compute_model::usage::Period;
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::{Expr, ExprTrait};
use sql::sea_orm::{
    self, ActiveValue, Condition, DatabaseTransaction, FromQueryResult, QueryOrder, QuerySelect,
};

use crate::tables::server::{self, Column, Entity};
use crate::{DbError, Result, events};

/// Adds a server, with its event; its `seq` comes from the database.
///
/// # Errors
/// [`DbError::Duplicate`] when the id is taken.
pub async fn insert(tx: &DatabaseTransaction, server: &Server) -> Result<Server> {
    let mut model = row::active(server)?;
    model.seq = ActiveValue::NotSet;
    let added = model
        .insert(tx)
        .await
        .map_err(|error| crate::error::duplicate(error, &server.id))
        .and_then(row::server)?;
    events::created(tx, &added).await?;
    Ok(added)
}

/// The server, deleted or not.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn find_any(conn: &impl ConnectionTrait, id: &str) -> Result<Server> {
    let found = Entity::find().filter(Column::Id.eq(id)).one(conn).await?;
    found
        .ok_or_else(|| DbError::NotFound(id.to_owned()))
        .and_then(row::server)
}

/// The server, unless it is deleted.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn find(conn: &impl ConnectionTrait, id: &str) -> Result<Server> {
    let server = find_any(conn, id).await?;
    match server.deleted_at {
        None => Ok(server),
        Some(_) => Err(DbError::NotFound(id.to_owned())),
    }
}

/// The server with its row locked until the transaction ends: what it says stays true while the
/// caller decides. (On SQLite the transaction itself is the lock.)
///
/// # Errors
/// [`DbError::NotFound`], also for deleted servers.
pub async fn lock(tx: &DatabaseTransaction, id: &str) -> Result<Server> {
    let found = Entity::find()
        .filter(Column::Id.eq(id))
        .filter(Column::DeletedAt.is_null())
        .lock_exclusive()
        .one(tx)
        .await?;
    found
        .ok_or_else(|| DbError::NotFound(id.to_owned()))
        .and_then(row::server)
}

/// Writes a server that was [`lock`]ed in this transaction, with its event, and stamps its `updated_at`.
pub async fn save(tx: &DatabaseTransaction, server: &mut Server) -> Result<()> {
    server.updated_at = sql::micros(chrono::Utc::now());
    events::changed(tx, server).await?;
    Entity::update_many()
        .set(row::changes(server)?)
        .filter(Column::Id.eq(&server.id))
        .exec(tx)
        .await?;
    Ok(())
}

/// A page of servers in the order asked for.
///
/// # Errors
/// [`DbError::Marker`] when the marker is no server that the filter's project could see;
/// [`DbError::Pattern`] for a regular expression that is broken or costs too much.
pub async fn list(
    conn: &impl ConnectionTrait,
    wanted: &ServerFilter,
    paging: &Paging,
) -> Result<Vec<Server>> {
    if paging.limit == 0 {
        return Ok(Vec::new());
    }
    let patterns = patterns::Patterns::of(wanted)?;
    let sort = filter::sort_columns(paging);
    let mut query = filter::ordered(wanted, &sort);
    if let Some(marker) = &paging.marker {
        let at = marker_row(conn, wanted, marker).await?;
        query = query.filter(filter::after(&sort, &at));
    }
    if !patterns.is_empty() {
        let ids = patterns.first(conn, query, paging.limit).await?;
        return in_order(conn, ids).await;
    }
    let rows = query.limit(paging.limit).all(conn).await?;
    rows.into_iter().map(row::server).collect()
}

/// These servers, in this order; who is gone meanwhile is left out.
async fn in_order(conn: &impl ConnectionTrait, ids: Vec<String>) -> Result<Vec<Server>> {
    let mut found = HashMap::new();
    for some in ids.chunks(500) {
        let rows = Entity::find()
            .filter(Column::Id.is_in(some))
            .all(conn)
            .await?;
        found.extend(rows.into_iter().map(|row| (row.id.clone(), row)));
    }
    let rows = ids.iter().filter_map(|id| found.remove(id));
    rows.map(row::server).collect()
}

/// A marker may be a server that was deleted since the page before.
async fn marker_row(
    conn: &impl ConnectionTrait,
    wanted: &ServerFilter,
    marker: &str,
) -> Result<server::Model> {
    let mut query = Entity::find().filter(Column::Id.eq(marker));
    if let Some(project) = &wanted.project_id {
        query = query.filter(Column::ProjectId.eq(project));
    }
    let found = query.one(conn).await?;
    found.ok_or_else(|| DbError::Marker(marker.to_owned()))
}

/// The servers that were there at some time of a period, deleted ones too, by id: those after `marker`, at most `limit`.
/// Deleted servers that were purged are not known any more.
///
/// # Errors
/// [`DbError::Marker`] when the marker is no server, of the project if one is given.
pub async fn of_period(
    conn: &impl ConnectionTrait,
    period: Period,
    project_id: Option<&str>,
    marker: Option<&str>,
    limit: u64,
) -> Result<Vec<Server>> {
    let mut there = Condition::all().add(Column::LaunchedAt.lt(period.end)).add(
        Condition::any()
            .add(Column::TerminatedAt.is_null())
            .add(Column::TerminatedAt.gt(period.start)),
    );
    if let Some(project) = project_id {
        there = there.add(Column::ProjectId.eq(project));
    }
    if let Some(marker) = marker {
        let mut known = Entity::find().filter(Column::Id.eq(marker));
        if let Some(project) = project_id {
            known = known.filter(Column::ProjectId.eq(project));
        }
        if known.count(conn).await? == 0 {
            return Err(DbError::Marker(marker.to_owned()));
        }
        there = there.add(Column::Id.gt(marker));
    }
    let rows = Entity::find()
        .filter(there)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(conn)
        .await?;
    rows.into_iter().map(row::server).collect()
}

/// What a project's servers take; of one user when given. Soft-deleted servers count nothing.
pub async fn usage(
    conn: &impl ConnectionTrait,
    project_id: &str,
    user_id: Option<&str>,
) -> Result<ServerUsage> {
    #[derive(FromQueryResult)]
    struct Sums {
        servers: i64,
        cores: Option<i64>,
        ram: Option<i64>,
    }
    let whole = |column: Column| {
        Expr::expr(column.sum()).cast_as(match conn.get_database_backend() {
            sql::sea_orm::DbBackend::MySql => "SIGNED",
            _ => "BIGINT",
        })
    };
    let mut live = Condition::all()
        .add(Column::ProjectId.eq(project_id))
        .add(Column::DeletedAt.is_null())
        .add(Column::VmState.ne(VmState::SoftDeleted.as_str()));
    if let Some(user) = user_id {
        live = live.add(Column::UserId.eq(user));
    }
    let sums = Entity::find()
        .select_only()
        .column_as(Column::Seq.count(), "servers")
        .expr_as(whole(Column::Vcpus), "cores")
        .expr_as(whole(Column::MemoryMb), "ram")
        .filter(live)
        .into_model::<Sums>()
        .one(conn)
        .await?;
    Ok(sums.map_or_else(ServerUsage::default, |sums| ServerUsage {
        instances: sums.servers,
        cores: sums.cores.unwrap_or_default(),
        ram: sums.ram.unwrap_or_default(),
    }))
}

/// Live servers of a host.
pub async fn on_host(conn: &impl ConnectionTrait, host: &str) -> Result<Vec<Server>> {
    let rows = Entity::find()
        .filter(Column::Host.eq(host))
        .filter(Column::DeletedAt.is_null())
        .all(conn)
        .await?;
    rows.into_iter().map(row::server).collect()
}

/// Hosts of those of these servers that are on one.
pub async fn hosts_of(
    conn: &impl ConnectionTrait,
    ids: &[&str],
) -> Result<BTreeMap<String, String>> {
    let rows: Vec<(String, Option<String>)> = Entity::find()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(Column::DeletedAt.is_null())
        .select_only()
        .columns([Column::Id, Column::Host])
        .into_tuple()
        .all(conn)
        .await?;
    let placed = rows.into_iter().filter_map(|(id, host)| Some((id, host?)));
    Ok(placed.collect())
}

/// How many servers of each host are in work that reads and writes much: being built, snapshotted,
/// moved. The same states as Nova's.
pub async fn io_operations(conn: &impl ConnectionTrait) -> Result<HashMap<String, u64>> {
    let rows: Vec<(Option<String>, String, Option<String>)> = Entity::find()
        // Every word is more than none: a range of the index, unlike "is not null" on SQLite.
        .filter(Column::TaskState.gt(""))
        .filter(Column::Host.is_not_null())
        .filter(Column::DeletedAt.is_null())
        .select_only()
        .columns([Column::Host, Column::VmState, Column::TaskState])
        .into_tuple()
        .all(conn)
        .await?;
    let mut counts = HashMap::new();
    for (host, vm_state, task_state) in rows {
        let task = task_state.and_then(|word| word.parse::<TaskState>().ok());
        let heavy = task.is_some_and(TaskState::is_heavy);
        if let Some(host) = host
            && (heavy || vm_state == VmState::Building.as_str())
        {
            *counts.entry(host).or_default() += 1;
        }
    }
    Ok(counts)
}

/// Properties of the images of servers, counted by host: of these hosts, or of all.
pub async fn image_properties(
    conn: &impl ConnectionTrait,
    hosts: Option<&[&str]>,
) -> Result<HashMap<String, ImageProperties>> {
    let mut query = Entity::find()
        .filter(Column::Host.is_not_null())
        .filter(Column::ImageId.is_not_null())
        .filter(Column::DeletedAt.is_null());
    if let Some(hosts) = hosts {
        query = query.filter(Column::Host.is_in(hosts.iter().copied()));
    }
    let mut counted: HashMap<String, ImageProperties> = Default::default();
    for row in query.all(conn).await? {
        let server = row::server(row)?;
        let (Some(host), Some(image)) = (server.host, server.image) else {
            continue;
        };
        let of_host = counted.entry(host).or_default();
        for property in image.properties {
            *of_host.entry(property).or_default() += 1;
        }
    }
    Ok(counted)
}

/// How many servers have an image with a property of this name and value.
pub type ImageProperties = HashMap<(String, String), u64>;

/// Ids of live servers, for reconcilers and audits.
pub async fn live_ids(conn: &impl ConnectionTrait) -> Result<Vec<String>> {
    Ok(Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::DeletedAt.is_null())
        .into_tuple()
        .all(conn)
        .await?)
}

/// Live servers, each with the node on which it is, for the audit.
pub async fn nodes_of_live(conn: &impl ConnectionTrait) -> Result<Vec<(String, Option<String>)>> {
    Ok(Entity::find()
        .select_only()
        .columns([Column::Id, Column::NodeId])
        .filter(Column::DeletedAt.is_null())
        .into_tuple()
        .all(conn)
        .await?)
}

/// Live servers with something under way, for the audit.
pub async fn with_task(conn: &impl ConnectionTrait) -> Result<Vec<Server>> {
    let rows = Entity::find()
        .filter(Column::TaskState.is_not_null())
        .filter(Column::DeletedAt.is_null())
        .all(conn)
        .await?;
    rows.into_iter().map(row::server).collect()
}

/// Servers that are resized, shelved, or kept as deleted, and wait for somebody's word since before `before`; a slice of them.
pub async fn waiting_since(
    conn: &impl ConnectionTrait,
    state: VmState,
    before: DateTime<Utc>,
) -> Result<Vec<String>> {
    // Since when one is shelved is not a column: small changes of its row put it off.
    let since = match state {
        VmState::Shelved => Column::UpdatedAt,
        VmState::SoftDeleted => Column::SoftDeletedAt,
        _ => Column::LaunchedAt,
    };
    let ids = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::VmState.eq(state.as_str()))
        .filter(Column::TaskState.is_null())
        .filter(since.lt(before))
        .filter(Column::DeletedAt.is_null())
        .limit(100)
        .into_tuple()
        .all(conn)
        .await?;
    Ok(ids)
}

/// The migrations of resizes of living servers that are under way or not confirmed, for the audit.
pub async fn resizes_of_live(conn: &impl ConnectionTrait) -> Result<BTreeSet<String>> {
    let rows = Entity::find()
        .filter(Column::DeletedAt.is_null())
        .filter(Column::Document.contains("\"migration_id\""))
        .all(conn)
        .await?;
    let mut ids = BTreeSet::new();
    for row in rows {
        let server = row::server(row)?;
        ids.extend(server.resize.map(|resize| resize.migration_id));
    }
    Ok(ids)
}
