//! Attachments, by their own calls and by the old actions.

use http::Method;
use serde_json::{Value, json};

use crate::{ADMIN, ALICE, BOB, Cinder, READER, SERVICE};

pub const SERVER: &str = "5e12e000-0000-4000-8000-000000000001";
const OTHER: &str = "5e12e000-0000-4000-8000-000000000002";

impl Cinder {
    async fn reserve(&self, token: &str, volume: &str, server: &str) -> crate::Answer {
        let wish = json!({"attachment": {"volume_uuid": volume, "instance_uuid": server}});
        self.post(token, "/attachments", wish).await
    }

    pub async fn attached(&self, volume: &str, server: &str) -> String {
        let made = self.reserve(SERVICE, volume, server).await.is(200).json();
        let id = made["attachment"]["id"].as_str().expect("an id").to_owned();
        let connector =
            json!({"attachment": {"connector": {"host": "here", "mountpoint": "/dev/vdb"}}});
        self.put(SERVICE, &format!("/attachments/{id}"), connector)
            .await
            .is(200);
        let complete = json!({"os-complete": {}});
        self.post(SERVICE, &format!("/attachments/{id}/action"), complete)
            .await
            .is(204);
        id
    }

    async fn status(&self, volume: &str) -> Value {
        self.show(ADMIN, volume).await["status"].clone()
    }
}

#[tokio::test]
async fn a_server_attaches_and_detaches_a_volume() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let made = cinder.reserve(ALICE, &volume, SERVER).await.is(200).json();
        let made = &made["attachment"];
        assert_eq!(
            (&made["status"], &made["connection_info"]),
            (&json!("reserved"), &json!({}))
        );
        assert_eq!(cinder.status(&volume).await, "reserved");
        let refused = cinder.reserve(ALICE, &volume, OTHER).await.is(400).says();
        assert!(
            refused.contains("the current status is reserved"),
            "{refused}"
        );
        let id = made["id"].as_str().expect("an id");
        let path = format!("/attachments/{id}");
        let connector =
            json!({"attachment": {"connector": {"host": "here", "mountpoint": "/dev/vdb"}}});
        let updated = cinder.put(SERVICE, &path, connector).await.is(200).json();
        let info = &updated["attachment"]["connection_info"];
        let disk = cinder.folder().canonicalize().expect("a folder");
        let disk = disk.join(&volume).join("disk.raw");
        assert_eq!(info["driver_volume_type"], "local");
        assert_eq!(info["device_path"], json!(disk));
        assert_eq!(info["data"]["device_path"], json!(disk));
        assert_eq!(
            (
                &info["format"],
                &info["access_mode"],
                &info["encrypted"],
                &info["qos_specs"]
            ),
            (&json!("raw"), &json!("rw"), &json!(false), &json!(null))
        );
        assert_eq!(cinder.status(&volume).await, "attaching");
        let complete = json!({"os-complete": {}});
        cinder
            .post(SERVICE, &format!("{path}/action"), complete)
            .await
            .is(204);
        let shown = cinder.show(ALICE, &volume).await;
        assert_eq!(shown["status"], "in-use");
        let attached = &shown["attachments"][0];
        assert_eq!(
            (&attached["server_id"], &attached["device"]),
            (&json!(SERVER), &json!("/dev/vdb"))
        );
        assert_eq!(attached["host_name"], json!(null));
        assert!(!shown.to_string().contains("disk.raw"));
        let seen = cinder.show(SERVICE, &volume).await;
        assert_eq!(seen["attachments"][0]["host_name"], "here");
        cinder
            .delete(ALICE, &format!("/volumes/{volume}"))
            .await
            .is(400);
        let left = cinder.delete(SERVICE, &path).await.is(200).json();
        assert_eq!(left["attachments"], json!([]));
        assert_eq!(cinder.status(&volume).await, "available");
        cinder.get(SERVICE, &path).await.is(404);
    }
}

