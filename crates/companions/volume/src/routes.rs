//! The API's table of contents: every call below `/v3`, who may make it, the code of its success, its versions, and who
//! answers it. A call that is known but not built answers 501.

mod later;

use std::sync::LazyLock;

use http::StatusCode;
use rest::Access::{Authenticated, Rule};
use rest::words::{ACCEPTED, CREATED, DELETE, GET, NO_CONTENT, OK, POST, PUT};
use rest::{Access, Serving, Table, Verb};

use crate::api::*;

type Row = rest::Row<Face>;

static TABLE: LazyLock<Table<Face>> = LazyLock::new(|| {
    Table::new(&[
        VOLUMES,
        ACTIONS,
        PARTS,
        BACKUPS,
        MANAGED,
        MESSAGES,
        GROUPS,
        OTHERS,
        TYPES,
        OPERATORS,
        later::ROWS,
    ])
});

/// All calls.
pub fn table() -> &'static Table<Face> {
    &TABLE
}

macro_rules! known {
    ($handler:path) => {
        Serving::Known(|face, call| Box::pin($handler(face.volumes.clone(), call)))
    };
}

const fn row(
    verb: Verb,
    path: &'static str,
    access: Access,
    success: StatusCode,
    serving: Serving<Face>,
) -> Row {
    Row::new(verb, path, access, success, serving)
}

/// Volumes and what hangs below them.
#[rustfmt::skip] // A table reads better with a row on each line.
const VOLUMES: &[Row] = &[
    row(GET, "/volumes", Rule("volume:get_all"), OK, known!(volumes::list)),
    row(POST, "/volumes", Rule("volume:create"), ACCEPTED, known!(volumes::create)),
    row(GET, "/volumes/detail", Rule("volume:get_all"), OK, known!(volumes::detail)),
    row(GET, "/volumes/summary", Rule("volume:get_all"), OK, known!(volumes::summary)).since(12),
    row(GET, "/volumes/{id}", Rule("volume:get"), OK, known!(volumes::show)),
    row(PUT, "/volumes/{id}", Rule("volume:update"), OK, known!(volumes::update)),
    row(DELETE, "/volumes/{id}", Rule("volume:delete"), ACCEPTED, known!(volumes::delete)),
    row(GET, "/volumes/{volume_id}/metadata", Rule("volume:get_volume_metadata"), OK, known!(metadata::list)),
    row(POST, "/volumes/{volume_id}/metadata", Rule("volume:create_volume_metadata"), OK, known!(metadata::create)),
    row(PUT, "/volumes/{volume_id}/metadata", Rule("volume:update_volume_metadata"), OK, known!(metadata::replace)),
    row(GET, "/volumes/{volume_id}/metadata/{key}", Rule("volume:get_volume_metadata"), OK, known!(metadata::show)),
    row(PUT, "/volumes/{volume_id}/metadata/{key}", Rule("volume:update_volume_metadata"), OK, known!(metadata::update)),
    row(DELETE, "/volumes/{volume_id}/metadata/{key}", Rule("volume:delete_volume_metadata"), OK, known!(metadata::delete)),
];

