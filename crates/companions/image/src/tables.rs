//! The tables of the image service.

pub mod metadefs;

use sql::sea_orm::{self, entity::prelude::*};

/// Where an image is in its life. Which way leads where: see the compare-and-set steps in `db::images`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Status {
    /// Described, without data.
    #[sea_orm(string_value = "queued")]
    Queued,
    /// Data is being uploaded.
    #[sea_orm(string_value = "saving")]
    Saving,
    /// Data is being staged, or lies in the staging area and waits for an import.
    #[sea_orm(string_value = "uploading")]
    Uploading,
    /// An import is under way.
    #[sea_orm(string_value = "importing")]
    Importing,
    /// Data is there and usable.
    #[sea_orm(string_value = "active")]
    Active,
    /// Data is there, but only administrators may download it.
    #[sea_orm(string_value = "deactivated")]
    Deactivated,
}

/// Who may see an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Visibility {
    /// Everybody, in every list.
    #[sea_orm(string_value = "public")]
    Public,
    /// Everybody who knows it; not in others' lists unless asked for.
    #[sea_orm(string_value = "community")]
    Community,
    /// The owner and the members.
    #[sea_orm(string_value = "shared")]
    Shared,
    /// The owner.
    #[sea_orm(string_value = "private")]
    Private,
}

/// What a project answered to an image being shared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum MemberStatus {
    #[sea_orm(string_value = "pending")]
    Pending,
    #[sea_orm(string_value = "accepted")]
    Accepted,
    #[sea_orm(string_value = "rejected")]
    Rejected,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum TaskStatus {
    #[sea_orm(string_value = "pending")]
    Pending,
    #[sea_orm(string_value = "processing")]
    Processing,
    #[sea_orm(string_value = "success")]
    Success,
    #[sea_orm(string_value = "failure")]
    Failure,
}

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

/// Images, one row each.
pub mod image {
    use sql::sea_orm::{self, entity::prelude::*};

    use super::{Status, Visibility};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "images")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: Option<String>,
        pub status: Status,
        pub visibility: Visibility,
        /// The project it belongs to.
        pub owner: Option<String>,
        pub disk_format: Option<String>,
        pub container_format: Option<String>,
        /// Bytes of data; empty while there is none.
        pub size: Option<i64>,
        /// Bytes of the disk that the data describes.
        pub virtual_size: Option<i64>,
        /// GB of disk that a server needs.
        pub min_disk: i64,
        /// MB of memory that a server needs.
        pub min_ram: i64,
        pub protected: bool,
        pub os_hidden: bool,
        /// md5 of the data, hexadecimal.
        pub checksum: Option<String>,
        pub os_hash_algo: Option<String>,
        pub os_hash_value: Option<String>,
        /// Name of the data file, new for every upload: an upload that finishes after its image
        /// was deleted (and perhaps made anew under the same id) cannot touch another's data.
        pub data: Option<String>,
        /// Bytes of the owner's quota that are held for data that is still coming.
        pub reserved: Option<i64>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Custom properties.
pub mod property {
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "image_properties")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub image_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        #[sea_orm(column_type = "Text")]
        pub value: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Tags.
pub mod tag {
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "image_tags")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub image_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub value: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Projects that an image is shared with.
pub mod member {
    use sql::sea_orm::{self, entity::prelude::*};

    use super::MemberStatus;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "image_members")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub image_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub member: String,
        pub status: MemberStatus,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Ids of images that were deleted.
pub mod gone {
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gone_images")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub deleted_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A row per project, on which those who count its images wait for each other.
pub mod turn {
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "quota_turns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub project: String,
        pub taken: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Imports, under way and finished.
pub mod task {
    use sql::sea_orm::{self, entity::prelude::*};

    use super::TaskStatus;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tasks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub kind: String,
        pub status: TaskStatus,
        pub owner: Option<String>,
        pub image_id: String,
        pub user_id: String,
        pub request_id: String,
        /// JSON: what was asked.
        #[sea_orm(column_type = "Text")]
        pub input: String,
        #[sea_orm(column_type = "Text")]
        pub message: String,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
        /// Set when it ended: afterwards it is forgotten.
        pub expires_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
