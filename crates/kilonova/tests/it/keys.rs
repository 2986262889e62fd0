//! `kilonova keys rotate` beside a running cloud.

use http::Method;
use serde_json::json;

use crate::process::Process;

#[tokio::test]
async fn keys_are_rotated_beside_a_running_cloud_and_nobody_notices() {
    let mut process = Process::start("[fake]\nhosts = 1\n").await;
    let demo = process.log_in("demo").await;
    let secret = json!({"credential": {
        "type": "cert", "blob": "secret", "user_id": demo.user_id, "project_id": demo.project_id,
    }});
    let made = demo.post("/identity/v3/credentials", &secret).await;
    let made = made.expect(201);
    let path = format!(
        "/identity/v3/credentials/{}",
        made["credential"]["id"].as_str().unwrap()
    );
    for _ in 0..4 {
        for which in ["tokens", "credentials"] {
            let done = process.run(&["keys", "rotate", which]);
            assert!(done.status.success(), "{done:?}");
        }
        // The cloud reads tokens that were made before, and makes new ones with the new key.
        let shown = demo.send(Method::GET, &path, &[], None).await.expect(200);
        assert_eq!(shown["credential"]["blob"], "secret");
        process.log_in("demo").await;
    }
    let keys = std::fs::read_dir(process.state().join("keys/fernet")).unwrap();
    let newest = keys
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u64>().ok())
        .max();
    assert_eq!(newest, Some(5));
    process.stop().await;
}
