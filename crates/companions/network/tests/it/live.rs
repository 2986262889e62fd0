//! The service with the Linux plane, in a network namespace that plays the host and goes with the test.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request};
use network::{MetadataUpstream, PlaneKind, Settings};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cloud::{ADMIN, Cloud, DEMO, Told, ip, text};
use crate::guest::{Guest, sh};

const SERVER: &str = "9f0a4c6e-9d0b-4f6c-8f57-0f4d1f0c5a11";

/// Runs the test on threads of a new network namespace. Without root it is skipped.
fn on_a_host<F: Future<Output = ()>>(body: impl FnOnce() -> F + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        skips::skip("network namespaces need root");
        return;
    }
    let host = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
        sh("ip link set lo up");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(body());
    });
    if let Err(panic) = host.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A metadata service that notes who asked.
#[derive(Default)]
struct Upstream(Mutex<Vec<http::request::Parts>>);

#[async_trait]
impl MetadataUpstream for Upstream {
    async fn send(&self, request: Request<Body>) -> Response {
        self.0.lock().expect("lock").push(request.into_parts().0);
        "ami-id".into_response()
    }
}

/// Removes the cloud from the host, also when the test fails.
struct Down(Cloud, CancellationToken);

impl Drop for Down {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.1.cancel();
            let down = self.0.networks.down();
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(down)).ok();
        }
    }
}

impl Down {
    async fn finish(&self, tasks: tokio::task::JoinSet<()>) {
        self.1.cancel();
        tasks.join_all().await;
        self.0.networks.down().await.expect("everything is removed");
        assert_eq!(
            self.0.networks.audit().await.expect("an audit"),
            Vec::<String>::new()
        );
    }
}

