//! A name that leads out of its folder: OSSA-2011-001, 2012-008, 2012-011.

use serde_json::json;
use testing::TestCloud;

/// Names that leave a folder if they are ever used as a path.
const OUT: [&str; 5] = [
    "../../../../tmp/kn-escaped",
    "/tmp/kn-escaped",
    "..%2f..%2ftmp%2fkn-escaped",
    "a/../../../../tmp/kn-escaped",
    "..\\kn-escaped",
];

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_paths_are_unknown_and_reach_no_file() {
    let cloud = TestCloud::start().await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    for name in OUT {
        let quoted = name
            .replace('%', "%25")
            .replace('.', "%2e")
            .replace('/', "%2f");
        for path in [
            format!("/compute/v2.1/servers/{quoted}"),
            format!("/image/v2/images/{quoted}"),
            format!("/image/v2/images/{quoted}/file"),
            format!("/network/v2.0/networks/{quoted}"),
        ] {
            let answer = admin.get(&path).await;
            assert!(
                answer.status.is_client_error(),
                "{path}: {} {}",
                answer.status,
                answer.text
            );
        }
        let wanted =
            json!({"name": "x", "id": name, "disk_format": "raw", "container_format": "bare"});
        let made = demo.post("/image/v2/images", &wanted).await;
        assert!(made.status.is_client_error(), "{name}: {}", made.text);
    }
    assert!(!std::path::Path::new("/tmp/kn-escaped").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_paths_are_only_names() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    for name in OUT {
        let server = json!({
            "name": name, "hostname": "plain", "flavorRef": flavor, "imageRef": image, "networks": "none",
            "metadata": {"../../key": name}, "config_drive": true,
        });
        let body = json!({"server": server});
        let asked = demo.asks_for_server(&body).await;
        if asked.status == 202 {
            let server = demo.made(&asked.body);
            server.reaches("ACTIVE").await;
            server.delete().await.vanishes().await;
        } else {
            assert_eq!(asked.status, 400, "{name}: {}", asked.text);
        }
    }
    assert!(!std::path::Path::new("/tmp/kn-escaped").exists());
    // Injected files were the hole of 2012: nothing takes them any more.
    let body = json!({"server": {
        "name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none",
        "personality": [{"path": "/etc/passwd", "contents": "eA=="}],
    }});
    let asked = demo.asks_for_server(&body).await;
    asked.fault(400);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_name_that_is_a_path_ends_the_start() {
    for name in OUT {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("a/b/c/s");
        let settings = format!("[DEFAULT]\nhost = {name}\n");
        let started = match testing::cloud::config(&state, &settings) {
            Err(error) => Err(error),
            Ok(config) => kilonova::Cloud::start(&config).await.map(|_| ()),
        };
        assert!(started.is_err(), "host = {name} starts");
        let strangers: Vec<_> = std::fs::read_dir(folder.path())
            .expect("the folder")
            .filter_map(|entry| entry.ok().map(|entry| entry.file_name()))
            .filter(|entry| entry != "a")
            .collect();
        assert!(strangers.is_empty(), "host = {name} made {strangers:?}");
    }
}