/// What is done with volumes.
#[rustfmt::skip] // A table reads better with a row on each line.
const ACTIONS: &[Row] = &[
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_actions:reserve"), ACCEPTED, known!(actions::attach::reserve)).action("os-reserve"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_actions:unreserve"), ACCEPTED, known!(actions::attach::unreserve)).action("os-unreserve"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_actions:begin_detaching"), ACCEPTED, known!(actions::attach::begin_detaching)).action("os-begin_detaching"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_actions:roll_detaching"), ACCEPTED, known!(actions::attach::roll_detaching)).action("os-roll_detaching"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_actions:attach"), ACCEPTED, known!(actions::attach::attach)).action("os-attach"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_actions:detach"), ACCEPTED, known!(actions::attach::detach)).action("os-detach"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_actions:initialize_connection"), OK, known!(actions::attach::initialize)).action("os-initialize_connection"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_actions:terminate_connection"), ACCEPTED, known!(actions::attach::terminate)).action("os-terminate_connection"),
    row(POST, "/volumes/{id}/action", Rule("volume:extend"), ACCEPTED, known!(actions::extend)).action("os-extend"),
    row(POST, "/volumes/{id}/action", Rule("volume:update"), OK, known!(actions::set_bootable)).action("os-set_bootable"),
    row(POST, "/volumes/{id}/action", Rule("volume:update_readonly_flag"), ACCEPTED, known!(actions::set_readonly)).action("os-update_readonly_flag"),
    row(POST, "/volumes/{id}/action", Rule("volume:retype"), ACCEPTED, known!(actions::retype::retype)).action("os-retype"),
    row(POST, "/volumes/{id}/action", Rule("volume:revert_to_snapshot"), ACCEPTED, known!(actions::revert)).action("revert").since(40),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_actions:upload_image"), ACCEPTED, known!(actions::upload::upload)).action("os-volume_upload_image"),
    row(POST, "/volumes/{id}/action", Rule("volume:reimage"), ACCEPTED, known!(actions::reimage::reimage)).action("os-reimage").since(68),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_admin_actions:migrate_volume"), ACCEPTED, known!(actions::migrate::migrate)).action("os-migrate_volume"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_admin_actions:migrate_volume_completion"), OK, known!(actions::migrate::complete)).action("os-migrate_volume_completion"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_admin_actions:reset_status"), ACCEPTED, known!(actions::admin::reset_status)).action("os-reset_status"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_admin_actions:force_delete"), ACCEPTED, known!(actions::admin::force_delete)).action("os-force_delete"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_admin_actions:force_detach"), ACCEPTED, known!(actions::admin::force_detach)).action("os-force_detach"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_admin_actions:extend_volume_completion"), ACCEPTED, known!(actions::admin::extend_completion)).action("os-extend_volume_completion").since(71),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_image_metadata:show"), OK, known!(actions::image_metadata::show)).action("os-show_image_metadata"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_image_metadata:set"), OK, known!(actions::image_metadata::set)).action("os-set_image_metadata"),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_image_metadata:remove"), OK, known!(actions::image_metadata::unset)).action("os-unset_image_metadata"),
];

/// Attachments and snapshots.
#[rustfmt::skip] // A table reads better with a row on each line.
const PARTS: &[Row] = &[
    row(GET, "/attachments", Authenticated, OK, known!(attachments::list)).since(27),
    row(POST, "/attachments", Rule("volume:attachment_create"), OK, known!(attachments::create)).since(27),
    row(GET, "/attachments/detail", Authenticated, OK, known!(attachments::list_detail)).since(27),
    row(GET, "/attachments/{id}", Authenticated, OK, known!(attachments::show)).since(27),
    row(PUT, "/attachments/{id}", Rule("volume:attachment_update"), OK, known!(attachments::update)).since(27),
    row(DELETE, "/attachments/{id}", Rule("volume:attachment_delete"), OK, known!(attachments::delete)).since(27),
    row(POST, "/attachments/{id}/action", Rule("volume:attachment_complete"), NO_CONTENT, known!(attachments::complete)).action("os-complete").since(44),
    row(GET, "/snapshots", Rule("volume:get_all_snapshots"), OK, known!(snapshots::list)),
    row(POST, "/snapshots", Rule("volume:create_snapshot"), ACCEPTED, known!(snapshots::create)),
    row(GET, "/snapshots/detail", Rule("volume:get_all_snapshots"), OK, known!(snapshots::list_detail)),
    row(GET, "/snapshots/{id}", Rule("volume:get_snapshot"), OK, known!(snapshots::show)),
    row(PUT, "/snapshots/{id}", Rule("volume:update_snapshot"), OK, known!(snapshots::update)),
    row(DELETE, "/snapshots/{id}", Rule("volume:delete_snapshot"), ACCEPTED, known!(snapshots::delete)),
    row(POST, "/snapshots/{id}/action", Rule("volume_extension:snapshot_admin_actions:reset_status"), ACCEPTED, known!(snapshots::reset_status)).action("os-reset_status"),
    row(POST, "/snapshots/{id}/action", Rule("volume_extension:snapshot_admin_actions:force_delete"), ACCEPTED, known!(snapshots::force_delete)).action("os-force_delete"),
    row(POST, "/snapshots/{id}/action", Rule("snapshot_extension:snapshot_actions:update_snapshot_status"), ACCEPTED, known!(snapshots::update_status)).action("os-update_snapshot_status"),
    row(GET, "/snapshots/{snapshot_id}/metadata", Rule("volume:get_snapshot_metadata"), OK, known!(snapshot_metadata::list)),
    row(POST, "/snapshots/{snapshot_id}/metadata", Rule("volume:update_snapshot_metadata"), OK, known!(snapshot_metadata::create)),
    row(PUT, "/snapshots/{snapshot_id}/metadata", Rule("volume:update_snapshot_metadata"), OK, known!(snapshot_metadata::replace)),
    row(GET, "/snapshots/{snapshot_id}/metadata/{key}", Rule("volume:get_snapshot_metadata"), OK, known!(snapshot_metadata::show)),
    row(PUT, "/snapshots/{snapshot_id}/metadata/{key}", Rule("volume:update_snapshot_metadata"), OK, known!(snapshot_metadata::update)),
    row(DELETE, "/snapshots/{snapshot_id}/metadata/{key}", Rule("volume:delete_snapshot_metadata"), OK, known!(snapshot_metadata::delete)),
];