#[tokio::test]
async fn users_do_not_take_a_volume_from_under_a_server() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let id = cinder.attached(&volume, SERVER).await;
    let path = format!("/attachments/{id}");
    let action = format!("/volumes/{volume}/action");
    let message = format!("Detach volume from instance {SERVER} using the Compute API");
    for token in [ALICE, ADMIN] {
        assert_eq!(cinder.delete(token, &path).await.is(409).says(), message);
        let detach = json!({"os-detach": {"attachment_id": id}});
        cinder.post(token, &action, detach).await.is(409);
        let terminate = json!({"os-terminate_connection": {"connector": {"host": "here"}}});
        cinder.post(token, &action, terminate).await.is(409);
    }
    let force = json!({"os-force_detach": {"attachment_id": id}});
    cinder.post(ADMIN, &action, force.clone()).await.is(409);
    cinder.post(ALICE, &action, force).await.is(403);
    assert_eq!(cinder.status(&volume).await, "in-use");
    let request = http::Request::delete(format!("/v3{path}"))
        .header("x-auth-token", ALICE)
        .header("x-service-token", "service")
        .header("openstack-api-version", "volume 3.27")
        .body(axum::body::Body::empty());
    cinder.send(request.expect("request")).await.is(200);
}

#[tokio::test]
async fn where_data_lies_is_told_to_few() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let id = cinder.attached(&volume, SERVER).await;
    let path = format!("/attachments/{id}");
    cinder.get(BOB, &path).await.is(404);
    cinder.delete(BOB, &path).await.is(404);
    cinder
        .put(
            READER,
            &path,
            json!({"attachment": {"connector": {"host": "here"}}}),
        )
        .await
        .is(403);
    let told = |answer: crate::Answer| String::from_utf8_lossy(&answer.bytes).contains("disk.raw");
    assert!(told(cinder.get(SERVICE, &path).await.is(200)));
    assert!(told(cinder.get(ALICE, &path).await.is(200)));
    assert!(!told(cinder.get(READER, &path).await.is(200)));
    for list in ["/attachments", "/attachments/detail"] {
        let all = cinder.get(ALICE, list).await.is(200);
        assert_eq!(all.json()["attachments"].as_array().map(Vec::len), Some(1));
        assert!(!told(all));
    }
    let query = format!("/attachments/detail?instance_id={SERVER}");
    assert!(told(cinder.get(SERVICE, &query).await.is(200)));
    let none = cinder
        .get(SERVICE, &format!("/attachments?instance_id={OTHER}"))
        .await
        .json();
    assert_eq!(none["attachments"], json!([]));
    assert_eq!(
        cinder.get(BOB, "/attachments").await.json()["attachments"],
        json!([])
    );
}

#[tokio::test]
async fn several_servers_attach_what_may_be() {
    for cinder in Cinder::all().await {
        let kind =
            json!({"volume_type": {"name": "many", "extra_specs": {"multiattach": "<is> True"}}});
        cinder.post(ADMIN, "/types", kind).await.is(200);
        let volume = cinder.volume(ALICE, json!({"volume_type": "many"})).await;
        let one = cinder.attached(&volume, SERVER).await;
        let other = cinder.attached(&volume, OTHER).await;
        let shown = cinder.show(ALICE, &volume).await;
        assert_eq!(shown["attachments"].as_array().map(Vec::len), Some(2));
        let left = cinder
            .delete(SERVICE, &format!("/attachments/{one}"))
            .await
            .is(200)
            .json();
        assert_eq!(left["attachments"][0]["id"], other.as_str());
        assert_eq!(cinder.status(&volume).await, "in-use");
        cinder
            .delete(SERVICE, &format!("/attachments/{other}"))
            .await
            .is(200);
        assert_eq!(cinder.status(&volume).await, "available");
    }
}

#[tokio::test]
async fn one_of_many_who_reserve_at_once_has_it() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let asked = (0..6).map(|n| {
            let server = format!("5e12e000-0000-4000-8000-00000000001{n}");
            let (cinder, volume) = (&cinder, &volume);
            async move { cinder.reserve(ALICE, volume, &server).await.status.as_u16() }
        });
        let mut codes = futures::future::join_all(asked).await;
        codes.sort_unstable();
        assert_eq!(codes, [200, 400, 400, 400, 400, 400]);
    }
}

