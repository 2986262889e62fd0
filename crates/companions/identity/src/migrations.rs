//! The tables' history. Each migration keeps its own description of the tables, so that an old
//! step never changes when an entity does.

use sql::sea_orm_migration::prelude::*;

mod m0001_first;
mod m0002_endpoint_filters;
mod m0003_password_rules;
mod spec;

/// All migrations of the identity database.
pub struct Migrations;

#[async_trait::async_trait]
impl MigratorTrait for Migrations {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::Migration),
            Box::new(m0002_endpoint_filters::Migration),
            Box::new(m0003_password_rules::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "identity_migrations".into_iden()
    }
}
