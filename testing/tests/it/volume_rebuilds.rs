//! Servers that boot from a volume are rebuilt: the volume gets the image.

use http::Method;
use hypervisor_fake::Verb;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};

/// A raw image of one MiB that is filled with a character.
async fn filled(user: &User, with: char, properties: Value) -> String {
    let byte = u8::try_from(with).expect("ASCII");
    let image = user.image("raw", vec![byte; 1 << 20]).await;
    user.set_properties(&image, &properties).await;
    image
}

/// A running server whose root volume was made of this image, and the volume.
async fn on_volume(cloud: &TestCloud, user: &User, image: &str) -> (Server, String) {
    let disks = json!([{
        "boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": image, "volume_size": 1,
        "delete_on_termination": true,
    }]);
    let wanted = json!({
        "name": "rooted", "flavorRef": cloud.tiny().await, "networks": "none", "block_device_mapping_v2": disks,
    });
    let server = cloud.boot_with(user, wanted).await;
    server.reaches("ACTIVE").await;
    let path = format!("/servers/{}/os-volume_attachments", server.id);
    let answer = user.compute("latest", Method::GET, &path, None).await;
    let list = answer.expect(200)["volumeAttachments"].take();
    let id = list[0]["volumeId"].as_str().expect("a volume").to_owned();
    (server, id)
}

fn rebuild(image: &str) -> Value {
    json!({"rebuild": {"imageRef": image}})
}

/// The first character of a volume.
fn begins(cloud: &TestCloud, volume: &str) -> char {
    use std::io::Read;
    let path = cloud.state_path().join("volumes").join(volume);
    let mut file = std::fs::File::open(path.join("disk.raw")).expect("the volume's file");
    let mut first = [0];
    file.read_exact(&mut first).expect("read");
    char::from(first[0])
}

/// The volume is the server's, connected to its host, and holds this.
async fn holds(cloud: &TestCloud, server: &Server, volume: &str, what: char) {
    let shown = server.user.volume_is(volume, "in-use").await;
    let attached = shown["attachments"].as_array().map_or(0, Vec::len);
    assert_eq!(attached, 1, "{shown}");
    assert_eq!(begins(cloud, volume), what);
    let guest = cloud.kept(server).await;
    assert_eq!(guest.volumes.len(), 1);
    assert!(guest.volumes[0].boot && guest.volumes[0].id == volume);
}

