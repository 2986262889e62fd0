//! Metadata definitions: namespaces, and what stands in them.

use sql::schema::Kind::{Bool, MediumText, Time, Varchar};
use sql::schema::{Column, Kind, Migration, Parent, Step, Table, Unique, col, index};

use super::{OWNER, UUID};

pub const MIGRATION: Migration = Migration {
    name: "m0004_metadefs",
    steps: &[Step::Create(&[
        NAMESPACES,
        TYPES,
        OBJECTS,
        PROPERTIES,
        TAGS,
        ASSOCIATIONS,
    ])],
};

const NAMESPACES: Table = Table::new(
    "metadef_namespaces",
    &["id"],
    &[
        CREATED,
        UPDATED,
        col("id", UUID),
        col("namespace", NAME),
        col("display_name", NAME).null(),
        col("description", MediumText).null(),
        col("visibility", Varchar(16)),
        col("protected", Bool),
        col("owner", OWNER),
    ],
)
.constraints(&[Unique::unnamed(&["namespace"])])
.indexes(&[
    index(
        "ix_metadef_namespaces_created_at_namespace",
        &["created_at", "namespace"],
    ),
    index("ix_metadef_namespaces_owner", &["owner"]),
]);

const TYPES: Table = Table::new(
    "metadef_resource_types",
    &["name"],
    &[CREATED, UPDATED, col("name", NAME)],
);

const OBJECTS: Table = Table::new(
    "metadef_objects",
    &["namespace_id", "name"],
    &[
        CREATED,
        UPDATED,
        NAMESPACE,
        col("name", NAME),
        col("description", MediumText).null(),
        col("required", MediumText),
        col("properties", MediumText),
    ],
)
.parent(of_namespace("fk_metadef_objects_namespace"));

const PROPERTIES: Table = Table::new(
    "metadef_properties",
    &["namespace_id", "name"],
    &[
        CREATED,
        UPDATED,
        NAMESPACE,
        col("name", NAME),
        col("definition", MediumText),
    ],
)
.parent(of_namespace("fk_metadef_properties_namespace"));

const TAGS: Table = Table::new(
    "metadef_tags",
    &["namespace_id", "name"],
    &[CREATED, UPDATED, NAMESPACE, col("name", NAME)],
)
.parent(of_namespace("fk_metadef_tags_namespace"));

const ASSOCIATIONS: Table = Table::new(
    "metadef_associations",
    &["namespace_id", "name"],
    &[
        CREATED,
        UPDATED,
        NAMESPACE,
        col("name", NAME),
        col("prefix", NAME).null(),
        col("properties_target", NAME).null(),
    ],
)
.parent(of_namespace("fk_metadef_associations_namespace"))
.indexes(&[index("ix_metadef_associations_name", &["name"])]);

const NAME: Kind = Varchar(80);

const CREATED: Column = col("created_at", Time);
const UPDATED: Column = col("updated_at", Time);
const NAMESPACE: Column = col("namespace_id", UUID);

/// Rows go with their namespace.
const fn of_namespace(name: &'static str) -> Parent {
    Parent {
        name,
        column: "namespace_id",
        table: "metadef_namespaces",
        key: "id",
    }
}
