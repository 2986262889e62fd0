//! Bad input: each gets the documented fault and leaves nothing behind.

use http::Method;
use serde_json::{Value, json};
use testing::{TestCloud, User};

const NOWHERE: &str = "7d0c1a5e-0000-4000-8000-000000000000";

async fn create(user: &User, server: &Value) -> testing::Answer {
    let body = json!({"server": server});
    user.asks_for_server(&body).await
}

async fn has_nothing(cloud: &TestCloud, user: &User) {
    let listed = user
        .compute("latest", Method::GET, "/servers", None)
        .await
        .expect(200);
    assert_eq!(listed["servers"], json!([]));
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_is_made_from_must_exist() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let good = json!({
        "name": "s", "flavorRef": cloud.tiny().await, "imageRef": cloud.image(&demo).await,
        "networks": "none",
    });
    let cases = [
        ("imageRef", json!(NOWHERE), "Can not find requested image"),
        (
            "flavorRef",
            json!("no-such"),
            "Flavor no-such could not be found.",
        ),
        ("key_name", json!("lost"), "Invalid key_name provided."),
        (
            "networks",
            json!([{"uuid": NOWHERE}]),
            "Network 7d0c1a5e-0000-4000-8000-000000000000 could not be found.",
        ),
        (
            "networks",
            json!([{"port": NOWHERE}]),
            "Port id 7d0c1a5e-0000-4000-8000-000000000000 could not be found.",
        ),
        (
            "security_groups",
            json!([{"name": "none-such"}]),
            "Security group none-such not found.",
        ),
        (
            "availability_zone",
            json!("mars"),
            "The requested availability zone is not available",
        ),
        (
            "name",
            json!("n".repeat(256)),
            "Invalid input for field/attribute name.",
        ),
        ("name", json!(7), "Invalid input for field/attribute name."),
        (
            "min_count",
            json!(0),
            "Invalid input for field/attribute min_count.",
        ),
        (
            "colour",
            json!("red"),
            "Additional properties are not allowed",
        ),
    ];
    for (field, value, says) in cases {
        let mut wanted = good.clone();
        wanted[field] = value;
        let said = create(&demo, &wanted).await.fault(400);
        assert!(said.contains(says), "{field}: {said}");
    }
    has_nothing(&cloud, &demo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flavor_may_be_named_by_its_address() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await;
    let mut wanted = json!({
        "name": "s", "imageRef": cloud.image(&demo).await, "networks": "none",
        "flavorRef": format!("http://192.0.2.1:8774/v2.1/flavors/{flavor}?x=1"),
    });
    let made = create(&demo, &wanted).await.expect(202);
    let server = demo.made(&made);
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    wanted["flavorRef"] = json!("http://192.0.2.1:8774/v2.1/flavors/");
    assert_eq!(
        create(&demo, &wanted).await.fault(400),
        "Flavor  could not be found."
    );
    has_nothing(&cloud, &demo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_must_be_json_and_a_version_one_of_ours() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    for text in ["{\"server\": ", "not json", "[]", ""] {
        let answer = demo.post_text("/compute/v2.1/servers", text).await;
        let said = answer.fault(400);
        assert!(!said.is_empty(), "{text}: no reason");
    }
    assert_eq!(
        demo.post_text("/compute/v2.1/servers", "{")
            .await
            .fault(400),
        "Malformed request body"
    );
    for path in [
        "/network/v2.0/networks",
        "/image/v2/images",
        "/identity/v3/projects",
    ] {
        let answer = demo.post_text(path, "{\"half\": ").await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
    }
    assert_eq!(
        demo.compute("2.999", Method::GET, "/servers", None)
            .await
            .status,
        406
    );
    assert_eq!(
        demo.compute("new", Method::GET, "/servers", None)
            .await
            .status,
        400
    );
    has_nothing(&cloud, &demo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_proves_who_they_are_gets_in() {
    let cloud = TestCloud::start().await;
    let url = cloud.cloud().url.clone();
    let wrong = User::try_log_in(&url, "demo", "not it", "demo").await;
    assert_eq!(wrong.err().map(|answer| answer.status.as_u16()), Some(401));
    let unknown = User::try_log_in(&url, "nobody", "not it", "demo").await;
    assert_eq!(
        unknown.err().map(|answer| answer.status.as_u16()),
        Some(401)
    );

    let demo = cloud.demo().await;
    let elsewhere = TestCloud::start().await;
    let foreign = demo.with_token(&elsewhere.demo().await.token);
    let revoked = cloud.demo().await;
    let subject = [("x-subject-token", revoked.token.as_str())];
    let gone = demo
        .send(Method::DELETE, "/identity/v3/auth/tokens", &subject, None)
        .await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    for (who, user) in [
        ("foreign", &foreign),
        ("nonsense", &demo.with_token("gAAAAAB-nonsense")),
        ("empty", &demo.with_token("")),
        ("revoked", &revoked),
    ] {
        for path in [
            "/compute/v2.1/servers",
            "/network/v2.0/networks",
            "/image/v2/images",
            "/identity/v3/projects",
        ] {
            let answer = user.get(path).await;
            assert_eq!(answer.status, 401, "{who} {path}: {}", answer.text);
        }
    }
    assert_eq!(demo.get("/compute/v2.1/servers").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_others_do_not_exist() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let stranger = cloud.stranger("stranger").await;
    let server = cloud.boot(&demo, "mine").await;
    server.reaches("ACTIVE").await;
    let theirs = server.seen_by(&stranger);
    let said = format!("Instance {} could not be found.", server.id);
    assert_eq!(
        theirs.action(json!({"os-stop": null})).await.fault(404),
        said
    );
    let path = format!("/servers/{}", server.id);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(
            stranger
                .compute("latest", method, &path, None)
                .await
                .fault(404),
            said
        );
    }
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_quotas_do_not_allow_is_refused_by_name() {
    let cloud = TestCloud::start().await;
    for (limit, says) in [
        (
            "instances = 0",
            "Quota exceeded for instances: Requested 1, but already used 0 of 0 instances",
        ),
        (
            "cores = 0",
            "Quota exceeded for cores: Requested 1, but already used 0 of 0 cores",
        ),
        (
            "ram = 63",
            "Quota exceeded for ram: Requested 64, but already used 0 of 63 ram",
        ),
        (
            "metadata_items = 0",
            "Maximum number of metadata items exceeds 0",
        ),
    ] {
        let cloud = TestCloud::with(&format!("[quota]\n{limit}\n")).await;
        let demo = cloud.demo().await;
        let wanted = json!({
            "name": "s", "flavorRef": cloud.tiny().await, "imageRef": cloud.image(&demo).await,
            "networks": "none", "metadata": {"one": "too many"},
        });
        assert_eq!(create(&demo, &wanted).await.fault(403), says);
        has_nothing(&cloud, &demo).await;
    }
    // Ports have quotas of their own, in the network service.
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let network = demo.network("private", "10.1.0.0/24").await;
    let path = format!("/network/v2.0/quotas/{}", demo.project_id);
    let used = demo.get("/network/v2.0/ports").await.expect(200);
    let used = used["ports"].as_array().map_or(0, Vec::len);
    admin
        .put(&path, &json!({"quota": {"port": used}}))
        .await
        .expect(200);
    let wanted = json!({
        "name": "s", "flavorRef": cloud.tiny().await, "imageRef": cloud.image(&demo).await,
        "networks": [{"uuid": network}],
    });
    assert_eq!(
        create(&demo, &wanted).await.fault(403),
        "Maximum number of ports exceeded"
    );
    has_nothing(&cloud, &demo).await;
}

/// The first bytes of a qcow2 image of one MiB; `backing` makes it claim to lie on another file.
fn qcow2(backing: bool) -> Vec<u8> {
    let mut bytes = vec![0_u8; 4 << 16];
    bytes[..4].copy_from_slice(b"QFI\xfb");
    bytes[4..8].copy_from_slice(&2_u32.to_be_bytes());
    if backing {
        bytes[8..16].copy_from_slice(&512_u64.to_be_bytes());
        bytes[16..20].copy_from_slice(&11_u32.to_be_bytes());
        bytes[512..523].copy_from_slice(b"/etc/passwd");
    }
    bytes[20..24].copy_from_slice(&16_u32.to_be_bytes());
    bytes[24..32].copy_from_slice(&(1_u64 << 20).to_be_bytes());
    bytes[36..40].copy_from_slice(&1_u32.to_be_bytes());
    bytes[40..48].copy_from_slice(&(1_u64 << 16).to_be_bytes());
    bytes[48..56].copy_from_slice(&(2_u64 << 16).to_be_bytes());
    bytes[56..60].copy_from_slice(&1_u32.to_be_bytes());
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_and_disguised_images_are_refused_and_boot_nothing() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await;
    for (what, format, bytes) in [
        ("a backing file", "qcow2", qcow2(true)),
        ("a qcow2 image that says it is raw", "raw", qcow2(false)),
        ("no qcow2 image at all", "qcow2", b"#!/bin/sh".to_vec()),
        ("half a header", "qcow2", qcow2(false)[..20].to_vec()),
        (
            "a VMDK that says it is raw",
            "raw",
            b"# Disk DescriptorFile\nversion=1\n".to_vec(),
        ),
    ] {
        let (answer, id) = demo.upload(format, bytes).await;
        assert!(
            answer.status.is_client_error(),
            "{what}: {} {}",
            answer.status,
            answer.text
        );
        let shown = demo
            .get(&format!("/image/v2/images/{id}"))
            .await
            .expect(200);
        assert_ne!(shown["status"], "active", "{what}");
        let wanted = json!({"name": "s", "flavorRef": flavor, "imageRef": id, "networks": "none"});
        let said = create(&demo, &wanted).await.fault(400);
        assert_eq!(said, format!("Image {id} is not active."), "{what}");
    }
    // The same bytes under their right name are fine.
    demo.upload("qcow2", qcow2(false)).await.0.expect(204);
    has_nothing(&cloud, &demo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_follows_the_policy_file_named_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = String::new();
    for (section, rule) in [
        ("oslo_policy", "os_compute_api:os-keypairs:index"),
        ("identity", "identity:list_regions"),
        ("image", "get_images"),
        ("network", "create_network"),
    ] {
        let file = folder.path().join(format!("{section}.yaml"));
        std::fs::write(&file, format!("\"{rule}\": \"role:admin\"\n")).expect("written");
        settings += &format!("[{section}]\npolicy_file = {}\n", file.display());
    }
    let cloud = TestCloud::with(&settings).await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    for (user, refused) in [(&demo, true), (&admin, false)] {
        let named = |status: u16| if refused { 403 } else { status };
        let network = json!({"network": {"name": "n"}});
        let answers = [
            (user.get("/compute/v2.1/os-keypairs").await, 200),
            (user.get("/identity/v3/regions").await, 200),
            (user.get("/image/v2/images").await, 200),
            (user.post("/network/v2.0/networks", &network).await, 201),
        ];
        for (answer, allowed) in answers {
            assert_eq!(answer.status.as_u16(), named(allowed), "{}", answer.text);
        }
    }
}
