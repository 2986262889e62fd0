//! Calls that other services took over, as clients of before 2.36 know them.

use http::Method;
use serde_json::{Value, json};
use testing::{TestCloud, User, until};

async fn ask(user: &User, method: Method, path: &str, body: Option<&Value>) -> testing::Answer {
    user.compute("2.1", method, path, body).await
}

async fn get(user: &User, path: &str) -> Value {
    ask(user, Method::GET, path, None).await.expect(200)
}

#[tokio::test]
async fn images_are_shown_as_compute_had_them_and_their_properties_change() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let first = cloud.image(&demo).await;
    let properties = json!({"auto_disk_config": "True", "kind": "b"});
    let second = demo.image_with(&properties).await;

    let all = get(&demo, "/images").await;
    let ids = |list: &Value| -> Vec<String> {
        let list = list["images"].as_array().expect("a list").iter();
        list.map(|image| image["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(
        ids(&all),
        [second.clone(), first.clone()],
        "the newest first"
    );
    let links = all["images"][0]["links"].as_array().expect("links");
    assert_eq!(links.len(), 3);
    assert_eq!(links[2]["type"], "application/vnd.openstack.image");
    let shown = get(&demo, &format!("/images/{second}")).await["image"].take();
    assert_eq!(
        (&shown["status"], &shown["progress"]),
        (&json!("ACTIVE"), &json!(100))
    );
    assert!(shown["OS-EXT-IMG-SIZE:size"].as_u64() > Some(0));
    assert_eq!(shown["OS-DCF:diskConfig"], "AUTO");
    assert_eq!(shown["metadata"]["kind"], "b");

    // Filters and pages.
    let page = get(&demo, "/images/detail?limit=1&status=ACTIVE").await;
    assert_eq!(ids(&page), [second.as_str()]);
    let next = page["images_links"][0]["href"]
        .as_str()
        .expect("a next page");
    let (_, query) = next.split_once('?').expect("a query");
    let rest = get(&demo, &format!("/images/detail?{query}")).await;
    assert_eq!(ids(&rest), [first.as_str()]);
    let named = get(&demo, "/images?property-kind=b").await;
    assert_eq!(ids(&named), [second.as_str()]);
    assert_eq!(ids(&get(&demo, "/images?status=SAVING").await), [""; 0]);
    let wrong = ask(&demo, Method::GET, "/images?marker=none", None).await;
    wrong.expect(400);

    // Properties.
    let metadata = format!("/images/{second}/metadata");
    let body = json!({"metadata": {"kind": "c", "new": "1"}});
    let all = ask(&demo, Method::POST, &metadata, Some(&body))
        .await
        .expect(200);
    let whole = json!({"auto_disk_config": "True", "kind": "c", "new": "1"});
    assert_eq!(all["metadata"], whole);
    assert_eq!(get(&demo, &metadata).await["metadata"], whole);
    let body = json!({"meta": {"new": "2"}});
    let one = format!("{metadata}/new");
    ask(&demo, Method::PUT, &one, Some(&body)).await.expect(200);
    assert_eq!(get(&demo, &one).await["meta"]["new"], "2");
    let other = json!({"meta": {"other": "2"}});
    ask(&demo, Method::PUT, &one, Some(&other))
        .await
        .expect(400);
    ask(&demo, Method::DELETE, &one, None).await.expect(204);
    ask(&demo, Method::DELETE, &one, None).await.expect(404);
    ask(&demo, Method::GET, &one, None).await.expect(404);
    let body = json!({"metadata": {"only": "1"}});
    ask(&demo, Method::PUT, &metadata, Some(&body))
        .await
        .expect(200);
    assert_eq!(get(&demo, &metadata).await["metadata"], body["metadata"]);
    let owner = json!({"metadata": {"owner": "me"}});
    ask(&demo, Method::PUT, &metadata, Some(&owner))
        .await
        .expect(403);
    let many: serde_json::Map<_, _> = (0..129).map(|n| (format!("k{n}"), json!("v"))).collect();
    let many = json!({"metadata": many});
    ask(&demo, Method::PUT, &metadata, Some(&many))
        .await
        .expect(403);

    // An image of a server names it.
    let server = cloud.boot(&demo, "pictured").await;
    server.reaches("ACTIVE").await;
    let made = server
        .action(json!({"createImage": {"name": "of it"}}))
        .await;
    made.expect(202);
    let path = format!("/images/detail?status=ACTIVE&server={}", server.id);
    let of_it = until("the image is made", || async {
        get(&demo, &path).await["images"]
            .as_array()?
            .first()
            .cloned()
    })
    .await;
    assert_eq!(of_it["server"]["id"], server.id);

    ask(&demo, Method::DELETE, &format!("/images/{second}"), None)
        .await
        .expect(204);
    ask(&demo, Method::GET, &format!("/images/{second}"), None)
        .await
        .expect(404);
    ask(&demo, Method::DELETE, &format!("/images/{second}"), None)
        .await
        .expect(404);
    let newer = demo.compute("2.36", Method::GET, "/images", None).await;
    newer.expect(404);
}

#[tokio::test]
async fn volumes_and_snapshots_are_shown_as_compute_had_them() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let new = json!({"volume": {
        "size": "1", "display_name": "v", "display_description": "d", "metadata": {"k": "v"},
    }});
    let made = ask(&demo, Method::POST, "/os-volumes", Some(&new)).await;
    assert!(made.headers.contains_key("location"));
    let id = made.expect(200)["volume"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/os-volumes/{id}");
    let volume = until("the volume is made", || async {
        let volume = get(&demo, &path).await["volume"].take();
        (volume["status"] == "available").then_some(volume)
    })
    .await;
    assert_eq!(
        (
            &volume["displayName"],
            &volume["displayDescription"],
            &volume["size"]
        ),
        (&json!("v"), &json!("d"), &json!(1))
    );
    assert_eq!(
        (&volume["attachments"], &volume["metadata"]),
        (&json!([{}]), &json!({"k": "v"}))
    );
    for list in ["/os-volumes", "/os-volumes/detail?limit=1"] {
        assert_eq!(get(&demo, list).await["volumes"], json!([volume]));
    }
    assert_eq!(
        get(&demo, "/os-volumes?offset=1").await["volumes"],
        json!([])
    );

    let new = json!({"snapshot": {"volume_id": id, "display_name": "s", "force": "false"}});
    let made = ask(&demo, Method::POST, "/os-snapshots", Some(&new))
        .await
        .expect(200);
    let snapshot = made["snapshot"]["id"].as_str().expect("an id").to_owned();
    let of_it = format!("/os-snapshots/{snapshot}");
    let shown = until("the snapshot is made", || async {
        let shown = get(&demo, &of_it).await["snapshot"].take();
        (shown["status"] == "available").then_some(shown)
    })
    .await;
    assert_eq!(
        (&shown["volumeId"], &shown["displayName"], &shown["size"]),
        (&json!(id), &json!("s"), &json!(1))
    );
    for list in ["/os-snapshots", "/os-snapshots/detail"] {
        assert_eq!(get(&demo, list).await["snapshots"], json!([shown]));
    }
    // A volume with a snapshot stays.
    ask(&demo, Method::DELETE, &path, None).await.expect(400);
    let copy = json!({"volume": {"size": 1, "snapshot_id": snapshot}});
    let copy = ask(&demo, Method::POST, "/os-volumes", Some(&copy))
        .await
        .expect(200);
    assert_eq!(copy["volume"]["snapshotId"], json!(snapshot));
    let copy = format!(
        "/os-volumes/{}",
        copy["volume"]["id"].as_str().expect("an id")
    );
    until("the copy is made", || async {
        (get(&demo, &copy).await["volume"]["status"] == "available").then_some(())
    })
    .await;
    for (gone, path) in [("snapshot", &of_it), ("volume", &path), ("volume", &copy)] {
        ask(&demo, Method::DELETE, path, None).await.expect(202);
        until(gone, || async {
            (ask(&demo, Method::GET, path, None).await.status == 404).then_some(())
        })
        .await;
        ask(&demo, Method::DELETE, path, None).await.expect(404);
    }
    for (what, body) in [
        ("/os-volumes", json!({"volume": {"size": 0}})),
        ("/os-volumes", json!({"volume": {}})),
        ("/os-volumes", json!({"volume": {"size": 1, "odd": 1}})),
        ("/os-snapshots", json!({"snapshot": {}})),
    ] {
        ask(&demo, Method::POST, what, Some(&body))
            .await
            .expect(400);
    }
    let nothing = "7f3c1a52-0000-4000-8000-00000000dead";
    let body = json!({"snapshot": {"volume_id": nothing}});
    ask(&demo, Method::POST, "/os-snapshots", Some(&body))
        .await
        .expect(404);
    let body = json!({"volume": {"size": 1, "snapshot_id": nothing}});
    ask(&demo, Method::POST, "/os-volumes", Some(&body))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_floating_address_is_taken_leads_to_a_server_and_is_given_back() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let (image, flavor) = (cloud.image(&demo).await, cloud.tiny().await);
    let outside = json!({"network": {"name": "outside", "router:external": true}});
    let outside = admin
        .post("/network/v2.0/networks", &outside)
        .await
        .expect(201);
    let outside = outside["network"]["id"].clone();
    let range =
        json!({"subnet": {"network_id": outside, "ip_version": 4, "cidr": "198.18.9.0/29"}});
    admin
        .post("/network/v2.0/subnets", &range)
        .await
        .expect(201);
    let inside = demo.network("private", "10.5.0.0/24").await;
    let subnets = demo.get("/network/v2.0/subnets").await.expect(200);
    let router = json!({"router": {"external_gateway_info": {"network_id": outside}}});
    let router = demo
        .post("/network/v2.0/routers", &router)
        .await
        .expect(201);
    let router = router["router"]["id"].as_str().expect("an id").to_owned();
    let own = subnets["subnets"].as_array().expect("a list").iter();
    let own = own.filter(|subnet| subnet["network_id"] == json!(inside));
    for subnet in own {
        let body = json!({"subnet_id": subnet["id"]});
        let path = format!("/network/v2.0/routers/{router}/add_router_interface");
        demo.put(&path, &body).await.expect(200);
    }
    let server = json!({
        "name": "reached", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": inside}],
    });
    let server = cloud.boot_with(&demo, server).await;
    server.reaches("ACTIVE").await;

    let pools = get(&demo, "/os-floating-ip-pools").await;
    assert_eq!(pools["floating_ip_pools"], json!([{"name": "outside"}]));
    // Without a name it is the pool `nova`, which is not here.
    ask(&demo, Method::POST, "/os-floating-ips", Some(&json!({})))
        .await
        .expect(404);
    let pool = json!({"pool": "outside"});
    let taken = ask(&demo, Method::POST, "/os-floating-ips", Some(&pool))
        .await
        .expect(200);
    let taken = taken["floating_ip"].clone();
    assert_eq!(
        (&taken["pool"], &taken["instance_id"], &taken["fixed_ip"]),
        (&json!("outside"), &Value::Null, &Value::Null)
    );
    let path = format!("/os-floating-ips/{}", taken["id"].as_str().expect("an id"));
    let act = async |name: &str, body: Value| server.action_at("2.1", &json!({name: body})).await;
    let address = &taken["ip"];
    act(
        "addFloatingIp",
        json!({"address": address, "fixed_address": "10.5.0.250"}),
    )
    .await
    .expect(400);
    act("addFloatingIp", json!({"address": "198.18.9.250"}))
        .await
        .expect(404);
    act("addFloatingIp", json!({"address": "nowhere"}))
        .await
        .expect(400);
    act("removeFloatingIp", json!({"address": address}))
        .await
        .expect(409);
    act("addFloatingIp", json!({"address": address}))
        .await
        .expect(202);
    let leads = get(&demo, &path).await["floating_ip"].take();
    assert_eq!(leads["instance_id"], json!(server.id));
    assert!(
        leads["fixed_ip"]
            .as_str()
            .is_some_and(|ip| ip.starts_with("10.5.0."))
    );
    assert_eq!(
        get(&demo, "/os-floating-ips").await["floating_ips"],
        json!([leads])
    );
    act("removeFloatingIp", json!({"address": address}))
        .await
        .expect(202);
    assert_eq!(get(&demo, &path).await["floating_ip"], taken);
    ask(&demo, Method::DELETE, &path, None).await.expect(202);
    ask(&demo, Method::GET, &path, None).await.expect(404);
    ask(&demo, Method::DELETE, &path, None).await.expect(404);
    // A small pool ends.
    let last = loop {
        let more = ask(&demo, Method::POST, "/os-floating-ips", Some(&pool)).await;
        if more.status != 200 {
            break more;
        }
    };
    let why = last.expect(404)["itemNotFound"]["message"].clone();
    assert_eq!(why, "No more floating IPs in pool outside.");
}

#[tokio::test]
async fn networks_are_named_and_show_nothing_else_of_what_compute_knew() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let id = demo.network("private", "10.5.0.0/24").await;
    let listed = get(&demo, "/os-networks").await;
    let network = &listed["networks"][0];
    assert_eq!(
        (&network["id"], &network["label"]),
        (&json!(id), &json!("private"))
    );
    assert_eq!(network["cidr"], Value::Null);
    assert_eq!(network.as_object().expect("an object").len(), 11);
    let shown = get(&admin, &format!("/os-networks/{id}")).await;
    assert_eq!(shown["network"].as_object().expect("an object").len(), 32);
    let short = json!({"id": id, "cidr": "None", "label": "private"});
    assert_eq!(
        get(&demo, "/os-tenant-networks").await["networks"],
        json!([short])
    );
    let path = format!("/os-tenant-networks/{id}");
    assert_eq!(get(&demo, &path).await["network"], short);
    for path in ["/os-networks/none", "/os-tenant-networks/none"] {
        ask(&demo, Method::GET, path, None).await.expect(404);
    }
}

