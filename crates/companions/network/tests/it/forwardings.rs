//! Port forwardings of floating addresses.

use http::Method;
use serde_json::{Value, json};

use crate::cloud::{ADMIN, Cloud, DEMO, OTHER, READER, ip, text};

/// A floating address, and a port behind the router that leads to it.
struct Scene {
    cloud: Cloud,
    router: Value,
    subnet: Value,
    port: Value,
    floating: Value,
    /// `/v2.0/floatingips/{id}/port_forwardings`
    path: String,
}

impl Scene {
    async fn all() -> Vec<Scene> {
        let mut all = Vec::new();
        for cloud in Cloud::all().await {
            let (external, _) = cloud.external("203.0.113.0/24").await;
            let (network, subnet) = cloud.net("10.0.0.0/24").await;
            let gateway = json!({"external_gateway_info": {"network_id": external["id"]}});
            let router = cloud.make(DEMO, "routers", gateway).await;
            let path = format!("/v2.0/routers/{}/add_router_interface", text(&router["id"]));
            cloud
                .put(DEMO, &path, json!({"subnet_id": subnet["id"]}))
                .await;
            let port = json!({"network_id": network["id"]});
            let port = cloud.make(DEMO, "ports", port).await;
            let floating = json!({"floating_network_id": external["id"]});
            let floating = cloud.make(DEMO, "floatingips", floating).await;
            let id = text(&floating["id"]);
            all.push(Scene {
                cloud,
                router,
                subnet,
                port,
                floating,
                path: format!("/v2.0/floatingips/{id}/port_forwardings"),
            });
        }
        all
    }

    /// A body that is good, with changes.
    fn body(&self, changes: Value) -> Value {
        let mut body = json!({
            "protocol": "tcp", "external_port": 2222, "internal_port": 22,
            "internal_port_id": self.port["id"], "internal_ip_address": ip(&self.port),
        });
        for (name, value) in changes.as_object().expect("an object") {
            body[name] = value.clone();
        }
        json!({"port_forwarding": body})
    }

    async fn make(&self, changes: Value) -> Value {
        let body = Some(self.body(changes));
        let mut made = self
            .cloud
            .ok(DEMO, Method::POST, &self.path, body, 201)
            .await;
        made["port_forwarding"].take()
    }

    async fn refused(&self, changes: Value, status: u16) -> String {
        let body = Some(self.body(changes));
        let refused = self
            .cloud
            .refused(DEMO, Method::POST, &self.path, body, status);
        refused.await
    }

    async fn floating(&self) -> Value {
        let id = &self.floating["id"];
        self.cloud.show(DEMO, "floatingips", id).await
    }
}

#[tokio::test]
async fn a_port_of_a_floating_address_is_forwarded_changed_and_freed() {
    for scene in Scene::all().await {
        let cloud = &scene.cloud;
        assert_eq!(scene.floating["port_forwardings"], json!([]));
        let made = scene.make(json!({"description": "ssh"})).await;
        assert_eq!(made["description"], "ssh");
        assert_eq!(made["external_port"], 2222);
        let one = format!("{}/{}", scene.path, text(&made["id"]));
        assert_eq!(cloud.get(READER, &one).await["port_forwarding"], made);
        let floating = scene.floating().await;
        assert_eq!(floating["router_id"], scene.router["id"]);
        assert_eq!(floating["status"], "ACTIVE");
        assert_eq!(floating["port_forwardings"][0]["internal_port"], 22);
        let was = floating["revision_number"].as_i64();
        scene
            .make(json!({"protocol": "udp", "description": "the same ports"}))
            .await;
        assert!(scene.floating().await["revision_number"].as_i64() > was);
        let count = async |query: &str| {
            let all = cloud.get(DEMO, &format!("{}?{query}", scene.path)).await;
            all["port_forwardings"].as_array().map(Vec::len)
        };
        assert_eq!(count("").await, Some(2));
        assert_eq!(count("protocol=UDP").await, Some(1));
        assert_eq!(count("external_port=2223").await, Some(0));
        assert_eq!(count("external_port=2222&description=ssh").await, Some(1));
        let ordered = |page: &str| format!("{}?sort_key=protocol&limit=1{page}", scene.path);
        let first = cloud.get(DEMO, &ordered("")).await;
        assert_eq!(first["port_forwardings"][0]["protocol"], "tcp");
        let marker = format!("&marker={}", text(&made["id"]));
        let second = cloud.get(DEMO, &ordered(&marker)).await;
        assert_eq!(second["port_forwardings"][0]["protocol"], "udp");
        let strange = ordered("&marker=9f0a4c6e-9d0b-4f6c-8f57-0f4d1f0c5a11");
        cloud.refused(DEMO, Method::GET, &strange, None, 400).await;
        let changes = json!({"port_forwarding": {"external_port": 2223, "description": ""}});
        let changed = cloud.put(DEMO, &one, changes).await;
        assert_eq!(changed["port_forwarding"]["external_port"], 2223);
        assert_eq!(changed["port_forwarding"]["internal_port"], 22);
        cloud.delete(DEMO, &one).await;
        let gone = cloud.refused(DEMO, Method::GET, &one, None, 404).await;
        assert_eq!(gone, "PortForwardingNotFound");
        assert_eq!(scene.floating().await["router_id"], scene.router["id"]);
        cloud.remove(DEMO, "ports", &scene.port["id"]).await;
        let floating = scene.floating().await;
        assert_eq!(floating["port_forwardings"], json!([]));
        assert_eq!(floating["router_id"], Value::Null);
        assert_eq!(floating["status"], "DOWN");
        cloud
            .remove(DEMO, "floatingips", &scene.floating["id"])
            .await;
    }
}

