//! Guests and databases that do not match: no disk is lost, whatever an operator mixes up.

use std::path::{Path, PathBuf};

use bus::Options;
use compute_model::{PowerState, TaskState};
use compute_rpc::conductor::{self, GuestReport, GuestSeen};
use kilonova::guests::Verb;
use kilonova::membership::confirm::{What, confirm};
use kilonova::{Cloud, guests};
use serde_json::json;
use sql::sea_orm::ConnectionTrait;
use testing::{Server, TestCloud, until};

/// Guests are reported often.
const OFTEN: &str =
    "[DEFAULT]\nhost = first\nreport_interval = 0.2\nsync_power_state_interval = 1\n";

/// Says `kilonova guests VERB`.
async fn say(cloud: &TestCloud, verb: Verb) -> Result<String, String> {
    let said = guests::run(&cloud.config(), &verb).await;
    said.map_err(|error| format!("{error:#}"))
}

fn which(server: &Server) -> guests::Which {
    guests::Which {
        server: server.id.clone(),
        host: None,
    }
}

/// Waits until a guest is quarantined; the line about it.
async fn quarantined(cloud: &TestCloud, server: &Server) -> String {
    until("the guest is quarantined", || async {
        let list = say(cloud, Verb::List).await.expect("a list");
        let line = list.lines().find(|line| line.starts_with(&server.id));
        line.map(str::to_owned)
    })
    .await
}

/// The file of a simulated guest, its disks.
fn file(cloud: &TestCloud, host: &str, server: &Server) -> PathBuf {
    let folder = cloud.state_path().join("servers").join(host);
    folder.join(format!("{}.json", server.id))
}

/// Why the cloud does not start with these settings.
async fn refusal(cloud: &TestCloud, settings: &str) -> String {
    let config = testing::cloud::config(&cloud.state_path(), settings).expect("settings");
    match Cloud::start(&config).await {
        Err(error) => format!("{error:#}"),
        Ok(_) => panic!("it starts"),
    }
}

async fn running(cloud: &TestCloud, name: &str) -> Server {
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, name).await;
    server.reaches("ACTIVE").await;
    server
}

/// The same server, seen after a restart.
async fn again(cloud: &TestCloud, server: &Server) -> Server {
    server.seen_by(&cloud.demo().await)
}

/// The files of compute's database.
fn database(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder.join("db")).expect("the databases");
    let paths = all.map(|entry| entry.expect("a file").path());
    paths
        .filter(|path| path.to_string_lossy().contains("compute.sqlite"))
        .collect()
}

fn remove_database(cloud: &TestCloud) {
    for file in database(&cloud.state_path()) {
        std::fs::remove_file(file).expect("removed");
    }
}

fn keep_copy(cloud: &TestCloud, at: &Path) {
    for file in database(&cloud.state_path()) {
        std::fs::copy(&file, at.join(file.file_name().expect("a name"))).expect("copied");
    }
}

