//! Which cloud a database is of. Every folder of a host keeps the same id.

use sql::sea_orm::ActiveValue::Set;
use sql::sea_orm::DatabaseTransaction;
use sql::sea_orm::prelude::*;

use crate::Result;
use crate::error::duplicate;
use crate::tables::cloud::{ActiveModel, Entity};

/// The number of the one row.
const ONLY: i32 = 1;

/// The id of the cloud, if the database has one yet.
pub async fn id(conn: &impl ConnectionTrait) -> Result<Option<String>> {
    let row = Entity::find_by_id(ONLY).one(conn).await?;
    Ok(row.map(|row| row.id))
}

/// Makes this the id of the cloud.
///
/// # Errors
/// [`crate::DbError::Duplicate`] when there is one already.
pub async fn set_id(tx: &DatabaseTransaction, id: &str) -> Result<()> {
    let row = ActiveModel {
        number: Set(ONLY),
        id: Set(id.to_owned()),
        created_at: Set(sql::now(tx).await?),
    };
    let done = Entity::insert(row).exec_without_returning(tx).await;
    done.map_err(|error| duplicate(error, "the cloud's id"))?;
    Ok(())
}
