//! What a history must keep to for all engines to take it, and take it alike.

use std::collections::{BTreeMap, BTreeSet};

use super::{Column, History, Index, Kind, Step, Table};

/// Bytes of a name: PostgreSQL cuts what is longer, and takes two names for one.
const LONGEST_NAME: usize = 63;

/// Bytes of the columns of an index on MariaDB.
const WIDEST_INDEX: u32 = 3072;

/// What is wrong with a history, a sentence each.
pub(super) fn broken(history: &History) -> Vec<String> {
    let mut schema = Schema::default();
    schema.named(history.table);
    let mut migrations = BTreeSet::new();
    for migration in history.migrations {
        schema.at = migration.name;
        if !plain(migration.name) {
            schema.broken(format!("{}: no plain name", migration.name));
        }
        if !migrations.insert(migration.name) {
            schema.broken("there are two of this name".to_owned());
        }
        for step in migration.steps {
            schema.apply(step);
        }
    }
    schema.broken
}

/// What stands after the steps so far.
#[derive(Default)]
struct Schema {
    /// The migration that is looked at.
    at: &'static str,
    tables: BTreeMap<&'static str, Standing>,
    /// Of tables, indexes and constraints: one space on SQLite and PostgreSQL.
    names: BTreeSet<&'static str>,
    broken: Vec<String>,
}

#[derive(Default)]
struct Standing {
    columns: BTreeMap<&'static str, Column>,
    key: &'static [&'static str],
    indexes: Vec<Index>,
}

impl Schema {
    fn broken(&mut self, what: String) {
        self.broken.push(format!("migration {}: {what}", self.at));
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Create(tables) => tables.iter().for_each(|one| self.create(one)),
            Step::AddColumn(table, column) => {
                if !column.nullable && column.default.is_none() {
                    self.broken(format!(
                        "{table}.{}: a new column is nullable or has a default",
                        column.name
                    ));
                }
                if column.kind == Kind::Serial {
                    self.broken(format!("{table}.{}: no new column counts", column.name));
                }
                self.column(table, &column);
            }
            Step::Widen(table, column) => self.widen(table, &column),
            Step::AddIndexes(table, indexes) => {
                indexes.iter().for_each(|one| self.index(table, *one));
            }
            Step::DropIndexes(table, indexes) => {
                indexes.iter().for_each(|one| self.drop_index(table, one));
            }
            Step::Run(_) => {}
        }
    }

    fn create(&mut self, table: &Table) {
        self.named(table.name);
        self.tables.insert(table.name, Standing::default());
        for column in table.columns {
            self.column(table.name, column);
        }
        self.columns(table.name, "the key", table.key);
        for column in table.columns {
            let in_key = table.key.contains(&column.name);
            if in_key && column.nullable {
                self.broken(format!("{}.{}: a key is not null", table.name, column.name));
            }
            if column.kind == Kind::Serial && table.key != [column.name] {
                self.broken(format!(
                    "{}.{}: what counts is the whole key",
                    table.name, column.name
                ));
            }
        }
        if let Some(standing) = self.tables.get_mut(table.name) {
            standing.key = table.key;
        }
        for unique in table.unique {
            if let Some(name) = unique.name {
                self.named(name);
            }
            self.columns(table.name, "a constraint", unique.columns);
        }
        if let Some(parent) = table.parent {
            self.named(parent.name);
            let kind = |table: &str, column: &str| {
                let column = self.tables.get(table)?.columns.get(column)?;
                Some(referred(column.kind))
            };
            let child = kind(table.name, parent.column);
            let key = self.tables.get(parent.table).map(|one| one.key);
            if child.is_none()
                || child != kind(parent.table, parent.key)
                || key != Some([parent.key].as_slice())
            {
                self.broken(format!("{}: names no parent by its key", parent.name));
            }
        }
        for index in table.indexes {
            self.index(table.name, *index);
        }
    }

    fn column(&mut self, table: &'static str, column: &Column) {
        if !plain(column.name) {
            self.broken(format!("{table}.{}: no plain name", column.name));
        }
        let standing = self.tables.get_mut(table);
        match standing.map(|one| one.columns.insert(column.name, *column)) {
            None => self.broken(format!("there is no table {table}")),
            Some(Some(_)) => self.broken(format!("{table}.{} is there already", column.name)),
            Some(None) => {}
        }
    }

    /// A text gets more room, and is otherwise what it was; the indexes that it is in still fit.
    fn widen(&mut self, table: &'static str, column: &Column) {
        let standing = self.tables.get_mut(table);
        let known = standing.and_then(|one| one.columns.get_mut(column.name));
        let Some(known) = known else {
            return self.broken(format!("{table}.{} is no column", column.name));
        };
        let before = std::mem::replace(known, *column);
        let wider = match (before.kind, column.kind) {
            (Kind::Varchar(before), Kind::Varchar(after)) => after > before,
            _ => false,
        };
        let kind = column.kind;
        if !wider || (Column { kind, ..before }) != *column {
            self.broken(format!(
                "{table}.{}: more than its length changes",
                column.name
            ));
        }
        let Some(standing) = self.tables.get(table) else {
            return;
        };
        let (key, indexes) = (standing.key, standing.indexes.clone());
        if key.contains(&column.name) {
            self.columns(table, "the key", key);
        }
        for index in indexes {
            if index.columns.contains(&column.name) {
                self.columns(table, index.name, index.columns);
            }
        }
    }

    fn index(&mut self, table: &'static str, index: Index) {
        self.named(index.name);
        self.columns(table, index.name, index.columns);
        if let Some(standing) = self.tables.get_mut(table) {
            standing.indexes.push(index);
        }
    }

    fn drop_index(&mut self, table: &str, index: &Index) {
        let indexes = self.tables.get_mut(table).map(|one| &mut one.indexes);
        let dropped = indexes.and_then(|all| {
            let at = all.iter().position(|one| one == index)?;
            Some(all.swap_remove(at))
        });
        if dropped.is_none() {
            self.broken(format!("{table} has no such index {}", index.name));
        }
        self.names.remove(index.name);
    }

    /// Columns that are looked up together.
    fn columns(&mut self, table: &'static str, what: &str, columns: &[&'static str]) {
        let mut width = 0;
        for name in columns {
            let column = self.tables.get(table).and_then(|one| one.columns.get(name));
            match column.map(|one| bytes(one.kind)) {
                None => self.broken(format!("{table}: {what} names {name}, which is no column")),
                Some(None) => self.broken(format!(
                    "{table}.{name}: MariaDB has no {what} on a text without a length"
                )),
                Some(Some(bytes)) => width += bytes,
            }
        }
        if columns.is_empty() {
            self.broken(format!("{table}: {what} names no columns"));
        }
        if width > WIDEST_INDEX {
            self.broken(format!(
                "{table}: {what} is {width} bytes wide, and MariaDB takes {WIDEST_INDEX}"
            ));
        }
    }

    /// The name of a table, index or constraint.
    fn named(&mut self, name: &'static str) {
        if !plain(name) || name.len() > LONGEST_NAME {
            self.broken(format!(
                "{name}: no plain name of at most {LONGEST_NAME} bytes"
            ));
        }
        if !self.names.insert(name) {
            self.broken(format!("{name}: the name is taken"));
        }
    }
}