fn restore(cloud: &TestCloud, from: &Path) {
    remove_database(cloud);
    for entry in std::fs::read_dir(from).expect("the copy") {
        let file = entry.expect("a file");
        let to = cloud.state_path().join("db").join(file.file_name());
        std::fs::copy(file.path(), to).expect("restored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_under_another_name_is_refused_until_the_name_is_confirmed() {
    let mut cloud = TestCloud::with(OFTEN).await;
    let server = running(&cloud, "steady").await;
    cloud.stop().await;
    let other = OFTEN.replace("first", "second");
    let said = refusal(&cloud, &other).await;
    assert!(said.contains("set [DEFAULT] host = first"), "{said}");
    assert!(said.contains("kilonova identity confirm name"), "{said}");
    assert!(file(&cloud, "first", &server).exists());

    let config = testing::cloud::config(&cloud.state_path(), &other).expect("settings");
    let said = confirm(&config, What::Name).await.expect("confirmed");
    assert!(said.contains("was first, is second"), "{said}");
    cloud.restart_with(&other).await;
    let server = again(&cloud, &server).await;
    server.stop().await.reaches("SHUTOFF").await;
    server.start().await.reaches("ACTIVE").await;
    assert!(file(&cloud, "second", &server).exists());
    assert_eq!(say(&cloud, Verb::List).await.expect("a list"), "");
    cloud.audit().await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_of_an_older_database_that_goes_on_destroys_no_guest() {
    let copy = tempfile::tempdir().expect("a folder");
    let mut cloud = TestCloud::with(&format!("{OFTEN}[fake]\nstart_ms = 4000\n")).await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "built").await;
    let db = &cloud.cloud().db;
    until("its host is asked", || async {
        let row = compute_db::servers::find(db.read(), &server.id).await;
        (row.expect("a row").task_state == Some(TaskState::Spawning)).then_some(())
    })
    .await;
    let to = copy.path().join("compute.sqlite");
    let all = format!("VACUUM INTO '{}'", to.display());
    db.write().execute_unprepared(&all).await.expect("a copy");
    server.reaches("ACTIVE").await;
    // The undo of the build would have the epoch of this operation.
    server.stop().await.reaches("SHUTOFF").await;
    cloud.stop().await;
    restore(&cloud, copy.path());

    cloud.restart().await;
    let server = again(&cloud, &server).await;
    server.reaches("SHUTOFF").await;
    assert!(file(&cloud, "first", &server).exists());
    server.start().await.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_loses_no_guest_and_its_servers_obey() {
    let copy = tempfile::tempdir().expect("a folder");
    let mut cloud = TestCloud::with(OFTEN).await;
    let (used, deleted) = (
        running(&cloud, "used").await,
        running(&cloud, "deleted").await,
    );
    cloud.stop().await;
    keep_copy(&cloud, copy.path());

    cloud.restart().await;
    let used = again(&cloud, &used).await;
    // The guest obeys operations that the older database will not know of.
    for _ in 0..2 {
        used.stop().await.reaches("SHUTOFF").await;
        used.start().await.reaches("ACTIVE").await;
    }
    let deleted = again(&cloud, &deleted).await;
    deleted.delete().await.vanishes().await;
    let (new, unwanted) = (
        running(&cloud, "new").await,
        running(&cloud, "unwanted").await,
    );
    cloud.stop().await;
    restore(&cloud, copy.path());

    cloud.restart().await;
    for server in [&new, &unwanted] {
        let line = quarantined(&cloud, server).await;
        assert!(line.contains("first Running"), "{line}");
        assert!(line.contains("the database has no such server"), "{line}");
        assert!(file(&cloud, "first", server).exists());
    }
    let findings = cloud.cloud().audit().await.expect("an audit");
    let of = |server: &Server| findings.iter().any(|finding| finding.contains(&server.id));
    assert!(of(&new) && of(&unwanted), "{findings:?}");

    // The row and the guest meet again, although the guest's epoch is higher.
    let used = again(&cloud, &used).await;
    used.reaches("ACTIVE").await;
    used.stop().await.reaches("SHUTOFF").await;
    used.start().await.reaches("ACTIVE").await;
    // A server that was deleted since is a row without a guest: it does no harm and can be deleted.
    let deleted = again(&cloud, &deleted).await;
    deleted.delete().await.vanishes().await;

    let said = say(&cloud, Verb::Adopt(which(&new)))
        .await
        .expect_err("no row");
    assert!(said.contains("the database has no server"), "{said}");
    for server in [&new, &unwanted] {
        let said = say(&cloud, Verb::Remove(which(server)))
            .await
            .expect("removed");
        assert!(said.contains("with its disks"), "{said}");
        until("the host obeys", || async {
            (!file(&cloud, "first", server).exists()).then_some(())
        })
        .await;
    }
    until("nothing is quarantined", || async {
        let list = say(&cloud, Verb::List).await.expect("a list");
        list.is_empty().then_some(())
    })
    .await;
    let said = say(&cloud, Verb::Remove(which(&new)))
        .await
        .expect_err("gone");
    assert!(said.contains("kilonova guests list"), "{said}");
    used.delete().await.vanishes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_is_refused_and_when_it_is_meant_no_guest_goes() {
    let mut cloud = TestCloud::with(OFTEN).await;
    let server = running(&cloud, "kept").await;
    cloud.stop().await;
    remove_database(&cloud);
    let said = refusal(&cloud, OFTEN).await;
    assert!(said.contains("the database of compute is empty"), "{said}");
    assert!(said.contains("kilonova identity confirm cloud"), "{said}");
    // Also where the folder is of an older release and keeps no identity.
    let identity = cloud.state_path().join("identity.json");
    let kept = std::fs::read(&identity).expect("an identity");
    std::fs::remove_file(&identity).expect("removed");
    let said = refusal(&cloud, OFTEN).await;
    assert!(said.contains("holds 1 guests"), "{said}");
    std::fs::write(&identity, kept).expect("as before");

    confirm(&cloud.config(), What::Cloud)
        .await
        .expect("confirmed");
    cloud.restart().await;
    quarantined(&cloud, &server).await;
    assert!(file(&cloud, "first", &server).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_another_cloud_is_refused() {
    let mut cloud = TestCloud::with(OFTEN).await;
    let server = running(&cloud, "kept").await;
    cloud.stop().await;
    let mut stranger = TestCloud::with("[DEFAULT]\nhost = stranger\n").await;
    stranger.stop().await;
    let theirs = stranger.state_path().join("db/compute.sqlite");
    let wrong = format!(
        "{OFTEN}[database]\nconnection = sqlite:{}\n",
        theirs.display()
    );
    let said = refusal(&cloud, &wrong).await;
    assert!(said.contains("belongs to cloud"), "{said}");
    assert!(said.contains("[database] connection"), "{said}");
    // A folder whose host bears a name that the cloud knows already.
    let fresh = tempfile::tempdir().expect("a folder");
    let taken = format!(
        "[DEFAULT]\nhost = stranger\n[database]\nconnection = sqlite:{}\n",
        theirs.display()
    );
    let config = testing::cloud::config(&fresh.path().join("s"), &taken).expect("settings");
    let said = Cloud::start(&config).await.err().expect("refused");
    let said = format!("{said:#}");
    assert!(said.contains("belongs to node"), "{said}");
    assert!(said.contains("kilonova identity confirm node"), "{said}");

    cloud.restart().await;
    again(&cloud, &server).await.reaches("ACTIVE").await;
    assert_eq!(say(&cloud, Verb::List).await.expect("a list"), "");
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_row_names_another_host_is_kept_and_can_be_adopted() {
    let cloud = TestCloud::with(&format!("{OFTEN}[fake]\nhosts = 2\n")).await;
    cloud.knows_hosts(2).await;
    let server = running(&cloud, "moved").await;
    let db = &cloud.cloud().db;
    let row = compute_db::servers::find(db.read(), &server.id)
        .await
        .expect("a row");
    let home = row.host.clone().expect("a host");
    let other = if home == "first" { "first-2" } else { "first" };
    let tx = db.begin().await.expect("begin");
    let mut changed = compute_db::servers::lock(&tx, &server.id)
        .await
        .expect("a row");
    changed.host = Some(other.to_owned());
    changed.node = Some(other.to_owned());
    changed.node_id = compute_db::hosts::node_named(&tx, other)
        .await
        .expect("asked");
    compute_db::servers::save(&tx, &mut changed)
        .await
        .expect("saved");
    tx.commit().await.expect("commit");

    let line = quarantined(&cloud, &server).await;
    assert!(line.contains(&format!("is on host {other}")), "{line}");
    // Until its host says that there is no such guest, the row may be right.
    until("it is adopted", || async {
        match say(&cloud, Verb::Adopt(which(&server))).await {
            Ok(said) => Some(said),
            Err(said) => {
                assert!(said.contains("one of the two is not the server"), "{said}");
                None
            }
        }
    })
    .await;
    server.reaches("ACTIVE").await;
    server.stop().await.reaches("SHUTOFF").await;
    server.start().await.reaches("ACTIVE").await;
    cloud.audit().await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_another_cloud_or_under_another_name_is_refused() {
    let cloud = TestCloud::with(OFTEN).await;
    cloud.knows_hosts(1).await;
    let server = running(&cloud, "own").await;
    let membership = &cloud.cloud().membership;
    let (own, node) = (
        membership.cloud_id.as_str(),
        membership.nodes[0].id.as_str(),
    );
    let cases = [
        ("another", "first", node, "foreign_cloud"),
        (own, "second", node, "node_mismatch"),
        (
            own,
            "first",
            "f0000000-0000-4000-8000-000000000000",
            "unknown_node",
        ),
    ];
    for (cloud_id, host, node_id, code) in cases {
        let report = GuestReport {
            cloud_id: cloud_id.to_owned(),
            host: host.parse().expect("a name"),
            node_id: node_id.to_owned(),
            guests: vec![GuestSeen {
                server_id: server.id.clone(),
                power_state: PowerState::Crashed,
                epoch: 9,
            }],
            doubted: vec![server.id.clone()],
            resume: false,
        };
        let options = Options::default();
        let refused = cloud
            .cloud()
            .bus
            .call(&conductor::address(), report, options)
            .await;
        let failure = refused.expect_err(code);
        assert_eq!(
            failure.refusal().map(|failure| failure.code.as_str()),
            Some(code)
        );
    }
    server.reaches("ACTIVE").await;
    assert_eq!(say(&cloud, Verb::List).await.expect("a list"), "");
    // A name that is none does not even become a message.
    let bad = json!({"cloud_id": own, "host": "../../evil", "node_id": node, "guests": []});
    assert!(serde_json::from_value::<GuestReport>(bad).is_err());
}
