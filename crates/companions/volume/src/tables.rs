//! The tables of the volume service, and the words in their columns.

pub mod access;
pub mod attachment;
pub mod backup;
pub mod default_type;
pub mod event;
pub mod export;
pub mod group;
pub mod group_member;
pub mod group_snapshot;
pub mod group_type;
pub mod message;
pub mod property;
pub mod qos;
pub mod quota;
pub mod service;
pub mod snapshot;
pub mod transfer;
pub mod turn;
pub mod volume;
pub mod volume_type;

use sql::sea_orm::ActiveEnum;

pub use attachment::AttachStatus;
pub use backup::BackupStatus;
pub use property::Owner;
pub use snapshot::SnapshotStatus;
pub use volume::{MigrationStatus, Status};

/// Reads and writes the text of an enum column.
pub trait Word: Sized {
    /// The word of the API and the database.
    fn word(&self) -> String;
    /// The value that `word` names, if any.
    fn from_word(word: &str) -> Option<Self>;
}

impl<T: ActiveEnum<Value = String>> Word for T {
    fn word(&self) -> String {
        self.to_value()
    }

    fn from_word(word: &str) -> Option<Self> {
        T::try_from_value(&word.to_owned()).ok()
    }
}
