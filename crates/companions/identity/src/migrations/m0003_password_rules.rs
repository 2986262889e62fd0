//! What the rules about passwords and accounts remember of a user.

use sql::sea_orm::DatabaseBackend;
use sql::sea_orm_migration;
use sql::sea_orm_migration::prelude::*;

use super::spec::Kind::*;
use super::spec::{TableSpec, create, drop};

const TABLES: &[TableSpec] = &[TableSpec {
    name: "old_passwords",
    columns: &[
        ("id", Key),
        ("user_id", Id),
        ("password_hash", Name),
        ("replaced_at", Time),
    ],
    unique: &[],
    indexes: &["user_id"],
}];

const LAST_ACTIVE: &str = "last_active_at";
const SELF_SERVICE: &str = "password_self_service";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut last_active = ColumnDef::new(LAST_ACTIVE);
        match manager.get_database_backend() {
            // MariaDB keeps whole seconds unless told otherwise.
            DatabaseBackend::MySql => last_active.custom("datetime(6)"),
            _ => last_active.timestamp_with_time_zone(),
        };
        let mut self_service = ColumnDef::new(SELF_SERVICE);
        self_service.boolean().not_null().default(false);
        // SQLite adds one column at a time.
        for (name, column) in [(LAST_ACTIVE, last_active), (SELF_SERVICE, self_service)] {
            // A start that was cut off between two of these begins here again.
            if !manager.has_column("users", name).await? {
                let change = Table::alter().table("users").add_column(column).to_owned();
                manager.alter_table(change).await?;
            }
        }
        create(manager, TABLES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, TABLES).await?;
        for name in [SELF_SERVICE, LAST_ACTIVE] {
            let change = Table::alter().table("users").drop_column(name).to_owned();
            manager.alter_table(change).await?;
        }
        Ok(())
    }
}
