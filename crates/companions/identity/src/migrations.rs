//! The tables' history. Each migration keeps its own description of the tables, so that an old
//! step never changes when an entity does.

use sql::sea_orm_migration::prelude::*;

mod m0001_first;

/// All migrations of the identity database.
pub struct Migrations;

#[async_trait::async_trait]
impl MigratorTrait for Migrations {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_first::Migration)]
    }

    fn migration_table_name() -> DynIden {
        "identity_migrations".into_iden()
    }
}
