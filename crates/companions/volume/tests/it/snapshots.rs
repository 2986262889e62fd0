//! Snapshots.

use http::Method;
use serde_json::{Value, json};

use crate::{ADMIN, ALICE, BOB, Cinder, READER};

impl Cinder {
    /// A snapshot that is there.
    pub async fn snapshot(&self, token: &str, volume: &str, more: Value) -> String {
        let mut body = json!({"volume_id": volume});
        let all = body.as_object_mut().expect("object");
        all.extend(more.as_object().cloned().unwrap_or_default());
        let made = self
            .post(token, "/snapshots", json!({"snapshot": body}))
            .await;
        let made = made.is(202).json();
        let id = made["snapshot"]["id"].as_str().expect("an id").to_owned();
        assert_eq!(made["snapshot"]["status"], "creating");
        // These are shown by lists and by the snapshot itself alone.
        let progress = "os-extended-snapshot-attributes:progress";
        assert_eq!(made["snapshot"].get(progress), None);
        self.reaches(&format!("/snapshots/{id}"), "snapshot", "available")
            .await;
        id
    }

    /// Waits for a status of anything.
    pub async fn reaches(&self, path: &str, name: &str, status: &str) -> Value {
        for _ in 0..1000 {
            let body = self.get(ADMIN, path).await.is(200).json();
            if body[name]["status"] == status {
                return body[name].clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{path} is never {status}");
    }

    /// Where the volumes lie.
    pub fn folder(&self) -> &std::path::Path {
        &self.settings.back_end.volume_dir
    }

    pub fn disk(&self, volume: &str) -> std::path::PathBuf {
        self.folder().join(volume).join("disk.raw")
    }

    /// As a guest would.
    pub fn write(&self, volume: &str, bytes: &[u8]) {
        use std::os::unix::fs::FileExt;
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(self.disk(volume));
        file.expect("a disk")
            .write_all_at(bytes, 0)
            .expect("written");
    }

    pub fn read(&self, volume: &str) -> [u8; 4] {
        use std::os::unix::fs::FileExt;
        let mut bytes = [0; 4];
        let file = std::fs::File::open(self.disk(volume)).expect("a disk");
        file.read_exact_at(&mut bytes, 0).expect("read");
        bytes
    }
}

#[tokio::test]
async fn a_snapshot_keeps_what_was_there() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        cinder.write(&volume, b"then");
        let wish = json!({"name": "s", "metadata": {"a": "1"}});
        let id = cinder.snapshot(ALICE, &volume, wish).await;
        let path = format!("/snapshots/{id}");
        let shown = cinder.get(ALICE, &path).await.is(200).json()["snapshot"].clone();
        assert_eq!((&shown["name"], &shown["size"]), (&json!("s"), &json!(1)));
        assert_eq!(shown["metadata"], json!({"a": "1"}));
        assert_eq!(shown["os-extended-snapshot-attributes:progress"], "100%");
        assert_eq!(shown["os-extended-snapshot-attributes:project_id"], "a11ce");
        cinder.write(&volume, b"now!");
        let copy = cinder
            .volume(ALICE, json!({"snapshot_id": id, "size": 2}))
            .await;
        assert_eq!(&cinder.read(&copy), b"then");
        let revert = json!({"revert": {"snapshot_id": id}});
        let action = format!("/volumes/{volume}/action");
        cinder
            .post(ALICE, &action, json!({"revert": {"snapshot_id": volume}}))
            .await
            .is(400);
        cinder.post(ALICE, &action, revert).await.is(202);
        cinder.becomes(&volume, "available").await;
        assert_eq!(&cinder.read(&volume), b"then");
        cinder.get(BOB, &path).await.is(404);
        cinder.delete(READER, &path).await.is(403);
        let refused = cinder
            .delete(ALICE, &format!("/volumes/{volume}"))
            .await
            .is(400);
        assert!(
            refused.says().contains("have snapshots"),
            "{}",
            refused.says()
        );
        let changes = json!({"snapshot": {"name": "t", "description": "d"}});
        let changed = cinder.put(ALICE, &path, changes).await.is(200).json();
        assert_eq!(changed["snapshot"]["name"], "t");
        cinder.is_clean().await;
        cinder.removes(ALICE, &path).await;
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn a_cascade_takes_the_snapshots_along() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let id = cinder.snapshot(ALICE, &volume, json!({})).await;
        cinder
            .delete(ALICE, &format!("/volumes/{volume}?cascade=true"))
            .await
            .is(202);
        cinder.is_gone(&format!("/volumes/{volume}")).await;
        cinder.get(ADMIN, &format!("/snapshots/{id}")).await.is(404);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn snapshots_are_listed_and_counted() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let other = cinder.volume(ALICE, json!({})).await;
        for (of, name) in [(&volume, "a"), (&volume, "b"), (&other, "c")] {
            cinder
                .snapshot(ALICE, of, json!({"name": name, "metadata": {"n": name}}))
                .await;
        }
        let names = async |query: &str| {
            let all = cinder
                .get(ALICE, &format!("/snapshots{query}"))
                .await
                .is(200)
                .json();
            let all = all["snapshots"].as_array().expect("a list").clone();
            all.iter()
                .map(|one| one["name"].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("").await, ["c", "b", "a"]);
        assert_eq!(
            names(&format!("/detail?volume_id={volume}&sort=name:asc")).await,
            ["a", "b"]
        );
        assert_eq!(names("?metadata={'n':'b'}").await, ["b"]);
        assert_eq!(names("?availability_zone=moon").await, Vec::<String>::new());
        let page = cinder
            .get(ALICE, "/snapshots?limit=2&with_count=1")
            .await
            .is(200)
            .json();
        assert_eq!(
            (&page["count"], page["snapshots_links"].is_array()),
            (&json!(3), true)
        );
        let limits = json!({"quota_set": {"snapshots": 3}});
        cinder
            .put(ADMIN, "/os-quota-sets/a11ce", limits)
            .await
            .is(200);
        let wish = json!({"snapshot": {"volume_id": volume}});
        let refused = cinder.post(ALICE, "/snapshots", wish).await.is(413).says();
        assert!(refused.starts_with("SnapshotLimitExceeded"), "{refused}");
    }
}

#[tokio::test]
async fn of_a_volume_in_use_only_with_force_or_late() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let attach = json!({"os-attach": {"mountpoint": "/dev/vdb", "host_name": "h"}});
    cinder.act(ALICE, &volume, attach).await.is(202);
    let post = async |minor, body: Value| {
        let body = Some(json!({"snapshot": body}));
        cinder
            .at(minor, ALICE, Method::POST, "/snapshots", body)
            .await
    };
    post(65, json!({"volume_id": volume})).await.is(400);
    post(65, json!({"volume_id": volume, "force": true}))
        .await
        .is(202);
    post(66, json!({"volume_id": volume})).await.is(202);
    post(66, json!({"volume_id": volume, "force": false}))
        .await
        .is(400);
}

