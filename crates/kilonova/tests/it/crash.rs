//! kill -9 at any moment strands nobody.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use testing::{Server, User, until};

use crate::process::{Process, after};

/// Slow enough to be hit in the middle: twenty builds, ten at a time, 300 ms each.
const SLOW: &str = "[fake]\nhosts = 2\nstart_ms = 300\nstop_ms = 100\n";

/// Milliseconds after the last request was accepted.
const MOMENTS: [u64; 5] = [0, 50, 200, 400, 650];

const CROWD: usize = 20;

struct Site {
    wanted: Value,
}

impl Site {
    async fn make(process: &Process) -> Self {
        let (admin, demo) = (process.log_in("admin").await, process.log_in("demo").await);
        admin.flavor("tiny", 1).await;
        let image = demo.image("raw", vec![0; 1 << 20]).await;
        let network = demo.network("private", "10.1.0.0/16").await;
        Site {
            wanted: json!({
                "name": "hit", "flavorRef": "tiny", "imageRef": image, "networks": [{"uuid": network}],
            }),
        }
    }

    /// Twenty requests at once; the ids of the servers.
    async fn crowd(&self, demo: &User) -> Vec<String> {
        let asked = (0..CROWD).map(|_| async {
            let body = json!({"server": self.wanted});
            let made = demo
                .compute("latest", Method::POST, "/servers", Some(&body))
                .await
                .expect(202);
            made["server"]["id"].as_str().unwrap().to_owned()
        });
        join_all(asked).await
    }
}

fn of(user: &User, id: &str) -> Server {
    Server {
        user: user.clone(),
        id: id.to_owned(),
    }
}

/// Waits until all ended; each runs or says why not. How many run.
async fn settled(user: &User, ids: &[String]) -> usize {
    let mut running = 0;
    for id in ids {
        let server = of(user, id);
        let shown = until("it settles", || async {
            let shown = server.show().await;
            (shown["status"] != "BUILD" && shown["OS-EXT-STS:task_state"].is_null())
                .then_some(shown)
        })
        .await;
        match shown["status"].as_str() {
            Some("ACTIVE") => running += 1,
            Some("ERROR") => assert!(shown["fault"]["message"].is_string(), "{shown}"),
            _ => panic!("{shown}"),
        }
    }
    running
}

/// The audit says nothing, for as long as nothing runs.
fn clean(process: &Process) {
    let audit = process.audit();
    let said = String::from_utf8_lossy(&audit.stdout);
    let errors = String::from_utf8_lossy(&audit.stderr);
    assert!(audit.status.success(), "leaked: {said}{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_and_deletes_that_a_kill_interrupted_end_and_nothing_leaks() {
    let mut process = Process::start(SLOW).await;
    let site = Site::make(&process).await;
    for moment in MOMENTS {
        let demo = process.log_in("demo").await;
        let ids = site.crowd(&demo).await;
        after(moment).await;
        process.kill();
        process.up().await;
        let demo = process.log_in("demo").await;
        let running = settled(&demo, &ids).await;
        // Nothing was wrong with the hosts, so nothing excuses an error.
        assert_eq!(running, CROWD, "killed {moment} ms after the requests");

        join_all(ids.iter().map(|id| async {
            of(&demo, id).delete().await;
        }))
        .await;
        after(moment / 2).await;
        process.kill();
        process.up().await;
        let demo = process.log_in("demo").await;
        for id in &ids {
            of(&demo, id).vanishes().await;
        }
        process.stop().await;
        clean(&process);
        process.up().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_that_a_kill_interrupted_end_and_guests_are_found_again() {
    let mut process = Process::start(SLOW).await;
    let site = Site::make(&process).await;
    let demo = process.log_in("demo").await;
    let ids = site.crowd(&demo).await;
    assert_eq!(settled(&demo, &ids).await, CROWD);
    let (stopped, untouched) = ids.split_at(CROWD / 2);
    join_all(stopped.iter().map(|id| async {
        of(&demo, id).stop().await;
    }))
    .await;
    process.kill();
    process.up().await;
    let demo = process.log_in("demo").await;
    for id in stopped {
        of(&demo, id).reaches("SHUTOFF").await;
    }
    for id in untouched {
        of(&demo, id).reaches("ACTIVE").await;
        let log = of(&demo, id)
            .action(json!({"os-getConsoleOutput": {}}))
            .await
            .expect(200);
        let log = log["output"].as_str().unwrap();
        assert_eq!(log.matches("guest ready").count(), 1, "booted once: {log}");
    }
    process.stop().await;
    clean(&process);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_names_what_leaked_whether_the_cloud_runs_or_not() {
    let mut process = Process::start("[DEFAULT]\nreport_interval = 1\n").await;
    let site = Site::make(&process).await;
    let demo = process.log_in("demo").await;
    let body = json!({"server": site.wanted});
    let made = demo
        .compute("latest", Method::POST, "/servers", Some(&body))
        .await
        .expect(202);
    let server = of(&demo, made["server"]["id"].as_str().unwrap());
    server.reaches("ACTIVE").await;
    clean(&process);
    // What a user writes into a port of their own is no finding.
    let network = site.wanted["networks"][0]["uuid"].clone();
    let foreign = json!({"port": {
        "network_id": network, "device_owner": "compute:mine", "device_id": "nobody's",
    }});
    demo.post("/network/v2.0/ports", &foreign).await.expect(201);
    clean(&process);
    process.stop().await;
    clean(&process);

    // A copy of a disk that an agent left.
    let copies = process.state().join("snapshots/left-host");
    std::fs::create_dir_all(&copies).unwrap();
    std::fs::write(copies.join("5eaf0000-0000-4000-8000-00000000c0b1"), "x").unwrap();
    let audit = process.audit();
    assert_eq!(audit.status.code(), Some(1));
    let said = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(said.contains("left-host/5eaf0000"), "{said}");
    std::fs::remove_dir_all(&copies).unwrap();
    clean(&process);

    // A guest that no server accounts for: the host keeps it in a file of its own.
    let folder = process.state().join("servers");
    let host = std::fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let file = host.join(format!("{}.json", server.id));
    let stray = "5eaf0000-0000-4000-8000-000000000000";
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace(&server.id, stray);
    std::fs::write(host.join(format!("{stray}.json")), text).unwrap();
    let audit = process.audit();
    assert_eq!(audit.status.code(), Some(1));
    let said = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(said.contains(stray), "{said}");

    // A start finds it and keeps it; so does a running cloud's audit.
    process.up().await;
    let listed = until("the stray guest is quarantined", || async {
        let list = process.run(&["guests", "list"]);
        (!list.stdout.is_empty()).then_some(list)
    })
    .await;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.starts_with(stray), "{listed}");
    let audit = process.audit();
    assert_eq!(audit.status.code(), Some(1));
    let said = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(said.contains(stray), "{said}");
    let doctor = process.run(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains(stray), "{said}");
    until("the metrics count the stray guest", || async {
        let metrics = reqwest::get(format!("{}/metrics", process.url)).await;
        let metrics = metrics.unwrap().text().await.unwrap();
        metrics
            .contains("kilonova_guests_quarantined 1")
            .then_some(())
    })
    .await;
    assert!(host.join(format!("{stray}.json")).exists());
    // It goes when an operator says so.
    let said = process.run(&["guests", "remove", stray]);
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    until("the stray guest is gone", || async {
        (!host.join(format!("{stray}.json")).exists()).then_some(())
    })
    .await;
    let demo = process.log_in("demo").await;
    of(&demo, &server.id).delete().await.vanishes().await;
    process.stop().await;
    clean(&process);
}
