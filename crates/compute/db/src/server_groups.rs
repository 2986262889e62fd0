//! Server groups and their members.
//!
//! A server joins at its creation and leaves with its deletion, in the same transactions. Whoever
//! decides by what members do locks the group first ([`lock`]): members are counted, and placed,
//! one after the other.

use std::collections::BTreeMap;

use compute_model::server_group::{GroupPolicy, ServerGroup};
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::Query;
use sql::sea_orm::{
    ActiveValue::{NotSet, Set},
    DatabaseTransaction, QueryOrder, QuerySelect,
};

use crate::tables::{server, server_group, server_group_member};
use crate::{DbError, Result};

/// Adds a group without members.
///
/// # Errors
/// [`DbError::Duplicate`] when the id is taken.
pub async fn insert(tx: &DatabaseTransaction, group: &ServerGroup) -> Result<()> {
    let row = server_group::ActiveModel {
        seq: NotSet,
        id: Set(group.id.clone()),
        project_id: Set(group.project_id.clone()),
        user_id: Set(group.user_id.clone()),
        name: Set(group.name.clone()),
        policy: Set(group.policy.as_str().to_owned()),
        max_server_per_host: Set(group.max_server_per_host.map(i64::from)),
        created_at: Set(group.created_at),
    };
    server_group::Entity::insert(row)
        .exec_without_returning(tx)
        .await
        .map_err(|error| crate::error::duplicate(error, &group.id))?;
    Ok(())
}

/// One group with its members.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn find(conn: &impl ConnectionTrait, id: &str) -> Result<ServerGroup> {
    let row = server_group::Entity::find()
        .filter(server_group::Column::Id.eq(id))
        .one(conn)
        .await?;
    whole(conn, row, id).await
}

/// The group with its row locked until the transaction ends: nobody else adds a member or places
/// one meanwhile. To be called before the transaction reads anything without locking it, since
/// MariaDB shows later reads what was there at the first. (On SQLite the transaction itself is the
/// lock.)
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn lock(tx: &DatabaseTransaction, id: &str) -> Result<ServerGroup> {
    let row = server_group::Entity::find()
        .filter(server_group::Column::Id.eq(id))
        .lock_exclusive()
        .one(tx)
        .await?;
    whole(tx, row, id).await
}

/// Groups in the order of their creation, of one project or of all, `offset` left out, at most
/// `limit`.
pub async fn list(
    conn: &impl ConnectionTrait,
    project_id: Option<&str>,
    offset: u64,
    limit: u64,
) -> Result<Vec<ServerGroup>> {
    let mut query = server_group::Entity::find().order_by_asc(server_group::Column::Seq);
    if let Some(project) = project_id {
        query = query.filter(server_group::Column::ProjectId.eq(project));
    }
    let rows = query.offset(offset).limit(limit).all(conn).await?;
    let ids = rows.iter().map(|row| row.id.as_str());
    let mut members = members(conn, ids).await?;
    rows.into_iter()
        .map(|row| {
            let of_group = members.remove(&row.id).unwrap_or_default();
            value(row, of_group)
        })
        .collect()
}

/// How many groups a project has; of one user when given.
pub async fn count(
    conn: &impl ConnectionTrait,
    project_id: &str,
    user_id: Option<&str>,
) -> Result<u64> {
    let mut query =
        server_group::Entity::find().filter(server_group::Column::ProjectId.eq(project_id));
    if let Some(user) = user_id {
        query = query.filter(server_group::Column::UserId.eq(user));
    }
    Ok(query.count(conn).await?)
}