/// What a command prints, once it is as wanted; after ten seconds whatever it is.
async fn shown(command: &str, as_wanted: impl Fn(&str) -> bool) -> String {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let printed = sh(command);
        if as_wanted(&printed) || tokio::time::Instant::now() >= deadline {
            return printed;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_bound_port_is_wired_told_of_asks_for_metadata_and_leaves_nothing() {
    on_a_host(|| async {
        let folder = tempfile::tempdir().expect("a folder");
        let cloud_id = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        let settings = Settings {
            host: "h1".to_owned(),
            plane: PlaneKind::Linux,
            cloud_id: cloud_id.clone(),
            state_dir: folder.path().join("plane"),
            metadata_secret: "secret".to_owned().into(),
            ..Settings::default()
        };
        let cloud = Cloud::open(sql::testing::sqlite().await, settings).await;
        let told = Arc::new(Told::default());
        cloud.networks.set_event_sink(told.clone()).await;
        let upstream = Arc::new(Upstream::default());
        let stop = CancellationToken::new();
        let tasks = cloud.networks.start(Some(upstream.clone()), stop.clone());
        let down = Down(cloud.clone(), stop);

        let (external, _) = cloud.external("203.0.113.0/24").await;
        let (network, subnet) = cloud.net("10.0.0.0/24").await;
        let router = json!({"external_gateway_info": {"network_id": external["id"]}});
        let router = cloud.make(DEMO, "routers", router).await;
        let path = format!("/v2.0/routers/{}/add_router_interface", text(&router["id"]));
        cloud
            .put(DEMO, &path, json!({"subnet_id": subnet["id"]}))
            .await;
        let elsewhere = json!({
            "network_id": network["id"], "tenant_id": "p-demo", "device_id": SERVER, "device_owner": "compute:nova",
            "binding:host_id": "h2",
        });
        let failed = cloud.make(ADMIN, "ports", elsewhere.clone()).await;
        assert_eq!(failed["binding:vif_type"], "binding_failed");
        let mut here = elsewhere;
        here["binding:host_id"] = json!("h1");
        let port = cloud.make(ADMIN, "ports", here).await;
        let details = &port["binding:vif_details"];
        assert_eq!(
            (&port["status"], &port["binding:vif_type"]),
            (&json!("DOWN"), &json!("tap"))
        );
        told.heard("plugged", &text(&port["id"])).await;
        assert_eq!(
            cloud.show(ADMIN, "ports", &port["id"]).await["status"],
            "ACTIVE"
        );
        let (tap, netns) = (text(&details["tap"]), text(&details["netns"]));
        assert!(sh(&format!("ip -n {netns} link show {tap}")).contains("master"));
        let floating = json!({"floating_network_id": external["id"], "port_id": port["id"]});
        let floating = cloud.make(DEMO, "floatingips", floating).await;
        assert_eq!(floating["status"], "ACTIVE");

        let forwards = json!({"floating_network_id": external["id"]});
        let forwards = cloud.make(DEMO, "floatingips", forwards).await;
        let path = format!(
            "/v2.0/floatingips/{}/port_forwardings",
            text(&forwards["id"])
        );
        let body = json!({"port_forwarding": {
            "protocol": "udp", "external_port": 5353, "internal_port": 53,
            "internal_port_id": failed["id"], "internal_ip_address": ip(&failed),
        }});
        cloud.ok(DEMO, Method::POST, &path, Some(body), 201).await;
        let space = network_plane::router_namespace(&cloud_id, &text(&router["id"]));
        let rule = format!(
            "{} . udp . 5353 : {} . 53",
            text(&forwards["floating_ip_address"]),
            ip(&failed)
        );
        let map = format!("ip netns exec {space} nft list map ip kn forwarded");
        let found = shown(&map, |map| map.contains(&rule)).await;
        assert!(found.contains(&rule), "{found}");

        let guest = Guest::plug(&netns, &tap, &text(&port["mac_address"]));
        let dhcp = format!(
            "device_owner=network:dhcp&network_id={}",
            text(&network["id"])
        );
        let dhcp = ip(&cloud.list(ADMIN, "ports", &dhcp).await[0]);
        let answer = guest.within(|| {
            sh(&format!(
                "ip addr add {}/24 dev eth0 && ip route add 169.254.169.254 via {dhcp}",
                ip(&port)
            ));
            ask()
        });
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("ami-id"),
            "{answer}"
        );
        let asked = upstream.0.lock().expect("lock").pop().expect("a request");
        assert_eq!(asked.uri.path(), "/latest/meta-data/ami-id");
        assert_eq!(asked.headers["x-instance-id"], SERVER);
        assert_eq!(asked.headers["x-tenant-id"], "p-demo");
        assert_eq!(asked.headers["x-forwarded-for"], ip(&port).as_str());
        let signature = sh(&format!(
            "printf %s {SERVER} | openssl dgst -sha256 -hmac secret"
        ));
        let expected = signature
            .trim()
            .rsplit(' ')
            .next()
            .expect("a word")
            .to_owned();
        assert_eq!(asked.headers["x-instance-id-signature"], expected.as_str());

        assert_eq!(
            guest.within(hoard),
            32,
            "a guest keeps so many connections open and no more"
        );

        drop(guest);
        cloud.remove(ADMIN, "ports", &port["id"]).await;
        told.heard("deleted", &text(&port["id"])).await;
        let links = shown(&format!("ip -n {netns} link"), |links| {
            !links.contains(&tap)
        })
        .await;
        assert!(!links.contains(&tap), "the tap goes with its port");
        down.finish(tasks).await;
        assert!(!sh("ip netns").contains(&cloud_id));
    });
}

#[test]
fn a_neighbour_of_a_shared_network_cannot_ask_for_another_s_metadata() {
    const VICTIM: &str = "11111111-aaaa-4aaa-8aaa-111111111111";
    const ATTACKER: &str = "22222222-bbbb-4bbb-8bbb-222222222222";
    on_a_host(|| async {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings {
            host: "h1".to_owned(),
            plane: PlaneKind::Linux,
            cloud_id: uuid::Uuid::new_v4().simple().to_string()[..8].to_owned(),
            state_dir: folder.path().join("plane"),
            metadata_secret: "secret".to_owned().into(),
            ..Settings::default()
        };
        let cloud = Cloud::open(sql::testing::sqlite().await, settings).await;
        let told = Arc::new(Told::default());
        cloud.networks.set_event_sink(told.clone()).await;
        let upstream = Arc::new(Upstream::default());
        let stop = CancellationToken::new();
        let tasks = cloud.networks.start(Some(upstream.clone()), stop.clone());
        let down = Down(cloud.clone(), stop);

        // One project's network, shared with another's, with a router of the first.
        let (network, subnet) = cloud.net("10.0.0.0/24").await;
        let share = json!({
            "object_type": "network", "object_id": network["id"], "action": "access_as_shared", "target_tenant": "p-other",
        });
        cloud.make(DEMO, "rbac-policies", share).await;
        let router = cloud.make(DEMO, "routers", json!({})).await;
        let path = format!("/v2.0/routers/{}/add_router_interface", text(&router["id"]));
        cloud
            .put(DEMO, &path, json!({"subnet_id": subnet["id"]}))
            .await;
        let bound = |project: &str, server: &str, more: serde_json::Value| {
            let mut port = json!({
                "network_id": network["id"], "tenant_id": project, "device_id": server, "device_owner": "compute:nova",
                "binding:host_id": "h1",
            });
            port.as_object_mut()
                .expect("a map")
                .extend(more.as_object().expect("a map").clone());
            port
        };
        let victim = cloud
            .make(ADMIN, "ports", bound("p-other", VICTIM, json!({})))
            .await;
        told.heard("plugged", &text(&victim["id"])).await;
        let query = format!(
            "device_owner=network:dhcp&network_id={}",
            text(&network["id"])
        );
        let dhcp = ip(&cloud.list(ADMIN, "ports", &query).await[0]);

        let unguarded = json!({"port_security_enabled": false, "security_groups": []});
        let pair = json!({"allowed_address_pairs": [{"ip_address": ip(&victim)}]});
        for (what, more) in [("no port security", unguarded), ("an address pair", pair)] {
            let port = cloud
                .make(ADMIN, "ports", bound("p-demo", ATTACKER, more))
                .await;
            told.heard("plugged", &text(&port["id"])).await;
            let details = &port["binding:vif_details"];
            let (tap, netns) = (text(&details["tap"]), text(&details["netns"]));
            let guest = Guest::plug(&netns, &tap, &text(&port["mac_address"]));
            for hop in [dhcp.as_str(), "10.0.0.1"] {
                let as_whom = |address: &str| {
                    guest.within(|| {
                        sh(&format!(
                            "ip addr flush dev eth0; ip addr add {address}/24 dev eth0 \
                             && ip route add 169.254.169.254 via {hop} dev eth0"
                        ));
                        attempt()
                    })
                };
                assert_eq!(as_whom(&ip(&victim)), None, "{what} by {hop}");
                let own = as_whom(&ip(&port)).expect("its own metadata");
                assert!(own.ends_with("ami-id"), "{what} by {hop}: {own}");
            }
            let asked: Vec<_> = upstream.0.lock().expect("lock").drain(..).collect();
            assert_eq!(asked.len(), 2, "{what}");
            for request in asked {
                assert_eq!(request.headers["x-instance-id"], ATTACKER, "{what}");
            }
            drop(guest);
            cloud.remove(ADMIN, "ports", &port["id"]).await;
        }
        // The victim itself is answered, as itself.
        let details = &victim["binding:vif_details"];
        let (tap, netns) = (text(&details["tap"]), text(&details["netns"]));
        let guest = Guest::plug(&netns, &tap, &text(&victim["mac_address"]));
        guest.within(|| {
            sh(&format!(
                "ip addr add {}/24 dev eth0 && ip route add 169.254.169.254 via {dhcp}",
                ip(&victim)
            ));
            ask()
        });
        let asked = upstream.0.lock().expect("lock").pop().expect("a request");
        assert_eq!(asked.headers["x-instance-id"], VICTIM);
        drop(guest);
        down.finish(tasks).await;
    });
}

/// Asks for metadata; the answer, if there is one soon.
fn attempt() -> Option<String> {
    let address = "169.254.169.254:80".parse().expect("an address");
    for _ in 0..3 {
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(1200))
        else {
            continue;
        };
        stream
            .set_read_timeout(Some(Duration::from_secs(3)))
            .expect("a timeout");
        let request = "GET /latest/meta-data/ami-id HTTP/1.1\r\nhost: 169.254.169.254\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        return Some(answer).filter(|answer| !answer.is_empty());
    }
    None
}