/// Backups.
#[rustfmt::skip] // A table reads better with a row on each line.
const BACKUPS: &[Row] = &[
    row(GET, "/backups", Rule("backup:get_all"), OK, known!(backups::list)),
    row(POST, "/backups", Rule("backup:create"), ACCEPTED, known!(backups::create::create)),
    row(GET, "/backups/detail", Rule("backup:get_all"), OK, known!(backups::list_detail)),
    row(GET, "/backups/{id}", Rule("backup:get"), OK, known!(backups::show)),
    row(PUT, "/backups/{id}", Rule("backup:update"), OK, known!(backups::update)).since(9),
    row(DELETE, "/backups/{id}", Rule("backup:delete"), ACCEPTED, known!(backups::delete)),
    row(POST, "/backups/{id}/restore", Rule("backup:restore"), ACCEPTED, known!(backups::restore::restore)),
    row(GET, "/backups/{id}/export_record", Rule("backup:export-import"), OK, known!(backups::record::export)),
    row(POST, "/backups/import_record", Rule("backup:backup-import"), CREATED, known!(backups::record::import)),
    row(POST, "/backups/{id}/action", Rule("volume_extension:backup_admin_actions:reset_status"), ACCEPTED, known!(backups::reset_status)).action("os-reset_status"),
    row(POST, "/backups/{id}/action", Rule("volume_extension:backup_admin_actions:force_delete"), ACCEPTED, known!(backups::force_delete)).action("os-force_delete"),
];

