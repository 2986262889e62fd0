//! Snapshots, backups, groups, messages.

use web::policy::Rule;

use super::{ADMIN, MEMBER, MEMBER_OR_SERVICE, READER, READER_OR_SERVICE, rule};

#[rustfmt::skip] // A table reads better with a row on each line.
pub const RULES: &[Rule] = &[
    rule("volume_extension:snapshot_admin_actions:reset_status", ADMIN, "Set the status of a snapshot.", &[("POST", "/snapshots/{snapshot_id}/action")]),
    rule("snapshot_extension:snapshot_actions:update_snapshot_status", MEMBER, "Say how the making or removing of a snapshot ends.", &[("POST", "/snapshots/{snapshot_id}/action")]),
    rule("volume_extension:snapshot_admin_actions:force_delete", ADMIN, "Delete a snapshot whatever its status.", &[("POST", "/snapshots/{snapshot_id}/action")]),
    rule("volume:get_snapshot_metadata", READER, "See the metadata of a snapshot.", &[("GET", "/snapshots/{snapshot_id}/metadata"), ("GET", "/snapshots/{snapshot_id}/metadata/{key}")]),
    rule("volume:update_snapshot_metadata", MEMBER, "Change the metadata of a snapshot.", &[("POST", "/snapshots/{snapshot_id}/metadata"), ("PUT", "/snapshots/{snapshot_id}/metadata/{key}")]),
    rule("volume:delete_snapshot_metadata", MEMBER, "Delete metadata of a snapshot.", &[("DELETE", "/snapshots/{snapshot_id}/metadata/{key}")]),
    rule("volume:get_all_snapshots", READER, "List snapshots.", &[("GET", "/snapshots"), ("GET", "/snapshots/detail")]),
    rule("volume_extension:extended_snapshot_attributes", READER, "See project and progress of a snapshot.", &[("GET", "/snapshots/{snapshot_id}"), ("GET", "/snapshots/detail")]),
    rule("volume:create_snapshot", MEMBER_OR_SERVICE, "Create a snapshot.", &[("POST", "/snapshots")]),
    rule("volume:get_snapshot", READER_OR_SERVICE, "Show a snapshot.", &[("GET", "/snapshots/{snapshot_id}")]),
    rule("volume:update_snapshot", MEMBER, "Change a snapshot.", &[("PUT", "/snapshots/{snapshot_id}")]),
    rule("volume:delete_snapshot", MEMBER_OR_SERVICE, "Delete a snapshot.", &[("DELETE", "/snapshots/{snapshot_id}")]),
    rule("backup:get_all", READER, "List backups.", &[("GET", "/backups"), ("GET", "/backups/detail")]),
    rule("backup:backup_project_attribute", ADMIN, "See project and user of a backup.", &[("GET", "/backups/{backup_id}"), ("GET", "/backups/detail")]),
    rule("backup:create", MEMBER, "Create a backup.", &[("POST", "/backups")]),
    rule("backup:get", READER, "Show a backup.", &[("GET", "/backups/{backup_id}")]),
    rule("backup:update", MEMBER, "Change a backup.", &[("PUT", "/backups/{backup_id}")]),
    rule("backup:delete", MEMBER, "Delete a backup.", &[("DELETE", "/backups/{backup_id}")]),
    rule("backup:restore", MEMBER, "Restore a backup.", &[("POST", "/backups/{backup_id}/restore")]),
    rule("backup:backup-import", ADMIN, "Import the record of a backup.", &[("POST", "/backups/{backup_id}/import_record")]),
    rule("backup:export-import", ADMIN, "Export the record of a backup.", &[("POST", "/backups/{backup_id}/export_record")]),
    rule("message:get_all", READER, "List messages.", &[("GET", "/messages")]),
    rule("message:get", READER, "Show a message.", &[("GET", "/messages/{message_id}")]),
    rule("message:delete", MEMBER, "Delete a message.", &[("DELETE", "/messages/{message_id}")]),
    rule("volume_extension:backup_admin_actions:reset_status", ADMIN, "Set the status of a backup.", &[("POST", "/backups/{backup_id}/action")]),
    rule("volume_extension:backup_admin_actions:force_delete", ADMIN, "Delete a backup whatever its status.", &[("POST", "/backups/{backup_id}/action")]),
];
