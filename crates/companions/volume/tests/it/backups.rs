//! Backups: whole, incremental, of snapshots and of volumes in use, and what is made of them.

use http::Method;
use serde_json::{Value, json};

use crate::{ADMIN, ALICE, BOB, Cinder, READER};

impl Cinder {
    /// A backup that is there.
    async fn backup(&self, volume: &str, more: Value) -> String {
        let mut body = json!({"volume_id": volume});
        let all = body.as_object_mut().expect("object");
        all.extend(more.as_object().cloned().unwrap_or_default());
        let made = self.post(ALICE, "/backups", json!({"backup": body})).await;
        let made = made.is(202).json();
        let id = made["backup"]["id"].as_str().expect("an id").to_owned();
        assert_eq!(made["backup"].as_object().expect("object").len(), 3);
        self.reaches(&format!("/backups/{id}"), "backup", "available")
            .await;
        id
    }

    async fn restore(&self, backup: &str, wish: Value) -> String {
        let path = format!("/backups/{backup}/restore");
        let made = self.post(ALICE, &path, json!({"restore": wish})).await;
        let made = made.is(202).json()["restore"].clone();
        assert_eq!(made["backup_id"], backup);
        let id = made["volume_id"].as_str().expect("an id").to_owned();
        self.becomes(&id, "available").await;
        self.reaches(&format!("/backups/{backup}"), "backup", "available")
            .await;
        id
    }

    async fn show_backup(&self, id: &str) -> Value {
        let shown = self.get(ALICE, &format!("/backups/{id}")).await;
        shown.is(200).json()["backup"].clone()
    }
}

