//! A cloud for tests: the API over a real database, with small image, network and identity services beside it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use compute_api::{Api, router};
use compute_control::{Control, testing};
use compute_model::network::{FixedAddress, Vif};
use compute_model::state::{PowerState, VmState};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use web::{AuthError, Authenticator, Caller};

pub const IMAGE: &str = "11111111-1111-4111-8111-111111111111";
pub const QUEUED_IMAGE: &str = "11111111-1111-4111-8111-222222222222";
pub const BIG_IMAGE: &str = "11111111-1111-4111-8111-333333333333";
/// It needs a disk of 3 GiB.
pub const WIDE_IMAGE: &str = "11111111-1111-4111-8111-444444444444";
pub const NETWORK: &str = "22222222-2222-4222-8222-111111111111";
pub const EXTERNAL: &str = "22222222-2222-4222-8222-222222222222";
pub const FREE_PORT: &str = "33333333-3333-4333-8333-111111111111";
pub const BUSY_PORT: &str = "33333333-3333-4333-8333-222222222222";
pub const SUBNET: &str = "44444444-4444-4444-8444-111111111111";
pub const NOWHERE: &str = "99999999-9999-4999-8999-999999999999";

/// Tokens are `project/user/role,role`.
struct ByName;

#[async_trait]
impl Authenticator for ByName {
    async fn authenticate(&self, token: &str, _: Option<&str>) -> Result<Arc<Caller>, AuthError> {
        let parts: Vec<&str> = token.split('/').collect();
        let [project, user, roles] = parts[..] else {
            return Err(AuthError::Unauthorized);
        };
        Ok(Arc::new(Caller {
            user_id: user.into(),
            user_name: user.into(),
            user_domain_id: "default".into(),
            user_domain_name: "Default".into(),
            project_id: Some(project.into()),
            project_name: Some(project.into()),
            project_domain_id: Some("default".into()),
            project_domain_name: Some("Default".into()),
            domain_id: None,
            system: false,
            roles: roles.split(',').map(str::to_owned).collect(),
            service_roles: Vec::new(),
            expires_at: chrono::Utc::now() + chrono::Duration::hours(1),
            token: token.to_owned().into(),
        }))
    }

    fn identity_url(&self) -> String {
        "http://cloud/identity".into()
    }
}

pub const MEMBER: &str = "p1/u1/member,reader";
pub const READER: &str = "p1/u2/reader";
pub const OTHER: &str = "p2/u3/member,reader";
pub const ADMIN: &str = "admin/root/admin,manager,member,reader";
pub const SERVICE: &str = "service/nova/service,admin";

/// What the network service knows besides its constants.
#[derive(Default)]
pub struct Net {
    pub floating: Vec<Value>,
    pub ports: Vec<Value>,
    /// How many more ports the project may have.
    pub port_limit: i64,
    /// The code with which changes of ports are refused.
    pub port_refusal: Option<u16>,
    pub networks: Vec<Value>,
}

pub struct Cloud {
    pub control: Arc<Control>,
    pub net: Arc<Mutex<Net>>,
    router: Router,
}

/// An answer with its body read.
pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The text of the fault.
    pub fn message(&self) -> &str {
        let fault = self.body.as_object().and_then(|body| body.values().next());
        fault
            .and_then(|fault| fault["message"].as_str())
            .unwrap_or_default()
    }
}

impl Cloud {
    pub async fn start() -> Self {
        let net = Arc::new(Mutex::new(Net {
            port_limit: -1,
            networks: vec![network(NETWORK, "private", false)],
            ..Net::default()
        }));
        let control = testing::control(identity(), glance(), neutron(net.clone())).await;
        testing::flavor(&control, "1", 64).await;
        let control = Arc::new(control);
        let api = router(Arc::new(Api {
            authenticator: Arc::new(ByName),
            control: control.clone(),
        }));
        Cloud {
            control,
            net,
            router: Router::new().nest_service("/compute", api),
        }
    }