#[tokio::test]
async fn a_server_that_moves_attaches_twice() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let id = cinder.attached(&volume, SERVER).await;
    let again = cinder
        .reserve(SERVICE, &volume, SERVER)
        .await
        .is(200)
        .json();
    let again = again["attachment"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(cinder.status(&volume).await, "in-use");
    let connector = json!({"attachment": {"connector": {"host": "here"}}});
    let path = format!("/attachments/{again}");
    cinder.put(SERVICE, &path, connector.clone()).await.is(409);
    cinder
        .delete(SERVICE, &format!("/attachments/{id}"))
        .await
        .is(200);
    assert_eq!(cinder.status(&volume).await, "reserved");
    cinder.put(SERVICE, &path, connector).await.is(200);
}

#[tokio::test]
async fn a_read_only_volume_is_attached_read_only() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let flag = json!({"os-update_readonly_flag": {"readonly": true}});
    cinder.act(ALICE, &volume, flag).await.is(202);
    assert_eq!(
        cinder.show(ALICE, &volume).await["metadata"]["readonly"],
        "True"
    );
    let wish = json!({"attachment": {
        "volume_uuid": volume, "instance_uuid": SERVER, "connector": {"host": "here"},
    }});
    let made = cinder
        .post(SERVICE, "/attachments", wish)
        .await
        .is(200)
        .json();
    assert_eq!(made["attachment"]["attach_mode"], "ro");
    assert_eq!(made["attachment"]["connection_info"]["access_mode"], "ro");
}

#[tokio::test]
async fn a_connector_that_does_not_reach_the_files_gives_the_volume_back() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let wish = json!({"attachment": {
        "volume_uuid": volume, "instance_uuid": SERVER, "connector": {"host": "there"},
    }});
    let refused = cinder
        .post(SERVICE, "/attachments", wish)
        .await
        .is(400)
        .says();
    assert!(refused.contains("there does not reach them"), "{refused}");
    assert_eq!(cinder.status(&volume).await, "available");
    cinder
        .at(26, ALICE, Method::GET, "/attachments", None)
        .await
        .is(404);
}

#[tokio::test]
async fn the_old_actions_attach_and_detach() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let path = format!("/volumes/{volume}/action");
        let act = async |body: Value| cinder.post(ALICE, &path, body).await;
        act(json!({"os-reserve": null})).await.is(202);
        act(json!({"os-reserve": null})).await.is(400);
        act(json!({"os-unreserve": null})).await.is(202);
        assert_eq!(cinder.status(&volume).await, "available");
        act(json!({"os-begin_detaching": null})).await.is(400);
        act(json!({"os-reserve": null})).await.is(202);
        let info = json!({"os-initialize_connection": {"connector": {"host": "here"}}});
        let info = act(info).await.is(200).json()["connection_info"].clone();
        assert_eq!(info["driver_volume_type"], "local");
        assert_eq!(info["enforce_multipath"], false);
        let attach =
            json!({"os-attach": {"instance_uuid": SERVER, "mountpoint": "/dev/vdc", "mode": "rw"}});
        act(attach).await.is(202);
        assert_eq!(cinder.status(&volume).await, "in-use");
        let other = json!({"os-attach": {"instance_uuid": OTHER, "mountpoint": "/dev/vdc"}});
        act(other).await.is(400);
        act(json!({"os-begin_detaching": null})).await.is(202);
        assert_eq!(cinder.status(&volume).await, "detaching");
        act(json!({"os-roll_detaching": null})).await.is(202);
        assert_eq!(cinder.status(&volume).await, "in-use");
        act(json!({"os-begin_detaching": null})).await.is(202);
        act(json!({"os-terminate_connection": {"connector": {"host": "here"}}}))
            .await
            .is(202);
        act(json!({"os-detach": {}})).await.is(202);
        assert_eq!(cinder.status(&volume).await, "available");
    }
}

