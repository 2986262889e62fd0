//! Servers on networks: ports made and given, addresses, and what is left afterwards.

use http::Method;
use serde_json::{Value, json};
use testing::{Server, TestCloud, User, until};

async fn on(cloud: &TestCloud, user: &User, networks: Value) -> Server {
    let (flavor, image) = (cloud.tiny().await, cloud.image(user).await);
    let wanted =
        json!({"name": "wired", "flavorRef": flavor, "imageRef": image, "networks": networks});
    cloud.boot_with(user, wanted).await
}

async fn port(user: &User, network: &str) -> (String, String) {
    let body = json!({"port": {"network_id": network}});
    let made = user.post("/network/v2.0/ports", &body).await.expect(201);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let port = &made["port"];
    (text(&port["id"]), text(&port["fixed_ips"][0]["ip_address"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_a_port_and_an_address_and_gives_both_back() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let network = demo.network("private", "10.1.0.0/24").await;
    let server = on(&cloud, &demo, json!([{"uuid": network}])).await;
    let shown = server.reaches("ACTIVE").await;
    let address = server.address("private").await;
    assert!(address.starts_with("10.1.0."), "{address}");
    let ports = server.ports().await;
    assert_eq!(ports.len(), 1);
    assert_eq!(ports[0]["status"], "ACTIVE");
    assert_eq!(ports[0]["device_owner"], "compute:nova");
    assert_eq!(ports[0]["dns_name"], "wired");
    let whole = &ports[0]["dns_assignment"][0]["fqdn"];
    assert_eq!(whole, "wired.openstacklocal.");
    assert_eq!(ports[0]["fixed_ips"][0]["ip_address"], address.as_str());
    let mac = &shown["addresses"]["private"][0]["OS-EXT-IPS-MAC:mac_addr"];
    assert_eq!(*mac, ports[0]["mac_address"]);
    let path = format!("/servers/{}/os-interface", server.id);
    let cards = demo
        .compute("latest", Method::GET, &path, None)
        .await
        .expect(200);
    assert_eq!(cards["interfaceAttachments"][0]["port_id"], ports[0]["id"]);
    server.delete().await.vanishes().await;
    assert!(server.ports().await.is_empty());
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_port_is_bound_and_survives_its_server() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let network = demo.network("private", "10.1.0.0/24").await;
    let (port, address) = port(&demo, &network).await;
    let server = on(&cloud, &demo, json!([{"port": port}])).await;
    server.reaches("ACTIVE").await;
    assert_eq!(server.address("private").await, address);
    assert_eq!(server.ports().await[0]["dns_name"], "wired");
    // Nobody else gets it meanwhile.
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let second = json!({"server": {
        "name": "second", "flavorRef": flavor, "imageRef": image, "networks": [{"port": port}],
    }});
    let refused = demo.asks_for_server(&second).await;
    assert_eq!(refused.fault(409), format!("Port {port} is still in use."));

    server.delete().await.vanishes().await;
    let shown = demo
        .get(&format!("/network/v2.0/ports/{port}"))
        .await
        .expect(200);
    assert_eq!(shown["port"]["device_id"], "");
    assert_eq!(shown["port"]["device_owner"], "");
    assert_eq!(shown["port"]["dns_name"], "");
    assert_eq!(shown["port"]["status"], "DOWN");
    // It serves another.
    let next = on(&cloud, &demo, json!([{"port": port}])).await;
    next.reaches("ACTIVE").await;
    next.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_another_project_cannot_be_booted_on() {
    let cloud = TestCloud::start().await;
    let (demo, other, admin) = (
        cloud.demo().await,
        cloud.stranger("other").await,
        cloud.admin().await,
    );
    let network = demo.network("private", "10.1.0.0/24").await;
    let share = json!({"rbac_policy": {
        "object_type": "network", "object_id": network, "action": "access_as_shared", "target_tenant": "*",
    }});
    admin
        .post("/network/v2.0/rbac-policies", &share)
        .await
        .expect(201);
    // A port of the other project on the network that was shared with it: the network's owner sees it, and so does
    // an administrator.
    let (taken, _) = port(&other, &network).await;
    demo.get(&format!("/network/v2.0/ports/{taken}"))
        .await
        .expect(200);
    for thief in [&demo, &admin] {
        let (flavor, image) = (cloud.tiny().await, cloud.image(thief).await);
        let server = json!({"server": {
            "name": "thief", "flavorRef": flavor, "imageRef": image, "networks": [{"port": taken}],
        }});
        let refused = thief.asks_for_server(&server).await;
        let why = refused.fault(400);
        assert!(
            why.starts_with(&format!("Port {taken} not usable for instance")),
            "{why}"
        );
    }
    let shown = admin
        .get(&format!("/network/v2.0/ports/{taken}"))
        .await
        .expect(200);
    assert_eq!(shown["port"]["device_id"], "");
    // Its own project may.
    let server = on(&cloud, &other, json!([{"port": taken}])).await;
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_with_another_name_is_not_given_to_a_server() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let network = demo.network("private", "10.1.0.0/24").await;
    let (port, _) = port(&demo, &network).await;
    let path = format!("/network/v2.0/ports/{port}");
    let name = |name: &str| json!({"port": {"dns_name": name}});
    demo.put(&path, &name("elsewhere")).await.expect(200);
    let server = on(&cloud, &demo, json!([{"port": port}])).await;
    server.fails().await;
    server.delete().await.vanishes().await;
    let shown = demo.get(&path).await.expect(200);
    assert_eq!(shown["port"]["dns_name"], "elsewhere", "it was never ours");
    demo.put(&path, &name("Wired")).await.expect(200);
    let server = on(&cloud, &demo, json!([{"port": port}])).await;
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_cards_come_in_the_order_asked_for_and_a_fixed_address_is_the_one_asked_for() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let front = demo.network("front", "10.1.0.0/24").await;
    let back = demo.network("back", "10.2.0.0/24").await;
    let (given, given_address) = port(&demo, &back).await;
    let networks =
        json!([{"uuid": back, "fixed_ip": "10.2.0.77"}, {"uuid": front}, {"port": given}]);
    let server = on(&cloud, &demo, networks).await;
    let shown = server.reaches("ACTIVE").await;
    let back_addresses: Vec<&str> = shown["addresses"]["back"]
        .as_array()
        .expect("addresses")
        .iter()
        .filter_map(|one| one["addr"].as_str())
        .collect();
    assert_eq!(back_addresses, ["10.2.0.77", given_address.as_str()]);
    let log = server
        .action(json!({"os-getConsoleOutput": {}}))
        .await
        .expect(200);
    let log = log["output"].as_str().expect("a text").to_owned();
    assert!(
        log.contains(&format!("eth2: {}", mac_of(&demo, &given).await)),
        "{log}"
    );
    server.delete().await.vanishes().await;
    assert_eq!(
        demo.get(&format!("/network/v2.0/ports/{given}"))
            .await
            .status,
        200
    );
    cloud.audit().await;
}

async fn mac_of(user: &User, port: &str) -> String {
    let shown = user
        .get(&format!("/network/v2.0/ports/{port}"))
        .await
        .expect(200);
    shown["port"]["mac_address"]
        .as_str()
        .expect("a text")
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_takes_the_only_network_and_several_are_ambiguous() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    demo.network("only", "10.1.0.0/24").await;
    let server = on(&cloud, &demo, json!("auto")).await;
    server.reaches("ACTIVE").await;
    assert!(server.address("only").await.starts_with("10.1.0."));
    demo.network("other", "10.2.0.0/24").await;
    let (flavor, image) = (cloud.tiny().await, cloud.image(&demo).await);
    let body = json!({"server": {
        "name": "lost", "flavorRef": flavor, "imageRef": image, "networks": "auto",
    }});
    let refused = demo.asks_for_server(&body).await.fault(409);
    assert!(
        refused.starts_with("More than one possible network found"),
        "{refused}"
    );
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floating_address_shows_beside_the_fixed_one_while_it_is_there() {
    let cloud = TestCloud::start().await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let network = demo.network("private", "10.1.0.0/24").await;
    let public = json!({"network": {"name": "public", "router:external": true}});
    let public = admin
        .post("/network/v2.0/networks", &public)
        .await
        .expect(201);
    let public = public["network"]["id"].clone();
    let subnet = json!({"subnet": {
        "network_id": public, "cidr": "198.51.100.0/24", "ip_version": 4, "enable_dhcp": false,
    }});
    admin
        .post("/network/v2.0/subnets", &subnet)
        .await
        .expect(201);
    let router = json!({"router": {"name": "r", "external_gateway_info": {"network_id": public}}});
    let router = demo
        .post("/network/v2.0/routers", &router)
        .await
        .expect(201);
    let router = router["router"]["id"].as_str().expect("an id").to_owned();
    let subnets = demo
        .get(&format!("/network/v2.0/subnets?network_id={network}"))
        .await
        .expect(200);
    let plug = json!({"subnet_id": subnets["subnets"][0]["id"]});
    demo.put(
        &format!("/network/v2.0/routers/{router}/add_router_interface"),
        &plug,
    )
    .await
    .expect(200);

    let server = on(&cloud, &demo, json!([{"uuid": network}])).await;
    server.reaches("ACTIVE").await;
    let port = server.ports().await[0]["id"].clone();
    let body = json!({"floatingip": {"floating_network_id": public, "port_id": port}});
    let floating = demo
        .post("/network/v2.0/floatingips", &body)
        .await
        .expect(201);
    let address = floating["floatingip"]["floating_ip_address"].clone();
    until("the floating address shows", || async {
        let shown = server.show().await;
        let mut all = shown["addresses"]["private"].as_array()?.iter();
        let found = all.find(|one| one["addr"] == address)?;
        assert_eq!(found["OS-EXT-IPS:type"], "floating");
        Some(())
    })
    .await;
    let id = floating["floatingip"]["id"].as_str().expect("an id");
    demo.delete(&format!("/network/v2.0/floatingips/{id}"))
        .await
        .expect(204);
    until("the floating address is gone", || async {
        let shown = server.show().await;
        (shown["addresses"]["private"].as_array()?.len() == 1).then_some(())
    })
    .await;
    server.delete().await.vanishes().await;
    cloud.audit().await;
}