/// Whether a name means the same on all engines, quoted or not, and ends no quotation.
fn plain(name: &str) -> bool {
    let fits = |one: u8| one.is_ascii_lowercase() || one.is_ascii_digit() || one == b'_';
    !name.is_empty() && name.bytes().all(fits)
}

/// The kind of a column that refers to one of this kind.
fn referred(kind: Kind) -> Kind {
    match kind {
        Kind::Serial => Kind::BigInt,
        other => other,
    }
}

/// Bytes that a column takes in an index of MariaDB; none for one that cannot be in any.
fn bytes(kind: Kind) -> Option<u32> {
    match kind {
        // Four bytes a character in utf8mb4.
        Kind::Varchar(length) => Some(length * 4),
        Kind::Text | Kind::MediumText | Kind::LongText => None,
        Kind::Bool => Some(1),
        Kind::Int => Some(4),
        Kind::BigInt | Kind::Double | Kind::Serial | Kind::Time => Some(8),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Literal, Migration, Parent, Unique, col, index, unique};
    use super::*;

    const BOOKS: Table = Table::new(
        "books",
        &["id"],
        &[
            col("id", Kind::Serial),
            col("title", Kind::Varchar(255)),
            col("words", Kind::LongText),
            col("shelf", Kind::Varchar(36)).null(),
        ],
    )
    .constraints(&[Unique::named("uq_books", &["title"])])
    .indexes(&[index("books_shelf", &["shelf"])]);

    const PAGES: Table = Table::new(
        "pages",
        &["book", "number"],
        &[col("book", Kind::BigInt), col("number", Kind::Int)],
    );

    const LONG: &str = "a_name_that_is_longer_than_sixty_three_bytes_and_so_cut_by_one_engine";

    /// What is wrong with these steps after [`BOOKS`] was made.
    fn of(steps: &'static [Step]) -> Vec<String> {
        let first = Migration {
            name: "first",
            steps: &[Step::Create(&[BOOKS])],
        };
        let second = Migration {
            name: "second",
            steps,
        };
        let history = History {
            table: "books_migrations",
            migrations: Vec::leak(vec![first, second]),
        };
        broken(&history)
    }

    #[test]
    fn what_all_engines_take_alike_passes() {
        const FINE: &[Step] = &[
            Step::AddColumn("books", col("year", Kind::Int).null()),
            Step::AddColumn(
                "books",
                col("lent", Kind::Bool).default(Literal::Flag(false)),
            ),
            Step::AddIndexes("books", &[unique("books_year", &["year", "title"])]),
            Step::Widen("books", col("title", Kind::Varchar(300))),
            Step::DropIndexes("books", &[index("books_shelf", &["shelf"])]),
            Step::AddIndexes("books", &[index("books_shelf", &["shelf", "year"])]),
            Step::Create(&[PAGES.parent(Parent {
                name: "fk_pages",
                column: "book",
                table: "books",
                key: "id",
            })]),
        ];
        assert_eq!(of(FINE), Vec::<String>::new());
    }

    #[test]
    fn what_one_engine_refuses_or_takes_otherwise_is_named() {
        const WRONG: &[(Step, &str)] = &[
            (Step::Create(&[BOOKS]), "books: the name is taken"),
            (
                Step::AddIndexes("books", &[index(LONG, &["title"])]),
                "no plain name of at most 63 bytes",
            ),
            (
                Step::AddIndexes("books", &[index("Books", &["title"])]),
                "no plain name",
            ),
            (
                Step::AddIndexes("books", &[index("pages", &["pages"])]),
                "pages, which is no column",
            ),
            (
                Step::AddIndexes("books", &[index("books_words", &["words"])]),
                "on a text without a length",
            ),
            (
                Step::AddIndexes("books", &[index("none", &[])]),
                "no columns",
            ),
            (
                Step::AddColumn("books", col("year", Kind::Int)),
                "nullable or has a default",
            ),
            (
                Step::AddColumn("books", col("shelf", Kind::Int).null()),
                "is there already",
            ),
            (
                Step::AddColumn("films", col("year", Kind::Int).null()),
                "no table films",
            ),
            (
                Step::Widen("books", col("year", Kind::Varchar(300))),
                "books.year is no column",
            ),
            (
                Step::Widen("books", col("title", Kind::Varchar(200))),
                "more than its length changes",
            ),
            (
                Step::Widen("books", col("title", Kind::Varchar(300)).null()),
                "more than its length changes",
            ),
            (
                Step::Widen("books", col("words", Kind::Varchar(300))),
                "more than its length changes",
            ),
            (
                Step::Widen("books", col("shelf", Kind::Varchar(769)).null()),
                "books_shelf is 3076 bytes wide",
            ),
            (
                Step::DropIndexes("books", &[index("books_shelf", &["title"])]),
                "no such index books_shelf",
            ),
            (
                Step::Create(&[Table::new(
                    "wide",
                    &["a", "b", "c", "d"],
                    &[
                        col("a", Kind::Varchar(255)),
                        col("b", Kind::Varchar(255)),
                        col("c", Kind::Varchar(255)),
                        col("d", Kind::Varchar(4)),
                    ],
                )]),
                "is 3076 bytes wide",
            ),
            (
                Step::Create(&[Table::new("maybe", &["a"], &[col("a", Kind::Int).null()])]),
                "a key is not null",
            ),
            (
                Step::Create(&[Table::new(
                    "counted",
                    &["a", "b"],
                    &[col("a", Kind::Serial), col("b", Kind::Int)],
                )]),
                "what counts is the whole key",
            ),
            (
                Step::Create(&[PAGES.parent(Parent {
                    name: "fk_pages",
                    column: "number",
                    table: "books",
                    key: "id",
                })]),
                "fk_pages: names no parent by its key",
            ),
        ];
        for (step, sentence) in WRONG {
            let found = of(std::slice::from_ref(step));
            assert!(
                found.iter().any(|one| one.contains(sentence)),
                "{sentence}: {found:?}"
            );
        }
    }
}