/// Groups, their types and their snapshots.
#[rustfmt::skip] // A table reads better with a row on each line.
const GROUPS: &[Row] = &[
    row(GET, "/groups", Rule("group:get_all"), OK, known!(groups::list)).since(13),
    row(GET, "/groups/detail", Rule("group:get_all"), OK, known!(groups::list_detail)).since(13),
    row(POST, "/groups", Rule("group:create"), ACCEPTED, known!(groups::create::create)).since(13),
    row(GET, "/groups/{id}", Rule("group:get"), OK, known!(groups::show)).since(13),
    row(PUT, "/groups/{id}", Rule("group:update"), ACCEPTED, known!(groups::update::update)).since(13),
    row(POST, "/groups/{id}/action", Rule("group:delete"), ACCEPTED, known!(groups::end::delete)).action("delete").since(13),
    row(POST, "/groups/{id}/action", Rule("group:reset_status"), ACCEPTED, known!(groups::reset_status)).action("reset_status").since(20),
    row(POST, "/groups/{id}/action", Rule("group:enable_replication"), ACCEPTED, known!(groups::replication)).action("enable_replication").since(38),
    row(POST, "/groups/{id}/action", Rule("group:disable_replication"), ACCEPTED, known!(groups::replication)).action("disable_replication").since(38),
    row(POST, "/groups/{id}/action", Rule("group:failover_replication"), ACCEPTED, known!(groups::replication)).action("failover_replication").since(38),
    row(POST, "/groups/{id}/action", Rule("group:list_replication_targets"), OK, known!(groups::replication)).action("list_replication_targets").since(38),
    row(POST, "/groups/action", Rule("group:create"), ACCEPTED, known!(groups::from_src::create)).action("create-from-src").since(14),
    row(GET, "/group_snapshots", Rule("group:get_all_group_snapshots"), OK, known!(group_snapshots::list)).since(14),
    row(GET, "/group_snapshots/detail", Rule("group:get_all_group_snapshots"), OK, known!(group_snapshots::list_detail)).since(14),
    row(POST, "/group_snapshots", Rule("group:create_group_snapshot"), ACCEPTED, known!(group_snapshots::create)).since(14),
    row(GET, "/group_snapshots/{id}", Rule("group:get_group_snapshot"), OK, known!(group_snapshots::show)).since(14),
    row(DELETE, "/group_snapshots/{id}", Rule("group:delete_group_snapshot"), ACCEPTED, known!(group_snapshots::delete)).since(14),
    row(POST, "/group_snapshots/{id}/action", Rule("group:reset_group_snapshot_status"), ACCEPTED, known!(group_snapshots::reset_status)).action("reset_status").since(19),
    row(GET, "/group_types", Authenticated, OK, known!(group_types::list)).since(11),
    row(POST, "/group_types", Rule("group:group_types:create"), ACCEPTED, known!(group_types::create)).since(11),
    row(GET, "/group_types/{id}", Authenticated, OK, known!(group_types::show)).since(11),
    row(PUT, "/group_types/{id}", Rule("group:group_types:update"), OK, known!(group_types::update)).since(11),
    row(DELETE, "/group_types/{id}", Rule("group:group_types:delete"), ACCEPTED, known!(group_types::delete)).since(11),
    row(GET, "/group_types/{group_type_id}/group_specs", Rule("group:group_types_specs:get_all"), OK, known!(group_specs::list)).since(11),
    row(POST, "/group_types/{group_type_id}/group_specs", Rule("group:group_types_specs:create"), ACCEPTED, known!(group_specs::create)).since(11),
    row(GET, "/group_types/{group_type_id}/group_specs/{key}", Rule("group:group_types_specs:get"), OK, known!(group_specs::show)).since(11),
    row(PUT, "/group_types/{group_type_id}/group_specs/{key}", Rule("group:group_types_specs:update"), OK, known!(group_specs::update)).since(11),
    row(DELETE, "/group_types/{group_type_id}/group_specs/{key}", Rule("group:group_types_specs:delete"), ACCEPTED, known!(group_specs::delete)).since(11),
];

/// Messages for users.
#[rustfmt::skip] // A table reads better with a row on each line.
const MESSAGES: &[Row] = &[
    row(GET, "/messages", Rule("message:get_all"), OK, known!(messages::list)).since(3),
    row(GET, "/messages/{id}", Rule("message:get"), OK, known!(messages::show)).since(3),
    row(DELETE, "/messages/{id}", Rule("message:delete"), NO_CONTENT, known!(messages::delete)).since(3),
];

