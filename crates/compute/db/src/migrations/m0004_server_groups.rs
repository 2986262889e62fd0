//! Server groups, and what the scheduler needs to spread load: failed builds of hosts, and a way to
//! the servers that something is being done with.

use sea_orm_migration::prelude::*;

use super::m0001_initial::{Kind, TableRow, table};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "compute_0004_server_groups"
    }
}

const TABLES: &[TableRow] = &[
    (
        "server_groups",
        &[
            ("seq", Kind::Serial, true),
            ("id", Kind::Text(36), true),
            ("project_id", Kind::Text(64), true),
            ("user_id", Kind::Text(64), true),
            ("name", Kind::Text(255), true),
            ("policy", Kind::Text(32), true),
            ("max_server_per_host", Kind::Big, false),
            ("created_at", Kind::Time, true),
        ],
        &[],
    ),
    (
        "server_group_members",
        &[
            ("seq", Kind::Serial, true),
            ("group_id", Kind::Text(36), true),
            ("server_id", Kind::Text(36), true),
        ],
        &[],
    ),
];

/// (name, table, column, unique).
const INDEXES: &[(&str, &str, &str, bool)] = &[
    ("server_groups_id", "server_groups", "id", true),
    (
        "server_groups_project",
        "server_groups",
        "project_id",
        false,
    ),
    (
        "group_members_server",
        "server_group_members",
        "server_id",
        true,
    ),
    (
        "group_members_group",
        "server_group_members",
        "group_id",
        false,
    ),
    ("servers_task", "servers", "task_state", false),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        for row in TABLES {
            manager.create_table(table(engine, row)).await?;
        }
        for (name, table, column, unique) in INDEXES {
            let mut index = Index::create();
            index.name(*name).table(*table).col(*column);
            if *unique {
                index.unique();
            }
            manager.create_index(index).await?;
        }
        let mut failed = ColumnDef::new("failed_builds");
        failed.big_integer().not_null().default(0);
        let nodes = Table::alter().table("nodes").add_column(failed).to_owned();
        manager.alter_table(nodes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let nodes = Table::alter()
            .table("nodes")
            .drop_column("failed_builds")
            .to_owned();
        manager.alter_table(nodes).await?;
        let task = Index::drop()
            .name("servers_task")
            .table("servers")
            .to_owned();
        manager.drop_index(task).await?;
        for (name, _, _) in TABLES.iter().rev() {
            let dropped = Table::drop().table(*name).to_owned();
            manager.drop_table(dropped).await?;
        }
        Ok(())
    }
}
