//! Tables as constant data, and the steps by which they came to be.
//!
//! A service has a [`History`]: its migrations, oldest first, which [`crate::Database::apply`] applies. A
//! migration is a list of [`Step`]s. One that shipped is never edited; a later one adds to it.
//!
//! What the engines ask for is decided here, so that a description says only what a column holds:
//!
//! | | SQLite | PostgreSQL | MariaDB |
//! |---|---|---|---|
//! | texts | any length, whatever is declared | a `text` has no limit | a `text` ends at 64 KiB: longer ones say so ([`Kind`]) |
//! | case | counts | counts | counts, as new tables take the database's collation, which `apply` makes `utf8mb4_bin` |
//! | moments | text | to the microsecond | `datetime(6)`; a `timestamp` keeps seconds and ends in 2038 |
//! | counted numbers | only as the key, within the column | an identity | only as a key |
//! | names | within the database | 63 bytes, within the database, cut without an error | 64 bytes, of indexes within the table |
//! | keys and indexes | no limit | 2700 bytes a row | 3072 bytes at four a character, and no long text |
//! | a new column that is always set | wants a default | wants a default if there are rows | fills in zero or nothing |
//! | changes | undone with the transaction | undone with the transaction | each is committed at once |
//!
//! `rules` holds descriptions to the strictest of each; a debug build ends a migration that breaks one. What a
//! step becomes in each engine's words is in `statements`.

mod apply;
mod rules;
mod statements;

/// The tables of a service, as they came to be.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// The table that remembers which migrations were applied.
    pub table: &'static str,
    /// Oldest first.
    pub migrations: &'static [Migration],
}

/// A change of tables that is applied once, as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// What databases remember it by; it never changes.
    pub name: &'static str,
    pub steps: &'static [Step],
}

/// A part of a migration.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Makes tables with their indexes, in this order.
    Create(&'static [Table]),
    /// Adds to the table a column that is nullable or has a default.
    AddColumn(&'static str, Column),
    /// Gives a text of the table more room: the column as it is from now on.
    Widen(&'static str, Column),
    /// Makes indexes on the table.
    AddIndexes(&'static str, &'static [Index]),
    /// Removes indexes of the table, described as they were made.
    DropIndexes(&'static str, &'static [Index]),
    /// Runs a statement that all engines read alike: it changes rows, not tables. On MariaDB it may run again
    /// after a start that was cut off, and rows of tables that were there before stay as it left them.
    Run(&'static str),
}

/// A table.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    pub(crate) key: &'static [&'static str],
    pub(crate) unique: &'static [Unique],
    pub(crate) indexes: &'static [Index],
    pub(crate) parent: Option<Parent>,
}

impl Table {
    /// A table with these columns, whose primary key are those of `key`.
    pub const fn new(
        name: &'static str,
        key: &'static [&'static str],
        columns: &'static [Column],
    ) -> Self {
        Table {
            name,
            columns,
            key,
            unique: &[],
            indexes: &[],
            parent: None,
        }
    }

    /// With these indexes.
    pub const fn indexes(mut self, indexes: &'static [Index]) -> Self {
        self.indexes = indexes;
        self
    }

    /// With these constraints. New tables take [`unique`] indexes, which can be dropped on every engine.
    pub const fn constraints(mut self, unique: &'static [Unique]) -> Self {
        self.unique = unique;
        self
    }

    /// Rows belong to a row of another table, and go with it.
    pub const fn parent(mut self, parent: Parent) -> Self {
        self.parent = Some(parent);
        self
    }
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Literal>,
}

/// A column that every row sets.
pub const fn col(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        nullable: false,
        default: None,
    }
}

impl Column {
    /// It may be null.
    pub const fn null(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// What rows have that say nothing, those that were there before among them.
    pub const fn default(mut self, literal: Literal) -> Self {
        self.default = Some(literal);
        self
    }
}

/// What a column holds. Numbers are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of at most so many characters.
    Varchar(u32),
    /// Text; on MariaDB of at most 64 KiB.
    Text,
    /// Text; on MariaDB of at most 16 MiB.
    MediumText,
    /// Text; on MariaDB of at most 4 GiB.
    LongText,
    Bool,
    /// 32 bits.
    Int,
    /// 64 bits.
    BigInt,
    Double,
    /// UTC, to the microsecond.
    Time,
    /// A number of 64 bits that the database counts up. It is the whole key of its table.
    Serial,
}

/// The value of a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literal {
    Number(i64),
    Flag(bool),
}

/// An index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) unique: bool,
}

/// An index on these columns.
pub const fn index(name: &'static str, columns: &'static [&'static str]) -> Index {
    Index {
        name,
        columns,
        unique: false,
    }
}

/// An index on columns that together occur once. Rows with a null in one of them are not compared.
pub const fn unique(name: &'static str, columns: &'static [&'static str]) -> Index {
    Index {
        name,
        columns,
        unique: true,
    }
}

/// A constraint of a table: columns that together occur once. Rows with a null in one of them are not compared.
#[derive(Debug, Clone, Copy)]
pub struct Unique {
    pub(crate) name: Option<&'static str>,
    pub(crate) columns: &'static [&'static str],
}

impl Unique {
    /// A constraint of this name.
    pub const fn named(name: &'static str, columns: &'static [&'static str]) -> Self {
        Unique {
            name: Some(name),
            columns,
        }
    }

    /// A constraint that each engine names as it likes.
    pub const fn unnamed(columns: &'static [&'static str]) -> Self {
        Unique {
            name: None,
            columns,
        }
    }
}

/// A reference with `ON DELETE CASCADE`.
#[derive(Debug, Clone, Copy)]
pub struct Parent {
    /// Of the constraint.
    pub name: &'static str,
    /// The column that names the parent.
    pub column: &'static str,
    pub table: &'static str,
    /// The parent's key.
    pub key: &'static str,
}

#[cfg(test)]
mod tests;
