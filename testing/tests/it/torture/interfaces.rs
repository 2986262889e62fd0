//! Network cards that a server gets and loses, hit anywhere.

use compute_conductor::Env;
use compute_conductor::workflows::interfaces::attach::AttachInterface;
use compute_conductor::workflows::interfaces::detach::DetachInterface;
use compute_model::network::NetworkRequest;
use compute_model::{Server as Row, VmState};
use compute_rpc::workflows as states;
use http::Method;
use serde_json::json;
use workflow::testing::{Trial, torture, until};
use workflow::{Record, Status};

use super::{Stage, asked};

impl Stage {
    /// The ports of the cards that the guest has.
    async fn cards(&self, row: &Row) -> Vec<String> {
        let nics = self.spec(row).await.nics;
        nics.into_iter().map(|nic| nic.port_id).collect()
    }

    /// Waits until the server has so many ports, and its record says so.
    async fn has_ports(&self, id: &str, count: usize) {
        until(|| async {
            let row = self.row(id).await;
            row.vifs.len() == count && self.server(id).ports().await.len() == count
        })
        .await;
    }
}

/// One more card of a server; each trial leaves the server as it found it.
pub async fn attaches(stage: Stage) {
    let target = stage.running().await;
    let world = async || {
        let state = states::AttachInterface {
            server_id: target.id.clone(),
            asked: asked(),
            wanted: NetworkRequest::Network {
                id: stage.network.clone(),
                fixed_ip: None,
                tag: None,
            },
            before: Vec::new(),
            vif: None,
            plugging_since: None,
        };
        stage.world::<AttachInterface>(&target.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        let kept = match record.status {
            Status::Done => 2,
            _ => 1,
        };
        assert_eq!(row.vifs.len(), kept, "{trial:?}");
        assert_eq!(stage.server(&row.id).ports().await.len(), kept, "{trial:?}");
        assert_eq!(stage.cards(&row).await.len(), kept, "{trial:?}");
        assert_eq!(
            (row.vm_state, row.task_state),
            (VmState::Active, None),
            "{trial:?}"
        );
        for vif in row.vifs.iter().skip(1) {
            let path = format!("/servers/{}/os-interface/{}", row.id, vif.port_id);
            let demo = &stage.demo;
            let answer = demo.compute("latest", Method::DELETE, &path, None).await;
            answer.expect(202);
        }
        stage.has_ports(&row.id, 1).await;
    };
    torture::<AttachInterface>(stage.plan("tortured attach"), world, audit).await;
    stage.cloud.audit().await;
}

/// A card of a server goes; where the trial took it away, it is given another one.
pub async fn detaches(stage: Stage) {
    let target = stage.running().await;
    let world = async || {
        let path = format!("/servers/{}/os-interface", target.id);
        let wanted = json!({"interfaceAttachment": {"net_id": stage.network}});
        let demo = &stage.demo;
        if stage.server(&target.id).ports().await.len() == 1 {
            let answer = demo
                .compute("latest", Method::POST, &path, Some(&wanted))
                .await;
            answer.expect(200);
        }
        let row = stage.row(&target.id).await;
        let state = states::DetachInterface {
            server_id: target.id.clone(),
            asked: asked(),
            before: Vec::new(),
            vif: row.vifs[1].clone(),
        };
        stage.world::<DetachInterface>(&target.id, state)
    };
    let audit = async |trial: &Trial, _: &Env, record: &Record| {
        let row = stage.row(&record.subject).await;
        let kept = match record.status {
            Status::Done => 1,
            _ => 2,
        };
        assert_eq!(row.vifs.len(), kept, "{trial:?}");
        assert_eq!(stage.server(&row.id).ports().await.len(), kept, "{trial:?}");
        assert_eq!(stage.cards(&row).await.len(), kept, "{trial:?}");
    };
    torture::<DetachInterface>(stage.plan("tortured detach"), world, audit).await;
    stage.cloud.audit().await;
}
