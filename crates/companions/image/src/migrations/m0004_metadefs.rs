//! Metadata definitions: namespaces, and what stands in them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// The fourth step.
pub struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0004_metadefs"
    }
}

const NAMESPACES: &str = "metadef_namespaces";
const TYPES: &str = "metadef_resource_types";
const ASSOCIATIONS: &str = "metadef_associations";

/// What stands in a namespace, told apart by its name there.
const BELONGINGS: [&str; 4] = [
    "metadef_objects",
    "metadef_properties",
    "metadef_tags",
    ASSOCIATIONS,
];

fn text(name: &str, length: u32) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
        .string_len(length)
        .to_owned()
}

/// A name, whose case counts on MariaDB too, where by default it does not.
fn exact(engine: DatabaseBackend, name: &str) -> ColumnDef {
    let mut column = text(name, 80);
    if engine == DatabaseBackend::MySql {
        column.custom(Alias::new(
            "varchar(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        ));
    }
    column.not_null().to_owned()
}

/// A text of any length: MariaDB's `text` ends at 64 KiB, which is less than a request may have.
fn long(engine: DatabaseBackend, name: &str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    if engine == DatabaseBackend::MySql {
        column.custom(Alias::new("mediumtext"));
    } else {
        column.text();
    }
    column
}

/// A moment to the microsecond.
fn moment(engine: DatabaseBackend, name: &str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    if engine == DatabaseBackend::MySql {
        column.custom(Alias::new("datetime(6)"));
    } else {
        column.timestamp_with_time_zone();
    }
    column.not_null().to_owned()
}

/// A table of things with the times that all have.
fn table(engine: DatabaseBackend, name: &str) -> TableCreateStatement {
    Table::create()
        .table(Alias::new(name))
        .if_not_exists()
        .col(moment(engine, "created_at"))
        .col(moment(engine, "updated_at"))
        .to_owned()
}

fn namespaces(engine: DatabaseBackend) -> TableCreateStatement {
    table(engine, NAMESPACES)
        .col(text("id", 36).not_null().primary_key())
        .col(exact(engine, "namespace").unique_key())
        .col(text("display_name", 80))
        .col(long(engine, "description"))
        .col(text("visibility", 16).not_null())
        .col(ColumnDef::new(Alias::new("protected")).boolean().not_null())
        .col(text("owner", 255).not_null())
        .to_owned()
}

/// Rows of a table of belongings go with their namespace.
fn belongings(engine: DatabaseBackend, name: &str) -> TableCreateStatement {
    table(engine, name)
        .col(text("namespace_id", 36).not_null())
        .col(exact(engine, "name"))
        .primary_key(
            Index::create()
                .col(Alias::new("namespace_id"))
                .col(Alias::new("name")),
        )
        .foreign_key(
            ForeignKey::create()
                .name(format!("fk_{name}_namespace"))
                .from(Alias::new(name), Alias::new("namespace_id"))
                .to(Alias::new(NAMESPACES), Alias::new("id"))
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        manager.create_table(namespaces(engine)).await?;
        let types = table(engine, TYPES)
            .col(exact(engine, "name").primary_key())
            .to_owned();
        manager.create_table(types).await?;
        let [mut objects, mut properties, tags, mut associations] =
            BELONGINGS.map(|name| belongings(engine, name));
        objects
            .col(long(engine, "description"))
            .col(long(engine, "required").not_null())
            .col(long(engine, "properties").not_null());
        properties.col(long(engine, "definition").not_null());
        associations
            .col(text("prefix", 80))
            .col(text("properties_target", 80));
        for table in [objects, properties, tags, associations] {
            manager.create_table(table).await?;
        }
        for (table, columns) in [
            (NAMESPACES, ["created_at", "namespace"].as_slice()),
            (NAMESPACES, &["owner"]),
            (ASSOCIATIONS, &["name"]),
        ] {
            let mut index = Index::create();
            index
                .name(format!("ix_{table}_{}", columns.join("_")))
                .table(Alias::new(table));
            for column in columns {
                index.col(Alias::new(*column));
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in BELONGINGS.into_iter().chain([TYPES, NAMESPACES]) {
            manager
                .drop_table(Table::drop().table(Alias::new(name)).to_owned())
                .await?;
        }
        Ok(())
    }
}
