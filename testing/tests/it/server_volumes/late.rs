//! Commands about volumes that a dead process left on its way.

use bus::{CallError, Options};
use compute_db::servers;
use compute_rpc::agent::{self, PlugVolume};
use compute_rpc::code;

use super::*;

async fn row(cloud: &TestCloud, server: &Server) -> compute_model::Server {
    let found = servers::find(cloud.cloud().db.read(), &server.id).await;
    found.expect("a row")
}

async fn says(
    cloud: &TestCloud,
    row: &compute_model::Server,
    volume: &str,
    plugged: bool,
) -> Result<(), CallError> {
    let message = PlugVolume {
        server: Box::new(row.clone()),
        volume_id: volume.to_owned(),
        plugged,
    };
    let host = row.host.as_deref().expect("a host");
    let bus = &cloud.cloud().bus;
    bus.call(&agent::address(host), message, Options::default())
        .await
}

fn is_stale(answer: &Result<(), CallError>) -> bool {
    let refusal = answer.as_ref().err().and_then(CallError::refusal);
    refusal.is_some_and(|refusal| refusal.code == code::STALE)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_comes_after_a_later_one_neither_takes_nor_gives_a_volume() {
    let (cloud, server) = running().await;
    let volume = volume(&server.user).await;
    attach(&server, &volume).await;
    server.user.volume_is(&volume, "in-use").await;
    let first = row(&cloud, &server).await;
    detach(&server, &volume).await.expect(202);
    free(&cloud, &server, &volume).await;

    // The plug of the first attachment comes again.
    let late = says(&cloud, &first, &volume, true).await;
    assert!(is_stale(&late), "{late:?}");
    assert_eq!(of_guest(&cloud, &server).await, Vec::<String>::new());

    let between = row(&cloud, &server).await;
    attach(&server, &volume).await;
    server.user.volume_is(&volume, "in-use").await;
    // Its unplug comes after the second attachment.
    let late = says(&cloud, &between, &volume, false).await;
    assert!(is_stale(&late), "{late:?}");
    assert_eq!(of_guest(&cloud, &server).await, [volume.as_str()]);
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