#[tokio::test]
async fn what_gets_other_bytes_is_not_attached() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        cinder.reset(&volume, "downloading").await;
        let refused = cinder.reserve(ALICE, &volume, SERVER).await.is(400).says();
        assert!(
            refused.contains("the current status is downloading"),
            "{refused}"
        );
        cinder.reset(&volume, "available").await;
        let made = cinder.reserve(ALICE, &volume, SERVER).await.is(200).json();
        let id = made["attachment"]["id"].as_str().expect("an id");
        let path = format!("/attachments/{id}");
        let connector = json!({"attachment": {"connector": {"host": "here"}}});
        for status in ["downloading", "restoring-backup"] {
            cinder.reset(&volume, status).await;
            cinder.put(SERVICE, &path, connector.clone()).await.is(409);
            let complete = json!({"os-complete": {}});
            cinder
                .post(SERVICE, &format!("{path}/action"), complete)
                .await
                .is(409);
            for action in [
                json!({"os-initialize_connection": {"connector": {"host": "here"}}}),
                json!({"os-attach": {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"}}),
            ] {
                cinder.act(ALICE, &volume, action).await.is(409);
            }
            assert_eq!(cinder.status(&volume).await, status);
        }
        cinder.reset(&volume, "reserved").await;
        cinder.put(SERVICE, &path, connector).await.is(200);
    }
}

#[tokio::test]
async fn what_a_server_has_is_neither_written_nor_given_away_whatever_its_status_says() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        cinder.write(&volume, b"then");
        let body = json!({"backup": {"volume_id": volume}});
        let made = cinder.post(ALICE, "/backups", body).await.is(202).json();
        let backup = made["backup"]["id"].as_str().expect("an id").to_owned();
        cinder
            .reaches(&format!("/backups/{backup}"), "backup", "available")
            .await;
        cinder.becomes(&volume, "available").await;
        let snapshot = cinder.snapshot(ALICE, &volume, json!({})).await;
        cinder.attached(&volume, SERVER).await;
        cinder.write(&volume, b"now!");
        cinder.reset(&volume, "available").await;
        let restore = json!({"restore": {"volume_id": volume}});
        let path = format!("/backups/{backup}/restore");
        let said = cinder.post(ALICE, &path, restore).await.is(400).says();
        let why = "Invalid volume: Volume to be restored to must be available";
        assert_eq!(said, why);
        let revert = json!({"revert": {"snapshot_id": snapshot}});
        let said = cinder.act(ALICE, &volume, revert).await.is(409).says();
        assert!(
            said.ends_with("Volume's status must be 'available'."),
            "{said}"
        );
        let offer = json!({"transfer": {"volume_id": volume}});
        let said = cinder.post(ALICE, "/volume-transfers", offer).await;
        let said = said.is(400).says();
        assert_eq!(said, "Invalid volume: status must be available");
        assert_eq!(&cinder.read(&volume), b"now!");
        assert_eq!(cinder.status(&volume).await, "available");
    }
}

#[tokio::test]
async fn a_connector_has_names_that_can_be_kept() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let made = cinder.reserve(ALICE, &volume, SERVER).await.is(200).json();
        let id = made["attachment"]["id"].as_str().expect("an id");
        let path = format!("/attachments/{id}");
        for (length, code) in [(256, 400), (255, 200)] {
            let mountpoint = "x".repeat(length);
            let connector = json!({"host": "here", "mountpoint": mountpoint});
            let body = json!({"attachment": {"connector": connector}});
            cinder.put(SERVICE, &path, body).await.is(code);
        }
    }
}

