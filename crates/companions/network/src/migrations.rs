//! Migrations: how the tables came to be, oldest first. A migration that shipped is never edited.

mod first;
mod lists;
mod port_forwardings;

use sql::sea_orm::DynIden;
use sql::sea_orm::sea_query::{Alias, IntoIden};
use sql::sea_orm_migration::prelude::*;

/// All migrations of this service.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(first::Migration),
            Box::new(port_forwardings::Migration),
            Box::new(lists::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        Alias::new("network_migrations").into_iden()
    }
}