#[tokio::test]
async fn a_backup_is_restored_to_a_new_volume_and_to_one_that_is_there() {
    for cinder in Cinder::all().await {
        let wish = json!({"name": "disk", "description": "mine", "metadata": {"a": "1"}});
        let volume = cinder.volume(ALICE, wish).await;
        cinder.write(&volume, b"then");
        let wish =
            json!({"name": "b", "description": "d", "metadata": {"k": "v"}, "container": "c"});
        let backup = cinder.backup(&volume, wish).await;
        cinder.becomes(&volume, "available").await;
        let shown = cinder.show_backup(&backup).await;
        for (key, value) in [
            ("status", json!("available")),
            ("size", json!(1)),
            ("object_count", json!(1)),
            ("availability_zone", json!("nova")),
            ("container", json!("c")),
            ("name", json!("b")),
            ("description", json!("d")),
            ("fail_reason", Value::Null),
            ("volume_id", json!(volume)),
            ("is_incremental", json!(false)),
            ("has_dependent_backups", json!(false)),
            ("snapshot_id", Value::Null),
            ("metadata", json!({"k": "v"})),
        ] {
            assert_eq!(shown[key], value, "{key}");
        }
        assert_eq!(shown["data_timestamp"], shown["created_at"]);
        cinder.write(&volume, b"now!");
        let fresh = cinder.restore(&backup, json!({})).await;
        assert_eq!(&cinder.read(&fresh), b"then");
        let restored = cinder.show(ALICE, &fresh).await;
        assert_eq!(
            (&restored["name"], &restored["description"]),
            (&json!("disk"), &json!("mine"))
        );
        assert_eq!(
            restored["metadata"],
            json!({"a": "1", "src_backup_id": backup})
        );
        assert_eq!(&cinder.read(&volume), b"now!");
        cinder.restore(&backup, json!({"volume_id": volume})).await;
        assert_eq!(&cinder.read(&volume), b"then");
        assert_eq!(
            cinder.show(ALICE, &volume).await["metadata"],
            json!({"a": "1"})
        );
        let named = json!({"name": "given"});
        let fresh = cinder.restore(&backup, named).await;
        assert_eq!(cinder.show(ALICE, &fresh).await["name"], "given");
        let copy = cinder
            .volume(ALICE, json!({"backup_id": backup, "size": 2}))
            .await;
        assert_eq!(&cinder.read(&copy), b"then");
        let small = json!({"restore": {"volume_id": cinder.volume(ALICE, json!({})).await}});
        let large = cinder.backup(&copy, json!({})).await;
        let path = format!("/backups/{large}/restore");
        let refused = cinder.post(ALICE, &path, small).await.is(400).says();
        assert!(
            refused.contains("is too small to restore backup of size 2"),
            "{refused}"
        );
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn an_incremental_backup_holds_what_changed_and_keeps_its_parents() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let more = json!({"incremental": true});
        let body = json!({"backup": {"volume_id": volume, "incremental": true}});
        let refused = cinder.post(ALICE, "/backups", body).await.is(400).says();
        assert_eq!(
            refused,
            "Invalid backup: No backups available to do an incremental backup."
        );
        cinder.becomes(&volume, "available").await;
        let mut chain = Vec::new();
        for (words, more) in [
            (b"one!", json!({})),
            (b"two!", more.clone()),
            (b"tri!", more),
        ] {
            cinder.write(&volume, words);
            chain.push((cinder.backup(&volume, more).await, words));
        }
        for (at, (id, words)) in chain.iter().enumerate() {
            let shown = cinder.show_backup(id).await;
            assert_eq!(shown["is_incremental"], at > 0);
            assert_eq!(shown["has_dependent_backups"], at < 2);
            let fresh = cinder.restore(id, json!({})).await;
            assert_eq!(&&cinder.read(&fresh), words);
        }
        let path = |at: usize| format!("/backups/{}", chain[at].0);
        let refused = cinder.delete(ALICE, &path(1)).await.is(400).says();
        assert_eq!(
            refused,
            "Invalid backup: Incremental backups exist for this backup."
        );
        cinder
            .post(
                ADMIN,
                &format!("{}/action", path(0)),
                json!({"os-force_delete": {}}),
            )
            .await
            .is(400);
        for at in [2, 1, 0] {
            cinder.removes(ALICE, &path(at)).await;
        }
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn of_a_snapshot_and_of_a_volume_in_use() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        cinder.write(&volume, b"then");
        let first = cinder.backup(&volume, json!({})).await;
        let snapshot = cinder.snapshot(ALICE, &volume, json!({})).await;
        cinder.write(&volume, b"now!");
        let attach = json!({"os-attach": {"mountpoint": "/dev/vdb", "host_name": "h"}});
        cinder.act(ALICE, &volume, attach).await.is(202);
        let plain = json!({"backup": {"volume_id": volume}});
        let refused = cinder.post(ALICE, "/backups", plain).await.is(400).says();
        assert!(refused.contains("must use the force flag"), "{refused}");
        let of_use = cinder.backup(&volume, json!({"force": true})).await;
        cinder.becomes(&volume, "in-use").await;
        let of_snapshot = json!({"snapshot_id": snapshot, "incremental": true});
        let of_snapshot = cinder.backup(&volume, of_snapshot).await;
        let shown = cinder.show_backup(&of_snapshot).await;
        assert_eq!(shown["snapshot_id"], snapshot);
        let taken = cinder
            .get(ALICE, &format!("/snapshots/{snapshot}"))
            .await
            .json();
        assert_eq!(taken["snapshot"]["status"], "available");
        assert_eq!(shown["data_timestamp"], taken["snapshot"]["created_at"]);
        // The one before the snapshot is its parent, not the last one.
        assert_eq!(
            cinder.show_backup(&first).await["has_dependent_backups"],
            true
        );
        assert_eq!(
            cinder.show_backup(&of_use).await["has_dependent_backups"],
            false
        );
        for (backup, words) in [(of_use, b"now!"), (of_snapshot, b"then")] {
            let fresh = cinder.restore(&backup, json!({})).await;
            assert_eq!(&cinder.read(&fresh), words);
        }
        let other = cinder.volume(ALICE, json!({})).await;
        let wrong = json!({"backup": {"volume_id": other, "snapshot_id": snapshot}});
        cinder.post(ALICE, "/backups", wrong).await.is(400);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn backups_are_listed_changed_and_counted() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        for name in ["a", "b"] {
            cinder.backup(&volume, json!({"name": name})).await;
        }
        let names = async |token: &str, query: &str| {
            let all = cinder.get(token, &format!("/backups{query}")).await;
            let all = all.is(200).json()["backups"]
                .as_array()
                .expect("a list")
                .clone();
            all.iter()
                .map(|one| one["name"].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(ALICE, "").await, ["b", "a"]);
        assert_eq!(names(ALICE, "/detail?name=a").await, ["a"]);
        assert_eq!(
            names(ALICE, "?sort_key=name&sort_dir=asc&limit=1").await,
            ["a"]
        );
        assert_eq!(names(BOB, "/detail").await, Vec::<String>::new());
        assert_eq!(names(ADMIN, "?all_tenants=1").await.len(), 2);
        let page = cinder
            .get(ALICE, "/backups?limit=1&with_count=1")
            .await
            .json();
        assert_eq!(
            (&page["count"], page["backups_links"].is_array()),
            (&json!(2), true)
        );
        let id = page["backups"][0]["id"].as_str().expect("an id").to_owned();
        let path = format!("/backups/{id}");
        cinder.get(BOB, &path).await.is(404);
        cinder.delete(READER, &path).await.is(403);
        let changes = json!({"backup": {"name": "c", "metadata": {"k": "v"}}});
        let changed = cinder.put(ALICE, &path, changes).await.is(200).json();
        assert_eq!(changed["backup"]["name"], "c");
        assert_eq!(cinder.show_backup(&id).await["metadata"], json!({"k": "v"}));
        let shown = |minor, token| cinder.at(minor, token, Method::GET, &path, None);
        let mine = shown(42, ALICE).await.json()["backup"].clone();
        assert_eq!((mine.get("metadata"), mine.get("user_id")), (None, None));
        let all = shown(18, ADMIN).await.json()["backup"].clone();
        assert_eq!(all["os-backup-project-attr:project_id"], "a11ce");
        assert_eq!(all.get("user_id"), None);
        assert_eq!(
            shown(56, ADMIN).await.json()["backup"]["user_id"],
            "user-of-a11ce"
        );
        let limits = cinder.get(ALICE, "/limits").await.json()["limits"]["absolute"].clone();
        assert_eq!(
            (
                &limits["totalBackupsUsed"],
                &limits["totalBackupGigabytesUsed"]
            ),
            (&json!(2), &json!(2))
        );
        let body = json!({"backup": {"volume_id": volume}});
        for (limit, class) in [
            (
                json!({"backups": 2}),
                "BackupLimitExceeded: Maximum number of backups allowed (2) exceeded",
            ),
            (
                json!({"backups": -1, "backup_gigabytes": 2}),
                "VolumeBackupSizeExceedsAvailableQuota",
            ),
        ] {
            let limit = json!({"quota_set": limit});
            cinder
                .put(ADMIN, "/os-quota-sets/a11ce", limit)
                .await
                .is(200);
            let refused = cinder
                .post(ALICE, "/backups", body.clone())
                .await
                .is(413)
                .says();
            assert!(refused.starts_with(class), "{refused}");
        }
        assert_eq!(cinder.show(ALICE, &volume).await["status"], "available");
    }
}

#[tokio::test]
async fn statuses_are_reset_and_records_are_moved() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        cinder.write(&volume, b"then");
        let id = cinder.backup(&volume, json!({"name": "b"})).await;
        let (path, action) = (format!("/backups/{id}"), format!("/backups/{id}/action"));
        let reset = |status: &str| json!({"os-reset_status": {"status": status}});
        cinder.post(ALICE, &action, reset("error")).await.is(403);
        cinder.post(ADMIN, &action, reset("nonsense")).await.is(400);
        cinder.post(ADMIN, &action, reset("creating")).await.is(202);
        let refused = cinder.delete(ALICE, &path).await.is(400).says();
        assert_eq!(
            refused,
            "Invalid backup: Backup status must be available or error"
        );
        let export = format!("{path}/export_record");
        cinder.get(ADMIN, &export).await.is(400);
        cinder
            .post(ADMIN, &action, reset("available"))
            .await
            .is(202);
        cinder.get(ALICE, &export).await.is(403);
        let record = cinder.get(ADMIN, &export).await.is(200).json();
        let keeper = &record["backup-record"]["backup_service"];
        assert_eq!(*keeper, "cinder.backup.drivers.kilonova");
        let import = async |body: &Value| {
            cinder
                .post(ADMIN, "/backups/import_record", body.clone())
                .await
        };
        let refused = import(&record).await.is(400).says();
        assert_eq!(
            refused,
            "Invalid backup: Backup already exists in database."
        );
        // The row is lost, the files are not.
        let files = cinder.settings.backup_dir.join(&id);
        let (away, back) = (files.with_extension("away"), files.clone());
        std::fs::rename(&files, &away).expect("moved");
        cinder
            .post(ADMIN, &action, json!({"os-force_delete": {}}))
            .await
            .is(202);
        cinder.is_gone(&path).await;
        let made = import(&record).await.is(201).json();
        assert_eq!(made["backup"]["id"], id);
        let lost = cinder.get(ADMIN, &path).await.json()["backup"].clone();
        assert_eq!(lost["status"], "error");
        assert!(
            lost["fail_reason"]
                .as_str()
                .is_some_and(|why| why.contains("is not there"))
        );
        cinder.removes(ADMIN, &path).await;
        std::fs::rename(&away, &back).expect("moved back");
        let mut older = record.clone();
        older["backup-record"]["backup_service"] = json!("kilonova.backup.file");
        import(&older).await.is(201);
        let found = cinder.get(ADMIN, &path).await.json()["backup"].clone();
        assert_eq!(
            (&found["status"], &found["name"], &found["volume_id"]),
            (&json!("available"), &json!("b"), &json!(volume))
        );
        for broken in ["!", "bm90aGluZw=="] {
            let body = json!({"backup-record": {"backup_service": "x", "backup_url": broken}});
            import(&body).await.is(400);
        }
        cinder.is_clean().await;
    }
}