#[tokio::test]
async fn a_volume_in_error_is_available_again_when_its_last_attachment_goes() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let path = format!("/volumes/{volume}/action");
        let note = json!({"os-attach": {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"}});
        let failed = [
            "error",
            "error_extending",
            "error_restoring",
            "error_backing-up",
        ];
        for status in failed {
            cinder.post(ALICE, &path, note.clone()).await.is(202);
            let shown = cinder.show(ALICE, &volume).await;
            let id = shown["attachments"][0]["attachment_id"].clone();
            cinder.reset(&volume, status).await;
            let force = json!({"os-force_detach": {"attachment_id": id, "connector": null}});
            cinder.post(ADMIN, &path, force).await.is(202);
            assert_eq!(cinder.status(&volume).await, "available", "{status}");
        }
        cinder.post(ALICE, &path, note).await.is(202);
        cinder.reset(&volume, "error").await;
        let detach = json!({"os-detach": {}});
        cinder.post(ALICE, &path, detach.clone()).await.is(202);
        assert_eq!(cinder.status(&volume).await, "available");
        let id = cinder.attached(&volume, SERVER).await;
        cinder.reset(&volume, "error").await;
        let gone = cinder.delete(SERVICE, &format!("/attachments/{id}")).await;
        gone.is(200);
        assert_eq!(cinder.status(&volume).await, "available");
        // Without an attachment that goes, nothing says that its bytes are there.
        cinder.reset(&volume, "error").await;
        cinder.post(ALICE, &path, detach).await.is(202);
        assert_eq!(cinder.status(&volume).await, "error");
    }
}

#[tokio::test]
async fn what_works_on_a_volume_says_its_status_when_its_attachment_goes() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let made = cinder.reserve(ALICE, &volume, SERVER).await.is(200).json();
    let id = made["attachment"]["id"].as_str().expect("an id");
    cinder.reset(&volume, "uploading").await;
    cinder
        .delete(ALICE, &format!("/attachments/{id}"))
        .await
        .is(200);
    assert_eq!(cinder.status(&volume).await, "uploading");
}

#[tokio::test]
async fn in_maintenance_only_the_call_of_an_attachment_itself_takes_it() {
    for cinder in Cinder::all().await {
        let volume = cinder.volume(ALICE, json!({})).await;
        let made = cinder.reserve(ALICE, &volume, SERVER).await.is(200).json();
        let id = made["attachment"]["id"].as_str().expect("an id");
        cinder.reset(&volume, "maintenance").await;
        let path = format!("/volumes/{volume}/action");
        for action in ["os-detach", "os-force_detach"] {
            let body = json!({action: {"attachment_id": id}});
            let why = cinder.post(ADMIN, &path, body).await.is(400).says();
            let said = "Invalid volume: The volume cannot be detached in maintenance mode.";
            assert_eq!(why, said);
        }
        assert_eq!(cinder.status(&volume).await, "maintenance");
        cinder
            .delete(ALICE, &format!("/attachments/{id}"))
            .await
            .is(200);
        assert_eq!(cinder.status(&volume).await, "available");
    }
}

#[tokio::test]
async fn which_of_several_attachments_goes_only_a_service_says() {
    for cinder in Cinder::all().await {
        let kind =
            json!({"volume_type": {"name": "many", "extra_specs": {"multiattach": "<is> True"}}});
        cinder.post(ADMIN, "/types", kind).await.is(200);
        let volume = cinder.volume(ALICE, json!({"volume_type": "many"})).await;
        let one = cinder.attached(&volume, SERVER).await;
        cinder.attached(&volume, OTHER).await;
        let path = format!("/volumes/{volume}/action");
        let (plain, unknown) = (
            json!({"os-detach": {}}),
            json!({"os-detach": {"attachment_id": volume}}),
        );
        let force = json!({"os-force_detach": {"attachment_id": one}});
        for body in [&plain, &unknown, &force] {
            let why = cinder.post(ADMIN, &path, body.clone()).await.is(409).says();
            assert_eq!(why, "Detach volume from instance  using the Compute API");
        }
        let why = cinder.post(SERVICE, &path, plain).await.is(400).says();
        assert!(why.contains("More than one attachment"), "{why}");
        cinder.post(SERVICE, &path, unknown).await.is(202);
        let shown = cinder.show(ALICE, &volume).await;
        assert_eq!(shown["attachments"].as_array().map(Vec::len), Some(2));
        cinder.reset(&volume, "error").await;
        let named = json!({"os-detach": {"attachment_id": one}});
        cinder.post(SERVICE, &path, named).await.is(202);
        assert_eq!(cinder.status(&volume).await, "in-use");
    }
}
