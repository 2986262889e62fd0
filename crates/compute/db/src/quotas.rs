//! Limits that differ from the defaults.
//!
//! Precedence, as in Nova: project and user, project, the class `default`, the built-in default.

use std::collections::BTreeMap;

use compute_model::quota::{RESOURCES, Resource};
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::OnConflict;
use sql::sea_orm::{ActiveValue::Set, Condition, DatabaseTransaction};

use crate::Result;
use crate::tables::quota::{ActiveModel, Column, Entity};

/// Whose limits: rows of a class have no project and the class's name in the user column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    Class(&'a str),
    Project(&'a str),
    User(&'a str, &'a str),
}

impl<'a> Owner<'a> {
    fn key(self) -> (&'a str, &'a str) {
        match self {
            Owner::Class(class) => ("", class),
            Owner::Project(project) => (project, ""),
            Owner::User(project, user) => (project, user),
        }
    }
}

/// The limits that hold for `owner`, every resource named.
pub async fn limits(
    conn: &impl ConnectionTrait,
    defaults: &BTreeMap<Resource, i64>,
    owner: Owner<'_>,
) -> Result<BTreeMap<Resource, i64>> {
    let mut chain = vec![Owner::Class("default")];
    match owner {
        Owner::Class("default") => {}
        Owner::Class(_) => chain.push(owner),
        Owner::Project(_) => chain.push(owner),
        Owner::User(project, _) => chain.extend([Owner::Project(project), owner]),
    }
    let mut rows_wanted = Condition::any();
    for owner in &chain {
        let (project, user) = owner.key();
        rows_wanted = rows_wanted.add(
            Condition::all()
                .add(Column::ProjectId.eq(project))
                .add(Column::UserId.eq(user)),
        );
    }
    let rows = Entity::find().filter(rows_wanted).all(conn).await?;
    let mut limits: BTreeMap<Resource, i64> = RESOURCES
        .iter()
        .map(|(resource, _, builtin)| {
            (
                *resource,
                defaults.get(resource).copied().unwrap_or(*builtin),
            )
        })
        .collect();
    for owner in chain {
        let (project, user) = owner.key();
        for row in &rows {
            if row.project_id == project
                && row.user_id == user
                && let Some(resource) = Resource::named(&row.resource)
            {
                limits.insert(resource, row.hard_limit);
            }
        }
    }
    Ok(limits)
}

/// Makes others who are about to count the same project's things wait until this transaction ends: what is counted
/// stays true until what is counted for is written. (On SQLite the transaction itself is enough.)
pub async fn hold(tx: &DatabaseTransaction, project_id: &str) -> Result<()> {
    take_turn(tx, Owner::Project(project_id)).await
}

/// [`hold`] for what a user has in all projects together.
pub async fn hold_user(tx: &DatabaseTransaction, user_id: &str) -> Result<()> {
    // The row of a class that has the user's id for a name: classes have no turns of their own.
    take_turn(tx, Owner::Class(user_id)).await
}

async fn take_turn(tx: &DatabaseTransaction, owner: Owner<'_>) -> Result<()> {
    if tx.get_database_backend() == sql::sea_orm::DbBackend::Sqlite {
        return Ok(());
    }
    // No resource has this name, so the row is no limit.
    put(tx, owner.key(), "(turn)", 0).await
}

/// Sets limits of `owner`.
pub async fn set(
    tx: &DatabaseTransaction,
    owner: Owner<'_>,
    limits: &BTreeMap<Resource, i64>,
) -> Result<()> {
    let (project, user) = owner.key();
    for (resource, limit) in limits {
        put(tx, (project, user), resource.as_str(), *limit).await?;
    }
    Ok(())
}

/// Writes a row, or the limit of the one that is there: either way it is locked until the transaction ends.
async fn put(
    tx: &DatabaseTransaction,
    (project, user): (&str, &str),
    resource: &str,
    limit: i64,
) -> Result<()> {
    let row = ActiveModel {
        project_id: Set(project.to_owned()),
        user_id: Set(user.to_owned()),
        resource: Set(resource.to_owned()),
        hard_limit: Set(limit),
    };
    Entity::insert(row)
        .on_conflict(
            OnConflict::columns([Column::ProjectId, Column::UserId, Column::Resource])
                .update_column(Column::HardLimit)
                .to_owned(),
        )
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Returns to the defaults; for a project also those of its users.
pub async fn reset(conn: &impl ConnectionTrait, owner: Owner<'_>) -> Result<()> {
    let (project, user) = owner.key();
    let mut rows = Entity::delete_many().filter(Column::ProjectId.eq(project));
    if !matches!(owner, Owner::Project(_)) {
        rows = rows.filter(Column::UserId.eq(user));
    }
    rows.exec(conn).await?;
    Ok(())
}

/// What the limits of all single users of a project add up to, by resource. No limit (-1) adds
/// nothing.
pub async fn given_to_users(
    conn: &impl ConnectionTrait,
    project: &str,
) -> Result<BTreeMap<Resource, i64>> {
    let rows = Entity::find()
        .filter(Column::ProjectId.eq(project))
        .filter(Column::UserId.ne(""))
        .all(conn)
        .await?;
    let mut sums = BTreeMap::new();
    for row in rows {
        if let Some(resource) = Resource::named(&row.resource) {
            *sums.entry(resource).or_default() += row.hard_limit.max(0);
        }
    }
    Ok(sums)
}
