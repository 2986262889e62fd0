//! Servers that are put away as deleted, hit anywhere.

use compute_conductor::workflows::soft_delete::SoftDelete;

use super::*;

/// A server is put away; each trial finds it running.
pub async fn soft_deletes(stage: Stage) {
    let target = stage.running().await;
    let server = stage.server(&target.id);
    let world = async || {
        if stage.row(&target.id).await.vm_state == VmState::SoftDeleted {
            server.action(json!({"restore": null})).await.expect(202);
            server.reaches("ACTIVE").await;
        }
        let row = stage
            .change(&target.id, |row| {
                row.task_state = Some(TaskState::SoftDeleting);
                row.fault = None;
                row.epoch += 1;
            })
            .await;
        let state = states::SoftDelete {
            server_id: row.id.clone(),
            asked: asked(),
            epoch: row.epoch,
            image: None,
            lost: false,
            power_state: None,
        };
        stage.world::<SoftDelete>(&row.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        assert_eq!(row.task_state, None, "{trial:?}");
        let claimed = record.state["epoch"].as_i64().expect("a number");
        match record.status {
            Status::Done => {
                assert_eq!(row.vm_state, VmState::SoftDeleted, "{trial:?}");
                assert_eq!(
                    row.power_state,
                    compute_model::PowerState::Shutdown,
                    "{trial:?}"
                );
                assert!(row.soft_deleted_at.is_some(), "{trial:?}");
            }
            _ => {
                // A guest that was stopped before it was given up is noticed.
                let states = [VmState::Active, VmState::Stopped];
                assert!(states.contains(&row.vm_state), "{trial:?}");
                assert!(row.fault.is_some() && row.epoch > claimed, "{trial:?}");
            }
        }
        assert_eq!(stage.guests(&row.id).await.len(), 1, "{trial:?}");
    };
    torture::<SoftDelete>(stage.plan("tortured soft delete"), world, audit).await;
    server
        .action(json!({"forceDelete": null}))
        .await
        .expect(202);
    server.vanishes().await;
    stage.cloud.audit().await;
}
