//! Volumes leave the groups of other projects, in which transfers left them, and their snapshots those of the groups.

use sql::schema::{Migration, Step, index};

pub const MIGRATION: Migration = Migration {
    name: "m0006_projects",
    steps: &[
        Step::Run(
            "UPDATE volumes SET group_id = NULL WHERE EXISTS (SELECT 1 FROM volume_groups \
             WHERE volume_groups.id = volumes.group_id AND volume_groups.project_id <> volumes.project_id)",
        ),
        // An administrator's snapshot of a group has parts of the group's project or of the administrator's.
        Step::Run(
            "UPDATE snapshots SET group_snapshot_id = NULL WHERE EXISTS (SELECT 1 FROM group_snapshots \
             INNER JOIN volume_groups ON volume_groups.id = group_snapshots.group_id \
             WHERE group_snapshots.id = snapshots.group_snapshot_id \
             AND group_snapshots.project_id <> snapshots.project_id \
             AND volume_groups.project_id <> snapshots.project_id)",
        ),
        Step::AddIndexes(
            "backups",
            &[index(
                "ix_backups_restore_volume_id",
                &["restore_volume_id"],
            )],
        ),
    ],
};
