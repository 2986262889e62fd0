//! Images of servers that boot from volumes: they stand for snapshots, and servers boot from them.

use http::Method;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};

const NOTHING: &str = "7f3c1a52-0000-4000-8000-00000000dead";

/// A running server with a root volume made of an image, and an empty second one that stays when it goes.
async fn on_volumes(cloud: &TestCloud, user: &User) -> Server {
    let image = user.image_with(&json!({"hw_disk_bus": "scsi"})).await;
    let disks = json!([
        {"boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": image,
         "volume_size": 1, "delete_on_termination": true},
        {"boot_index": -1, "source_type": "blank", "destination_type": "volume", "volume_size": 2},
    ]);
    let server = boot(cloud, user, json!({"block_device_mapping_v2": disks})).await;
    server.reaches("ACTIVE").await;
    server
}

/// Asks for a server with these fields.
async fn boot(cloud: &TestCloud, user: &User, fields: Value) -> Server {
    cloud
        .boot_with(user, described(&cloud.tiny().await, fields))
        .await
}

fn described(flavor: &str, fields: Value) -> Value {
    let mut wanted = json!({"name": "booted", "flavorRef": flavor, "networks": "none"});
    for (name, value) in fields.as_object().into_iter().flatten() {
        wanted[name] = value.clone();
    }
    wanted
}

/// The answer to a server that cannot be.
async fn refused(cloud: &TestCloud, user: &User, fields: Value, status: u16) -> String {
    let body = json!({"server": described(&cloud.tiny().await, fields)});
    let answer = user.asks_for_server(&body).await;
    assert_eq!(answer.status, status, "{body}: {}", answer.text);
    answer.fault(status)
}

/// The answer to the wish for an image.
async fn create(server: &Server, name: &str) -> testing::Answer {
    let body = json!({"createImage": {"name": name, "metadata": {"purpose": "test"}}});
    server.action(body).await
}

/// An image of the server, when it is whole and the server is free.
pub async fn imaged(server: &Server, name: &str) -> Value {
    let made = create(server, name).await.expect(202);
    let id = made["image_id"].as_str().expect("an id").to_owned();
    let image = until("the image is whole", async || {
        let answer = server.user.get(&format!("/image/v2/images/{id}")).await;
        (answer.status == 200)
            .then(|| answer.expect(200))
            .filter(|image| image["status"] == "active")
    })
    .await;
    server.reaches("ACTIVE").await;
    image
}

fn id(image: &Value) -> String {
    image["id"].as_str().expect("an id").to_owned()
}

/// The disks that an image names.
fn mapping(image: &Value) -> Vec<Value> {
    let text = image["block_device_mapping"].as_str().expect("a list");
    serde_json::from_str(text).expect("JSON")
}

async fn snapshots(user: &User) -> Vec<Value> {
    let path = format!("/volume/v3/{}/snapshots/detail", user.project_id);
    let mut list = user.get(&path).await.expect(200);
    serde_json::from_value(list["snapshots"].take()).expect("a list")
}

/// The volumes of a server by its own record, in order.
async fn volumes(server: &Server) -> Vec<String> {
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let answer = server.user.compute("latest", Method::GET, &path, None);
    let list = answer.await.expect(200)["volumeAttachments"].take();
    let list = list.as_array().expect("a list").iter();
    list.map(|one| one["volumeId"].as_str().expect("an id").to_owned())
        .collect()
}

/// Writes into a volume as its guest would; or reads what is there.
fn write(cloud: &TestCloud, volume: &str, text: &str) {
    use std::os::unix::fs::FileExt;
    let path = cloud.state_path().join("volumes").join(volume);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(path.join("disk.raw"));
    let file = file.expect("the volume's file");
    file.write_all_at(text.as_bytes(), 0).expect("written");
}

