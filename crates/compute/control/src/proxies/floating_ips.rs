//! Floating addresses under compute's own old routes, through the network service.

use std::net::IpAddr;

use clients::ClientError;
use clients::image::segment;
use clients::network::{self, Network, Port};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::servers::load;
use crate::{Context, Control, ControlError, Result, policy};

/// The pool of a request that names none: the default of Nova's option `default_floating_pool`.
const DEFAULT_POOL: &str = "nova";

/// A floating address with what the old routes show of its surroundings.
#[derive(Debug, Clone)]
pub struct FloatingIp {
    pub id: String,
    pub address: IpAddr,
    pub fixed_address: Option<IpAddr>,
    /// Whose port it leads to.
    pub server_id: Option<String>,
    /// The name of its network, or the id of one without name.
    pub pool: String,
}

/// A floating address as the network service keeps it.
#[derive(Debug, Clone, Deserialize)]
struct Kept {
    id: String,
    floating_ip_address: IpAddr,
    fixed_ip_address: Option<IpAddr>,
    floating_network_id: String,
    port_id: Option<String>,
}

#[derive(Deserialize)]
struct One {
    floatingip: Kept,
}

#[derive(Deserialize)]
struct Many {
    floatingips: Vec<Kept>,
}

/// The networks that give floating addresses, by name, or by id where they have none.
///
/// # Errors
/// 403 by policy.
pub async fn pools(control: &Control, cx: &Context) -> Result<Vec<String>> {
    policy::allow(control, cx)?;
    let pools = external(control, cx).await?;
    Ok(pools.iter().map(pool_name).collect())
}

/// The floating addresses of the caller's project.
///
/// # Errors
/// 403 by policy.
pub async fn list(control: &Control, cx: &Context) -> Result<Vec<FloatingIp>> {
    policy::allow(control, cx)?;
    let path = format!("/v2.0/floatingips?project_id={}", segment(cx.project()?));
    let found: Many = ask(control, cx, Method::GET, &path, None).await?;
    told(control, cx, found.floatingips).await
}

/// One floating address.
///
/// # Errors
/// 404, 403 by policy.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<FloatingIp> {
    policy::allow(control, cx)?;
    let found = ask(control, cx, Method::GET, &path(id), None).await;
    let found: One = found.map_err(|error| missing(error, id))?;
    one(control, cx, found.floatingip).await
}

/// Takes an address of a pool.
///
/// # Errors
/// 404 for the pool, and for one that has no more addresses; 403 by policy or quota.
pub async fn create(control: &Control, cx: &Context, pool: Option<&str>) -> Result<FloatingIp> {
    policy::allow(control, cx)?;
    let wanted = pool.unwrap_or(DEFAULT_POOL);
    let pools = external(control, cx).await?;
    let named = |network: &&Network| network.id == wanted || network.name == wanted;
    let Some(network) = pools.iter().find(named) else {
        return Err(ControlError::NotFound {
            why: "Floating IP pool not found.".to_owned(),
        });
    };
    let body = json!({"floatingip": {"floating_network_id": network.id}});
    let made = ask(control, cx, Method::POST, "/v2.0/floatingips", Some(&body)).await;
    let of_pool = pool.map(|pool| format!(" in pool {pool}"));
    let made: One = made.map_err(|error| match error {
        ControlError::Conflict { why } if why.starts_with("Quota exceeded") => {
            let of_pool = of_pool.unwrap_or_default();
            ControlError::Forbidden {
                why: format!("IP allocation over quota{of_pool}."),
            }
        }
        ControlError::Conflict { .. } => ControlError::NotFound {
            why: match of_pool {
                Some(of_pool) => format!("No more floating IPs{of_pool}."),
                None => "No more floating IPs available.".to_owned(),
            },
        },
        other => other,
    })?;
    one(control, cx, made.floatingip).await
}

