//! Console proxies hand in tokens.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_db::{DbError, consoles, servers};
use compute_rpc::conductor::{CheckConsole, ConsoleTarget, Owner, RedeemConsole};

use super::{Desk, database};

/// Uses a token up. It opens the console only of the server, host and operation it was made for.
pub async fn redeem(
    desk: Arc<Desk>,
    _context: Context,
    message: RedeemConsole,
) -> Result<Option<ConsoleTarget>, Failure> {
    sql::retry(|| async {
        let tx = desk.db.begin().await?;
        let token = consoles::redeem(&tx, &message.token_hash, chrono::Utc::now()).await?;
        tx.commit().await?;
        let Some(token) = token else {
            return Ok(None);
        };
        let server = match servers::find(desk.db.read(), &token.server_id).await {
            Err(DbError::NotFound(_)) => return Ok(None),
            other => other?,
        };
        let same = server.epoch == token.epoch && server.host.as_ref() == Some(&token.host);
        Ok::<_, DbError>(same.then_some(ConsoleTarget {
            server_id: token.server_id,
            host: token.host,
            kind: token.kind,
            sealed_token: token.sealed_token,
        }))
    })
    .await
    .map_err(database)
}

/// Looks whether the server of an open console is still on the host where the console leads.
pub async fn check(
    desk: Arc<Desk>,
    _context: Context,
    message: CheckConsole,
) -> Result<Option<Owner>, Failure> {
    match servers::find(desk.db.read(), &message.server_id).await {
        Err(DbError::NotFound(_)) => Ok(None),
        Err(error) => Err(database(error)),
        Ok(server) => Ok((server.host == Some(message.host)).then_some(Owner {
            project_id: server.project_id,
            user_id: server.user_id,
        })),
    }
}
