//! Properties: beside what all [`parts`] have, their list.

use sql::sea_orm::{ConnectionTrait, DbErr, QueryOrder};

use super::parts;
use crate::tables::metadefs::property::{self, Column};

/// All properties, sorted by name.
pub async fn list(
    db: &impl ConnectionTrait,
    namespace: &str,
) -> Result<Vec<property::Model>, DbErr> {
    parts::all::<property::Entity>(namespace)
        .order_by_asc(Column::Name)
        .all(db)
        .await
}
