//! Key pairs.

use compute_model::keypair::{KeyType, Keypair};
use sql::sea_orm::prelude::*;
use sql::sea_orm::{ActiveValue::Set, DatabaseTransaction, QueryOrder, QuerySelect};

use crate::tables::keypair::{ActiveModel, Column, Entity, Model};
use crate::{DbError, Result};

/// Adds a key pair.
///
/// # Errors
/// [`DbError::Duplicate`] when the user has one of that name.
pub async fn insert(tx: &DatabaseTransaction, pair: &Keypair) -> Result<()> {
    let row = ActiveModel {
        user_id: Set(pair.user_id.clone()),
        name: Set(pair.name.clone()),
        seq: Set(crate::claims::next_change(tx).await?),
        kind: Set(pair.kind.as_str().to_owned()),
        fingerprint: Set(pair.fingerprint.clone()),
        public_key: Set(pair.public_key.clone()),
        created_at: Set(pair.created_at),
    };
    Entity::insert(row)
        .exec_without_returning(tx)
        .await
        .map_err(|error| crate::error::duplicate(error, &pair.name))?;
    Ok(())
}

/// One key pair with the number that the API shows as `id`.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn find(
    conn: &impl ConnectionTrait,
    user_id: &str,
    name: &str,
) -> Result<(i64, Keypair)> {
    let row = Entity::find_by_id((user_id.to_owned(), name.to_owned()))
        .one(conn)
        .await?;
    row.map(|row| (row.seq, pair(row)))
        .ok_or_else(|| DbError::NotFound(name.to_owned()))
}

/// A user's key pairs by name, after `marker`.
///
/// # Errors
/// [`DbError::Marker`].
pub async fn list(
    conn: &impl ConnectionTrait,
    user_id: &str,
    marker: Option<&str>,
    limit: Option<u64>,
) -> Result<Vec<Keypair>> {
    let mut query = Entity::find()
        .filter(Column::UserId.eq(user_id))
        .order_by_asc(Column::Name);
    if let Some(marker) = marker {
        if find(conn, user_id, marker).await.is_err() {
            return Err(DbError::Marker(marker.to_owned()));
        }
        query = query.filter(Column::Name.gt(marker));
    }
    if let Some(limit) = limit {
        query = query.limit(limit);
    }
    Ok(query.all(conn).await?.into_iter().map(pair).collect())
}

/// How many a user has.
pub async fn count(conn: &impl ConnectionTrait, user_id: &str) -> Result<u64> {
    Ok(Entity::find()
        .filter(Column::UserId.eq(user_id))
        .count(conn)
        .await?)
}

/// Removes a key pair; servers keep their copies.
///
/// # Errors
/// [`DbError::NotFound`].
pub async fn delete(conn: &impl ConnectionTrait, user_id: &str, name: &str) -> Result<()> {
    let gone = Entity::delete_by_id((user_id.to_owned(), name.to_owned()))
        .exec(conn)
        .await?;
    match gone.rows_affected {
        0 => Err(DbError::NotFound(name.to_owned())),
        _ => Ok(()),
    }
}

fn pair(row: Model) -> Keypair {
    Keypair {
        user_id: row.user_id,
        name: row.name,
        kind: match row.kind.as_str() {
            "x509" => KeyType::X509,
            _ => KeyType::Ssh,
        },
        fingerprint: row.fingerprint,
        public_key: row.public_key,
        created_at: row.created_at,
    }
}
