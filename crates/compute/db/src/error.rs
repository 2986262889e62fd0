//! What a query can answer instead of a value.

use sql::sea_orm::DbErr;
use sql::{AsConflict, SqlError};

/// Failures of queries that callers act on.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No such row; the text is its id.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The row, or its name, exists already.
    #[error("{0} exists already")]
    Duplicate(String),
    /// A page's marker is no row of the list.
    #[error("marker [{0}] not found")]
    Marker(String),
    /// A filter's regular expression does not parse.
    #[error("'{0}' is no regular expression")]
    Pattern(String),
    /// A host has less room than the claim asks for.
    #[error("node {node} has no room for {amount} of {class}")]
    NoRoom {
        node: String,
        class: String,
        amount: u64,
    },
    /// A node reports under another name than it is known by.
    #[error("node {node_id} is known as host {known}, but reports as {reported}")]
    NodeRenamed {
        node_id: String,
        known: String,
        reported: String,
    },
    /// A new node reports under a name that another one bears.
    #[error("the name {name} belongs to node {node_id}")]
    NameTaken { name: String, node_id: String },
    /// A document in a row does not parse: written by a newer release, or damaged.
    #[error("row {id} holds an unreadable document")]
    Unreadable {
        id: String,
        #[source]
        source: serde_json::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

impl From<DbErr> for DbError {
    fn from(error: DbErr) -> Self {
        DbError::Sql(error.into())
    }
}

impl AsConflict for DbError {
    fn as_conflict(&self) -> bool {
        matches!(self, DbError::Sql(error) if error.is_conflict())
    }
}

/// Turns a broken unique constraint into [`DbError::Duplicate`] of `what`.
pub(crate) fn duplicate(error: DbErr, what: &str) -> DbError {
    let error = SqlError::from(error);
    match error.is_duplicate() {
        true => DbError::Duplicate(what.to_owned()),
        false => DbError::Sql(error),
    }
}
