//! The tables of the metadata definitions.

/// Namespaces, one row each.
pub mod namespace {
    use sql::sea_orm::{self, entity::prelude::*};

    use crate::tables::Visibility;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "metadef_namespaces")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// What it is called in paths; no two have the same.
        pub namespace: String,
        pub display_name: Option<String>,
        pub description: Option<String>,
        /// Public or private; never another.
        pub visibility: Visibility,
        pub protected: bool,
        /// The project it belongs to.
        pub owner: String,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Objects: groups of properties.
pub mod object {
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "metadef_objects")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub namespace_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        #[sea_orm(column_type = "Text")]
        pub description: Option<String>,
        /// JSON: a list of names of properties.
        #[sea_orm(column_type = "Text")]
        pub required: String,
        /// JSON: the properties by name.
        #[sea_orm(column_type = "Text")]
        pub properties: String,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Properties that stand in a namespace by themselves.
pub mod property {
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "metadef_properties")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub namespace_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        /// JSON: what the property is, as it was given.
        #[sea_orm(column_type = "Text")]
        pub definition: String,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Tags that a namespace proposes.
pub mod tag {
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "metadef_tags")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub namespace_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Types of resources; they come with the first association that names them, and stay.
pub mod resource_type {
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "metadef_resource_types")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Which types of resources the definitions of a namespace are for.
pub mod association {
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "metadef_associations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub namespace_id: String,
        /// The name of the type of resource.
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        /// What stands before names of properties on such resources.
        pub prefix: Option<String>,
        /// Where on such a resource the properties go, where it has several places.
        pub properties_target: Option<String>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
