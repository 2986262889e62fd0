//! Passwords that guests post.

use sea_orm_migration::prelude::*;

use super::m0001_initial::{Kind, TableRow, table};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "compute_0003_server_passwords"
    }
}

const PASSWORDS: TableRow = (
    "server_passwords",
    &[
        ("server_id", Kind::Text(36), true),
        // Nova's room for it: four pieces of 255 characters.
        ("password", Kind::Text(1020), true),
        ("created_at", Kind::Time, true),
    ],
    &["server_id"],
);

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        manager.create_table(table(engine, &PASSWORDS)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dropped = Table::drop().table(PASSWORDS.0).to_owned();
        manager.drop_table(dropped).await
    }
}