/// What lies on back ends and is to be a volume or a snapshot, or no longer.
#[rustfmt::skip] // A table reads better with a row on each line.
const MANAGED: &[Row] = &[
    row(GET, "/os-volume-manage", Rule("volume_extension:list_manageable"), OK, known!(manage::volumes::list)),
    row(GET, "/os-volume-manage/detail", Rule("volume_extension:list_manageable"), OK, known!(manage::volumes::list_detail)),
    row(POST, "/os-volume-manage", Rule("volume_extension:volume_manage"), ACCEPTED, known!(manage::volumes::create)),
    row(GET, "/manageable_volumes", Rule("volume_extension:list_manageable"), OK, known!(manage::volumes::list)).since(8),
    row(GET, "/manageable_volumes/detail", Rule("volume_extension:list_manageable"), OK, known!(manage::volumes::list_detail)).since(8),
    row(POST, "/manageable_volumes", Rule("volume_extension:volume_manage"), ACCEPTED, known!(manage::volumes::create)).since(8),
    row(POST, "/volumes/{id}/action", Rule("volume_extension:volume_unmanage"), ACCEPTED, known!(manage::unmanage::volume)).action("os-unmanage"),
    row(GET, "/os-snapshot-manage", Rule("snapshot_extension:list_manageable"), OK, known!(manage::snapshots::list)),
    row(GET, "/os-snapshot-manage/detail", Rule("snapshot_extension:list_manageable"), OK, known!(manage::snapshots::list_detail)),
    row(POST, "/os-snapshot-manage", Rule("snapshot_extension:snapshot_manage"), ACCEPTED, known!(manage::snapshots::create)),
    row(GET, "/manageable_snapshots", Rule("snapshot_extension:list_manageable"), OK, known!(manage::snapshots::list)).since(8),
    row(GET, "/manageable_snapshots/detail", Rule("snapshot_extension:list_manageable"), OK, known!(manage::snapshots::list_detail)).since(8),
    row(POST, "/manageable_snapshots", Rule("snapshot_extension:snapshot_manage"), ACCEPTED, known!(manage::snapshots::create)).since(8),
    row(POST, "/snapshots/{id}/action", Rule("snapshot_extension:snapshot_unmanage"), ACCEPTED, known!(manage::unmanage::snapshot)).action("os-unmanage"),
];

/// Transfers, QoS specs, encryption.
#[rustfmt::skip] // A table reads better with a row on each line.
const OTHERS: &[Row] = &[
    row(GET, "/os-volume-transfer", Rule("volume:get_all_transfers"), OK, known!(transfers::list)),
    row(POST, "/os-volume-transfer", Rule("volume:create_transfer"), ACCEPTED, known!(transfers::create_plain)),
    row(GET, "/os-volume-transfer/detail", Rule("volume:get_all_transfers"), OK, known!(transfers::list_detail)),
    row(GET, "/os-volume-transfer/{id}", Rule("volume:get_transfer"), OK, known!(transfers::show)),
    row(DELETE, "/os-volume-transfer/{id}", Rule("volume:delete_transfer"), ACCEPTED, known!(transfers::withdraw)),
    row(POST, "/os-volume-transfer/{id}/accept", Rule("volume:accept_transfer"), ACCEPTED, known!(transfers::accept)),
    row(GET, "/volume-transfers", Rule("volume:get_all_transfers"), OK, known!(transfers::list)).since(55),
    row(POST, "/volume-transfers", Rule("volume:create_transfer"), ACCEPTED, known!(transfers::create)).since(55),
    row(GET, "/volume-transfers/detail", Rule("volume:get_all_transfers"), OK, known!(transfers::list_detail)).since(55),
    row(GET, "/volume-transfers/{id}", Rule("volume:get_transfer"), OK, known!(transfers::show)).since(55),
    row(DELETE, "/volume-transfers/{id}", Rule("volume:delete_transfer"), ACCEPTED, known!(transfers::withdraw)).since(55),
    row(POST, "/volume-transfers/{id}/accept", Rule("volume:accept_transfer"), ACCEPTED, known!(transfers::accept)).since(55),
    row(GET, "/qos-specs", Rule("volume_extension:qos_specs_manage:get_all"), OK, known!(qos::list)),
    row(POST, "/qos-specs", Rule("volume_extension:qos_specs_manage:create"), OK, known!(qos::create)),
    row(GET, "/qos-specs/{id}", Rule("volume_extension:qos_specs_manage:get"), OK, known!(qos::show)),
    row(PUT, "/qos-specs/{id}", Rule("volume_extension:qos_specs_manage:update"), OK, known!(qos::update)),
    row(DELETE, "/qos-specs/{id}", Rule("volume_extension:qos_specs_manage:delete"), ACCEPTED, known!(qos::delete)),
    row(PUT, "/qos-specs/{id}/delete_keys", Rule("volume_extension:qos_specs_manage:delete"), ACCEPTED, known!(qos::delete_keys)),
    row(GET, "/qos-specs/{id}/associations", Rule("volume_extension:qos_specs_manage:get_all"), OK, known!(qos::associations)),
    row(GET, "/qos-specs/{id}/associate", Rule("volume_extension:qos_specs_manage:update"), ACCEPTED, known!(qos::associate)),
    row(GET, "/qos-specs/{id}/disassociate", Rule("volume_extension:qos_specs_manage:update"), ACCEPTED, known!(qos::disassociate)),
    row(GET, "/qos-specs/{id}/disassociate_all", Rule("volume_extension:qos_specs_manage:update"), ACCEPTED, known!(qos::disassociate_all)),
    row(GET, "/volumes/{volume_id}/encryption", Rule("volume_extension:volume_encryption_metadata"), OK, known!(encryption::of_volume)),
    row(GET, "/volumes/{volume_id}/encryption/{key}", Rule("volume_extension:volume_encryption_metadata"), OK, known!(encryption::key_of_volume)),
    row(GET, "/types/{type_id}/encryption", Rule("volume_extension:volume_type_encryption:get"), OK, known!(encryption::of_type)),
];

