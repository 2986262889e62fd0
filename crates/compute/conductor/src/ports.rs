//! A server's ports: made or taken over, described, given back.

use std::collections::BTreeMap;
use std::time::Duration;

use clients::ClientError;
use clients::network::{self, Binding, NewPort, Port, Subnet};
use compute_model::Server;
use compute_model::fault::Kind;
use compute_model::network::{FixedAddress, NetworkRequest, Route, Vif};
use compute_model::server::BuildPlan;
use workflow::StepError;

use crate::env::Env;
use crate::why::Why;

/// Makes sure that the server has the ports that `plan` asks for, bound to its host. Ports that an
/// earlier, interrupted run made are taken up again.
pub async fn ensure(env: &Env, server: &Server, plan: &BuildPlan) -> Result<Vec<Vif>, StepError> {
    if plan.networks.is_empty() {
        return Ok(Vec::new());
    }
    let found = of_server(env, &server.id).await?;
    ensure_from(env, server, plan, found).await
}

/// Makes sure that the server has one port more, which is not in its record yet. One that an earlier, interrupted run
/// made is taken up again.
pub async fn add(env: &Env, server: &Server, wanted: &NetworkRequest) -> Result<Vif, StepError> {
    let found = unrecorded(env, server).await?;
    let vifs = ensure_from(env, server, &only(wanted), found).await?;
    vifs.into_iter()
        .next()
        .ok_or_else(|| StepError::fail("no port was made"))
}

/// Gives back what [`add`] made or took over, if anything.
pub async fn release_added(
    env: &Env,
    server: &Server,
    wanted: &NetworkRequest,
) -> Result<(), StepError> {
    let mut found = unrecorded(env, server).await?;
    let (port, preexisting) = match wanted {
        NetworkRequest::Port { id, .. } => (found.into_iter().find(|port| port.id == *id), true),
        NetworkRequest::Network { id, .. } => {
            (take_up(&mut found, id, server, &only(wanted)), false)
        }
    };
    match port {
        Some(port) => give_back(env, &port.id, preexisting).await,
        None => Ok(()),
    }
}

fn only(wanted: &NetworkRequest) -> BuildPlan {
    BuildPlan {
        networks: vec![wanted.clone()],
        ..BuildPlan::default()
    }
}

/// The ports that are the server's and that its record does not know.
async fn unrecorded(env: &Env, server: &Server) -> Result<Vec<Port>, StepError> {
    let mut found = of_server(env, &server.id).await?;
    let owner = binding(server).owner;
    found.retain(|port| {
        let known = server.vifs.iter().any(|vif| vif.port_id == port.id);
        !known && port.device_owner == owner
    });
    Ok(found)
}

async fn of_server(env: &Env, server_id: &str) -> Result<Vec<Port>, StepError> {
    call(env, |token| async move {
        network::ports_of(&env.network, &token, server_id).await
    })
    .await
}

async fn ensure_from(
    env: &Env,
    server: &Server,
    plan: &BuildPlan,
    mut found: Vec<Port>,
) -> Result<Vec<Vif>, StepError> {
    let binding = binding(server);
    let mut vifs = Vec::with_capacity(plan.networks.len());
    for request in &plan.networks {
        let (port, preexisting, tag) = match request {
            NetworkRequest::Port { id, tag } => {
                refuse_taken(env, id, server).await?;
                let bound = call(env, |token| {
                    let binding = &binding;
                    async move { network::bind_port(&env.network, &token, id, binding).await }
                })
                .await?;
                (bound, true, tag)
            }
            NetworkRequest::Network { id, fixed_ip, tag } => {
                let port = match take_up(&mut found, id, server, plan) {
                    Some(port) => rebound(env, port, &binding).await?,
                    None => {
                        let new = NewPort {
                            network_id: id.clone(),
                            project_id: server.project_id.clone(),
                            fixed_ip: *fixed_ip,
                            security_groups: plan.security_group_ids.clone(),
                            binding: binding.clone(),
                        };
                        call(env, |token| {
                            let new = &new;
                            async move { network::create_port(&env.network, &token, new).await }
                        })
                        .await?
                    }
                };
                (port, false, tag)
            }
        };
        vifs.push((port, preexisting, tag.clone()));
    }
    describe(env, vifs).await
}