/// The name of its root, which its volume has as well.
async fn root_name(cloud: &TestCloud, server: &Server) -> String {
    let admin = cloud.admin().await;
    let path = format!("/servers/{}", server.id);
    let shown = admin.compute("latest", Method::GET, &path, None).await;
    let root = shown.expect(200)["server"]["OS-EXT-SRV-ATTR:root_device_name"].take();
    let path = format!("{path}/os-volume_attachments");
    let answer = admin.compute("latest", Method::GET, &path, None).await;
    assert_eq!(answer.expect(200)["volumeAttachments"][0]["device"], root);
    root.as_str().expect("a name").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_volume_gets_the_image_of_a_rebuild_from_2_93_on() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let first = filled(&demo, 'a', json!({})).await;
    let second = filled(&demo, 'b', json!({"hw_disk_bus": "scsi"})).await;
    let (server, volume) = on_volume(&cloud, &demo, &first).await;
    let said = server.action_at("2.92", &rebuild(&second)).await.fault(400);
    assert_eq!(
        said,
        format!(
            "Image {second} is unacceptable: Unable to rebuild with a different image for a volume-backed server."
        )
    );
    // Before, the guest is made anew and its volume stays.
    server.action_at("2.92", &rebuild(&first)).await.expect(202);
    server.reaches("ACTIVE").await;
    holds(&cloud, &server, &volume, 'a').await;

    let body = json!({"rebuild": {"imageRef": second, "name": "anew", "metadata": {"a": "b"}}});
    let shown = server.action(body).await.expect(202)["server"].take();
    assert_eq!(
        (&shown["status"], &shown["image"]),
        (&json!("REBUILD"), &json!(""))
    );
    let shown = server.reaches("ACTIVE").await;
    assert_eq!(
        (&shown["name"], &shown["metadata"]),
        (&json!("anew"), &json!({"a": "b"}))
    );
    holds(&cloud, &server, &volume, 'b').await;
    let bus = cloud.kept(&server).await.disk_bus;
    assert_eq!(
        bus,
        Some(hypervisor::DiskBus::Scsi),
        "the new image's words count"
    );
    assert_eq!(root_name(&cloud, &server).await, "/dev/sda");
    let shown = demo.volume_is(&volume, "in-use").await;
    assert_eq!(shown["volume_image_metadata"]["image_id"], json!(second));
    let action = server.last_action(&cloud.admin().await).await;
    let event = &action["events"][0];
    assert_eq!(
        (&action["action"], &event["result"]),
        (&json!("rebuild"), &json!("Success"))
    );

    // The image that it has may be given to it again, and a stopped one stays so.
    server.stop().await.reaches("SHUTOFF").await;
    server.action(rebuild(&first)).await.expect(202);
    server.reaches("SHUTOFF").await;
    server.action(rebuild(&first)).await.expect(202);
    server.reaches("SHUTOFF").await;
    server.start().await.reaches("ACTIVE").await;
    holds(&cloud, &server, &volume, 'a').await;
    assert_eq!(root_name(&cloud, &server).await, "/dev/vda");
    server.delete().await.vanishes().await;
    until("the volume goes with it", async || {
        demo.all_volumes().await.is_empty().then_some(())
    })
    .await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_volume_gets_what_an_image_of_a_server_on_a_volume_stands_for() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let first = filled(&demo, 'a', json!({})).await;
    let second = filled(&demo, 'b', json!({})).await;
    let (model, _) = on_volume(&cloud, &demo, &first).await;
    let made = model.action(json!({"createImage": {"name": "copy"}})).await;
    let made = made.expect(202);
    let copy = made["image_id"].as_str().expect("an id");
    model.reaches("ACTIVE").await;
    let (server, volume) = on_volume(&cloud, &demo, &second).await;
    server.action(rebuild(copy)).await.expect(202);
    server.reaches("ACTIVE").await;
    holds(&cloud, &server, &volume, 'a').await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_a_root_volume_cannot_hold_is_refused_and_nothing_changes() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let first = filled(&demo, 'a', json!({})).await;
    let (server, volume) = on_volume(&cloud, &demo, &first).await;
    let path = |id: &str| format!("/image/v2/images/{id}");
    let large = filled(&demo, 'b', json!({})).await;
    let more = json!([{"op": "replace", "path": "/min_disk", "value": 2}]);
    demo.patch(&path(&large), &more).await.expect(200);
    let hungry = filled(&demo, 'b', json!({})).await;
    let more = json!([{"op": "replace", "path": "/min_ram", "value": 4096}]);
    demo.patch(&path(&hungry), &more).await.expect(200);
    let nobodys = "7f3c1a52-0000-4000-8000-00000000dead";
    let kernel = filled(&demo, 'b', json!({"kernel_id": nobodys})).await;
    let odd = filled(
        &demo,
        'b',
        json!({"hw_tpm_model": "tpm-tis", "hw_tpm_version": "2.0"}),
    )
    .await;
    let data = json!([{"source_type": "blank", "destination_type": "volume", "volume_size": 1}]);
    let named = json!({"bdm_v2": "True", "block_device_mapping": data.to_string()});
    let named = filled(&demo, 'b', named).await;
    let nonsense = filled(&demo, 'b', json!({"block_device_mapping": "nonsense"})).await;
    for (status, image, said) in [
        (
            400,
            large.as_str(),
            "Volume is smaller than the minimum size",
        ),
        (400, &hungry, "Flavor's memory is too small"),
        (400, &kernel, "could not be found"),
        (400, &odd, "cannot be honoured"),
        (400, &named, "none of the disks that it names is a snapshot"),
        (400, &nonsense, "cannot be read"),
        (
            400,
            "7f3c1a52-0000-4000-8000-00000000dead",
            "Can not find requested image",
        ),
    ] {
        let why = server.action(rebuild(image)).await.fault(status);
        assert!(why.contains(said), "{image}: {why}");
    }
    server.reaches("ACTIVE").await;
    holds(&cloud, &server, &volume, 'a').await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_does_not_stop_keeps_its_volume_and_runs() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let first = filled(&demo, 'a', json!({})).await;
    let second = filled(&demo, 'b', json!({})).await;
    let (server, volume) = on_volume(&cloud, &demo, &first).await;
    cloud.fail_next(Verb::EnsureStopped);
    server.action(rebuild(&second)).await.expect(202);
    until("the rebuild failed", async || {
        let action = server.last_action(&cloud.admin().await).await;
        (action["events"][0]["result"] == "Error").then_some(())
    })
    .await;
    server.reaches("ACTIVE").await;
    holds(&cloud, &server, &volume, 'a').await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_whose_image_or_host_fails_leaves_an_error_and_the_next_one_mends_it() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let first = filled(&demo, 'a', json!({})).await;
    let second = filled(&demo, 'b', json!({})).await;
    let (server, volume) = on_volume(&cloud, &demo, &first).await;
    cloud.fail_next(Verb::EnsureRunning);
    server.action(rebuild(&second)).await.expect(202);
    assert_eq!(
        server.fails().await,
        "Failed to rebuild instance: The hypervisor did not do what it was told."
    );
    server.action(rebuild(&second)).await.expect(202);
    server.reaches("ACTIVE").await;
    holds(&cloud, &server, &volume, 'b').await;

    // The image's data are lost: the volume service cannot fetch them.
    for file in std::fs::read_dir(cloud.state_path().join("images")).expect("a folder") {
        let path = file.expect("an entry").path();
        if path.is_file() {
            std::fs::remove_file(path).expect("removed");
        }
    }
    server.action(rebuild(&first)).await.expect(202);
    let why = server.fails().await;
    assert_eq!(
        why,
        "Failed to rebuild instance: The volume could not be used."
    );
    demo.volume_is(&volume, "error").await;
    let third = filled(&demo, 'c', json!({})).await;
    server.action(rebuild(&third)).await.expect(202);
    server.reaches("ACTIVE").await;
    holds(&cloud, &server, &volume, 'c').await;
    server.delete().await.vanishes().await;
    for lost in [first, second] {
        demo.delete(&format!("/image/v2/images/{lost}"))
            .await
            .expect(204);
    }
    until("the volume goes with it", async || {
        demo.all_volumes().await.is_empty().then_some(())
    })
    .await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_state_is_reset_in_the_middle_has_its_volume() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let first = filled(&demo, 'a', json!({})).await;
    let (server, volume) = on_volume(&cloud, &demo, &first).await;
    for round in 0..5_u64 {
        server.action(rebuild(&first)).await.expect(202);
        tokio::time::sleep(std::time::Duration::from_millis(round * 40)).await;
        let path = format!("/servers/{}/action", server.id);
        let reset = json!({"os-resetState": {"state": "active"}});
        let answer = admin.compute("latest", Method::POST, &path, Some(&reset));
        answer.await.expect(202);
        until("nothing is under way", || async {
            let path = format!("/os-kilonova-operations?server_id={}", server.id);
            let running = admin.compute("latest", Method::GET, &path, None).await;
            let running = running.expect(200);
            running["operations"]
                .as_array()
                .expect("a list")
                .is_empty()
                .then_some(())
        })
        .await;
        let reboot = json!({"reboot": {"type": "HARD"}});
        server.action(reboot).await.expect(202);
        server.reaches("ACTIVE").await;
        holds(&cloud, &server, &volume, 'a').await;
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_while_its_volume_gets_an_image_a_server_leaves_nothing() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let first = filled(&demo, 'a', json!({})).await;
    for round in 0..5_u64 {
        let (server, _) = on_volume(&cloud, &demo, &first).await;
        server.action(rebuild(&first)).await.expect(202);
        tokio::time::sleep(std::time::Duration::from_millis(round * 40)).await;
        server.delete().await.vanishes().await;
    }
    until("no volume is left", async || {
        demo.all_volumes().await.is_empty().then_some(())
    })
    .await;
    cloud.audit().await;
}