#[tokio::test]
async fn metadata_and_status_of_snapshots_are_changed() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let id = cinder
        .snapshot(ALICE, &volume, json!({"metadata": {"a": "1"}}))
        .await;
    let path = format!("/snapshots/{id}/metadata");
    let all = cinder
        .post(ALICE, &path, json!({"metadata": {"b": "2"}}))
        .await
        .is(200)
        .json();
    assert_eq!(all["metadata"], json!({"a": "1", "b": "2"}));
    cinder
        .put(ALICE, &format!("{path}/a"), json!({"meta": {"a": "3"}}))
        .await
        .is(200);
    assert_eq!(
        cinder.get(ALICE, &format!("{path}/a")).await.json()["meta"]["a"],
        "3"
    );
    cinder.delete(ALICE, &format!("{path}/a")).await.is(200);
    cinder.delete(ALICE, &format!("{path}/a")).await.is(404);
    let all = cinder
        .put(ALICE, &path, json!({"metadata": {}}))
        .await
        .is(200)
        .json();
    assert_eq!(all["metadata"], json!({}));
    let action = format!("/snapshots/{id}/action");
    let reset = |status: &str| json!({"os-reset_status": {"status": status}});
    cinder.post(ALICE, &action, reset("error")).await.is(403);
    cinder.post(ADMIN, &action, reset("nonsense")).await.is(400);
    cinder
        .post(ADMIN, &action, reset("backing-up"))
        .await
        .is(202);
    cinder
        .delete(ALICE, &format!("/snapshots/{id}"))
        .await
        .is(400);
    cinder
        .post(ADMIN, &action, json!({"os-force_delete": {}}))
        .await
        .is(202);
    cinder.is_gone(&format!("/snapshots/{id}")).await;
}