/// Looks again at a port that the user named: it may have changed since the request was accepted.
async fn refuse_taken(env: &Env, id: &str, server: &Server) -> Result<(), StepError> {
    let port = call(env, |token| async move {
        network::port(&env.network, &token, id).await
    })
    .await?;
    refusal(&port, server).map_or(Ok(()), |why| Err(why.into()))
}

/// What speaks against giving a port to a server. A port of another project is none of the server's, whoever asked; one
/// may have been given to another server meanwhile; and a name that its owner gave it must be the server's.
fn refusal(port: &Port, server: &Server) -> Option<Why> {
    let id = &port.id;
    let unusable = format!("Port {id} not usable for instance {}.", server.id);
    if port.project_id != server.project_id {
        return Some(Why::new(Kind::Network, unusable));
    }
    if !port.device_id.is_empty() && port.device_id != server.id {
        let why = format!("Port {id} is still in use.");
        return Some(Why::new(Kind::PortInUse, why));
    }
    let (name, hostname) = (&port.dns_name, &server.hostname);
    if !name.is_empty() && !name.eq_ignore_ascii_case(hostname) {
        let why = format!(
            "{unusable} Value {name} assigned to dns_name attribute does not match instance's hostname {hostname}"
        );
        return Some(Why::new(Kind::Network, why));
    }
    None
}

/// A port of an earlier run on this network, if there is one left. Anybody may write a server's id on
/// a port of their own: only those of its project are looked at.
fn take_up(
    found: &mut Vec<Port>,
    network_id: &str,
    server: &Server,
    plan: &BuildPlan,
) -> Option<Port> {
    let given = |port: &Port| {
        plan.networks
            .iter()
            .any(|request| matches!(request, NetworkRequest::Port { id, .. } if *id == port.id))
    };
    let position = found.iter().position(|port| {
        let own = port.project_id == server.project_id;
        own && port.network_id == network_id && !given(port)
    })?;
    Some(found.swap_remove(position))
}

async fn rebound(env: &Env, port: Port, binding: &Binding) -> Result<Port, StepError> {
    if port.host_id == binding.host {
        return Ok(port);
    }
    call(env, |token| {
        let id = &port.id;
        async move { network::bind_port(&env.network, &token, id, binding).await }
    })
    .await
}

fn binding(server: &Server) -> Binding {
    Binding {
        server_id: server.id.clone(),
        owner: format!(
            "compute:{}",
            server.availability_zone.as_deref().unwrap_or_default()
        ),
        host: server.host.clone().unwrap_or_default(),
        dns_name: Some(server.hostname.clone()),
    }
}

/// Asks the network service once more how the ports are; the order stays.
pub async fn refresh(env: &Env, server: &Server) -> Result<Vec<Vif>, StepError> {
    let mut ports = of_server(env, &server.id).await?;
    let mut known = Vec::with_capacity(server.vifs.len());
    for vif in &server.vifs {
        if let Some(position) = ports.iter().position(|port| port.id == vif.port_id) {
            known.push((
                ports.swap_remove(position),
                vif.preexisting,
                vif.tag.clone(),
            ));
        }
    }
    describe(env, known).await
}

/// Gives ports back: those that we made are deleted, the others are unbound. Repeating it is fine.
pub async fn release(env: &Env, server: &Server) -> Result<(), StepError> {
    let ports = of_server(env, &server.id).await?;
    for port in ports {
        // A port that somebody tied to the server without us is not ours to delete.
        let ours = server
            .vifs
            .iter()
            .any(|vif| vif.port_id == port.id && !vif.preexisting);
        give_back(env, &port.id, !ours).await?;
    }
    Ok(())
}

