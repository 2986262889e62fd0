//! Offers of volumes.

use sql::sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};

use crate::db::store::Tx;
use crate::tables::transfer::{Column, Entity};

/// Removes whatever offers a volume, which is locked.
pub async fn forget(tx: &Tx, volume_id: &str) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Column::VolumeId.eq(volume_id))
        .exec(tx)
        .await?;
    Ok(())
}
