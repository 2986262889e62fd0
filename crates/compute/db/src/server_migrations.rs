//! The ways of servers to another size or host, filtered and paged here.

use chrono::{DateTime, Utc};
use compute_model::migration::Migration;
use compute_model::state::MigrationStatus;
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::Expr;
use sql::sea_orm::{
    ActiveValue::{NotSet, Set},
    Condition, DatabaseTransaction, QueryOrder, QuerySelect,
};

use crate::tables::server_migration::{ActiveModel, Column, Entity, Model};
use crate::{DbError, Result};

/// Which are listed, newest first.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Source or destination.
    pub host: Option<String>,
    pub server_id: Option<String>,
    pub source_host: Option<String>,
    pub status: Option<String>,
    pub kind: Option<String>,
    pub user_id: Option<String>,
    pub project_id: Option<String>,
    pub changes_since: Option<DateTime<Utc>>,
    pub changes_before: Option<DateTime<Utc>>,
    pub limit: Option<u64>,
    /// The id of the last one before.
    pub marker: Option<String>,
}

/// Keeps a new one.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &DatabaseTransaction, one: &Migration) -> Result<()> {
    let row = ActiveModel {
        seq: NotSet,
        id: Set(one.id.clone()),
        server_id: Set(one.server_id.clone()),
        kind: Set(one.kind.clone()),
        status: Set(one.status.as_str().to_owned()),
        source_host: Set(one.source_host.clone()),
        source_node: Set(one.source_node.clone()),
        dest_host: Set(one.dest_host.clone()),
        dest_node: Set(one.dest_node.clone()),
        dest_ip: Set(one.dest_ip.clone()),
        old_flavor: Set(one.old_flavor),
        new_flavor: Set(one.new_flavor),
        user_id: Set(one.user_id.clone()),
        project_id: Set(one.project_id.clone()),
        created_at: Set(one.created_at),
        updated_at: Set(one.updated_at),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// Notes how far one has come. One that is gone is success.
///
/// # Errors
/// The database's.
pub async fn note(
    tx: &DatabaseTransaction,
    id: &str,
    status: MigrationStatus,
    now: DateTime<Utc>,
) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Status, Expr::value(status.as_str()))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Those that are wanted.
///
/// # Errors
/// [`DbError::Marker`] for a marker that is none.
pub async fn list(conn: &impl ConnectionTrait, wanted: &Wanted) -> Result<Vec<Migration>> {
    let mut query = Entity::find();
    let equal = [
        (Column::ServerId, &wanted.server_id),
        (Column::SourceHost, &wanted.source_host),
        (Column::Status, &wanted.status),
        (Column::Kind, &wanted.kind),
        (Column::UserId, &wanted.user_id),
        (Column::ProjectId, &wanted.project_id),
    ];
    for (column, value) in equal {
        if let Some(value) = value {
            query = query.filter(column.eq(value));
        }
    }
    if let Some(host) = &wanted.host {
        let either = Condition::any()
            .add(Column::SourceHost.eq(host))
            .add(Column::DestHost.eq(host));
        query = query.filter(either);
    }
    if let Some(since) = wanted.changes_since {
        query = query.filter(Column::UpdatedAt.gte(since));
    }
    if let Some(before) = wanted.changes_before {
        query = query.filter(Column::UpdatedAt.lte(before));
    }
    if let Some(marker) = &wanted.marker {
        let last = Entity::find()
            .filter(Column::Id.eq(marker))
            .one(conn)
            .await?;
        let last = last.ok_or_else(|| DbError::Marker(marker.clone()))?;
        let later = Condition::all()
            .add(Column::CreatedAt.eq(last.created_at))
            .add(Column::Seq.lt(last.seq));
        let after = Condition::any()
            .add(Column::CreatedAt.lt(last.created_at))
            .add(later);
        query = query.filter(after);
    }
    let rows = query
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Seq)
        .limit(wanted.limit)
        .all(conn)
        .await?;
    rows.into_iter().map(migration).collect()
}

fn migration(row: Model) -> Result<Migration> {
    let status = row.status.parse().map_err(|error| DbError::Unreadable {
        id: row.id.clone(),
        source: serde::de::Error::custom(error),
    })?;
    Ok(Migration {
        seq: row.seq,
        id: row.id,
        server_id: row.server_id,
        kind: row.kind,
        status,
        source_host: row.source_host,
        source_node: row.source_node,
        dest_host: row.dest_host,
        dest_node: row.dest_node,
        dest_ip: row.dest_ip,
        old_flavor: row.old_flavor,
        new_flavor: row.new_flavor,
        user_id: row.user_id,
        project_id: row.project_id,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}
