//! Guests that ran until their host lost its power, hit anywhere while they are started again.

use compute_conductor::workflows::resume_guest::ResumeGuest;
use compute_model::PowerState;

use super::*;

/// A guest is started again; each trial finds its host without power.
pub async fn resumes(stage: Stage) {
    let target = stage.running().await;
    let world = async || {
        for host in 0..2 {
            stage.cloud.host(host).cut_power().await.expect("cut");
        }
        let row = stage
            .change(&target.id, |row| {
                row.vm_state = VmState::Active;
                row.task_state = lifecycle::rule(Action::ResumeOnBoot).claims;
                row.power_state = PowerState::Shutdown;
                row.fault = None;
                row.epoch += 1;
            })
            .await;
        let state = states::Act {
            server_id: row.id.clone(),
            asked: asked(),
            action: Action::ResumeOnBoot,
            epoch: row.epoch,
            given: Given::default(),
            server_password: None,
            power_state: None,
            refused: 0,
        };
        stage.world::<ResumeGuest>(&row.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        let claimed = record.state["epoch"].as_i64().expect("a number");
        assert_eq!(row.task_state, None, "{trial:?}");
        assert_eq!(stage.guests(&row.id).await.len(), 1, "{trial:?}");
        if row.vm_state == VmState::Active {
            // Also one that had settled before it was asked to turn round.
            assert_eq!(row.epoch, claimed, "{trial:?}");
            assert_eq!(row.power_state, PowerState::Running, "{trial:?}");
            assert!(row.fault.is_none(), "{trial:?}");
            let facts = stage.facts(&row).await;
            let running = hypervisor::PowerState::Running;
            assert_eq!(facts.power_state, running, "{trial:?}");
            return;
        }
        assert_eq!(record.status, Status::Undone, "{trial:?}");
        assert_eq!(row.vm_state, VmState::Error, "{trial:?}");
        assert!(row.fault.is_some(), "{trial:?}");
        assert!(row.epoch > claimed, "what comes late is refused: {trial:?}");
    };
    torture::<ResumeGuest>(stage.plan("tortured start after a power cut"), world, audit).await;
    stage.server(&target.id).delete().await.vanishes().await;
    stage.cloud.audit().await;
}
