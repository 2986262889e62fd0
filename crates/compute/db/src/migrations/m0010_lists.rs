//! The servers of a project in the order in which lists show them: a page is read without sorting all of them.

use sql::schema::{Migration, Step, index};

pub const MIGRATION: Migration = Migration {
    name: "compute_0010_lists",
    steps: &[
        Step::AddIndexes(
            "servers",
            &[index(
                "servers_listed",
                &["project_id", "deleted_at", "created_at", "seq"],
            )],
        ),
        Step::DropIndexes(
            "servers",
            &[index("servers_project", &["project_id", "deleted_at"])],
        ),
    ],
};
