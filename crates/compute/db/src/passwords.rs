//! Passwords of guests for their owners, encrypted with the owner's public key: by the guest that posted it, or by
//! compute when it gave the guest another one.

use chrono::{DateTime, Utc};
use sql::sea_orm::ActiveValue::Set;
use sql::sea_orm::prelude::*;

use crate::Result;
use crate::error::duplicate;
use crate::tables::server_password::{ActiveModel, Entity};

/// Keeps a guest's password.
///
/// # Errors
/// [`crate::DbError::Duplicate`] when one is kept already: a guest posts once.
pub async fn insert(
    conn: &impl ConnectionTrait,
    server_id: &str,
    password: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let row = ActiveModel {
        server_id: Set(server_id.to_owned()),
        password: Set(password.to_owned()),
        created_at: Set(now),
    };
    let done = Entity::insert(row).exec_without_returning(conn).await;
    done.map_err(|error| duplicate(error, server_id))?;
    Ok(())
}

/// The password that a guest posted, if it did.
pub async fn find(conn: &impl ConnectionTrait, server_id: &str) -> Result<Option<String>> {
    let row = Entity::find_by_id(server_id).one(conn).await?;
    Ok(row.map(|row| row.password))
}

/// Forgets a guest's password: it may post another.
pub async fn forget(conn: &impl ConnectionTrait, server_id: &str) -> Result<()> {
    Entity::delete_by_id(server_id).exec(conn).await?;
    Ok(())
}
