//! The password that a guest posted to the metadata service, for whoever has its private key.

use compute_db::passwords;

use super::{load, lock};
use crate::{Context, Control, Result};

/// The encrypted password; empty when the guest posted none.
///
/// # Errors
/// 404, 403 by policy.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<String> {
    let server = load(control, cx, id).await?;
    let posted = passwords::find(control.db.read(), &server.id).await?;
    Ok(posted.unwrap_or_default())
}

/// Forgets it here; what the guest knows stays.
///
/// # Errors
/// 404, 403 by policy.
pub async fn clear(control: &Control, cx: &Context, id: &str) -> Result<()> {
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let server = lock(&tx, control, cx, id).await?;
        passwords::forget(&tx, &server.id).await?;
        Ok(tx.commit().await?)
    })
    .await
}