#[tokio::test]
async fn hosts_show_what_is_taken_of_them_and_are_closed_and_opened() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let server = cloud.boot(&demo, "weighty").await;
    server.reaches("ACTIVE").await;
    let listed = get(&admin, "/os-hosts").await;
    let hosts = listed["hosts"].as_array().expect("a list").iter();
    let compute = hosts.filter(|host| host["service"] == "compute");
    let compute: Vec<_> = compute.collect();
    assert_eq!((compute.len(), &compute[0]["zone"]), (1, &json!("nova")));
    let name = compute[0]["host_name"].as_str().expect("a name");
    let elsewhere = get(&admin, "/os-hosts?zone=elsewhere").await;
    assert_eq!(elsewhere["hosts"], json!([]));

    let path = format!("/os-hosts/{name}");
    let shown = get(&admin, &path).await;
    let line = |project: &str| {
        let lines = shown["host"].as_array().expect("a list").iter();
        let mut lines = lines.map(|line| &line["resource"]);
        lines
            .find(|line| line["project"] == project)
            .expect("a line")
    };
    assert!(line("(total)")["cpu"].as_u64() > Some(1));
    assert_eq!(line("(used_max)")["cpu"], 1);
    assert_eq!(line(&demo.project_id)["disk_gb"], 1);
    assert_eq!(line("(used_now)")["cpu"], cloud.vcpus_used().await);

    let put = async |body: Value| ask(&admin, Method::PUT, &path, Some(&body)).await;
    let closed = put(json!({"status": "Disable"})).await.expect(200);
    assert_eq!(closed, json!({"host": name, "status": "disabled"}));
    cloud.boot(&demo, "too late").await.fails().await;
    put(json!({"status": "enable"})).await.expect(200);
    cloud.boot(&demo, "in time").await.reaches("ACTIVE").await;
    put(json!({"maintenance_mode": "enable"})).await.expect(501);
    for body in [json!({}), json!({"status": "closed"}), json!({"odd": 1})] {
        put(body).await.expect(400);
    }
    // As with Nova's drivers for KVM.
    for verb in ["reboot", "shutdown", "startup"] {
        let power = format!("{path}/{verb}");
        ask(&admin, Method::GET, &power, None).await.expect(501);
        ask(&demo, Method::GET, &power, None).await.expect(403);
        let nowhere = format!("/os-hosts/nowhere/{verb}");
        ask(&admin, Method::GET, &nowhere, None).await.expect(404);
    }
    ask(&admin, Method::GET, "/os-hosts/nowhere", None)
        .await
        .expect(404);
    let body = json!({"status": "enable"});
    ask(&admin, Method::PUT, "/os-hosts/nowhere", Some(&body))
        .await
        .expect(404);
    ask(&demo, Method::GET, &path, None).await.expect(403);
}

