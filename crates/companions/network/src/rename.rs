//! A host that bears another name from now on.

use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::Expr;

use crate::core::Core;
use crate::tables::{agents, ports};

/// Ports that were bound on the host are bound on it under its new name; the agent starts anew.
pub async fn rename(core: &Core, before: &str, after: &str) -> Result<(), sql::SqlError> {
    if before == after {
        return Ok(());
    }
    let tx = core.db.begin().await?;
    ports::Entity::update_many()
        .col_expr(ports::Column::Host, Expr::value(after))
        .filter(ports::Column::Host.eq(before))
        .exec(&tx)
        .await?;
    agents::Entity::delete_many()
        .filter(agents::Column::Host.eq(before))
        .exec(&tx)
        .await?;
    tx.commit().await?;
    Ok(())
}