/// As [`release`], for a build whose ports are not all in the server's row yet.
pub async fn release_planned(
    env: &Env,
    server_id: &str,
    plan: &BuildPlan,
) -> Result<(), StepError> {
    let ports = of_server(env, server_id).await?;
    for port in ports {
        let given = plan
            .networks
            .iter()
            .any(|request| matches!(request, NetworkRequest::Port { id, .. } if *id == port.id));
        give_back(env, &port.id, given).await?;
    }
    Ok(())
}

/// Takes a server's ports off its host; they stay the server's.
pub async fn leave_host(env: &Env, server: &Server) -> Result<(), StepError> {
    for vif in &server.vifs {
        let left = call(env, |token| async move {
            network::leave_host(&env.network, &token, &vif.port_id).await
        });
        match left.await {
            // Somebody removed it meanwhile.
            Err(StepError::Fail(why)) if why["status"] == 404 => {}
            other => drop(other?),
        }
    }
    Ok(())
}

/// Whether the network service says that a port is the server's.
pub async fn is_tied(env: &Env, server_id: &str, port_id: &str) -> Result<bool, StepError> {
    let ports = of_server(env, server_id).await?;
    Ok(ports.iter().any(|port| port.id == port_id))
}

/// Gives the port of a card back, if it is still the server's.
pub async fn release_vif(env: &Env, server_id: &str, vif: &Vif) -> Result<(), StepError> {
    match is_tied(env, server_id, &vif.port_id).await? {
        true => give_back(env, &vif.port_id, vif.preexisting).await,
        false => Ok(()),
    }
}

async fn give_back(env: &Env, port_id: &str, preexisting: bool) -> Result<(), StepError> {
    let done = call(env, |token| async move {
        match preexisting {
            true => network::unbind_port(&env.network, &token, port_id)
                .await
                .map(|_| ()),
            false => network::delete_port(&env.network, &token, port_id).await,
        }
    })
    .await;
    match done {
        // Somebody else removed it meanwhile.
        Err(StepError::Fail(why)) if why["status"] == 404 => Ok(()),
        other => other,
    }
}

/// The ports with what guests and users need to know of their networks.
async fn describe(
    env: &Env,
    ports: Vec<(Port, bool, Option<String>)>,
) -> Result<Vec<Vif>, StepError> {
    let networks = by_id(env, &ports).await?;
    let subnets = subnets(env, &ports).await?;
    let ids: Vec<String> = ports.iter().map(|(port, _, _)| port.id.clone()).collect();
    let floating = call(env, |token| {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        async move { network::floating_ips(&env.network, &token, &ids).await }
    })
    .await?;
    let vifs = ports.into_iter().map(|(port, preexisting, tag)| {
        let net = networks.get(&port.network_id);
        let addresses = port.fixed_ips.iter().map(|fixed| {
            let mut address = described(fixed, subnets.get(&fixed.subnet_id));
            address.floating = floating
                .iter()
                .filter(|floating| {
                    floating.port_id.as_ref() == Some(&port.id)
                        && floating.fixed_ip_address == Some(fixed.ip_address)
                })
                .map(|floating| floating.floating_ip_address)
                .collect();
            address
        });
        let detail = |name: &str| {
            let value = port.vif_details.get(name)?;
            value.as_str().map(str::to_owned)
        };
        Vif {
            addresses: addresses.collect(),
            network_name: net.map(|net| net.name.clone()).unwrap_or_default(),
            mtu: net.map_or(0, |net| net.mtu),
            active: port.status == "ACTIVE",
            tap: detail("tap"),
            netns: detail("netns"),
            vnic_type: match port.vnic_type.as_str() {
                "" => "normal".to_owned(),
                other => other.to_owned(),
            },
            port_id: port.id,
            network_id: port.network_id,
            mac: port.mac_address,
            preexisting,
            tag,
        }
    });
    Ok(vifs.collect())
}