#[tokio::test]
async fn a_snapshot_is_of_a_volume_that_is_there() {
    let cinder = Cinder::start().await;
    let absent = "5e12e000-0000-4000-8000-00000000dead";
    let missing = format!("Volume {absent} could not be found.");
    let cases = [
        (
            json!({"volume_id": null}),
            404,
            "Volume None could not be found.",
        ),
        (json!({"volume_id": absent}), 404, missing.as_str()),
        (json!({"volume_id": ""}), 400, "volume_id"),
        (json!({"volume_id": "none"}), 400, "volume_id"),
        (
            json!({"name": "s"}),
            400,
            "'volume_id' is a required property",
        ),
    ];
    for (wish, code, why) in cases {
        let body = json!({"snapshot": wish});
        let answer = cinder.post(ALICE, "/snapshots", body).await.is(code);
        assert!(answer.says().contains(why), "{wish}: {}", answer.says());
    }
}

#[tokio::test]
async fn others_say_how_a_snapshot_ends_that_the_service_does_not_make() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let id = cinder.snapshot(ALICE, &volume, json!({})).await;
        // It is available a moment before the work that made it is over.
        cinder.rests(&id).await;
        let path = format!("/snapshots/{id}");
        let action = format!("{path}/action");
        let says = |said: Value| json!({"os-update_snapshot_status": said});
        let reset = |status: &str| json!({"os-reset_status": {"status": status}});
        let error = says(json!({"status": "error", "progress": "80%"}));
        let why = cinder
            .post(ALICE, &action, error.clone())
            .await
            .is(400)
            .says();
        assert_eq!(
            why,
            "Snapshot status available not allowed for update_snapshot_status"
        );
        cinder.post(ADMIN, &action, reset("creating")).await.is(202);
        cinder.post(READER, &action, error.clone()).await.is(403);
        cinder.post(BOB, &action, error.clone()).await.is(404);
        for (said, why) in [
            (
                json!({"status": "deleting"}),
                "Provided snapshot status deleting not allowed for snapshot with status creating.",
            ),
            (
                json!({"status": "nonsense"}),
                "Provided snapshot status nonsense not allowed for snapshot with status creating.",
            ),
            (
                json!({"status": "error", "progress": "101%"}),
                "Invalid input received: progress must be an integer percentage between 0 and 100",
            ),
            (
                json!({"progress": "80%"}),
                "'status' is a required property",
            ),
        ] {
            let said = cinder.post(ALICE, &action, says(said)).await.is(400).says();
            assert!(said.contains(why), "{said}");
        }
        let progress = "os-extended-snapshot-attributes:progress";
        let shown = async || cinder.get(ALICE, &path).await.is(200).json()["snapshot"].clone();
        assert_eq!(shown().await[progress], "0%");
        let half = says(json!({"status": "creating", "progress": "50%"}));
        cinder.post(ALICE, &action, half).await.is(202);
        let seen = shown().await;
        assert_eq!(
            (&seen["status"], &seen[progress]),
            (&json!("creating"), &json!("50%"))
        );
        cinder.post(ALICE, &action, error).await.is(202);
        let seen = shown().await;
        assert_eq!(
            (&seen["status"], &seen[progress]),
            (&json!("error"), &json!("80%"))
        );
        cinder.post(ADMIN, &action, reset("deleting")).await.is(202);
        let stays = says(json!({"status": "error_deleting", "progress": null}));
        cinder.post(ALICE, &action, stays).await.is(202);
        let seen = shown().await;
        assert_eq!(
            (&seen["status"], &seen[progress]),
            (&json!("error_deleting"), &json!("80%"))
        );
        cinder
            .post(ADMIN, &action, reset("available"))
            .await
            .is(202);
        cinder.delete(ALICE, &path).await.is(202);
        cinder.is_gone(&path).await;
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn nobody_else_says_that_a_snapshot_is_there_which_the_service_makes() {
    for mut cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        // Nobody works on the journal from here on.
        cinder.stop.cancel();
        while cinder.tasks.join_next().await.is_some() {}
        let body = json!({"snapshot": {"volume_id": volume}});
        let made = cinder.post(ALICE, "/snapshots", body).await.is(202).json();
        let path = format!(
            "/snapshots/{}",
            made["snapshot"]["id"].as_str().expect("an id")
        );
        let said = json!({"os-update_snapshot_status": {"status": "available"}});
        let answer = cinder.post(ALICE, &format!("{path}/action"), said).await;
        let why = answer.is(400).says();
        assert!(why.contains("is being made by the volume service"), "{why}");
        let shown = cinder.get(ALICE, &path).await.is(200).json();
        assert_eq!(shown["snapshot"]["status"], "creating");
    }
}
