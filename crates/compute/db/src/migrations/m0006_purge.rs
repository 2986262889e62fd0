//! Ways to what is old enough to be forgotten, and whose turn it is to do so.

use sea_orm_migration::prelude::*;

use super::m0001_initial::{Kind, TableRow, table};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "compute_0006_purge"
    }
}

/// Work that one process at a time does, and until when nobody else begins it.
const TURNS: TableRow = (
    "turns",
    &[("name", Kind::Text(64), true), ("until", Kind::Time, true)],
    &["name"],
);

/// (name, table, columns).
const INDEXES: &[(&str, &str, &[&str])] = &[
    ("servers_deleted", "servers", &["deleted_at", "seq"]),
    ("actions_updated", "instance_actions", &["updated_at"]),
    ("console_tokens_expire", "console_tokens", &["expires_at"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        manager.create_table(table(engine, &TURNS)).await?;
        for (name, table, columns) in INDEXES {
            let mut index = Index::create();
            index.name(*name).table(*table);
            for column in *columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, _) in INDEXES {
            let index = Index::drop().name(*name).table(*table).to_owned();
            manager.drop_index(index).await?;
        }
        let turns = Table::drop().table("turns").to_owned();
        manager.drop_table(turns).await
    }
}
