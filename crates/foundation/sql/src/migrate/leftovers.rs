//! What a migration that was cut off on MariaDB left behind, and how it goes.
//!
//! What a migration makes is learned by running it: on a SQLite file of its own, after those before
//! it. Names of tables, columns and indexes are the same on all engines. Nobody has used what a
//! migration made that did not end, since services start when all have.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};
use sea_orm_migration::MigratorTrait;

use crate::{Database, SqlError};

/// A part of a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Table(String),
    /// Of a table that was there before.
    Column(String, String),
    Index(String, String),
}

/// Removes from `session`'s database whatever the migration `name` of `M` makes.
pub(super) async fn remove<M: MigratorTrait>(
    session: &DatabaseConnection,
    name: &str,
) -> Result<(), SqlError> {
    for part in made_by::<M>(name).await? {
        let statement = match part {
            Part::Table(table) => format!("DROP TABLE IF EXISTS `{table}`"),
            Part::Column(table, column) => {
                format!("ALTER TABLE `{table}` DROP COLUMN IF EXISTS `{column}`")
            }
            Part::Index(table, index) => {
                format!("ALTER TABLE `{table}` DROP INDEX IF EXISTS `{index}`")
            }
        };
        session.execute_unprepared(&statement).await?;
    }
    Ok(())
}

/// What the migration `name` of `M` adds to what those before it made: columns, then indexes, then
/// tables.
async fn made_by<M: MigratorTrait>(name: &str) -> Result<Vec<Part>, SqlError> {
    let names: Vec<String> = M::migrations()
        .iter()
        .map(|one| one.name().to_owned())
        .collect();
    let before = names.iter().take_while(|one| *one != name).count();
    let folder = tempfile::tempdir()
        .map_err(|error| DbErr::Custom(format!("no folder for temporary files: {error}")))?;
    let file = folder.path().join("schema.sqlite");
    let scratch = Database::open(&format!("sqlite:{}", file.display())).await?;
    let conn = &scratch.writer.inner;
    M::up(conn, u32::try_from(before).ok()).await?;
    let old = parts(conn).await?;
    M::up(conn, Some(1)).await?;
    let new = parts(conn).await?;
    scratch.close().await?;
    let tables: BTreeSet<&String> = new
        .difference(&old)
        .filter_map(|part| match part {
            Part::Table(table) => Some(table),
            _ => None,
        })
        .collect();
    let mut made: Vec<Part> = new
        .difference(&old)
        .filter(|part| match part {
            Part::Table(_) => true,
            Part::Column(table, _) | Part::Index(table, _) => !tables.contains(table),
        })
        .cloned()
        .collect();
    // An index goes before its column, and with its table.
    made.sort_by_key(|part| match part {
        Part::Index(..) => 0,
        Part::Column(..) => 1,
        Part::Table(_) => 2,
    });
    Ok(made)
}

async fn parts(conn: &DatabaseConnection) -> Result<BTreeSet<Part>, DbErr> {
    let engine = conn.get_database_backend();
    let query = "SELECT m.type AS kind, m.tbl_name AS place, m.name AS name FROM sqlite_master m \
                 WHERE m.name NOT LIKE 'sqlite_%' \
                 UNION ALL SELECT 'column', m.name, c.name FROM sqlite_master m \
                 JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    let rows = conn
        .query_all_raw(Statement::from_string(engine, query))
        .await?;
    let mut parts = BTreeSet::new();
    for row in rows {
        let (kind, place, name): (String, String, String) = (
            row.try_get("", "kind")?,
            row.try_get("", "place")?,
            row.try_get("", "name")?,
        );
        parts.insert(match kind.as_str() {
            "table" => Part::Table(name),
            "index" => Part::Index(place, name),
            _ => Part::Column(place, name),
        });
    }
    Ok(parts)
}