#[tokio::test]
async fn a_server_gets_a_fixed_address_more_and_loses_it() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let (image, flavor) = (cloud.image(&demo).await, cloud.tiny().await);
    let (inside, other) = (
        demo.network("private", "10.5.0.0/28").await,
        demo.network("other", "10.6.0.0/24").await,
    );
    let server = json!({
        "name": "reached", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": inside}],
    });
    let server = cloud.boot_with(&demo, server).await;
    server.reaches("ACTIVE").await;
    let act = async |name: &str, body: Value| server.action_at("2.43", &json!({name: body})).await;
    let addresses = async || {
        let shown = server.show().await;
        let list = shown["addresses"]["private"]
            .as_array()
            .expect("a list")
            .clone();
        let of = |one: &Value| one["addr"].as_str().expect("an address").to_owned();
        list.iter().map(of).collect::<Vec<_>>()
    };
    let before = addresses().await;
    assert_eq!(before.len(), 1);
    act("addFixedIp", json!({"networkId": inside}))
        .await
        .expect(202);
    let after = addresses().await;
    assert_eq!((after.len(), &after[0]), (2, &before[0]));
    // Of a network on which it has no port; of none.
    act("addFixedIp", json!({"networkId": other}))
        .await
        .fault(400);
    act("addFixedIp", json!({})).await.fault(400);
    act("removeFixedIp", json!({"address": "10.5.0.250"}))
        .await
        .fault(400);
    act("removeFixedIp", json!({"address": "nowhere"}))
        .await
        .fault(400);
    assert_eq!(addresses().await, after);
    act("removeFixedIp", json!({"address": after[1]}))
        .await
        .expect(202);
    assert_eq!(addresses().await, before);
    let late = json!({"addFixedIp": {"networkId": inside}});
    server.action_at("2.44", &late).await.fault(404);
    // Until the network has no address left.
    let port = json!({"port": {"network_id": inside}});
    let mut made = 0;
    while demo.post("/network/v2.0/ports", &port).await.status == 201 {
        made += 1;
        assert!(made < 16, "of fourteen addresses");
    }
    act("addFixedIp", json!({"networkId": inside}))
        .await
        .fault(400);
    assert_eq!(addresses().await, before);
    server.action(json!({"lock": null})).await.expect(202);
    act("addFixedIp", json!({"networkId": inside}))
        .await
        .fault(409);
    server.action(json!({"unlock": null})).await.expect(202);
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test]
async fn the_log_of_usage_audits_says_that_no_host_has_run_one() {
    let cloud = TestCloud::start().await;
    cloud.knows_hosts(1).await;
    let admin = cloud.admin().await;
    let log = get(&admin, "/os-instance_usage_audit_log").await["instance_usage_audit_logs"].take();
    assert_eq!(log["overall_status"], "0 of 1 hosts done. 0 errors.");
    assert_eq!(
        (&log["num_hosts"], &log["num_hosts_not_run"]),
        (&json!(1), &json!(1))
    );
    let path = "/os-instance_usage_audit_log/2026-01-15%2010:00:00";
    let log = get(&admin, path).await["instance_usage_audit_log"].take();
    assert_eq!(log["period_beginning"], "2025-12-01 00:00:00");
    assert_eq!(log["period_ending"], "2026-01-01 00:00:00");
    let path = "/os-instance_usage_audit_log/2026-01-15%2010:00:00.5";
    get(&admin, path).await;
    let path = "/os-instance_usage_audit_log/yesterday";
    ask(&admin, Method::GET, path, None).await.fault(400);
    let path = "/os-instance_usage_audit_log?odd=1";
    for (version, code) in [("2.101", 200), ("2.102", 400)] {
        let answer = admin.compute(version, Method::GET, path, None).await;
        assert_eq!(answer.status, code, "{version}");
    }
}

