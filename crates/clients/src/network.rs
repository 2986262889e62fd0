//! Neutron: what compute needs of networks, ports and security groups.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::image::segment;
use crate::{Result, Service};

/// A network.
#[derive(Debug, Clone, Deserialize)]
pub struct Network {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub subnets: Vec<String>,
    #[serde(default)]
    pub project_id: String,
    #[serde(default)]
    pub shared: bool,
    #[serde(default, rename = "router:external")]
    pub external: bool,
    #[serde(default)]
    pub mtu: u32,
    #[serde(default = "yes")]
    pub port_security_enabled: bool,
    #[serde(default)]
    pub admin_state_up: bool,
}

fn yes() -> bool {
    true
}

/// A subnet.
#[derive(Debug, Clone, Deserialize)]
pub struct Subnet {
    pub id: String,
    pub cidr: String,
    pub gateway_ip: Option<IpAddr>,
    #[serde(default)]
    pub dns_nameservers: Vec<IpAddr>,
    #[serde(default)]
    pub host_routes: Vec<HostRoute>,
    #[serde(default)]
    pub enable_dhcp: bool,
}

/// A route of a subnet.
#[derive(Debug, Clone, Deserialize)]
pub struct HostRoute {
    pub destination: String,
    pub nexthop: IpAddr,
}

/// A port.
#[derive(Debug, Clone, Deserialize)]
pub struct Port {
    pub id: String,
    pub network_id: String,
    pub mac_address: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    pub status: String,
    #[serde(default)]
    pub device_id: String,
    #[serde(default)]
    pub device_owner: String,
    #[serde(default)]
    pub security_groups: Vec<String>,
    #[serde(default, rename = "binding:vif_type")]
    pub vif_type: String,
    #[serde(default, rename = "binding:vif_details")]
    pub vif_details: BTreeMap<String, Value>,
    #[serde(default, rename = "binding:vnic_type")]
    pub vnic_type: String,
    #[serde(default, rename = "binding:host_id")]
    pub host_id: String,
    #[serde(default)]
    pub project_id: String,
    /// Its name in the domain of its network; empty for none.
    #[serde(default)]
    pub dns_name: String,
}

/// An address of a port.
#[derive(Debug, Clone, Deserialize)]
pub struct FixedIp {
    pub subnet_id: String,
    pub ip_address: IpAddr,
}

/// A security group.
#[derive(Debug, Clone, Deserialize)]
pub struct SecurityGroup {
    pub id: String,
    pub name: String,
}

/// A floating address that leads to a port.
#[derive(Debug, Clone, Deserialize)]
pub struct FloatingIp {
    pub floating_ip_address: IpAddr,
    pub fixed_ip_address: Option<IpAddr>,
    pub port_id: Option<String>,
}

/// What a new port is made from.
#[derive(Debug, Clone, Default)]
pub struct NewPort {
    pub network_id: String,
    pub project_id: String,
    pub fixed_ip: Option<IpAddr>,
    pub security_groups: Vec<String>,
    pub binding: Binding,
}

/// To whom and where a port belongs.
#[derive(Debug, Clone, Default)]
pub struct Binding {
    pub server_id: String,
    /// `compute:<zone>`.
    pub owner: String,
    pub host: String,
    /// The name by which the port's network knows the server, where networks have names.
    pub dns_name: Option<String>,
}

/// The extension by which ports have names.
const DNS: &str = "dns-integration";

async fn get<T: for<'a> Deserialize<'a>>(
    service: &Service,
    token: &str,
    path: &str,
    member: &str,
) -> Result<T> {
    let mut document: BTreeMap<String, Value> =
        service.json(Method::GET, path, token, None).await?;
    let value = document.remove(member).unwrap_or_default();
    serde_json::from_value(value).map_err(|error| service.unreadable(&error.to_string()))
}

/// Whether the service announces an extension of its API. It is asked once.
pub async fn has_extension(service: &Service, token: &str, alias: &str) -> Result<bool> {
    let known = service
        .extensions
        .get_or_try_init(|| announced(service, token))
        .await?;
    Ok(known.contains(alias))
}

async fn announced(service: &Service, token: &str) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Extension {
        alias: String,
    }
    let path = "/v2.0/extensions?fields=alias";
    match get::<Vec<Extension>>(service, token, path, "extensions").await {
        Err(error) if error.is_not_found() => Ok(BTreeSet::new()),
        found => Ok(found?
            .into_iter()
            .map(|extension| extension.alias)
            .collect()),
    }
}