/// Gives an address back.
///
/// # Errors
/// 404, 403 by policy.
pub async fn delete(control: &Control, cx: &Context, id: &str) -> Result<()> {
    policy::allow(control, cx)?;
    let gone = ask::<Value>(control, cx, Method::DELETE, &path(id), None).await;
    gone.map_err(|error| missing(error, id))?;
    Ok(())
}

/// Leads a floating address to a server: to the fixed address that is named, or to its first one of IPv4.
///
/// # Errors
/// 404 for server or floating address; 400 for a server without such a fixed address; 403 by policy.
pub async fn add(
    control: &Control,
    cx: &Context,
    id: &str,
    address: &str,
    fixed: Option<&str>,
) -> Result<()> {
    let server = load(control, cx, id).await?;
    let ports = network::ports_of(&control.network, cx.token(), &server.id).await?;
    let (port, fixed) = target(&ports, fixed).map_err(|why| ControlError::Invalid { why })?;
    let floating = by_address(control, cx, address).await?;
    let body = json!({"floatingip": {"port_id": port, "fixed_ip_address": fixed}});
    let done = ask::<Value>(control, cx, Method::PUT, &path(&floating.id), Some(&body)).await;
    match done {
        // As of a server whose network no router leads to.
        Err(ControlError::NotFound { why } | ControlError::Conflict { why }) => {
            Err(ControlError::Invalid { why })
        }
        other => other.map(|_| ()),
    }
}

/// Leads a floating address away from a server.
///
/// # Errors
/// 404 for server or floating address; 409 for an address that does not lead to this server; 403 by policy.
pub async fn remove(control: &Control, cx: &Context, id: &str, address: &str) -> Result<()> {
    let server = load(control, cx, id).await?;
    let floating = by_address(control, cx, address).await?;
    let found = one(control, cx, floating).await?;
    if found.server_id.as_ref() != Some(&server.id) {
        return Err(ControlError::Conflict {
            why: format!("Floating IP {address} is not associated with instance {id}."),
        });
    }
    let body = json!({"floatingip": {"port_id": null}});
    ask::<Value>(control, cx, Method::PUT, &path(&found.id), Some(&body)).await?;
    Ok(())
}

/// The port and address of a server to which a floating address can lead.
fn target(ports: &[Port], wanted: Option<&str>) -> std::result::Result<(String, IpAddr), String> {
    let all = || {
        let of = |port: &Port| {
            let id = port.id.clone();
            let addresses = port.fixed_ips.iter().map(|fixed| fixed.ip_address);
            addresses
                .map(move |address| (id.clone(), address))
                .collect::<Vec<_>>()
        };
        ports.iter().flat_map(of)
    };
    if all().next().is_none() {
        return Err("No fixed IPs associated to instance".to_owned());
    }
    match wanted {
        Some(wanted) => all()
            .find(|(_, address)| address.to_string() == wanted)
            .ok_or_else(|| "Specified fixed address not assigned to instance".to_owned()),
        None => all().find(|(_, address)| address.is_ipv4()).ok_or_else(|| {
            "Unable to associate floating IP to any fixed IPs: the instance has no fixed IPv4 addresses to associate."
                .to_owned()
        }),
    }
}

async fn by_address(control: &Control, cx: &Context, address: &str) -> Result<Kept> {
    let not_found = || ControlError::NotFound {
        why: "floating IP not found".to_owned(),
    };
    let address: IpAddr = address.parse().map_err(|_| not_found())?;
    let path = format!(
        "/v2.0/floatingips?floating_ip_address={}",
        segment(&address.to_string())
    );
    let found: Many = ask(control, cx, Method::GET, &path, None).await?;
    found.floatingips.into_iter().next().ok_or_else(not_found)
}

async fn one(control: &Control, cx: &Context, kept: Kept) -> Result<FloatingIp> {
    let around = around(control, cx, std::slice::from_ref(&kept)).await?;
    Ok(around.told(kept))
}

