//! Bytes that an upload has reserved of its project's quota, and a row per project on which those
//! who count its images wait for each other.

use sea_orm_migration::prelude::*;

/// The third step.
pub struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0003_reservations"
    }
}

const IMAGES: &str = "images";
const TURNS: &str = "quota_turns";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_column(IMAGES, "reserved").await? {
            let column = Table::alter()
                .table(Alias::new(IMAGES))
                .add_column(ColumnDef::new(Alias::new("reserved")).big_integer())
                .to_owned();
            manager.alter_table(column).await?;
        }
        let table = Table::create()
            .table(Alias::new(TURNS))
            .if_not_exists()
            .col(
                ColumnDef::new(Alias::new("project"))
                    .string_len(255)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(Alias::new("taken")).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Alias::new(TURNS)).to_owned())
            .await?;
        let column = Table::alter()
            .table(Alias::new(IMAGES))
            .drop_column(Alias::new("reserved"))
            .to_owned();
        manager.alter_table(column).await
    }
}
