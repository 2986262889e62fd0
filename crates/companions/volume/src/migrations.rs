//! How the tables came to be, step by step.

mod m0001_volumes;
mod m0002_messages;
mod m0003_backups;
mod m0004_groups;
mod m0005_moves;
mod m0006_projects;
mod m0007_quotas;
mod m0008_targets;
mod m0009_exports;
mod m0010_progress;

use sql::schema::History;

/// The tables of the volume service, workflows included.
pub const HISTORY: History = History {
    table: "volume_migrations",
    migrations: &[
        workflow::MIGRATION,
        workflow::SIGNALS_MIGRATION,
        m0001_volumes::MIGRATION,
        m0002_messages::MIGRATION,
        m0003_backups::MIGRATION,
        m0004_groups::MIGRATION,
        m0005_moves::MIGRATION,
        m0006_projects::MIGRATION,
        m0007_quotas::MIGRATION,
        m0008_targets::MIGRATION,
        m0009_exports::MIGRATION,
        m0010_progress::MIGRATION,
    ],
};

#[cfg(test)]
mod tests {
    use sql::sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, QuerySelect};

    use super::*;
    use crate::tables::{snapshot, volume};

    /// What was there before `m0006_projects`: two groups of a project, a snapshot of one, and what is in them.
    const BEFORE: [&str; 5] = [
        "INSERT INTO volume_groups (id, project_id, user_id, group_type_id, status, created_at) VALUES \
         ('g', 'a', 'u', 't', 'available', '2026-01-01 00:00:00')",
        "INSERT INTO group_snapshots (id, project_id, user_id, group_id, group_type_id, status, created_at) VALUES \
         ('s', 'admin', 'u', 'g', 't', 'available', '2026-01-01 00:00:00')",
        "INSERT INTO volumes (id, project_id, user_id, status, size, type_id, bootable, multiattach, group_id, \
         consumes_quota, created_at) VALUES \
         ('1', 'a', 'u', 'available', 1, 't', FALSE, FALSE, 'g', TRUE, '2026-01-01 00:00:00'), \
         ('2', 'b', 'u', 'available', 1, 't', FALSE, FALSE, 'g', TRUE, '2026-01-01 00:00:00')",
        "INSERT INTO volumes (id, project_id, user_id, status, size, type_id, bootable, multiattach, consumes_quota, \
         created_at) VALUES ('3', 'b', 'u', 'available', 1, 't', FALSE, FALSE, TRUE, '2026-01-01 00:00:00')",
        "INSERT INTO snapshots (id, project_id, user_id, volume_id, status, size, type_id, group_snapshot_id, \
         consumes_quota, created_at) VALUES \
         ('1', 'a', 'u', '1', 'available', 1, 't', 's', TRUE, '2026-01-01 00:00:00'), \
         ('2', 'b', 'u', '2', 'available', 1, 't', 's', TRUE, '2026-01-01 00:00:00'), \
         ('3', 'admin', 'u', '1', 'available', 1, 't', 's', TRUE, '2026-01-01 00:00:00')",
    ];

    #[tokio::test]
    async fn what_went_to_another_project_leaves_the_group() {
        for db in sql::testing::engines().await {
            let mut names = HISTORY.migrations.iter().map(|one| one.name);
            let until = names.position(|name| name == m0006_projects::MIGRATION.name);
            let before = History {
                table: HISTORY.table,
                migrations: &HISTORY.migrations[..until.expect("it is there")],
            };
            db.apply(&before).await.expect("tables of before");
            for statement in BEFORE {
                let written = db.write().execute_unprepared(statement).await;
                written.expect("rows of before");
            }
            db.apply(&HISTORY).await.expect("tables");
            let of_volumes: Vec<Option<String>> = volume::Entity::find()
                .select_only()
                .column(volume::Column::GroupId)
                .order_by_asc(volume::Column::Id)
                .into_tuple()
                .all(db.read())
                .await
                .expect("volumes");
            assert_eq!(of_volumes, [Some("g".to_owned()), None, None]);
            let of_snapshots: Vec<Option<String>> = snapshot::Entity::find()
                .select_only()
                .column(snapshot::Column::GroupSnapshotId)
                .order_by_asc(snapshot::Column::Id)
                .into_tuple()
                .all(db.read())
                .await
                .expect("snapshots");
            let kept = Some("s".to_owned());
            assert_eq!(of_snapshots, [kept.clone(), None, kept]);
        }
    }
}
