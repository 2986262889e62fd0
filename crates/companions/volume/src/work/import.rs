//! Backups under another id, as imports of records make them.

use crate::db::store;
use crate::driver::Id;
use crate::fault::Fault;
use crate::shared::Core;
use crate::tables::BackupStatus;
use crate::tables::backup::{Entity, Model};
use crate::vault::{Vault, VaultError};

/// The files of a backup are there under another id, and its row says so.
///
/// # Errors
/// The database does not answer, or the folder cannot be used.
pub async fn copy(core: &Core, of: Id, id: Id, row: &mut Model) -> Result<(), Fault> {
    let copied = in_vault(core, move |vault| vault.ensure_copy(of, id)).await?;
    let why = copied.err().map(|error| error.to_string());
    let now = sql::retry(|| async {
        let tx = core.db.begin().await?;
        let mut now = store::locked::<Entity>(&tx, &row.id).await?;
        if let Some(now) = now.as_mut().filter(|now| now.status == BackupStatus::Error) {
            if why.is_none() {
                now.status = BackupStatus::Available;
            }
            now.fail_reason.clone_from(&why);
            store::save(&tx, now.clone()).await?;
        }
        tx.commit().await?;
        Ok::<_, Fault>(now)
    });
    match now.await? {
        // It is deleted meanwhile, perhaps before there were files to remove.
        None => remove(core, id).await,
        Some(now) if now.status == BackupStatus::Deleting => remove(core, id).await,
        Some(now) => {
            *row = now;
            Ok(())
        }
    }
}

async fn remove(core: &Core, id: Id) -> Result<(), Fault> {
    let gone = in_vault(core, move |vault| vault.ensure_gone(id)).await?;
    gone.map_err(|error| Fault::Backend(error.to_string()))
}

/// Works on the folder of backups, on a thread that may wait.
///
/// # Errors
/// The work's own inside; outside, the thread ended early.
pub async fn in_vault<T: Send + 'static>(
    core: &Core,
    work: impl FnOnce(Vault) -> Result<T, VaultError> + Send + 'static,
) -> Result<Result<T, VaultError>, Fault> {
    let vault = core.vault();
    let done = tokio::task::spawn_blocking(move || work(vault)).await;
    done.map_err(|_| Fault::Internal("a thread ended early"))
}
