//! Which endpoints the catalog of a project shows.

use sql::schema::Kind::Text;
use sql::schema::{Migration, Step, Table, Unique, col, index};

use super::{ID, NAME};

pub const MIGRATION: Migration = Migration {
    name: "m0002_endpoint_filters",
    steps: &[Step::Create(&[
        Table::new(
            "endpoint_groups",
            &["id"],
            &[
                col("id", ID),
                col("name", NAME),
                col("description", Text).null(),
                col("filters", Text),
            ],
        )
        .constraints(&[Unique::named("uq_endpoint_groups", &["name"])]),
        Table::new(
            "project_endpoints",
            &["endpoint_id", "project_id"],
            &[col("endpoint_id", ID), col("project_id", ID)],
        )
        .indexes(&[index("ix_project_endpoints_project_id", &["project_id"])]),
        Table::new(
            "project_endpoint_groups",
            &["endpoint_group_id", "project_id"],
            &[col("endpoint_group_id", ID), col("project_id", ID)],
        )
        .indexes(&[index(
            "ix_project_endpoint_groups_project_id",
            &["project_id"],
        )]),
    ])],
};
