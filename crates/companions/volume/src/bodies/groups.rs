//! Bodies of groups, their types and their snapshots.

use microversion::Versioned;
use rest::accepted::Fate;
use rest::bodies::Body;

use super::{unseen, whole};
use crate::api::{group_snapshots, group_specs, group_types, groups};

pub const ALL: &[&Body] = &[
    &whole(
        &["POST /groups"],
        groups::create::CreateGroup::SHAPE,
        &[
            "group.name",
            "group.description",
            "group.group_type",
            "group.volume_types",
            "group.availability_zone",
        ],
    ),
    &whole(
        &["PUT /groups/{id}"],
        groups::update::UpdateGroup::SHAPE,
        &[
            "group.name",
            "group.description",
            "group.add_volumes",
            "group.remove_volumes",
        ],
    ),
    &whole(
        &["POST /groups/{id}/action delete"],
        groups::end::DeleteBody::SHAPE,
        &["delete.delete-volumes"],
    ),
    &whole(
        &[
            "POST /groups/{id}/action reset_status",
            "POST /group_snapshots/{id}/action reset_status",
        ],
        groups::ResetBody::SHAPE,
        &["reset_status.status"],
    ),
    &unseen(
        &["POST /groups/{id}/action enable_replication"],
        &[("enable_replication", NEVER)],
    ),
    &unseen(
        &["POST /groups/{id}/action disable_replication"],
        &[("disable_replication", NEVER)],
    ),
    &unseen(
        &["POST /groups/{id}/action failover_replication"],
        &[
            ("failover_replication", NEVER),
            ("failover_replication.allow_attached_volume", NEVER),
            ("failover_replication.secondary_backend_id", NEVER),
        ],
    ),
    &unseen(
        &["POST /groups/{id}/action list_replication_targets"],
        &[("list_replication_targets", NEVER)],
    ),
    &whole(
        &["POST /groups/action create-from-src"],
        groups::from_src::FromSource::SHAPE,
        &[
            "create-from-src.name",
            "create-from-src.description",
            "create-from-src.group_snapshot_id",
            "create-from-src.source_group_id",
        ],
    ),
    &whole(
        &["POST /group_snapshots"],
        group_snapshots::CreateGroupSnapshot::SHAPE,
        &[
            "group_snapshot.group_id",
            "group_snapshot.name",
            "group_snapshot.description",
        ],
    ),
    &whole(
        &["POST /group_types"],
        group_types::CreateType::SHAPE,
        &[
            "group_type.name",
            "group_type.description",
            "group_type.is_public",
            "group_type.group_specs",
        ],
    ),
    &whole(
        &["PUT /group_types/{id}"],
        group_types::UpdateType::SHAPE,
        &[
            "group_type.name",
            "group_type.description",
            "group_type.is_public",
        ],
    ),
    &whole(
        &["POST /group_types/{group_type_id}/group_specs"],
        group_specs::CreateSpecs::SHAPE,
        &["group_specs"],
    ),
    &whole(
        &["PUT /group_types/{group_type_id}/group_specs/{key}"],
        group_specs::GroupSpecs::SHAPE,
        &["*"],
    ),
];

const NEVER: Fate =
    Fate::Hint("no type of groups is replicated: the call is refused with 400 whatever it says");