/// One network, as the token's owner sees it.
pub async fn network(service: &Service, token: &str, id: &str) -> Result<Network> {
    get(
        service,
        token,
        &format!("/v2.0/networks/{}", segment(id)),
        "network",
    )
    .await
}

/// Networks that match a query (`shared=true`, `project_id=…`, `id=…&id=…`); all that the token's owner
/// sees when it is empty.
pub async fn networks(service: &Service, token: &str, query: &str) -> Result<Vec<Network>> {
    get(
        service,
        token,
        &format!("/v2.0/networks?{query}"),
        "networks",
    )
    .await
}

/// Subnets by id.
pub async fn subnets(service: &Service, token: &str, ids: &[&str]) -> Result<Vec<Subnet>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query: Vec<String> = ids.iter().map(|id| format!("id={}", segment(id))).collect();
    get(
        service,
        token,
        &format!("/v2.0/subnets?{}", query.join("&")),
        "subnets",
    )
    .await
}

/// One port.
pub async fn port(service: &Service, token: &str, id: &str) -> Result<Port> {
    get(
        service,
        token,
        &format!("/v2.0/ports/{}", segment(id)),
        "port",
    )
    .await
}

/// Ports that match a query; all that the token's owner sees when it is empty.
pub async fn ports(service: &Service, token: &str, query: &str) -> Result<Vec<Port>> {
    get(service, token, &format!("/v2.0/ports?{query}"), "ports").await
}

/// The ports of a server.
pub async fn ports_of(service: &Service, token: &str, server_id: &str) -> Result<Vec<Port>> {
    ports(service, token, &format!("device_id={}", segment(server_id))).await
}

/// The floating addresses that lead to any of these ports.
pub async fn floating_ips(
    service: &Service,
    token: &str,
    ports: &[&str],
) -> Result<Vec<FloatingIp>> {
    if ports.is_empty() {
        return Ok(Vec::new());
    }
    let query: Vec<String> = ports
        .iter()
        .map(|id| format!("port_id={}", segment(id)))
        .collect();
    let path = format!("/v2.0/floatingips?{}", query.join("&"));
    get(service, token, &path, "floatingips").await
}

/// The security groups of a project.
pub async fn security_groups(
    service: &Service,
    token: &str,
    project_id: &str,
) -> Result<Vec<SecurityGroup>> {
    let path = format!(
        "/v2.0/security-groups?project_id={}&fields=id&fields=name",
        segment(project_id)
    );
    get(service, token, &path, "security_groups").await
}

/// How many more ports a project may have; `None` is without limit.
pub async fn port_room(service: &Service, token: &str, project_id: &str) -> Result<Option<u64>> {
    let path = format!("/v2.0/quotas/{}/details.json", segment(project_id));
    let quota: Value = get(service, token, &path, "quota").await?;
    let number = |name: &str| quota["port"][name].as_i64().unwrap_or_default();
    Ok(match number("limit") {
        limit if limit < 0 => None,
        limit => Some(u64::try_from(limit - number("used")).unwrap_or_default()),
    })
}

/// The id of the network that the service keeps or makes for a project that has none of its own.
///
/// # Errors
/// A refusal when the cloud's networks do not allow it.
pub async fn auto_allocated_topology(
    service: &Service,
    token: &str,
    project_id: &str,
) -> Result<String> {
    let path = format!("/v2.0/auto-allocated-topology/{}", segment(project_id));
    let topology: Value = get(service, token, &path, "auto_allocated_topology").await?;
    topology["id"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| service.unreadable("an auto allocated topology without id"))
}

/// The ports of a network that have this address.
pub async fn ports_with(
    service: &Service,
    token: &str,
    network_id: &str,
    address: IpAddr,
) -> Result<Vec<Port>> {
    let path = format!(
        "/v2.0/ports?network_id={}&fixed_ips=ip_address%3D{address}",
        segment(network_id)
    );
    get(service, token, &path, "ports").await
}

/// Makes a port for a server and binds it to its host in one call.
pub async fn create_port(service: &Service, token: &str, new: &NewPort) -> Result<Port> {
    let mut port = binding_body(service, token, &new.binding).await?;
    port["network_id"] = json!(new.network_id);
    port["project_id"] = json!(new.project_id);
    port["admin_state_up"] = json!(true);
    if let Some(address) = new.fixed_ip {
        port["fixed_ips"] = json!([{"ip_address": address}]);
    }
    if !new.security_groups.is_empty() {
        port["security_groups"] = json!(new.security_groups);
    }
    write(service, token, Method::POST, "/v2.0/ports", port).await
}

