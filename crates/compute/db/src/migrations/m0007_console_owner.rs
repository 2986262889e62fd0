//! Console tokens know who asked: the token of the user, sealed with the console's own.

use sea_orm_migration::prelude::*;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "compute_0007_console_owner"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A start that was cut off after this begins here again.
        if manager.has_column("console_tokens", "sealed_token").await? {
            return Ok(());
        }
        let mut column = ColumnDef::new("sealed_token");
        column.text();
        let change = Table::alter()
            .table("console_tokens")
            .add_column(column)
            .to_owned();
        manager.alter_table(change).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let change = Table::alter()
            .table("console_tokens")
            .drop_column("sealed_token")
            .to_owned();
        manager.alter_table(change).await
    }
}
