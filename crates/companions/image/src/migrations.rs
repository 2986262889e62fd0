//! How the tables came to be, step by step.

use sea_orm_migration::prelude::*;

mod m0001_images;
mod m0002_gone_images;
mod m0003_reservations;
mod m0004_metadefs;

/// The migrations of the image service; its own table remembers which ran.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_images::Step),
            Box::new(m0002_gone_images::Step),
            Box::new(m0003_reservations::Step),
            Box::new(m0004_metadefs::Step),
        ]
    }

    fn migration_table_name() -> DynIden {
        Alias::new("image_migrations").into_iden()
    }
}
