//! One request can be followed through the log: from the answer through its workflow, companions and agent.

use http::Method;
use serde_json::{Value, json};
use testing::{Server, until};

use crate::process::Process;

/// The log's lines, as documents.
fn lines(process: &Process) -> Vec<Value> {
    let log = process.log();
    log.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The span of this name that a line stands in.
fn span<'l>(line: &'l Value, name: &str) -> Option<&'l Value> {
    let spans = line["spans"].as_array()?;
    spans.iter().find(|span| span["name"] == name)
}

/// The id of the request, as the answer has it.
async fn create(
    process: &Process,
    image: &str,
    flavor: &str,
    global: Option<&str>,
) -> (String, Server) {
    let demo = process.log_in("demo").await;
    let body = json!({"server": {"name": "s", "flavorRef": flavor, "imageRef": image, "networks": "auto"}});
    let version = [("openstack-api-version", "compute 2.79")];
    let global = global.map(|id| ("x-openstack-request-id", id));
    let headers: Vec<_> = version.into_iter().chain(global).collect();
    let answer = demo
        .send(Method::POST, "/compute/v2.1/servers", &headers, Some(&body))
        .await;
    let id = answer.headers["x-openstack-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let made = answer.expect(202);
    let server = Server {
        user: demo.clone(),
        id: made["server"]["id"].as_str().unwrap().to_owned(),
    };
    (id, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_an_operation_carries_the_ids_of_its_request() {
    let process = Process::start("[DEFAULT]\nuse_json = true\nlog_levels = debug\n").await;
    let (admin, demo) = (process.log_in("admin").await, process.log_in("demo").await);
    for (id, disk) in [("tiny", 1), ("huge", 1 << 20)] {
        admin.flavor(id, disk).await;
    }
    demo.network("private", "10.9.0.0/24").await;
    let image = demo.image("raw", vec![0; 1 << 20]).await;
    let global = "req-2c50b1a0-6e8c-4d3a-8c56-0c9c3a3b7c11";
    for sent in [Some(global), None] {
        let (local, server) = create(&process, &image, "tiny", sent).await;
        server.reaches("ACTIVE").await;
        server.delete().await.vanishes().await;
        let lines = lines(&process);
        let of_server = |line: &&Value| {
            span(line, "workflow").is_some_and(|at| at["subject"] == server.id.as_str())
        };
        let builds: Vec<_> = lines
            .iter()
            .filter(of_server)
            .filter(|line| span(line, "workflow").is_some_and(|at| at["kind"] == "build"))
            .collect();
        assert!(builds.len() > 2, "{}", builds.len());
        for line in builds {
            let at = span(line, "workflow").unwrap();
            assert_eq!(at["request_id"], local.as_str(), "{line}");
            assert_eq!(at["global_id"], sent.unwrap_or("-"), "{line}");
        }
        // A companion has an id of its own, and is told whose work it does.
        let passed = sent.unwrap_or(&local);
        let told = |path: &str| {
            let mut all = lines.iter().filter_map(|line| span(line, "request"));
            all.any(|at| {
                at["global_id"] == passed && at["path"].as_str().unwrap().starts_with(path)
            })
        };
        assert!(told("/v2.0/ports"), "the network service");
        // The second time the host has the image already, and nothing to log.
        if sent.is_none() {
            continue;
        }
        assert!(told("/v2/images"), "the image service");
        let agent = lines.iter().filter_map(|line| span(line, "message"));
        let names: Vec<_> = agent
            .filter(|at| at["request_id"] == local.as_str())
            .map(|at| {
                (
                    at["method"].as_str().unwrap(),
                    at["global_id"].as_str().unwrap(),
                )
            })
            .collect();
        assert!(names.contains(&("build", sent.unwrap_or("-"))), "{names:?}");
    }
    // What fails is no news of every day.
    let (local, server) = create(&process, &image, "huge", None).await;
    server.reaches("ERROR").await;
    let failed = until("its end is logged", async || {
        let lines = lines(&process);
        let at = |line: &&Value| {
            span(line, "workflow").is_some_and(|at| at["request_id"] == local.as_str())
        };
        let levels: Vec<_> = lines
            .iter()
            .filter(at)
            .map(|line| line["level"].as_str().unwrap().to_owned())
            .collect();
        levels.contains(&"ERROR".to_owned()).then_some(levels)
    })
    .await;
    assert!(failed.contains(&"WARN".to_owned()), "{failed:?}");
    server.delete().await.vanishes().await;
}