#[tokio::test]
async fn hosts_of_an_aggregate_fetch_images_before_a_server_asks_for_them() {
    let cloud = TestCloud::start().await;
    let (demo, admin) = (cloud.demo().await, cloud.admin().await);
    let image = cloud.image(&admin).await;
    let body = json!({"aggregate": {"name": "near", "availability_zone": null}});
    let made = admin
        .compute("2.81", Method::POST, "/os-aggregates", Some(&body))
        .await;
    let id = made.expect(200)["aggregate"]["id"].clone();
    let cache = async |user: &User, version: &str, body: Value| {
        let path = format!("/os-aggregates/{id}/images");
        user.compute(version, Method::POST, &path, Some(&body))
            .await
    };
    let host = get(&admin, "/os-services?binary=nova-compute").await["services"][0]["host"].take();
    let path = format!("/os-aggregates/{id}/action");
    let body = json!({"add_host": {"host": host}});
    admin
        .compute("2.81", Method::POST, &path, Some(&body))
        .await
        .expect(200);
    let one = json!({"id": image});
    cache(&admin, "2.80", json!({"cache": [one]}))
        .await
        .expect(404);
    cache(&demo, "2.81", json!({"cache": [one]}))
        .await
        .fault(403);
    cache(&admin, "2.81", json!({"cache": []})).await.fault(400);
    cache(&admin, "2.81", json!({"cache": [one, one]}))
        .await
        .fault(400);
    let nowhere = json!({"id": "7f3c1a52-0000-4000-8000-00000000dead"});
    cache(&admin, "2.81", json!({"cache": [nowhere]}))
        .await
        .fault(404);
    let file = cloud.state_path().join("image-cache").join(&image);
    let cached = || file.exists();
    assert!(!cached(), "nobody asked for it");
    cache(&admin, "2.81", json!({"cache": [one]}))
        .await
        .expect(202);
    until("the image is in the cache", || async {
        cached().then_some(())
    })
    .await;
}