fn begins_with(cloud: &TestCloud, volume: &str, text: &str) -> bool {
    use std::os::unix::fs::FileExt;
    let path = cloud.state_path().join("volumes").join(volume);
    let file = std::fs::File::open(path.join("disk.raw")).expect("the volume's file");
    let mut found = vec![0; text.len()];
    file.read_exact_at(&mut found, 0).expect("read");
    found == text.as_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_server_on_volumes_stands_for_snapshots_of_them_and_boots() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = on_volumes(&cloud, &demo).await;
    let had = volumes(&server).await;
    write(&cloud, &had[0], "the root of before");
    write(&cloud, &had[1], "the data of before");
    let image = imaged(&server, "copy").await;
    for (name, value) in [
        ("name", json!("copy")),
        ("size", json!(0)),
        ("visibility", json!("private")),
        ("owner", json!(demo.project_id)),
        ("bdm_v2", json!("True")),
        ("root_device_name", json!("/dev/sda")),
        ("instance_uuid", json!(server.id)),
        ("hw_disk_bus", json!("scsi")),
        ("purpose", json!("test")),
    ] {
        assert_eq!(image[name], value, "{name}: {image}");
    }
    let disks = mapping(&image);
    let told: Vec<_> = disks
        .iter()
        .map(|disk| {
            let of = |name: &str| disk[name].clone();
            [
                of("boot_index"),
                of("volume_size"),
                of("device_name"),
                of("delete_on_termination"),
            ]
        })
        .collect();
    assert_eq!(
        json!(told),
        json!([[0, 1, "/dev/sda", true], [-1, 2, "/dev/sdb", false]])
    );
    let made = snapshots(&demo).await;
    assert_eq!(made.len(), 2);
    assert!(
        made.iter()
            .all(|one| one["name"] == "snapshot for copy" && one["status"] == "available")
    );
    let event = server.last_action(&cloud.admin().await).await["events"][0].take();
    assert_eq!(
        (&event["event"], &event["result"]),
        (&json!("compute_snapshot_instance"), &json!("Success"))
    );

    // What its guest writes later is not in it.
    write(&cloud, &had[0], "the root of after.");
    let again = boot(&cloud, &demo, json!({"imageRef": id(&image)})).await;
    let shown = again.reaches("ACTIVE").await;
    assert_eq!(
        shown["image"]["id"], image["id"],
        "the image that was named"
    );
    let path = format!("/servers?image={}", id(&image));
    let listed = demo.compute("latest", Method::GET, &path, None).await;
    let listed = listed.expect(200)["servers"].take();
    assert_eq!(listed.as_array().map_or(0, Vec::len), 1, "{listed}");
    assert_eq!(listed[0]["id"], json!(again.id));
    let new = volumes(&again).await;
    assert!(
        new.len() == 2 && had.iter().all(|old| !new.contains(old)),
        "{new:?}"
    );
    assert!(begins_with(&cloud, &new[0], "the root of before"));
    assert!(begins_with(&cloud, &new[1], "the data of before"));
    let guest = cloud.kept(&again).await;
    assert_eq!(guest.root_disk, None);
    assert_eq!(guest.disk_bus, Some(hypervisor::DiskBus::Scsi));
    let boots: Vec<_> = guest.volumes.iter().map(|one| one.boot).collect();
    assert_eq!(boots, [true, false]);

    // An image of the new one stands for its own volumes.
    let second = imaged(&again, "second").await;
    assert_eq!(snapshots(&demo).await.len(), 4);
    assert_ne!(mapping(&second)[0]["snapshot_id"], disks[0]["snapshot_id"]);
    again.delete().await.vanishes().await;
    // It has snapshots: the volume service keeps it, as it keeps any.
    demo.volume_is(&new[0], "available").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_the_last_word_about_the_disks_of_its_image() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = on_volumes(&cloud, &demo).await;
    let image = id(&imaged(&server, "copy").await);
    // The client names the image as the root, takes the second disk away, and adds one.
    let disks = json!([
        {"boot_index": 0, "source_type": "image", "destination_type": "local", "uuid": image},
        {"no_device": true, "device_name": "sdb", "source_type": "blank"},
        {"source_type": "blank", "destination_type": "volume", "volume_size": 3,
         "delete_on_termination": true},
    ]);
    let fields = json!({"imageRef": image, "block_device_mapping_v2": disks});
    let again = boot(&cloud, &demo, fields).await;
    again.reaches("ACTIVE").await;
    let had = volumes(&again).await;
    let sizes = async |ids: &[String]| {
        let mut sizes = Vec::new();
        for id in ids {
            sizes.push(demo.volume_is(id, "in-use").await["size"].take());
        }
        sizes
    };
    assert_eq!(sizes(&had).await, [json!(1), json!(3)]);
    again.delete().await.vanishes().await;

    // A disk of the same name comes in the place of the image's.
    let disks = json!([{
        "device_name": "/dev/sdb", "source_type": "blank", "destination_type": "volume", "volume_size": 5,
        "delete_on_termination": true,
    }]);
    let fields = json!({"imageRef": image, "block_device_mapping_v2": disks});
    let again = boot(&cloud, &demo, fields).await;
    again.reaches("ACTIVE").await;
    assert_eq!(sizes(&volumes(&again).await).await, [json!(1), json!(5)]);
    again.delete().await.vanishes().await;

    // Without its root it boots from nothing.
    let disks = json!([{"no_device": true, "device_name": "sda", "source_type": "blank"}]);
    let fields = json!({"imageRef": image, "block_device_mapping_v2": disks});
    let why = refused(&cloud, &demo, fields, 400).await;
    assert!(why.starts_with("Block Device Mapping is Invalid"), "{why}");
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_with_data_may_name_further_volumes_also_in_the_older_notation() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let blank = json!([{
        "boot_index": -1, "source_type": "blank", "destination_type": "volume", "volume_size": 2,
        "delete_on_termination": true,
    }]);
    let image = demo
        .image_with(&json!({"bdm_v2": "true", "block_device_mapping": blank.to_string()}))
        .await;
    let server = boot(&cloud, &demo, json!({"imageRef": image})).await;
    let shown = server.reaches("ACTIVE").await;
    assert_eq!(shown["image"]["id"], json!(image), "its root is the image");
    assert_eq!(volumes(&server).await.len(), 1);
    server.delete().await.vanishes().await;

    let source = demo.image_with(&json!({})).await;
    let volume = demo.volume(json!({"size": 1, "imageRef": source})).await;
    let older = json!([{"device_name": "sda", "volume_id": volume}]);
    let image = demo
        .image_with(&json!({
            "block_device_mapping": older.to_string(), "root_device_name": "/dev/sda",
        }))
        .await;
    let server = boot(&cloud, &demo, json!({"imageRef": image})).await;
    assert_eq!(server.reaches("ACTIVE").await["image"]["id"], json!(image));
    assert_eq!(volumes(&server).await, [volume.as_str()]);
    // One volume does not make two servers, whoever names it.
    let fields = json!({"imageRef": image, "max_count": 2});
    let why = refused(&cloud, &demo, fields, 400).await;
    assert!(why.contains("multiple instances"), "{why}");
    server.delete().await.vanishes().await;
    demo.volume_is(&volume, "available").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_whose_word_about_disks_makes_no_sense_is_refused() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let stranger = cloud.stranger("stranger").await;
    let foreign = stranger.volume(json!({"size": 1})).await;
    let root = |more: Value| {
        let mut root =
            json!({"boot_index": 0, "source_type": "snapshot", "destination_type": "volume"});
        for (name, value) in more.as_object().into_iter().flatten() {
            root[name] = value.clone();
        }
        json!([root]).to_string()
    };
    for (status, said) in [
        (400, "nonsense".to_owned()),
        (400, "{}".to_owned()),
        (400, "[1]".to_owned()),
        (400, root(json!({}))),
        (400, root(json!({"snapshot_id": "../volumes"}))),
        (400, root(json!({"snapshot_id": NOTHING}))),
        (400, root(json!({"snapshot_id": NOTHING, "volume_size": 0}))),
        (
            400,
            root(json!({"snapshot_id": NOTHING, "encrypted": true})),
        ),
        (400, root(json!({"snapshot_id": NOTHING, "host": "other"}))),
        (
            400,
            root(json!({"source_type": "volume", "volume_id": foreign})),
        ),
        (
            400,
            root(json!({"source_type": "image", "image_id": NOTHING, "volume_size": 1})),
        ),
        (400, root(json!({"source_type": "blank"}))),
        (
            400,
            root(json!({"destination_type": "local", "snapshot_id": NOTHING})),
        ),
    ] {
        let image = demo
            .image_with(&json!({"bdm_v2": "True", "block_device_mapping": said}))
            .await;
        refused(&cloud, &demo, json!({"imageRef": image}), status).await;
    }
    // The flavor has no ephemeral disk that could be shared out.
    let further = json!([{"boot_index": -1, "source_type": "blank", "destination_type": "local", "volume_size": 1}]);
    let image = demo
        .image_with(&json!({"bdm_v2": "True", "block_device_mapping": further.to_string()}))
        .await;
    refused(&cloud, &demo, json!({"imageRef": image}), 400).await;
    assert_eq!(demo.all_volumes().await.len(), 0);
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_disk_of_a_host_is_made_of_an_image_that_stands_for_volumes() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let on_volumes = on_volumes(&cloud, &demo).await;
    let image = id(&imaged(&on_volumes, "copy").await);
    let server = cloud.boot(&demo, "local").await;
    server.reaches("ACTIVE").await;
    for body in [
        json!({"rebuild": {"imageRef": image}}),
        json!({"rescue": {"rescue_image_ref": image}}),
    ] {
        let why = server.action(body).await.fault(400);
        assert!(why.contains("stands for volumes"), "{why}");
    }
    server.reaches("ACTIVE").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_server_on_a_volume_and_snapshots_beyond_the_quota_are_refused() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let server = on_volumes(&cloud, &demo).await;
    let backup = json!({"createBackup": {"name": "backup", "backup_type": "daily", "rotation": 1}});
    assert_eq!(
        server.action(backup).await.fault(400),
        "Backup is not supported for volume-backed instances."
    );
    let path = format!(
        "/volume/v3/{}/os-quota-sets/{}",
        admin.project_id, demo.project_id
    );
    admin
        .put(&path, &json!({"quota_set": {"snapshots": 1}}))
        .await
        .expect(200);
    assert_eq!(
        create(&server, "one too many").await.fault(403),
        "Quota exceeded for resources: snapshots"
    );
    // What only the volume service finds out ends the work, and leaves nothing.
    admin
        .put(
            &path,
            &json!({"quota_set": {"snapshots": 10, "gigabytes": 4}}),
        )
        .await
        .expect(200);
    let made = create(&server, "too large").await.expect(202);
    server.reaches("ACTIVE").await;
    let path = format!(
        "/image/v2/images/{}",
        made["image_id"].as_str().expect("an id")
    );
    assert_eq!(demo.get(&path).await.status, 404);
    until("no snapshot is left", async || {
        snapshots(&demo).await.is_empty().then_some(())
    })
    .await;
    let event = server.last_action(&admin).await["events"][0].take();
    assert_eq!(event["result"], "Error");
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_of_its_own_says_who_may_make_an_image_of_volumes() {
    let rules = tempfile::tempdir().expect("a folder");
    let file = rules.path().join("policy.yaml");
    let rule = "\"os_compute_api:servers:create_image:allow_volume_backed\": \"role:nobody\"\n";
    std::fs::write(&file, rule).expect("written");
    let settings = format!("[oslo_policy]\npolicy_file = {}\n", file.display());
    let cloud = TestCloud::with(&settings).await;
    let demo = cloud.demo().await;
    let server = on_volumes(&cloud, &demo).await;
    let said = create(&server, "copy").await.fault(403);
    assert!(said.contains("allow_volume_backed"), "{said}");
    assert!(snapshots(&demo).await.is_empty());
    let local = cloud.boot(&demo, "local").await;
    local.reaches("ACTIVE").await;
    create(&local, "copy").await.expect(202);
    local.reaches("ACTIVE").await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_while_its_image_is_made_a_server_leaves_neither_image_nor_snapshot() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    for round in 0..4_u64 {
        let server = on_volumes(&cloud, &demo).await;
        let made = create(&server, "late").await.expect(202);
        let id = made["image_id"].as_str().expect("an id").to_owned();
        tokio::time::sleep(std::time::Duration::from_millis(round * 60)).await;
        server.delete().await.vanishes().await;
        // It was whole before the delete came, or nothing of it is left.
        until("the image is whole or gone", async || {
            let answer = demo.get(&format!("/image/v2/images/{id}")).await;
            let left = snapshots(&demo).await.len();
            match (answer.status.as_u16(), left) {
                (404, 0) => Some(()),
                (200, 2) if answer.body["status"] == "active" => Some(()),
                _ => None,
            }
        })
        .await;
        demo.delete(&format!("/image/v2/images/{id}")).await;
        for one in snapshots(&demo).await {
            let id = one["id"].as_str().expect("an id");
            let path = format!("/volume/v3/{}/snapshots/{id}", demo.project_id);
            demo.delete(&path).await.expect(202);
        }
        until("no snapshot is left", async || {
            snapshots(&demo).await.is_empty().then_some(())
        })
        .await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_volume_in_qcow2_becomes_a_volume_again() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let volume = demo.volume(json!({"size": 1})).await;
    write(&cloud, &volume, "what was written");
    let path = format!("/volume/v3/{}/volumes/{volume}/action", demo.project_id);
    let wish = json!({"os-volume_upload_image": {"image_name": "i", "disk_format": "qcow2"}});
    let made = demo.post(&path, &wish).await.expect(202);
    let image = made["os-volume_upload_image"]["image_id"].clone();
    let image = image.as_str().expect("an id");
    demo.volume_is(&volume, "available").await;
    let shown = demo.get(&format!("/image/v2/images/{image}")).await;
    let shown = shown.expect(200);
    assert_eq!(
        (&shown["status"], &shown["disk_format"]),
        (&json!("active"), &json!("qcow2"))
    );
    assert!(shown["size"].as_u64().is_some_and(|size| size < 1 << 20));
    let again = demo.volume(json!({"size": 1, "imageRef": image})).await;
    assert!(begins_with(&cloud, &again, "what was written"));
    cloud.audit().await;
}