async fn told(control: &Control, cx: &Context, kept: Vec<Kept>) -> Result<Vec<FloatingIp>> {
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    let around = around(control, cx, &kept).await?;
    Ok(kept.into_iter().map(|kept| around.told(kept)).collect())
}

/// Networks that give floating addresses, and ports that have some.
struct Around {
    external: Vec<Network>,
    ports: Vec<Port>,
}

/// Each is asked for once.
async fn around(control: &Control, cx: &Context, kept: &[Kept]) -> Result<Around> {
    let external = external(control, cx).await?;
    let ids: Vec<String> = kept
        .iter()
        .filter_map(|kept| kept.port_id.as_deref())
        .map(|id| format!("id={}", segment(id)))
        .collect();
    let ports = match ids.is_empty() {
        true => Vec::new(),
        false => network::ports(&control.network, cx.token(), &ids.join("&")).await?,
    };
    Ok(Around { external, ports })
}

impl Around {
    fn told(&self, kept: Kept) -> FloatingIp {
        let port_id = kept.port_id.as_ref();
        let port = self.ports.iter().find(|port| Some(&port.id) == port_id);
        let server_id = port.map(|port| port.device_id.clone());
        let mut pools = self.external.iter();
        let pool = pools.find(|network| network.id == kept.floating_network_id);
        FloatingIp {
            id: kept.id,
            address: kept.floating_ip_address,
            fixed_address: kept.fixed_ip_address,
            server_id: server_id.filter(|id| !id.is_empty()),
            pool: pool.map_or(kept.floating_network_id, pool_name),
        }
    }
}

async fn external(control: &Control, cx: &Context) -> Result<Vec<Network>> {
    let query = "router:external=true";
    Ok(network::networks(&control.network, cx.token(), query).await?)
}

fn pool_name(network: &Network) -> String {
    match network.name.is_empty() {
        true => network.id.clone(),
        false => network.name.clone(),
    }
}

fn path(id: &str) -> String {
    format!("/v2.0/floatingips/{}", segment(id))
}

fn missing(error: ControlError, id: &str) -> ControlError {
    match error {
        ControlError::NotFound { .. } => ControlError::NotFound {
            why: format!("Floating IP not found for ID {id}"),
        },
        other => other,
    }
}

async fn ask<T: DeserializeOwned>(
    control: &Control,
    cx: &Context,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<T> {
    let answer = control.network.json(method, path, cx.token(), body).await;
    answer.map_err(|error: ClientError| {
        let missing = match error.status() {
            Some(StatusCode::NOT_FOUND) => error.message(),
            _ => String::new(),
        };
        super::refused(error, &missing)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(id: &str, addresses: &[&str]) -> Port {
        let fixed: Vec<_> = addresses
            .iter()
            .map(|address| json!({"subnet_id": "s", "ip_address": address}))
            .collect();
        let port = json!({
            "id": id, "network_id": "n", "mac_address": "fa:16:3e:00:00:01", "fixed_ips": fixed,
            "device_id": "d", "status": "ACTIVE", "project_id": "p",
        });
        serde_json::from_value(port).expect("a port")
    }

    #[test]
    fn a_floating_address_leads_to_the_first_address_of_ipv4_unless_one_is_named() {
        let ports = [
            port("a", &["2001:db8::1"]),
            port("b", &["10.0.0.1", "10.0.0.2"]),
        ];
        let lead = |wanted| target(&ports, wanted).map(|(port, to)| format!("{port} {to}"));
        assert_eq!(lead(None).as_deref(), Ok("b 10.0.0.1"));
        assert_eq!(lead(Some("10.0.0.2")).as_deref(), Ok("b 10.0.0.2"));
        assert_eq!(
            lead(Some("10.0.0.9")).unwrap_err(),
            "Specified fixed address not assigned to instance"
        );
        assert!(
            target(&ports[..1], None)
                .unwrap_err()
                .contains("no fixed IPv4")
        );
        assert_eq!(
            target(&[], None).unwrap_err(),
            "No fixed IPs associated to instance"
        );
    }
}
