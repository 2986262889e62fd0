//! `kilonova operations` beside a running cloud.

use http::Method;
use serde_json::json;
use testing::{Server, until};

use crate::process::Process;

async fn execute(process: &Process, text: &str) {
    let file = process.state().join("db/compute.sqlite");
    let url = format!("sqlite:{}", file.display());
    let db = sql::Database::open(&url).await.unwrap();
    let done = sql::sea_orm::ConnectionTrait::execute_unprepared(db.write(), text).await;
    done.unwrap();
}

fn said(output: &std::process::Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    format!("{}{errors}", String::from_utf8_lossy(&output.stdout))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stuck_is_found_set_going_and_given_up_beside_a_running_cloud() {
    // Slow enough to be found in its middle.
    let process = Process::start("[fake]\nstart_ms = 3600000\n").await;
    let none = process.run(&["operations", "list"]);
    assert!(
        none.status.success() && none.stdout.is_empty(),
        "{}",
        said(&none)
    );
    let (admin, demo) = (process.log_in("admin").await, process.log_in("demo").await);
    admin.flavor("tiny", 1).await;
    let image = demo.image("raw", vec![0; 1 << 20]).await;
    let body = json!({"server": {"name": "s", "flavorRef": "tiny", "imageRef": image, "networks": "none"}});
    let made = demo
        .compute("latest", Method::POST, "/servers", Some(&body))
        .await
        .expect(202);
    let server = Server {
        user: demo.clone(),
        id: made["server"]["id"].as_str().unwrap().to_owned(),
    };
    let listed = until("it is at work", || async {
        let listed = said(&process.run(&["operations", "list", "--server", &server.id]));
        listed
            .contains("running forward at spawn")
            .then_some(listed)
    })
    .await;
    let id = listed.split_whitespace().next().unwrap().to_owned();
    let show = said(&process.run(&["operations", "show", &id]));
    assert!(
        show.contains("place done") && show.contains("request req-"),
        "{show}"
    );
    let refused = process.run(&["operations", "abandon", &id]);
    assert!(!refused.status.success());
    assert!(
        said(&refused).contains("is running, not stuck"),
        "{}",
        said(&refused)
    );
    // It gets stuck under the running conductor, which lets go.
    execute(
        &process,
        &format!("UPDATE workflow SET status = 'stuck', owner = '', error = '{{\"stuck\":\"no way\"}}' WHERE id = '{id}'"),
    )
    .await;
    let stuck = said(&process.run(&["operations", "list", "--stuck"]));
    assert!(stuck.contains("no way"), "{stuck}");
    let doctor = said(&process.run(&["doctor"]));
    assert!(doctor.contains("MISS 1 operations are stuck"), "{doctor}");
    until("the metrics say so", || async {
        let metrics = reqwest::get(format!("{}/metrics", process.url))
            .await
            .ok()?;
        let text = metrics.text().await.ok()?;
        text.lines()
            .any(|line| line.starts_with("kilonova_workflows_stuck{kind=\"build\"} 1"))
            .then_some(())
    })
    .await;
    let gone = said(&process.run(&["operations", "abandon", &id, "--reason", "a test"]));
    assert!(gone.contains("what step 'place' did"), "{gone}");
    let shown = server.reaches("ERROR").await;
    assert!(
        shown["fault"]["message"]
            .as_str()
            .unwrap()
            .contains("given up"),
        "{shown}"
    );
    let missing = process.run(&["operations", "retry", "none"]);
    assert!(!missing.status.success());
    assert!(said(&missing).contains("Operation none could not be found"));
}
