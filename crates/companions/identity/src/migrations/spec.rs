//! Tables described as data, for migrations.

use sql::sea_orm::DatabaseBackend;
use sql::sea_orm_migration::prelude::*;

use Kind::*;

/// What a column holds. Identifiers are 64 characters (32 of a UUID, or what an operator chose).
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// Part of the primary key.
    Key,
    KeyFlag,
    Id,
    OptId,
    /// Up to 255 characters.
    Name,
    OptName,
    Text,
    OptText,
    Flag,
    Number,
    OptNumber,
    Time,
    OptTime,
}

/// A table.
pub struct TableSpec {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
    /// Columns that together occur once.
    pub unique: &'static [&'static str],
    /// Columns with an index of their own.
    pub indexes: &'static [&'static str],
}

/// Creates the tables with their indexes.
pub async fn create(manager: &SchemaManager<'_>, tables: &[TableSpec]) -> Result<(), DbErr> {
    for spec in tables {
        let backend = manager.get_database_backend();
        manager.create_table(table(spec, backend)).await?;
        for name in spec.indexes {
            let index = Index::create()
                .name(format!("ix_{}_{name}", spec.name))
                .table(spec.name)
                .col(*name)
                .to_owned();
            manager.create_index(index).await?;
        }
    }
    Ok(())
}

/// Drops the tables, last first.
pub async fn drop(manager: &SchemaManager<'_>, tables: &[TableSpec]) -> Result<(), DbErr> {
    for spec in tables.iter().rev() {
        manager
            .drop_table(Table::drop().table(spec.name).to_owned())
            .await?;
    }
    Ok(())
}

fn table(spec: &TableSpec, backend: DatabaseBackend) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(spec.name);
    let mut key = Index::create();
    for (name, kind) in spec.columns {
        table.col(column(name, *kind, backend));
        if matches!(kind, Key | KeyFlag) {
            key.col(*name);
        }
    }
    table.primary_key(&mut key);
    if !spec.unique.is_empty() {
        let mut unique = Index::create();
        unique.unique().name(format!("uq_{}", spec.name));
        for name in spec.unique {
            unique.col(*name);
        }
        table.index(&mut unique);
    }
    table
}

fn column(name: &'static str, kind: Kind, backend: DatabaseBackend) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match kind {
        Key | Id | OptId => column.string_len(64),
        Name | OptName => column.string_len(255),
        Text | OptText => column.text(),
        Flag | KeyFlag => column.boolean(),
        Number | OptNumber => column.big_integer(),
        // MariaDB keeps whole seconds unless told otherwise.
        Time | OptTime if backend == DatabaseBackend::MySql => column.custom("datetime(6)"),
        Time | OptTime => column.timestamp_with_time_zone(),
    };
    if !matches!(kind, OptId | OptName | OptText | OptNumber | OptTime) {
        column.not_null();
    }
    column
}
