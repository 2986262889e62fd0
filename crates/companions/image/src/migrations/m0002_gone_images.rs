//! Ids of images that were deleted, which no other image may take (see [`crate::db::gone`]).

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// The second step.
pub struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0002_gone_images"
    }
}

const TABLE: &str = "gone_images";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut deleted_at = ColumnDef::new(Alias::new("deleted_at"));
        if manager.get_database_backend() == DatabaseBackend::MySql {
            deleted_at.custom(Alias::new("datetime(6)"));
        } else {
            deleted_at.timestamp_with_time_zone();
        }
        let table = Table::create()
            .table(Alias::new(TABLE))
            .if_not_exists()
            .col(
                ColumnDef::new(Alias::new("id"))
                    .string_len(36)
                    .not_null()
                    .primary_key(),
            )
            .col(deleted_at.not_null())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Alias::new(TABLE)).to_owned())
            .await
    }
}