/// Types of volumes.
#[rustfmt::skip] // A table reads better with a row on each line.
const TYPES: &[Row] = &[
    row(GET, "/types", Rule("volume_extension:type_get_all"), OK, known!(types::list)),
    row(POST, "/types", Rule("volume_extension:type_create"), OK, known!(types::create)),
    row(GET, "/types/{id}", Rule("volume_extension:type_get"), OK, known!(types::show)),
    row(PUT, "/types/{id}", Rule("volume_extension:type_update"), OK, known!(types::update)),
    row(DELETE, "/types/{id}", Rule("volume_extension:type_delete"), ACCEPTED, known!(types::delete)),
    row(POST, "/types/{id}/action", Rule("volume_extension:volume_type_access:addProjectAccess"), ACCEPTED, known!(type_access::add)).action("addProjectAccess"),
    row(POST, "/types/{id}/action", Rule("volume_extension:volume_type_access:removeProjectAccess"), ACCEPTED, known!(type_access::remove)).action("removeProjectAccess"),
    row(GET, "/types/{type_id}/os-volume-type-access", Rule("volume_extension:volume_type_access:get_all_for_type"), OK, known!(type_access::list)),
    row(GET, "/types/{type_id}/extra_specs", Rule("volume_extension:types_extra_specs:index"), OK, known!(type_specs::list)),
    row(POST, "/types/{type_id}/extra_specs", Rule("volume_extension:types_extra_specs:create"), OK, known!(type_specs::create)),
    row(GET, "/types/{type_id}/extra_specs/{key}", Rule("volume_extension:types_extra_specs:show"), OK, known!(type_specs::show)),
    row(PUT, "/types/{type_id}/extra_specs/{key}", Rule("volume_extension:types_extra_specs:update"), OK, known!(type_specs::update)),
    row(DELETE, "/types/{type_id}/extra_specs/{key}", Rule("volume_extension:types_extra_specs:delete"), ACCEPTED, known!(type_specs::delete)),
    row(GET, "/default-types", Rule("volume_extension:default_get_all"), OK, known!(default_types::list)).since(62),
    row(GET, "/default-types/{project_id}", Rule("volume_extension:default_get"), OK, known!(default_types::show)).since(62),
    row(PUT, "/default-types/{project_id}", Rule("volume_extension:default_set_or_update"), OK, known!(default_types::set)).since(62),
    row(DELETE, "/default-types/{project_id}", Rule("volume_extension:default_unset"), NO_CONTENT, known!(default_types::unset)).since(62),
];

