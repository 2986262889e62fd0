//! Giving a host up for a server: the epoch rises and a lasting word says that the host is to let the
//! server go, in one transaction.

use compute_db::{DbError, letting_go, servers};
use compute_model::Server;
use workflow::{StepContext, StepError};

use crate::records;

/// Raises a server's epoch and writes that its host is to let it go, before the host is asked: if
/// nobody hears its answer, the word is there when it returns. The server as it is then; none when
/// it is gone.
///
/// # Errors
/// A database that does not answer.
pub async fn give_up(cx: &StepContext, server_id: &str) -> Result<Option<Server>, StepError> {
    word(cx, server_id, 1).await
}

/// Writes that the host of a server is to let it go as of the present epoch, which whoever took the
/// server over has raised already.
///
/// # Errors
/// A database that does not answer.
pub async fn leave(cx: &StepContext, server_id: &str) -> Result<(), StepError> {
    word(cx, server_id, 0).await.map(|_| ())
}

async fn word(cx: &StepContext, server_id: &str, raise: i64) -> Result<Option<Server>, StepError> {
    sql::retry(|| async {
        let tx = cx.begin().await?;
        let mut server = match servers::lock(&tx, server_id).await {
            Err(DbError::NotFound(_)) => return Ok(None),
            other => other?,
        };
        if raise > 0 {
            server.epoch += raise;
            servers::save(&tx, &mut server).await?;
        }
        letting_go::note(&tx, &server).await?;
        tx.commit().await?;
        Ok::<_, DbError>(Some(server))
    })
    .await
    .map_err(records::database)
}

/// The host of a server said that nothing of it is left there.
///
/// # Errors
/// A database that does not answer.
pub async fn fulfilled(cx: &StepContext, server: &Server) -> Result<(), StepError> {
    let Some(node_id) = &server.node_id else {
        return Ok(());
    };
    sql::retry(|| async {
        let tx = cx.begin().await?;
        letting_go::fulfilled(&*tx, &server.id, node_id, server.epoch).await?;
        tx.commit().await?;
        Ok::<_, DbError>(())
    })
    .await
    .map_err(records::database)
}