/// Removes a group. Its servers stay.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn delete(tx: &DatabaseTransaction, id: &str) -> Result<()> {
    let gone = server_group::Entity::delete_many()
        .filter(server_group::Column::Id.eq(id))
        .exec(tx)
        .await?;
    if gone.rows_affected == 0 {
        return Err(DbError::NotFound(id.to_owned()));
    }
    server_group_member::Entity::delete_many()
        .filter(server_group_member::Column::GroupId.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Puts a new server into a group that this transaction has [`lock`]ed.
///
/// # Errors
/// [`DbError::Duplicate`] when it is in one already.
pub async fn join(tx: &DatabaseTransaction, id: &str, server_id: &str) -> Result<()> {
    let row = server_group_member::ActiveModel {
        seq: NotSet,
        group_id: Set(id.to_owned()),
        server_id: Set(server_id.to_owned()),
    };
    server_group_member::Entity::insert(row)
        .exec_without_returning(tx)
        .await
        .map_err(|error| crate::error::duplicate(error, server_id))?;
    Ok(())
}

/// Takes a server out of its group, if it is in one.
pub async fn leave(tx: &DatabaseTransaction, server_id: &str) -> Result<()> {
    server_group_member::Entity::delete_many()
        .filter(server_group_member::Column::ServerId.eq(server_id))
        .exec(tx)
        .await?;
    Ok(())
}

/// The group that a server is in.
pub async fn of_server(conn: &impl ConnectionTrait, server_id: &str) -> Result<Option<String>> {
    let row = server_group_member::Entity::find()
        .filter(server_group_member::Column::ServerId.eq(server_id))
        .one(conn)
        .await?;
    Ok(row.map(|row| row.group_id))
}

/// How many members of a group belong to a user.
pub async fn members_of_user(conn: &impl ConnectionTrait, id: &str, user_id: &str) -> Result<u64> {
    Ok(members_as_servers(id)
        .filter(server::Column::UserId.eq(user_id))
        .count(conn)
        .await?)
}

/// How many members each host has, `except` left out.
pub async fn hosts(
    conn: &impl ConnectionTrait,
    id: &str,
    except: &str,
) -> Result<BTreeMap<String, u32>> {
    let placed: Vec<Option<String>> = members_as_servers(id)
        .filter(server::Column::Id.ne(except))
        .filter(server::Column::Host.is_not_null())
        .select_only()
        .column(server::Column::Host)
        .into_tuple()
        .all(conn)
        .await?;
    let mut hosts = BTreeMap::new();
    for host in placed.into_iter().flatten() {
        *hosts.entry(host).or_default() += 1;
    }
    Ok(hosts)
}

/// Servers that are in groups, for the audit.
pub async fn all_members(conn: &impl ConnectionTrait) -> Result<Vec<String>> {
    let rows = server_group_member::Entity::find().all(conn).await?;
    Ok(rows.into_iter().map(|row| row.server_id).collect())
}

/// The live servers of a group.
fn members_as_servers(id: &str) -> Select<server::Entity> {
    let ids = Query::select()
        .column(server_group_member::Column::ServerId)
        .from(server_group_member::Entity)
        .and_where(server_group_member::Column::GroupId.eq(id))
        .to_owned();
    server::Entity::find()
        .filter(server::Column::Id.in_subquery(ids))
        .filter(server::Column::DeletedAt.is_null())
}

async fn whole(
    conn: &impl ConnectionTrait,
    row: Option<server_group::Model>,
    id: &str,
) -> Result<ServerGroup> {
    let row = row.ok_or_else(|| DbError::NotFound(id.to_owned()))?;
    let mut members = members(conn, [id].into_iter()).await?;
    value(row, members.remove(id).unwrap_or_default())
}

/// The members of groups, in the order in which they joined.
async fn members(
    conn: &impl ConnectionTrait,
    ids: impl Iterator<Item = &str>,
) -> Result<BTreeMap<String, Vec<String>>> {
    let rows = server_group_member::Entity::find()
        .filter(server_group_member::Column::GroupId.is_in(ids))
        .order_by_asc(server_group_member::Column::Seq)
        .all(conn)
        .await?;
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        members.entry(row.group_id).or_default().push(row.server_id);
    }
    Ok(members)
}

fn value(row: server_group::Model, members: Vec<String>) -> Result<ServerGroup> {
    let policy = GroupPolicy::named(&row.policy).ok_or_else(|| DbError::Unreadable {
        id: row.id.clone(),
        source: serde::de::Error::custom(format!("'{}' is no policy", row.policy)),
    })?;
    Ok(ServerGroup {
        id: row.id,
        project_id: row.project_id,
        user_id: row.user_id,
        name: row.name,
        policy,
        max_server_per_host: row
            .max_server_per_host
            .and_then(|number| u32::try_from(number).ok()),
        members,
        created_at: row.created_at,
    })
}