/// Limits, services and what the service offers.
#[rustfmt::skip] // A table reads better with a row on each line.
const OPERATORS: &[Row] = &[
    row(GET, "/extensions", Authenticated, OK, known!(extensions::list)),
    row(GET, "/extensions/{alias}", Authenticated, OK, known!(extensions::show)),
    row(GET, "/limits", Authenticated, OK, known!(limits::show)),
    row(GET, "/os-availability-zone", Authenticated, OK, known!(zones::list)),
    row(GET, "/resource_filters", Authenticated, OK, known!(resource_filters::list)).since(33),
    row(GET, "/scheduler-stats/get_pools", Rule("scheduler_extension:scheduler_stats:get_pools"), OK, known!(pools::list)),
    row(GET, "/os-quota-sets/{project_id}", Rule("volume_extension:quotas:show"), OK, known!(quotas::show)),
    row(PUT, "/os-quota-sets/{project_id}", Rule("volume_extension:quotas:update"), OK, known!(quotas::update)),
    row(DELETE, "/os-quota-sets/{project_id}", Rule("volume_extension:quotas:delete"), OK, known!(quotas::delete)),
    row(GET, "/os-quota-sets/{project_id}/defaults", Rule("volume_extension:quotas:show"), OK, known!(quotas::defaults)),
    row(GET, "/os-quota-class-sets/{class}", Rule("volume_extension:quota_classes:get"), OK, known!(quota_classes::show)),
    row(PUT, "/os-quota-class-sets/{class}", Rule("volume_extension:quota_classes:update"), OK, known!(quota_classes::update)),
    row(GET, "/capabilities/{host}", Rule("volume_extension:capabilities"), OK, known!(capabilities::show)),
    row(GET, "/clusters", Rule("clusters:get_all"), OK, known!(clusters::list)).since(7),
    row(GET, "/clusters/detail", Rule("clusters:get_all"), OK, known!(clusters::list)).since(7),
    row(GET, "/clusters/{name}", Rule("clusters:get"), OK, known!(clusters::show)).since(7),
    row(PUT, "/clusters/enable", Rule("clusters:update"), OK, known!(clusters::enable)).since(7),
    row(PUT, "/clusters/disable", Rule("clusters:update"), OK, known!(clusters::disable)).since(7),
    row(POST, "/workers/cleanup", Rule("workers:cleanup"), ACCEPTED, known!(clusters::cleanup)).since(24),
    row(GET, "/os-services", Rule("volume_extension:services:index"), OK, known!(services::list)),
    row(PUT, "/os-services/enable", Rule("volume_extension:services:update"), OK, known!(services::enable)),
    row(PUT, "/os-services/disable", Rule("volume_extension:services:update"), OK, known!(services::disable)),
    row(PUT, "/os-services/disable-log-reason", Rule("volume_extension:services:update"), OK, known!(services::disable_with_reason)),
    row(PUT, "/os-services/freeze", Rule("volume:freeze_host"), OK, known!(services::freeze)),
    row(PUT, "/os-services/thaw", Rule("volume:thaw_host"), OK, known!(services::thaw)),
    row(PUT, "/os-services/failover_host", Rule("volume:failover_host"), ACCEPTED, known!(services::fail_over)),
    row(PUT, "/os-services/failover", Rule("volume:failover_host"), ACCEPTED, known!(services::fail_over)).since(26),
    row(GET, "/os-hosts", Rule("volume_extension:hosts"), OK, known!(hosts::list)),
    row(GET, "/os-hosts/{host}", Rule("volume_extension:hosts"), OK, known!(hosts::show)),
];
