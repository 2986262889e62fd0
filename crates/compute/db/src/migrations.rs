//! How the tables come to be. Migrations that were released are never edited.

mod m0001_initial;
mod m0002_aggregates;
mod m0003_server_passwords;
mod m0004_server_groups;
mod m0005_quarantine;
mod m0006_purge;
mod m0007_console_owner;

use sea_orm_migration::prelude::*;

/// The migrations of the compute database, workflows included.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(workflow::Migration),
            Box::new(m0001_initial::Migration),
            Box::new(m0002_aggregates::Migration),
            Box::new(m0003_server_passwords::Migration),
            Box::new(m0004_server_groups::Migration),
            Box::new(m0005_quarantine::Migration),
            Box::new(m0006_purge::Migration),
            Box::new(m0007_console_owner::Migration),
            Box::new(workflow::SignalsMigration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "compute_migrations".into_iden()
    }
}
