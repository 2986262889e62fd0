//! Flavors, their extra specs, and who may use those that are not public.

use std::collections::BTreeMap;

use compute_model::Flavor;
use sql::sea_orm::prelude::*;
use sql::sea_orm::{
    ActiveValue::{NotSet, Set},
    Condition, DatabaseTransaction, QuerySelect,
};

use crate::tables::{flavor, flavor_access};
use crate::{DbError, Result};

/// Adds a flavor.
///
/// # Errors
/// [`DbError::Duplicate`] naming the id or the name that is taken.
pub async fn insert(tx: &DatabaseTransaction, flavor: &Flavor) -> Result<()> {
    for (kind, column, value) in [
        ("ID", flavor::Column::Id, &flavor.id),
        ("name", flavor::Column::Name, &flavor.name),
    ] {
        let taken = flavor::Entity::find()
            .filter(column.eq(value))
            .count(tx)
            .await?;
        if taken > 0 {
            return Err(DbError::Duplicate(format!("{kind} {value}")));
        }
    }
    flavor::Entity::insert(active(flavor)?)
        .exec_without_returning(tx)
        .await
        .map_err(|error| crate::error::duplicate(error, &format!("name {}", flavor.name)))?;
    Ok(())
}

/// One flavor by the id that users know.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn find(conn: &impl ConnectionTrait, id: &str) -> Result<Flavor> {
    let row = flavor::Entity::find()
        .filter(flavor::Column::Id.eq(id))
        .one(conn)
        .await?;
    row.ok_or_else(|| DbError::NotFound(id.to_owned()))
        .and_then(value)
}

/// The number of a flavor, as records of migrations show it; 0 for one that is gone.
pub async fn number(conn: &impl ConnectionTrait, id: &str) -> Result<i64> {
    let row = flavor::Entity::find()
        .filter(flavor::Column::Id.eq(id))
        .one(conn)
        .await?;
    Ok(row.map_or(0, |row| row.seq))
}

/// [`find`] with the row locked until the transaction ends, for those who change it. (On SQLite the
/// transaction itself is the lock.)
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn lock(tx: &DatabaseTransaction, id: &str) -> Result<Flavor> {
    let row = flavor::Entity::find()
        .filter(flavor::Column::Id.eq(id))
        .lock_exclusive()
        .one(tx)
        .await?;
    row.ok_or_else(|| DbError::NotFound(id.to_owned()))
        .and_then(value)
}

/// All flavors: of any, or only those that are public or open to `project`. Few enough that order
/// and paging are the caller's.
pub async fn list(conn: &impl ConnectionTrait, project: Option<&str>) -> Result<Vec<Flavor>> {
    let mut query = flavor::Entity::find();
    if let Some(project) = project {
        let open: Vec<String> = flavor_access::Entity::find()
            .select_only()
            .column(flavor_access::Column::FlavorId)
            .filter(flavor_access::Column::ProjectId.eq(project))
            .into_tuple()
            .all(conn)
            .await?;
        query = query.filter(
            Condition::any()
                .add(flavor::Column::IsPublic.eq(true))
                .add(flavor::Column::Id.is_in(open)),
        );
    }
    query.all(conn).await?.into_iter().map(value).collect()
}

/// Writes a changed flavor.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn save(tx: &DatabaseTransaction, flavor: &Flavor) -> Result<()> {
    let mut row = active(flavor)?;
    row.updated_at = Set(Some(sql::micros(chrono::Utc::now())));
    let done = flavor::Entity::update_many()
        .set(row)
        .filter(flavor::Column::Id.eq(&flavor.id))
        .exec(tx)
        .await?;
    match done.rows_affected {
        0 => Err(DbError::NotFound(flavor.id.clone())),
        _ => Ok(()),
    }
}

/// Removes a flavor and its access list; servers keep their copies.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn delete(tx: &DatabaseTransaction, id: &str) -> Result<()> {
    flavor_access::Entity::delete_many()
        .filter(flavor_access::Column::FlavorId.eq(id))
        .exec(tx)
        .await?;
    let gone = flavor::Entity::delete_many()
        .filter(flavor::Column::Id.eq(id))
        .exec(tx)
        .await?;
    match gone.rows_affected {
        0 => Err(DbError::NotFound(id.to_owned())),
        _ => Ok(()),
    }
}

/// Projects that may use a flavor.
pub async fn access(conn: &impl ConnectionTrait, id: &str) -> Result<Vec<String>> {
    Ok(flavor_access::Entity::find()
        .select_only()
        .column(flavor_access::Column::ProjectId)
        .filter(flavor_access::Column::FlavorId.eq(id))
        .into_tuple()
        .all(conn)
        .await?)
}

/// Opens a flavor to a project.
///
/// # Errors
/// [`DbError::Duplicate`] when it is open to it already.
pub async fn grant(tx: &DatabaseTransaction, id: &str, project: &str) -> Result<()> {
    let row = flavor_access::ActiveModel {
        flavor_id: Set(id.to_owned()),
        project_id: Set(project.to_owned()),
    };
    flavor_access::Entity::insert(row)
        .exec_without_returning(tx)
        .await
        .map_err(|error| crate::error::duplicate(error, project))?;
    Ok(())
}

/// Closes a flavor to a project.
///
/// # Errors
/// [`DbError::NotFound`] when it was not open to it.
pub async fn revoke(tx: &DatabaseTransaction, id: &str, project: &str) -> Result<()> {
    let gone = flavor_access::Entity::delete_by_id((id.to_owned(), project.to_owned()))
        .exec(tx)
        .await?;
    match gone.rows_affected {
        0 => Err(DbError::NotFound(project.to_owned())),
        _ => Ok(()),
    }
}

fn active(flavor: &Flavor) -> Result<flavor::ActiveModel> {
    let specs =
        serde_json::to_string(&flavor.extra_specs).map_err(|source| DbError::Unreadable {
            id: flavor.id.clone(),
            source,
        })?;
    Ok(flavor::ActiveModel {
        seq: NotSet,
        id: Set(flavor.id.clone()),
        name: Set(flavor.name.clone()),
        ram: Set(flavor.ram.into()),
        vcpus: Set(flavor.vcpus.into()),
        disk: Set(flavor.disk.into()),
        ephemeral: Set(flavor.ephemeral.into()),
        swap: Set(flavor.swap.into()),
        rxtx_factor: Set(flavor.rxtx_factor),
        is_public: Set(flavor.is_public),
        disabled: Set(flavor.disabled),
        description: Set(flavor.description.clone()),
        extra_specs: Set(specs),
        created_at: Set(flavor
            .created_at
            .unwrap_or_else(|| sql::micros(chrono::Utc::now()))),
        updated_at: Set(flavor.updated_at),
    })
}

fn value(row: flavor::Model) -> Result<Flavor> {
    let specs: BTreeMap<String, String> =
        serde_json::from_str(&row.extra_specs).map_err(|source| DbError::Unreadable {
            id: row.id.clone(),
            source,
        })?;
    let number = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
    Ok(Flavor {
        ram: number(row.ram),
        vcpus: number(row.vcpus),
        disk: number(row.disk),
        ephemeral: number(row.ephemeral),
        swap: number(row.swap),
        id: row.id,
        name: row.name,
        rxtx_factor: row.rxtx_factor,
        is_public: row.is_public,
        disabled: row.disabled,
        description: row.description,
        extra_specs: specs,
        created_at: Some(row.created_at),
        updated_at: row.updated_at,
    })
}
