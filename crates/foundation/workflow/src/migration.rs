//! The tables as a migration that a service lists in its own migrator, so that a workflow commits in
//! the same transaction as the row it is about.

use sql::sea_orm::DbBackend;
use sql::sea_orm_migration::prelude::*;

/// Creates `workflow` and `workflow_step`.
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "workflow_0001"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        manager.create_table(workflow_table(engine)).await?;
        manager.create_table(step_table(engine)).await?;
        manager
            .create_index(
                Index::create()
                    .name("workflow_status_lease")
                    .table("workflow")
                    .col("status")
                    .col("lease_until")
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("workflow_subject")
                    .table("workflow")
                    .col("subject")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["workflow_step", "workflow"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

/// Adds the point of no return and signals.
pub struct SignalsMigration;

impl MigrationName for SignalsMigration {
    fn name(&self) -> &str {
        "workflow_0002"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SignalsMigration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        // SQLite adds one column at a time.
        for (name, column) in [
            (
                "forward_from",
                ColumnDef::new("forward_from").string_len(64).to_owned(),
            ),
            (
                "signalled",
                ColumnDef::new("signalled")
                    .boolean()
                    .not_null()
                    .default(false)
                    .to_owned(),
            ),
        ] {
            if manager.has_column("workflow", name).await? {
                continue;
            }
            let add = Table::alter()
                .table("workflow")
                .add_column(column)
                .to_owned();
            manager.alter_table(add).await?;
        }
        manager.create_table(signal_table(engine)).await?;
        manager
            .create_index(
                Index::create()
                    .if_not_exists()
                    .name("workflow_signal_workflow")
                    .table("workflow_signal")
                    .col("workflow_id")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let signals = Table::drop().table("workflow_signal").to_owned();
        manager.drop_table(signals).await?;
        for column in ["forward_from", "signalled"] {
            let drop = Table::alter()
                .table("workflow")
                .drop_column(column)
                .to_owned();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}

fn signal_table(engine: DbBackend) -> TableCreateStatement {
    Table::create()
        .if_not_exists()
        .table("workflow_signal")
        .col(
            ColumnDef::new("id")
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .col(ColumnDef::new("workflow_id").string_len(36).not_null())
        .col(ColumnDef::new("name").string_len(64).not_null())
        .col(document(engine, "payload").not_null())
        .col(time(engine, "created_at").not_null())
        .to_owned()
}

fn workflow_table(engine: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("workflow")
        .col(ColumnDef::new("id").string_len(36).not_null().primary_key())
        .col(ColumnDef::new("kind").string_len(64).not_null())
        .col(ColumnDef::new("version").integer().not_null())
        .col(ColumnDef::new("subject").string_len(64).not_null())
        .col(document(engine, "state").not_null())
        .col(ColumnDef::new("direction").string_len(16).not_null())
        .col(ColumnDef::new("position").string_len(64).not_null())
        .col(ColumnDef::new("back_to").string_len(64))
        .col(ColumnDef::new("status").string_len(16).not_null())
        .col(ColumnDef::new("seq").integer().not_null())
        .col(ColumnDef::new("owner").string_len(128).not_null())
        .col(ColumnDef::new("epoch").big_integer().not_null())
        .col(time(engine, "lease_until").not_null())
        .col(ColumnDef::new("attempts").integer().not_null())
        .col(ColumnDef::new("cancel").boolean().not_null())
        .col(document(engine, "error"))
        .col(time(engine, "created_at").not_null())
        .col(time(engine, "updated_at").not_null())
        .to_owned()
}

fn step_table(engine: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("workflow_step")
        .col(ColumnDef::new("workflow_id").string_len(36).not_null())
        .col(ColumnDef::new("seq").integer().not_null())
        .col(ColumnDef::new("name").string_len(64).not_null())
        .col(ColumnDef::new("outcome").string_len(16).not_null())
        .col(time(engine, "started_at").not_null())
        .col(time(engine, "ended_at").not_null())
        .col(document(engine, "error"))
        .primary_key(Index::create().col("workflow_id").col("seq"))
        .to_owned()
}

/// MariaDB's TEXT ends at 64 KiB, less than a server's user data alone may take.
fn document(engine: DbBackend, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    if engine == DbBackend::MySql {
        column.custom("longtext")
    } else {
        column.text()
    };
    column
}

/// MariaDB keeps whole seconds unless told otherwise.
fn time(engine: DbBackend, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    if engine == DbBackend::MySql {
        column.custom("datetime(6)")
    } else {
        column.timestamp_with_time_zone()
    };
    column
}