#[tokio::test]
async fn a_forwarding_that_cannot_be_is_refused() {
    for scene in Scene::all().await {
        let cloud = &scene.cloud;
        for (changes, kind) in [
            (json!({"external_port": 0}), "HTTPBadRequest"),
            (json!({"internal_port": 65536}), "HTTPBadRequest"),
            (json!({"external_port": "x"}), "HTTPBadRequest"),
            (json!({"protocol": "icmp"}), "HTTPBadRequest"),
            (json!({"internal_port_id": "x"}), "HTTPBadRequest"),
            (json!({"colour": 1}), "HTTPBadRequest"),
            (json!({"internal_ip_address": "10.0.0.99"}), "BadRequest"),
        ] {
            assert_eq!(scene.refused(changes.clone(), 400).await, kind, "{changes}");
        }
        let nobody = "7f3c1a52-0000-4000-8000-00000000dead";
        let missing = scene.refused(json!({"internal_port_id": nobody}), 404);
        assert_eq!(missing.await, "PortNotFound");
        let (island, _) = cloud.net("10.9.0.0/24").await;
        let far = json!({"network_id": island["id"]});
        let far = cloud.make(DEMO, "ports", far).await;
        let unreachable = scene.refused(
            json!({"internal_port_id": far["id"], "internal_ip_address": ip(&far)}),
            400,
        );
        assert_eq!(unreachable.await, "BadRequest");
        let bare = json!({"network_id": island["id"], "fixed_ips": []});
        let bare = cloud.make(DEMO, "ports", bare).await;
        let no_address = scene.refused(json!({"internal_port_id": bare["id"]}), 400);
        assert_eq!(no_address.await, "BadRequest");

        let made = scene.make(json!({})).await;
        assert_eq!(
            scene.refused(json!({"internal_port": 23}), 400).await,
            "BadRequest",
            "the outer port is taken"
        );
        assert_eq!(
            scene.refused(json!({"external_port": 2223}), 400).await,
            "BadRequest",
            "the inner port is taken"
        );
        let second = scene
            .make(json!({"external_port": 2223, "internal_port": 23}))
            .await;
        let path = format!("{}/{}", scene.path, text(&second["id"]));
        for changes in [
            json!({"external_port": 2222}),
            json!({"internal_port": 22}),
            json!({"internal_ip_address": "10.0.0.99"}),
        ] {
            let body = Some(json!({"port_forwarding": changes}));
            let refused = cloud.refused(DEMO, Method::PUT, &path, body, 400).await;
            assert_eq!(refused, "BadRequest", "{changes}");
        }
        for filter in ["internal_port=22", "internal_ip_address=10.0.0.5"] {
            let path = format!("{}?{filter}", scene.path);
            let refused = cloud.refused(DEMO, Method::GET, &path, None, 400).await;
            assert_eq!(refused, "PortForwardingNotSupportFilterField");
        }
        // Of another floating address.
        let other = json!({"floating_network_id": scene.floating["floating_network_id"]});
        let other = cloud.make(DEMO, "floatingips", other).await;
        let elsewhere = format!(
            "/v2.0/floatingips/{}/port_forwardings/{}",
            text(&other["id"]),
            text(&made["id"])
        );
        for (method, body) in [
            (Method::GET, None),
            (Method::PUT, Some(json!({"port_forwarding": {}}))),
            (Method::DELETE, None),
        ] {
            let refused = cloud.refused(DEMO, method, &elsewhere, body, 404).await;
            assert_eq!(refused, "PortForwardingNotFound");
        }
    }
}