#[test]
fn an_external_subnet_that_takes_something_from_the_host_is_refused_by_name() {
    on_a_host(|| async {
        sh(
            "ip link add lan type veth peer name far && ip link set far up && ip link set lan up && ip addr add 192.0.2.9/24 dev lan",
        );
        sh("ip route add default via 192.0.2.1 && ip route add 10.0.0.0/8 via 192.0.2.1");
        let folder = tempfile::tempdir().expect("a folder");
        let sources = folder.path().join("sources");
        std::fs::write(&sources, "deb http://198.51.100.80/debian trixie main\n").expect("written");
        let settings = Settings {
            host: "h1".to_owned(),
            plane: PlaneKind::Linux,
            cloud_id: uuid::Uuid::new_v4().simple().to_string()[..8].to_owned(),
            state_dir: folder.path().join("plane"),
            places: network::host::Places::of_files(Vec::new(), vec![sources]),
            ..Settings::default()
        };
        let cloud = Cloud::open(sql::testing::sqlite().await, settings).await;
        let outside = json!({"name": "outside", "router:external": true});
        let outside = cloud.make(ADMIN, "networks", outside).await;
        let subnet = |cidr: &str, gateway: serde_json::Value| {
            json!({"subnet": {
                "network_id": outside["id"], "ip_version": 4, "cidr": cidr, "gateway_ip": gateway, "enable_dhcp": false,
            }})
        };
        let post = async |body| {
            cloud
                .raw(ADMIN, http::Method::POST, "/v2.0/subnets", Some(body))
                .await
        };
        for (cidr, gateway, by) in [
            (
                "192.0.2.0/24",
                "192.0.2.1",
                "192.0.2.0/24 of the host's device lan",
            ),
            (
                "198.51.100.64/26",
                "198.51.100.65",
                "the package mirror 198.51.100.80",
            ),
            // The gateway becomes the host's address, wherever it lies.
            (
                "172.24.4.0/24",
                "192.0.2.77",
                "192.0.2.0/24 of the host's device lan",
            ),
        ] {
            let (status, answer) = post(subnet(cidr, json!(gateway))).await;
            assert_eq!(status.as_u16(), 409, "{cidr}: {answer}");
            let error = &answer["NeutronError"];
            assert_eq!(error["type"], "SubnetOverlapsHost");
            assert!(text(&error["message"]).contains(by), "{error}");
        }
        // A part of a wider route, and a range of which the host gets no address.
        for (cidr, gateway) in [
            ("10.9.0.0/24", json!("10.9.0.1")),
            ("192.0.2.0/28", json!(null)),
        ] {
            let (status, answer) = post(subnet(cidr, gateway)).await;
            assert_eq!(status.as_u16(), 201, "{cidr}: {answer}");
        }
        // Neither does a network become external, nor a gateway move, into what the host uses.
        let inside = cloud
            .make(ADMIN, "networks", json!({"name": "inside"}))
            .await;
        let lan = json!({"network_id": inside["id"], "ip_version": 4, "cidr": "192.0.2.0/25"});
        cloud.make(ADMIN, "subnets", lan).await;
        let path = format!("/v2.0/networks/{}", text(&inside["id"]));
        let open = json!({"network": {"router:external": true}});
        let (status, _) = cloud.raw(ADMIN, http::Method::PUT, &path, Some(open)).await;
        assert_eq!(status.as_u16(), 409);
        let policy = json!({"rbac_policy": {
            "object_type": "network", "object_id": inside["id"], "action": "access_as_external", "target_tenant": "*",
        }});
        let (status, _) = cloud
            .raw(
                ADMIN,
                http::Method::POST,
                "/v2.0/rbac-policies",
                Some(policy),
            )
            .await;
        assert_eq!(status.as_u16(), 409);
        let free = cloud.list(ADMIN, "subnets", "cidr=10.9.0.0/24").await;
        let path = format!("/v2.0/subnets/{}", text(&free[0]["id"]));
        let moved = json!({"subnet": {"gateway_ip": "192.0.2.77"}});
        let (status, _) = cloud
            .raw(ADMIN, http::Method::PUT, &path, Some(moved))
            .await;
        assert_eq!(status.as_u16(), 409);
    });
}

/// Asks for metadata with a header that a liar would send.
fn ask() -> String {
    let address = "169.254.169.254:80".parse().expect("an address");
    for _ in 0..20 {
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else {
            continue;
        };
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a timeout");
        let request = "GET /latest/meta-data/ami-id HTTP/1.1\r\nhost: 169.254.169.254\r\n\
                       x-instance-id: someone-else\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        return answer;
    }
    panic!("nobody listens at 169.254.169.254")
}

/// Opens connections and says nothing; how many of forty the proxy keeps.
fn hoard() -> usize {
    let address = "169.254.169.254:80".parse().expect("an address");
    let connect = |_| {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5));
        stream.expect("the system accepts for the proxy")
    };
    let mut streams: Vec<TcpStream> = (0..40).map(connect).collect();
    let is_kept = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).expect("set");
        let told = stream.read(&mut [0]);
        told.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    // It closes the others when it comes to accept them, long before its patience with the silent ends.
    let begun = std::time::Instant::now();
    loop {
        let kept = streams.iter_mut().map(is_kept).filter(|kept| *kept).count();
        if kept <= 32 || begun.elapsed() > Duration::from_secs(5) {
            return kept;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
