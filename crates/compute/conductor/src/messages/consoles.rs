//! Console proxies hand in tokens.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_db::{DbError, consoles, servers};
use compute_rpc::conductor::{ConsoleTarget, RedeemConsole};

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
        }))
    })
    .await
    .map_err(database)
}