/// A record that says something else.
fn with(record: &Value, changes: &Value) -> Value {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let text = record["backup-record"]["backup_url"].as_str();
    let text = STANDARD.decode(text.expect("a text")).expect("base64");
    let mut inside: Value = serde_json::from_slice(&text).expect("JSON");
    for (field, value) in changes.as_object().expect("object") {
        inside[field] = value.clone();
    }
    let mut record = record.clone();
    record["backup-record"]["backup_url"] = json!(STANDARD.encode(inside.to_string()));
    record
}

/// A record that names a backup's files under another id, or no files at all.
fn under(record: &Value, id: &str, files: Option<&str>) -> Value {
    match files {
        Some(files) => with(record, &json!({"id": id, "service_metadata": files})),
        None => with(record, &json!({"id": id})),
    }
}

#[tokio::test]
async fn a_record_that_the_tables_cannot_hold_is_refused() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let id = cinder.backup(&volume, json!({})).await;
        let export = format!("/backups/{id}/export_record");
        let record = cinder.get(ADMIN, &export).await.is(200).json();
        let other = "0d1ff27d-3b4e-4a55-8c0c-52f1a3c1f0ab";
        let import = async |mut changes: Value| {
            changes["id"] = json!(other);
            let body = with(&record, &changes);
            cinder.post(ADMIN, "/backups/import_record", body).await
        };
        for (field, most) in [
            ("display_name", 255),
            ("container", 255),
            ("volume_id", 64),
            ("snapshot_id", 64),
            ("parent_id", 64),
        ] {
            let long = "ü".repeat(most + 1);
            let said = import(json!({ field: long })).await.is(400).says();
            assert_eq!(
                said,
                format!(
                    "Invalid input for field/attribute {field}. Value: {long}. '{long}' is too long"
                )
            );
        }
        for changes in [
            json!({"display_description": "a\u{0}b"}),
            json!({"size": -1}),
            json!({"size": i64::MAX}),
            json!({"object_count": i64::MAX}),
            json!({"created_at": "+12026-01-01T00:00:00Z"}),
            json!({"data_timestamp": "0026-01-01T00:00:00Z"}),
        ] {
            let said = import(changes.clone()).await.is(400).says();
            let expected = "Invalid input received: Can't parse backup record.";
            assert_eq!(said, expected, "{changes}");
        }
        cinder
            .get(ADMIN, &format!("/backups/{other}"))
            .await
            .is(404);
        let (name, id) = ("ü".repeat(255), "ü".repeat(64));
        let widest = json!({"display_name": name, "container": name, "parent_id": id});
        import(widest).await.is(201);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn one_of_many_imports_of_a_record_makes_the_backup() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let id = cinder.backup(&volume, json!({})).await;
        let export = format!("/backups/{id}/export_record");
        let record = cinder.get(ADMIN, &export).await.is(200).json();
        let other = "0d1ff27d-3b4e-4a55-8c0c-52f1a3c1f0ac";
        // Each in a project of its own, so that none waits for the quota of another.
        let tokens: Vec<String> = (0..6).map(|n| format!("ad{n}:admin,member")).collect();
        let asked = tokens.iter().map(|token| {
            let body = under(&record, other, None);
            cinder.post(token, "/backups/import_record", body)
        });
        let answers = futures::future::join_all(asked).await;
        let mut codes: Vec<_> = answers.iter().map(|one| one.status.as_u16()).collect();
        codes.sort_unstable();
        assert_eq!(codes, [201, 400, 400, 400, 400, 400]);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn a_record_is_imported_under_another_id_and_either_backup_goes_without_the_other() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        cinder.write(&volume, b"then");
        let whole = cinder.backup(&volume, json!({})).await;
        cinder.becomes(&volume, "available").await;
        cinder.write(&volume, b"now!");
        let part = cinder.backup(&volume, json!({"incremental": true})).await;
        cinder.becomes(&volume, "available").await;
        let export = format!("/backups/{part}/export_record");
        let record = cinder.get(ADMIN, &export).await.is(200).json();
        let import = async |body: Value| cinder.post(ADMIN, "/backups/import_record", body).await;
        let other = "0d1ff27d-3b4e-4a55-8c0c-52f1a3c1f0aa";
        let made = import(under(&record, other, None)).await.is(201).json();
        assert_eq!(made["backup"]["id"], other);
        let path = format!("/backups/{other}");
        let shown = cinder.get(ADMIN, &path).await.is(200).json()["backup"].clone();
        assert_eq!(
            (
                &shown["status"],
                &shown["fail_reason"],
                &shown["is_incremental"]
            ),
            (&json!("available"), &Value::Null, &json!(true))
        );
        cinder.is_clean().await;

        cinder.removes(ALICE, &format!("/backups/{part}")).await;
        let refused = cinder.delete(ALICE, &format!("/backups/{whole}")).await;
        refused.is(400);
        let body = json!({"restore": {}});
        let made = cinder.post(ADMIN, &format!("{path}/restore"), body).await;
        let made = made.is(202).json()["restore"]["volume_id"].clone();
        let made = made.as_str().expect("an id");
        cinder.becomes(made, "available").await;
        assert_eq!(&cinder.read(made), b"now!");
        cinder.reaches(&path, "backup", "available").await;
        cinder.removes(ADMIN, &path).await;

        // Files that are not there, and a name that leads elsewhere.
        let lost = import(under(&record, other, Some(&part)))
            .await
            .is(201)
            .json();
        assert_eq!(lost["backup"]["id"], other);
        let lost = cinder.get(ADMIN, &path).await.json()["backup"].clone();
        assert_eq!(lost["status"], "error");
        cinder.removes(ADMIN, &path).await;
        for files in ["../volumes", "", "no id"] {
            import(under(&record, other, Some(files))).await.is(400);
        }
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn no_service_no_backup() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let id = cinder.backup(&volume, json!({})).await;
    let service = json!({"host": "here", "binary": "cinder-backup"});
    cinder
        .put(ADMIN, "/os-services/disable", service)
        .await
        .is(200);
    let made = cinder
        .post(ALICE, "/backups", json!({"backup": {"volume_id": volume}}))
        .await;
    let made = made.is(202).json()["backup"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let failed = cinder
        .reaches(&format!("/backups/{made}"), "backup", "error")
        .await;
    assert_eq!(
        failed["fail_reason"],
        "Service not found for creating backup."
    );
    assert_eq!(cinder.show(ALICE, &volume).await["status"], "available");
    let path = format!("/backups/{id}");
    cinder.delete(ALICE, &path).await.is(404);
    cinder
        .post(ALICE, &format!("{path}/restore"), json!({"restore": {}}))
        .await
        .is(404);
}

#[tokio::test]
async fn a_backup_that_cannot_be_read_leaves_a_message() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        cinder.write(&volume, b"then");
        let made = cinder
            .post(ALICE, "/backups", json!({"backup": {"volume_id": volume}}))
            .await;
        let id = made.is(202).json()["backup"]["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        cinder
            .reaches(&format!("/backups/{id}"), "backup", "available")
            .await;
        let data = cinder.settings.backup_dir.join(&id).join("data");
        std::fs::write(data, b"nonsense, and much too little of it").expect("written");
        let body = json!({"restore": {"volume_id": volume}});
        cinder
            .post(ALICE, &format!("/backups/{id}/restore"), body)
            .await
            .is(202);
        cinder.becomes(&volume, "error_restoring").await;
        assert_eq!(&cinder.read(&volume), b"then");
        let all = cinder
            .messages(ALICE, &format!("?resource_uuid={id}"))
            .await;
        assert_eq!(all[0]["event_id"], "VOLUME_VOLUME_BACKUP_015_026");
        assert_eq!(
            all[0]["user_message"],
            "restore backup:Backup driver failed to restore backup."
        );
    }
}