/// Gives an existing port to a server and binds it to its host.
pub async fn bind_port(
    service: &Service,
    token: &str,
    id: &str,
    binding: &Binding,
) -> Result<Port> {
    let path = format!("/v2.0/ports/{}", segment(id));
    let body = binding_body(service, token, binding).await?;
    write(service, token, Method::PUT, &path, body).await
}

/// Takes a port away from its server; the port stays.
pub async fn unbind_port(service: &Service, token: &str, id: &str) -> Result<Port> {
    let path = format!("/v2.0/ports/{}", segment(id));
    let mut body = json!({
        "device_id": "", "device_owner": "", "binding:host_id": null, "binding:profile": {},
    });
    if has_extension(service, token, DNS).await? {
        body["dns_name"] = json!("");
    }
    write(service, token, Method::PUT, &path, body).await
}

/// Takes a port off its host; it stays its server's.
pub async fn leave_host(service: &Service, token: &str, id: &str) -> Result<Port> {
    let path = format!("/v2.0/ports/{}", segment(id));
    let body = json!({"binding:host_id": null, "binding:profile": {}});
    write(service, token, Method::PUT, &path, body).await
}

/// Removes a port; one that is gone already is success.
pub async fn delete_port(service: &Service, token: &str, id: &str) -> Result<()> {
    let path = format!("/v2.0/ports/{}", segment(id));
    match service
        .json::<Value>(Method::DELETE, &path, token, None)
        .await
    {
        Err(error) if error.is_not_found() => Ok(()),
        other => other.map(|_| ()),
    }
}

async fn binding_body(service: &Service, token: &str, binding: &Binding) -> Result<Value> {
    let mut body = json!({
        "device_id": binding.server_id,
        "device_owner": binding.owner,
        "binding:host_id": binding.host,
    });
    if let Some(name) = &binding.dns_name
        && has_extension(service, token, DNS).await?
    {
        body["dns_name"] = json!(name);
    }
    Ok(body)
}

async fn write(
    service: &Service,
    token: &str,
    method: Method,
    path: &str,
    port: Value,
) -> Result<Port> {
    let body = json!({"port": port});
    let mut answer: BTreeMap<String, Value> =
        service.json(method, path, token, Some(&body)).await?;
    let port = answer.remove("port").unwrap_or_default();
    serde_json::from_value(port).map_err(|error| service.unreadable(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::routing::{get, put};
    use axum::{Json, Router};

    use super::*;

    /// A network service with these extensions, and what it was sent.
    fn service(extensions: Option<Value>) -> (Service, Arc<Mutex<Vec<Value>>>) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let noted = sent.clone();
        let change = move |Json(body): Json<Value>| async move {
            noted.lock().expect("lock").push(body["port"].clone());
            let mut port = body;
            for (name, value) in [
                ("id", "p"),
                ("network_id", "n"),
                ("mac_address", "m"),
                ("status", "DOWN"),
            ] {
                port["port"][name] = json!(value);
            }
            port["port"]["binding:host_id"] = json!("");
            Json(port)
        };
        let mut router = Router::new().route("/v2.0/ports/{id}", put(change));
        if let Some(extensions) = extensions {
            let asked = Mutex::new(0);
            let asked = Arc::new(asked);
            router = router.route(
                "/v2.0/extensions",
                get(move || async move {
                    let mut asked = asked.lock().expect("lock");
                    *asked += 1;
                    assert_eq!(*asked, 1, "extensions are asked for once");
                    Json(json!({ "extensions": extensions }))
                }),
            );
        }
        (Service::in_process("network", router), sent)
    }

    async fn names(extensions: Option<Value>) -> Vec<Value> {
        let (service, sent) = service(extensions);
        let binding = Binding {
            dns_name: Some("web".to_owned()),
            ..Binding::default()
        };
        bind_port(&service, "t", "p", &binding)
            .await
            .expect("bound");
        unbind_port(&service, "t", "p").await.expect("unbound");
        let sent = sent.lock().expect("lock");
        sent.iter().map(|port| port["dns_name"].clone()).collect()
    }

    #[tokio::test]
    async fn ports_are_named_where_networks_have_names() {
        let with = json!([{"alias": "binding"}, {"alias": "dns-integration"}]);
        assert_eq!(names(Some(with)).await, [json!("web"), json!("")]);
        let without = json!([{"alias": "binding"}]);
        assert_eq!(names(Some(without)).await, [Value::Null, Value::Null]);
        assert_eq!(names(None).await, [Value::Null, Value::Null]);
    }
}
