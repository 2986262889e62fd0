//! Objects: beside what all [`parts`] have, their pages.

use sql::sea_orm::{ConnectionTrait, DbErr};

use super::{Marker, PartOrder, parts};
use crate::metadefs::listing::{Page, PartKey};
use crate::tables::metadefs::object::{self, Column};

/// The rows of a page.
pub async fn page(
    db: &impl ConnectionTrait,
    namespace: &str,
    page: &Page<PartKey>,
    marker: Option<object::Model>,
) -> Result<Vec<object::Model>, DbErr> {
    let order = PartOrder {
        created_at: Column::CreatedAt,
        updated_at: Column::UpdatedAt,
        name: Column::Name,
        marker: marker.map(|row| Marker {
            created_at: row.created_at,
            updated_at: row.updated_at,
            name: row.name,
        }),
    };
    let query = parts::all::<object::Entity>(namespace);
    order.page(query, page).all(db).await
}
