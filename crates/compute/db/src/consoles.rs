//! Console tokens: used once, bound to a server, its host and its operation, short-lived.

use chrono::{DateTime, Utc};
use sql::sea_orm::prelude::*;
use sql::sea_orm::{ActiveValue::Set, DatabaseTransaction, IntoActiveModel};

use crate::Result;
use crate::tables::console_token::{ActiveModel, Column, Entity};

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleToken {
    /// SHA-256 of the token in hex: whoever reads the table cannot open a console.
    pub token_hash: String,
    pub server_id: String,
    pub epoch: i64,
    pub host: String,
    /// `novnc`, `serial`.
    pub kind: String,
    pub access_url_base: String,
    pub expires_at: DateTime<Utc>,
    /// The token of the user who asked, sealed with this one (`compute_rpc::sealed`).
    pub sealed_token: Option<String>,
}

/// Keeps a token, and forgets those that expired.
pub async fn insert(
    conn: &impl ConnectionTrait,
    token: &ConsoleToken,
    now: DateTime<Utc>,
) -> Result<()> {
    Entity::delete_many()
        .filter(Column::ExpiresAt.lt(now))
        .exec(conn)
        .await?;
    let row = ActiveModel {
        token_hash: Set(token.token_hash.clone()),
        server_id: Set(token.server_id.clone()),
        epoch: Set(token.epoch),
        host: Set(token.host.clone()),
        kind: Set(token.kind.clone()),
        access_url_base: Set(token.access_url_base.clone()),
        expires_at: Set(token.expires_at),
        sealed_token: Set(token.sealed_token.clone()),
    };
    Entity::insert(row).exec_without_returning(conn).await?;
    Ok(())
}

/// Takes a token out of the table: the second caller gets nothing, nor does anybody after expiry.
pub async fn redeem(
    tx: &DatabaseTransaction,
    token_hash: &str,
    now: DateTime<Utc>,
) -> Result<Option<ConsoleToken>> {
    let Some(row) = Entity::find_by_id(token_hash).one(tx).await? else {
        return Ok(None);
    };
    let token = ConsoleToken {
        token_hash: row.token_hash.clone(),
        server_id: row.server_id.clone(),
        epoch: row.epoch,
        host: row.host.clone(),
        kind: row.kind.clone(),
        access_url_base: row.access_url_base.clone(),
        expires_at: row.expires_at,
        sealed_token: row.sealed_token.clone(),
    };
    let gone = Entity::delete(row.into_active_model()).exec(tx).await?;
    Ok((gone.rows_affected == 1 && token.expires_at > now).then_some(token))
}

/// Looks at a token without using it (`os-console-auth-tokens`).
pub async fn peek(
    conn: &impl ConnectionTrait,
    token_hash: &str,
    now: DateTime<Utc>,
) -> Result<Option<ConsoleToken>> {
    let row = Entity::find_by_id(token_hash).one(conn).await?;
    Ok(row
        .filter(|row| row.expires_at > now)
        .map(|row| ConsoleToken {
            token_hash: row.token_hash,
            server_id: row.server_id,
            epoch: row.epoch,
            host: row.host,
            kind: row.kind,
            access_url_base: row.access_url_base,
            expires_at: row.expires_at,
            sealed_token: row.sealed_token,
        }))
}

/// Forgets all tokens of a server.
pub async fn forget(conn: &impl ConnectionTrait, server_id: &str) -> Result<()> {
    Entity::delete_many()
        .filter(Column::ServerId.eq(server_id))
        .exec(conn)
        .await?;
    Ok(())
}
