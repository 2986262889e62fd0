//! The columns that every revisioned resource has.

use chrono::{DateTime, Utc};
use sql::sea_orm::{EntityTrait, ModelTrait};

use super::*;

/// What every revisioned resource has.
pub trait Standard: ModelTrait + Sized {
    fn id(&self) -> &str;
    fn project(&self) -> &str;
    fn times(&self) -> (DateTime<Utc>, DateTime<Utc>);
    fn revision(&self) -> i64;
    fn tags(&self) -> &str;
    fn set_tags(&mut self, tags: String);
    /// Marks the row as changed.
    fn touch(&mut self, now: DateTime<Utc>);
    fn id_column() -> <Self::Entity as EntityTrait>::Column;
    fn revision_column() -> <Self::Entity as EntityTrait>::Column;
    fn find_by(id: &str) -> sql::sea_orm::Select<Self::Entity>;
}

/// The accessors are the same few lines for every table that has the standard columns; a function cannot write them.
macro_rules! standard {
    ($($table:ident),*) => {$(
        impl Standard for $table::Model {
            fn id(&self) -> &str { &self.id }
            fn project(&self) -> &str { &self.project_id }
            fn times(&self) -> (DateTime<Utc>, DateTime<Utc>) { (self.created_at, self.updated_at) }
            fn revision(&self) -> i64 { self.revision }
            fn tags(&self) -> &str { &self.tags }
            fn set_tags(&mut self, tags: String) { self.tags = tags; }
            fn touch(&mut self, now: DateTime<Utc>) { self.revision += 1; self.updated_at = now; }
            fn id_column() -> $table::Column { $table::Column::Id }
            fn revision_column() -> $table::Column { $table::Column::Revision }
            fn find_by(id: &str) -> sql::sea_orm::Select<$table::Entity> {
                $table::Entity::find_by_id(id.to_owned())
            }
        }
    )*};
}

standard!(
    networks,
    subnets,
    ports,
    security_groups,
    security_group_rules,
    routers,
    floatingips,
    subnetpools
);
