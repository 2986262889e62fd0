//! Which cloud this database is of, which hosts were to let which servers go, and the guests that
//! no row accounts for.

use sea_orm_migration::prelude::*;

use super::m0001_initial::{Kind, NAME, TableRow, table};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "compute_0005_quarantine"
    }
}

const TABLES: &[TableRow] = &[
    (
        "cloud",
        &[
            // Always 1: there is one row.
            ("number", Kind::Int, true),
            ("id", Kind::Text(36), true),
            ("created_at", Kind::Time, true),
        ],
        &["number"],
    ),
    (
        "letting_go",
        &[
            ("server_id", Kind::Text(36), true),
            ("node_id", Kind::Text(36), true),
            ("host", NAME, true),
            ("epoch", Kind::Big, true),
            ("at", Kind::Time, true),
        ],
        &["server_id", "node_id"],
    ),
    (
        "quarantine",
        &[
            ("server_id", Kind::Text(36), true),
            ("node_id", Kind::Text(36), true),
            ("host", NAME, true),
            ("epoch", Kind::Big, true),
            ("power_state", Kind::Int, true),
            ("why", Kind::Text(255), true),
            ("first_seen", Kind::Time, true),
            ("last_seen", Kind::Time, true),
        ],
        &["server_id", "node_id"],
    ),
];

/// (name, table): both are read by node.
const INDEXES: &[(&str, &str)] = &[
    ("letting_go_node", "letting_go"),
    ("quarantine_node", "quarantine"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        for row in TABLES {
            manager.create_table(table(engine, row)).await?;
        }
        for (name, table) in INDEXES {
            let index = Index::create()
                .name(*name)
                .table(*table)
                .col("node_id")
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _, _) in TABLES.iter().rev() {
            let dropped = Table::drop().table(*name).to_owned();
            manager.drop_table(dropped).await?;
        }
        Ok(())
    }
}