#[tokio::test]
async fn a_floating_address_is_associated_or_forwards() {
    for scene in Scene::all().await {
        let cloud = &scene.cloud;
        let id = &scene.floating["id"];
        let tie = json!({"port_id": scene.port["id"]});
        cloud.change(DEMO, "floatingips", id, tie.clone()).await;
        let associated = scene.refused(json!({}), 409).await;
        assert_eq!(associated, "FloatingIPPortAlreadyAssociated");
        let another = json!({"floating_network_id": scene.floating["floating_network_id"]});
        let another = cloud.make(DEMO, "floatingips", another).await;
        let path = format!(
            "/v2.0/floatingips/{}/port_forwardings",
            text(&another["id"])
        );
        let body = Some(scene.body(json!({})));
        let carried = cloud.refused(DEMO, Method::POST, &path, body, 409).await;
        assert_eq!(carried, "PortHasBindingFloatingIP");
        let loose = json!({"port_id": null});
        cloud.change(DEMO, "floatingips", id, loose.clone()).await;
        // An update that names nothing ends an association too.
        cloud.change(DEMO, "floatingips", id, tie.clone()).await;
        let ended = cloud.change(DEMO, "floatingips", id, json!({})).await;
        assert_eq!(ended["port_id"], Value::Null);
        scene.make(json!({})).await;
        let fip = format!("/v2.0/floatingips/{}", text(id));
        let body = Some(json!({"floatingip": tie}));
        let forwards = cloud.refused(DEMO, Method::PUT, &fip, body, 409).await;
        assert_eq!(forwards, "FipInUseByPortForwarding");
        let kept = cloud.not_removed(DEMO, "floatingips", id, 409).await;
        assert_eq!(kept, "FipInUseByPortForwarding");
        cloud.change(DEMO, "floatingips", id, loose).await;
        assert_eq!(scene.floating().await["router_id"], scene.router["id"]);
        // The router stays as it is while it is needed.
        let router = format!("/v2.0/routers/{}", text(&scene.router["id"]));
        let interface = Some(json!({"subnet_id": scene.subnet["id"]}));
        let remove = format!("{router}/remove_router_interface");
        let needed = cloud
            .refused(DEMO, Method::PUT, &remove, interface, 409)
            .await;
        assert_eq!(needed, "RouterInterfaceInUseByFloatingIP");
        let closed = Some(json!({"router": {"external_gateway_info": null}}));
        let needed = cloud.refused(DEMO, Method::PUT, &router, closed, 409).await;
        assert_eq!(needed, "RouterExternalGatewayInUseByFloatingIp");
        // An address that the port loses is no longer forwarded to.
        let moved = json!({"fixed_ips": [{"ip_address": "10.0.0.77"}]});
        cloud.change(DEMO, "ports", &scene.port["id"], moved).await;
        assert_eq!(scene.floating().await["port_forwardings"], json!([]));
    }
}

#[tokio::test]
async fn only_the_owner_of_the_floating_address_forwards_its_ports() {
    for scene in Scene::all().await {
        let cloud = &scene.cloud;
        let made = scene.make(json!({})).await;
        let one = format!("{}/{}", scene.path, text(&made["id"]));
        let change = json!({"port_forwarding": {"description": "x"}});
        for (method, path, body) in [
            (Method::GET, &scene.path, None),
            (Method::GET, &one, None),
            (Method::POST, &scene.path, Some(scene.body(json!({})))),
            (Method::PUT, &one, Some(change.clone())),
            (Method::DELETE, &one, None),
        ] {
            let hidden = cloud.refused(OTHER, method.clone(), path, body.clone(), 404);
            assert_eq!(hidden.await, "FloatingIPNotFound");
            if method != Method::GET {
                let refused = cloud.refused(READER, method, path, body, 403);
                assert_eq!(refused.await, "PolicyNotAuthorized");
            }
        }
        cloud.put(ADMIN, &one, change).await;
        // Nor does anybody forward to a port that is another's.
        let (external, theirs) = (scene.floating["floating_network_id"].clone(), OTHER);
        let floating = json!({"floating_network_id": external});
        let floating = cloud.make(theirs, "floatingips", floating).await;
        let path = format!(
            "/v2.0/floatingips/{}/port_forwardings",
            text(&floating["id"])
        );
        let body = Some(scene.body(json!({"internal_port": 80})));
        let refused = cloud.refused(theirs, Method::POST, &path, body, 404).await;
        assert_eq!(refused, "PortNotFound");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_port_that_goes_while_it_is_forwarded_to_leaves_nothing_behind() {
    for scene in Scene::all().await {
        for number in 0..8 {
            let port = json!({"network_id": scene.port["network_id"]});
            let port = scene.cloud.make(DEMO, "ports", port).await;
            let changes = json!({
                "external_port": 3000 + number, "internal_port_id": port["id"], "internal_ip_address": ip(&port),
            });
            let gone = format!("/v2.0/ports/{}", text(&port["id"]));
            let made = scene
                .cloud
                .raw(DEMO, Method::POST, &scene.path, Some(scene.body(changes)));
            let removed = scene.cloud.raw(DEMO, Method::DELETE, &gone, None);
            let ((made, answer), (removed, _)) = tokio::join!(made, removed);
            assert_eq!(removed.as_u16(), 204);
            // Gone already, or without its addresses already.
            assert!([201, 400, 404].contains(&made.as_u16()), "{made}: {answer}");
        }
        let floating = scene.floating().await;
        assert_eq!(floating["port_forwardings"], json!([]));
        assert_eq!(floating["router_id"], Value::Null);
    }
}