    /// `call` is `METHOD /path` below `/compute/v2.1`, at a microversion.
    pub async fn ask(&self, token: &str, minor: u16, call: &str, body: Value) -> Answer {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("/compute/v2.1{path}"))
            .header("host", "cloud")
            .header("x-auth-token", token)
            .header("accept", "application/json")
            .header("openstack-api-version", format!("compute 2.{minor}"))
            .body(axum::body::Body::from(text))
            .expect("a request");
        let (parts, body) = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer")
            .into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer {
            code: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    pub async fn get(&self, token: &str, minor: u16, path: &str) -> Answer {
        self.ask(token, minor, &format!("GET {path}"), Value::Null)
            .await
    }

    /// Asks for a server and gives its id.
    pub async fn create(&self, name: &str) -> String {
        let body = json!({"server": plain(name)});
        let answer = self.ask(MEMBER, 74, "POST /servers", body).await;
        assert_eq!(answer.code, 202, "{}", answer.body);
        answer.body["server"]["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    /// A server that runs, with one port, on host `node1`.
    pub async fn boot(&self, name: &str) -> String {
        let id = self.create(name).await;
        testing::change(&self.control, &id, |server| {
            server.vm_state = VmState::Active;
            server.task_state = None;
            server.power_state = PowerState::Running;
            server.host = Some("node1".into());
            server.node = Some("node1.cloud".into());
            server.availability_zone = Some("nova".into());
            server.launched_at = Some(server.created_at);
            server.vifs = vec![vif()];
        })
        .await;
        id
    }
}

fn vif() -> Vif {
    Vif {
        port_id: FREE_PORT.into(),
        network_id: NETWORK.into(),
        network_name: "private".into(),
        mac: "fa:16:3e:00:00:01".into(),
        mtu: 1450,
        addresses: vec![FixedAddress {
            address: [10, 0, 0, 5].into(),
            subnet_id: SUBNET.into(),
            cidr: "10.0.0.0/24".into(),
            gateway: None,
            dns: Vec::new(),
            routes: Vec::new(),
            dhcp: true,
            floating: Vec::new(),
        }],
        active: true,
        preexisting: false,
        tag: None,
        vnic_type: "normal".into(),
        tap: None,
        netns: None,
    }
}

/// The least that a server needs.
pub fn plain(name: &str) -> Value {
    json!({"name": name, "imageRef": IMAGE, "flavorRef": "1", "networks": "none"})
}

fn network(id: &str, name: &str, external: bool) -> Value {
    json!({"id": id, "name": name, "subnets": [SUBNET], "project_id": "p1", "shared": false,
        "router:external": external, "mtu": 1450, "admin_state_up": true})
}

fn identity() -> Router {
    let token = async || {
        let expires = chrono::Utc::now() + chrono::Duration::hours(1);
        let headers = [("x-subject-token", "service-token")];
        (
            StatusCode::CREATED,
            headers,
            Json(json!({"token": {"expires_at": expires.to_rfc3339()}})),
        )
    };
    Router::new().route("/v3/auth/tokens", post(token))
}

fn glance() -> Router {
    let show = async |Path(id): Path<String>| {
        let (status, size, min_disk) = match id.as_str() {
            IMAGE => ("active", 1_000_000_u64, 0),
            QUEUED_IMAGE => ("queued", 0, 0),
            BIG_IMAGE => ("active", 5_000_000_000, 0),
            WIDE_IMAGE => ("active", 1_000_000, 3),
            _ => return (StatusCode::NOT_FOUND, Json(json!({"message": "gone"}))),
        };
        let image = json!({"id": id, "name": "cirros", "status": status, "size": size, "disk_format": "qcow2",
            "container_format": "bare", "min_ram": 0, "min_disk": min_disk, "hw_disk_bus": "virtio"});
        (StatusCode::OK, Json(image))
    };
    Router::new().route("/v2/images/{id}", get(show))
}

type Shared = Arc<Mutex<Net>>;

fn neutron(net: Shared) -> Router {
    let missing = || {
        (
            StatusCode::NOT_FOUND,
            Json(json!({"NeutronError": {"message": "gone"}})),
        )
    };
    let networks = async |State(net): State<Shared>,
                          Query(query): Query<BTreeMap<String, String>>| {
        let shared = query.get("shared").is_some_and(|word| word == "true");
        let all = net.lock().expect("whole").networks.clone();
        let found: Vec<Value> = all
            .into_iter()
            .filter(|one| one["shared"] == shared)
            .collect();
        Json(json!({"networks": found}))
    };
    let one_network = async move |Path(id): Path<String>| match id.as_str() {
        NETWORK => (
            StatusCode::OK,
            Json(json!({"network": network(NETWORK, "private", false)})),
        ),
        EXTERNAL => (
            StatusCode::OK,
            Json(json!({"network": network(EXTERNAL, "public", true)})),
        ),
        _ => missing(),
    };
    let ports =
        async |State(net): State<Shared>| Json(json!({"ports": net.lock().expect("whole").ports}));
    let one_port = async move |Path(id): Path<String>| {
        let device = if id == BUSY_PORT { "somebody" } else { "" };
        match id.as_str() {
            FREE_PORT | BUSY_PORT => (StatusCode::OK, Json(json!({"port": port(&id, device)}))),
            _ => missing(),
        }
    };
    let change_port = async |State(net): State<Shared>, Path(id): Path<String>| {
        let refusal = net.lock().expect("whole").port_refusal;
        let code = StatusCode::from_u16(refusal.unwrap_or(200)).expect("a code");
        let body = match refusal {
            Some(_) => json!({"NeutronError": {"message": "not like this"}}),
            None => json!({"port": port(&id, "")}),
        };
        (code, Json(body))
    };
    let quota = async |State(net): State<Shared>| {
        let limit = net.lock().expect("whole").port_limit;
        Json(json!({"quota": {"port": {"limit": limit, "used": 0, "reserved": 0}}}))
    };
    let groups = async || {
        let rule = json!({"id": "r1", "security_group_id": "g1", "direction": "ingress", "ethertype": "IPv4",
            "protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "remote_group_id": null,
            "remote_ip_prefix": null});
        let group = |id: &str, name: &str| {
            json!({"id": id, "name": name, "description": "", "project_id": "p1",
            "security_group_rules": [rule.clone()]})
        };
        Json(
            json!({"security_groups": [group("g1", "web"), group("g2", "twice"), group("g3", "twice")]}),
        )
    };
    let floating = async |State(net): State<Shared>| {
        Json(json!({"floatingips": net.lock().expect("whole").floating}))
    };
    let subnets = async || Json(json!({"subnets": []}));
    let topology = async || Json(json!({"auto_allocated_topology": {"id": NETWORK}}));
    Router::new()
        .route("/v2.0/networks", get(networks))
        .route("/v2.0/networks/{id}", get(one_network))
        .route("/v2.0/ports", get(ports))
        .route("/v2.0/ports/{id}", get(one_port).put(change_port))
        .route("/v2.0/quotas/{project}/details.json", get(quota))
        .route("/v2.0/security-groups", get(groups))
        .route("/v2.0/floatingips", get(floating))
        .route("/v2.0/subnets", get(subnets))
        .route("/v2.0/auto-allocated-topology/{project}", get(topology))
        .with_state(net)
}

pub fn port(id: &str, device: &str) -> Value {
    json!({"id": id, "network_id": NETWORK, "mac_address": "fa:16:3e:00:00:01", "status": "ACTIVE", "project_id": "p1",
        "device_id": device, "fixed_ips": [{"subnet_id": SUBNET, "ip_address": "10.0.0.5"}], "security_groups": ["g1"]})
}
