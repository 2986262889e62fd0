//! Kernels beside volumes to boot from: the image behind a root volume may name one, and the guest is started with it.

use http::Method;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User};

/// An image with a kernel, which is another image.
async fn with_kernel(cloud: &TestCloud, user: &User) -> (String, String) {
    let kernel = cloud.image(user).await;
    let said = json!({"kernel_id": kernel, "os_command_line": "quiet"});
    (user.image_with(&said).await, kernel)
}

/// A server with this root volume.
fn wanted(flavor: &str, root: Value) -> Value {
    let mut root = root;
    root["boot_index"] = json!(0);
    root["destination_type"] = json!("volume");
    json!({
        "name": "kernel", "flavorRef": flavor, "networks": "none", "block_device_mapping_v2": [root],
    })
}

/// The guest boots its volume with this kernel.
async fn boots(cloud: &TestCloud, server: &Server, kernel: &str) {
    let guest = cloud.kept(server).await;
    assert_eq!(guest.root_disk, None);
    assert!(guest.volumes.len() == 1 && guest.volumes[0].boot);
    let boot = guest.direct_boot.expect("a kernel");
    assert!(boot.kernel.ends_with(kernel), "{boot:?}");
    assert_eq!(boot.cmdline.expect("a line").as_str(), "quiet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_boots_with_the_kernel_of_its_image_whatever_becomes_of_the_server() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await;
    let (image, kernel) = with_kernel(&cloud, &demo).await;
    let root = json!({
        "source_type": "image", "uuid": image, "volume_size": 1, "delete_on_termination": true,
    });
    let server = cloud.boot_with(&demo, wanted(&flavor, root)).await;
    server.reaches("ACTIVE").await;
    boots(&cloud, &server, &kernel).await;
    let path = format!("/servers/{}", server.id);
    let admin = cloud.admin().await;
    let shown = admin.compute("latest", Method::GET, &path, None).await;
    let shown = shown.expect(200);
    assert_eq!(shown["server"]["OS-EXT-SRV-ATTR:kernel_id"], json!(kernel));

    for (action, status) in [
        (json!({"reboot": {"type": "HARD"}}), "ACTIVE"),
        (json!({"os-stop": null}), "SHUTOFF"),
        (json!({"os-start": null}), "ACTIVE"),
        (json!({"shelve": null}), "SHELVED_OFFLOADED"),
        (json!({"unshelve": null}), "ACTIVE"),
    ] {
        server.action(action).await.expect(202);
        server.reaches(status).await;
        if status == "ACTIVE" {
            boots(&cloud, &server, &kernel).await;
        }
    }

    // A rescue boots its own disk, without the kernel.
    let rescue = demo.image_with(&json!({"hw_rescue_device": "disk"})).await;
    let rescue = json!({"rescue": {"rescue_image_ref": rescue}});
    server.action(rescue).await.expect(200);
    server.reaches("RESCUE").await;
    assert_eq!(cloud.kept(&server).await.started().direct_boot, None);
    server.action(json!({"unrescue": null})).await.expect(202);
    server.reaches("ACTIVE").await;
    boots(&cloud, &server, &kernel).await;

    admin.flavor("larger", 2).await;
    let resize = json!({"resize": {"flavorRef": "larger"}});
    server.action(resize).await.expect(202);
    server.reaches("VERIFY_RESIZE").await;
    boots(&cloud, &server, &kernel).await;
    let confirm = json!({"confirmResize": null});
    server.action(confirm).await.expect(204);
    server.reaches("ACTIVE").await;

    // Another image has another kernel, or none.
    let (other, others) = with_kernel(&cloud, &demo).await;
    let rebuild = json!({"rebuild": {"imageRef": other}});
    server.action(rebuild).await.expect(202);
    server.reaches("ACTIVE").await;
    boots(&cloud, &server, &others).await;
    let plain = cloud.image(&demo).await;
    let rebuild = json!({"rebuild": {"imageRef": plain}});
    server.action(rebuild).await.expect(202);
    server.reaches("ACTIVE").await;
    assert_eq!(cloud.kept(&server).await.direct_boot, None);
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_that_its_owner_does_not_show_is_nobodys_beside_a_volume() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let stranger = cloud.stranger("stranger").await;
    let flavor = cloud.tiny().await;
    let foreign = cloud.image(&stranger).await;
    let plain = cloud.image(&demo).await;
    let volume = demo.volume(json!({"size": 1, "imageRef": plain})).await;
    // What the volume service keeps of an image, the volume's owner may write.
    let path = format!("/volume/v3/{}/volumes/{volume}/action", demo.project_id);
    let body = json!({"os-set_image_metadata": {"metadata": {"kernel_id": foreign}}});
    demo.post(&path, &body).await.expect(200);
    let root = json!({"source_type": "volume", "uuid": volume});
    let body = json!({"server": wanted(&flavor, root)});
    let answer = demo.asks_for_server(&body).await;
    assert_eq!(
        answer.fault(400),
        format!("Image {foreign} could not be found.")
    );
    // One that its owner sees is used.
    let own = cloud.image(&demo).await;
    let body = json!({"os-set_image_metadata": {"metadata": {"kernel_id": own, "os_command_line": "quiet"}}});
    demo.post(&path, &body).await.expect(200);
    let root = json!({"source_type": "volume", "uuid": volume});
    let server = cloud.boot_with(&demo, wanted(&flavor, root)).await;
    server.reaches("ACTIVE").await;
    boots(&cloud, &server, &own).await;
    server.delete().await.vanishes().await;
    demo.volume_is(&volume, "available").await;
    cloud.audit().await;
}
