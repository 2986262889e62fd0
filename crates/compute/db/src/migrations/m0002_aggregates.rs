//! Aggregates of hosts.

use sea_orm_migration::prelude::*;

use super::m0001_initial::{Kind, NAME, TableRow, table};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "compute_0002_aggregates"
    }
}

const TABLES: &[TableRow] = &[
    (
        "aggregates",
        &[
            ("seq", Kind::Serial, true),
            ("id", Kind::Text(36), true),
            ("name", NAME, true),
            ("metadata", Kind::Document, true),
            ("created_at", Kind::Time, true),
            ("updated_at", Kind::Time, false),
        ],
        &[],
    ),
    (
        "aggregate_hosts",
        &[("aggregate_seq", Kind::Big, true), ("host", NAME, true)],
        &["aggregate_seq", "host"],
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        for row in TABLES {
            manager.create_table(table(engine, row)).await?;
        }
        let mut name = Index::create();
        name.name("aggregates_name").table("aggregates").col("name");
        manager.create_index(name.unique().to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _, _) in TABLES.iter().rev() {
            let dropped = Table::drop().table(*name).to_owned();
            manager.drop_table(dropped).await?;
        }
        Ok(())
    }
}