fn described(fixed: &network::FixedIp, subnet: Option<&Subnet>) -> FixedAddress {
    FixedAddress {
        address: fixed.ip_address,
        subnet_id: fixed.subnet_id.clone(),
        cidr: subnet.map(|subnet| subnet.cidr.clone()).unwrap_or_default(),
        gateway: subnet.and_then(|subnet| subnet.gateway_ip),
        dns: subnet
            .map(|subnet| subnet.dns_nameservers.clone())
            .unwrap_or_default(),
        routes: subnet
            .map(|subnet| {
                let routes = subnet.host_routes.iter();
                routes
                    .map(|route| Route {
                        destination: route.destination.clone(),
                        nexthop: route.nexthop,
                    })
                    .collect()
            })
            .unwrap_or_default(),
        dhcp: subnet.is_some_and(|subnet| subnet.enable_dhcp),
        floating: Vec::new(),
    }
}

async fn by_id(
    env: &Env,
    ports: &[(Port, bool, Option<String>)],
) -> Result<BTreeMap<String, network::Network>, StepError> {
    if ports.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut ids: Vec<&str> = ports
        .iter()
        .map(|(port, _, _)| port.network_id.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let query: Vec<String> = ids.iter().map(|id| format!("id={id}")).collect();
    let query = query.join("&");
    let networks = call(env, |token| {
        let query = &query;
        async move { network::networks(&env.network, &token, query).await }
    })
    .await?;
    Ok(networks
        .into_iter()
        .map(|net| (net.id.clone(), net))
        .collect())
}

async fn subnets(
    env: &Env,
    ports: &[(Port, bool, Option<String>)],
) -> Result<BTreeMap<String, Subnet>, StepError> {
    let mut ids: Vec<&str> = ports
        .iter()
        .flat_map(|(port, _, _)| port.fixed_ips.iter().map(|fixed| fixed.subnet_id.as_str()))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let subnets = call(env, |token| {
        let ids = &ids;
        async move { network::subnets(&env.network, &token, ids).await }
    })
    .await?;
    Ok(subnets
        .into_iter()
        .map(|subnet| (subnet.id.clone(), subnet))
        .collect())
}

/// Asks the network service with our own token. What passes is tried again; a refusal fails the
/// step with what the service said.
async fn call<T, F, Fut>(env: &Env, call: F) -> Result<T, StepError>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = clients::Result<T>>,
{
    env.session.with(call).await.map_err(trouble)
}

fn trouble(error: ClientError) -> StepError {
    if error.is_passing() {
        return StepError::retry(Duration::from_millis(500), error);
    }
    let status = error.status().map(|status| status.as_u16());
    let kind = match status {
        Some(404) => Kind::NetworkGone,
        Some(409) => Kind::NetworkTaken,
        _ => Kind::Network,
    };
    StepError::Fail(serde_json::json!({
        "kind": kind,
        "message": error.to_string(),
        "status": status,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_port_of_another_project_server_or_name_is_refused_in_the_build_too() {
        let server = Server {
            hostname: "Web".to_owned(),
            ..compute_model::testing::server("s1")
        };
        let refused = |change: serde_json::Value| {
            let mut port = json!({"id": "p1", "network_id": "n1", "mac_address": "fa:16:3e:00:00:01",
                "status": "DOWN", "project_id": "p"});
            let change = change.as_object().cloned().expect("an object");
            port.as_object_mut().expect("an object").extend(change);
            let port = serde_json::from_value(port).expect("a port");
            refusal(&port, &server).map(|why| (why.kind, why.text))
        };
        let not_usable = |more: &str| {
            let text = format!("Port p1 not usable for instance s1.{more}");
            Some((Kind::Network, text))
        };
        let other_name =
            " Value db assigned to dns_name attribute does not match instance's hostname Web";
        let in_use = Some((Kind::PortInUse, "Port p1 is still in use.".to_owned()));
        for (change, expected) in [
            (json!({}), None),
            (json!({"device_id": "s1", "dns_name": "web"}), None),
            (json!({"project_id": "other"}), not_usable("")),
            (
                json!({"project_id": "other", "device_id": "s1"}),
                not_usable(""),
            ),
            (json!({"device_id": "s2"}), in_use),
            (json!({"dns_name": "db"}), not_usable(other_name)),
        ] {
            assert_eq!(refused(change.clone()), expected, "{change}");
        }
    }
}
