//! The networks of a new server: which ports it will have, and what would be in the way.

use std::net::IpAddr;

use clients::ClientError;
use clients::network::{self, Network};
use compute_model::network::NetworkRequest;

use super::create::{NewServer, invalid};
use crate::{Context, Control, ControlError, Result, policy};

/// The group that every project has, and that ports get by themselves.
const DEFAULT_GROUP: &str = "default";

/// The networks that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Networks {
    /// Nothing was said (until 2.36): the one network of the project, if there is one.
    Unsaid,
    /// One is found or made.
    Auto,
    /// No network.
    Nothing,
    Listed(Vec<NewNic>),
}

/// One network interface that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewNic {
    pub network: Option<String>,
    pub port: Option<String>,
    pub fixed_ip: Option<IpAddr>,
    pub tag: Option<String>,
}

/// What was planned.
#[derive(Debug, Default)]
pub(super) struct Nics {
    pub requests: Vec<NetworkRequest>,
    pub security_group_ids: Vec<String>,
    pub security_group_names: Vec<String>,
    /// How many more ports the project may have; none for no limit.
    pub ports_left: Option<u64>,
}

/// What speaks against a network or a port. A new server and one that has a card added answer with different codes.
#[derive(Debug)]
pub(super) enum Objection {
    NoPort(String),
    NoNetwork(String),
    /// More than one network could be meant.
    Ambiguous(String),
    AddressTaken(String),
    Other(ControlError),
}

impl<E: Into<ControlError>> From<E> for Objection {
    fn from(error: E) -> Self {
        Objection::Other(error.into())
    }
}

impl Objection {
    /// As the answer to a request for a new server: what its body names and does not exist is a mistake of the body.
    fn at_boot(self) -> ControlError {
        match self {
            Objection::NoPort(why) | Objection::NoNetwork(why) | Objection::AddressTaken(why) => {
                invalid(why)
            }
            Objection::Ambiguous(why) => ControlError::Conflict { why },
            Objection::Other(error) => error,
        }
    }

    /// As the answer to a request for one more card of a server.
    fn at_attach(self) -> ControlError {
        match self {
            Objection::NoPort(why) | Objection::NoNetwork(why) => ControlError::NotFound { why },
            Objection::Ambiguous(why) => invalid(why),
            Objection::AddressTaken(why) => ControlError::Conflict { why },
            Objection::Other(error) => error,
        }
    }
}

/// Checks networks, ports and groups with the caller's own token.
pub(super) async fn plan(control: &Control, cx: &Context, new: &NewServer) -> Result<Nics> {
    let mut nics = groups(control, cx, &new.security_groups).await?;
    let project = cx.project()?;
    let requests = match &new.networks {
        Networks::Nothing => Ok(Vec::new()),
        Networks::Unsaid => any(control, cx, project, false).await,
        Networks::Auto => any(control, cx, project, true).await,
        Networks::Listed(listed) if listed.is_empty() => any(control, cx, project, false).await,
        Networks::Listed(listed) => chosen(control, cx, project, listed).await,
    };
    nics.requests = requests.map_err(Objection::at_boot)?;
    let makes_ports = nics
        .requests
        .iter()
        .any(|request| matches!(request, NetworkRequest::Network { .. }));
    if makes_ports {
        nics.ports_left = network::port_room(&control.network, cx.token(), project).await?;
    }
    Ok(nics)
}

/// Checks one card that a server of this project is to get in addition. One without network and port is on the only
/// network that the project can use.
///
/// # Errors
/// 404 for a port or network that does not exist; 409 for one in use or an address that is taken; 403 when the project
/// may have no more ports; 400 for the rest.
pub(super) async fn added(
    control: &Control,
    cx: &Context,
    project: &str,
    nic: &NewNic,
) -> Result<NetworkRequest> {
    let named = nic.network.is_some() || nic.port.is_some();
    let requests = match named {
        true => chosen(control, cx, project, std::slice::from_ref(nic)).await,
        false => any(control, cx, project, false).await,
    };
    let mut requests = requests.map_err(Objection::at_attach)?;
    let Some(mut request) = requests.pop() else {
        return Err(invalid(format!(
            "No specific network was requested and none are available for project '{project}'."
        )));
    };
    if let NetworkRequest::Network { tag, .. } = &mut request {
        tag.clone_from(&nic.tag);
        let room = network::port_room(&control.network, cx.token(), project).await?;
        if room == Some(0) {
            return Err(ControlError::Forbidden {
                why: "Maximum number of ports exceeded".to_owned(),
            });
        }
    }
    Ok(request)
}

/// Ids and names of the security groups that are named by either.
async fn groups(control: &Control, cx: &Context, wanted: &[String]) -> Result<Nics> {
    let mut found = Nics::default();
    if wanted.iter().all(|name| name == DEFAULT_GROUP) {
        found.security_group_names = vec![DEFAULT_GROUP.to_owned()];
        return Ok(found);
    }
    let known = network::security_groups(&control.network, cx.token(), cx.project()?).await?;
    for name in wanted {
        let by_id = known.iter().find(|group| group.id == *name);
        let mut by_name = known.iter().filter(|group| group.name == *name);
        let group = match (by_id, by_name.next(), by_name.next()) {
            (Some(group), _, _) | (None, Some(group), None) => group,
            (None, None, _) => return Err(invalid(format!("Security group {name} not found."))),
            (None, Some(_), Some(_)) => {
                return Err(ControlError::Conflict {
                    why: format!(
                        "Multiple security groups found matching '{name}'. Use an ID to be more specific."
                    ),
                });
            }
        };
        if !found.security_group_ids.contains(&group.id) {
            found.security_group_ids.push(group.id.clone());
            found.security_group_names.push(group.name.clone());
        }
    }
    Ok(found)
}

/// The only network that the project can use; with `make`, one is made where there is none.
async fn any(
    control: &Control,
    cx: &Context,
    project: &str,
    make: bool,
) -> std::result::Result<Vec<NetworkRequest>, Objection> {
    let query = format!("project_id={project}&shared=false");
    let own = network::networks(&control.network, cx.token(), &query).await?;
    let shared = network::networks(&control.network, cx.token(), "shared=true").await?;
    let mut usable: Vec<Network> = Vec::new();
    for network in own.into_iter().chain(shared) {
        let known = usable.iter().any(|other| other.id == network.id);
        // What is made for somebody must carry traffic; what is found need not.
        let fit = !make || (network.admin_state_up && !network.external);
        if !known && fit {
            usable.push(network);
        }
    }
    match usable.as_slice() {
        [] if make => Ok(vec![on(made(control, cx, project).await?)]),
        [] => Ok(Vec::new()),
        [network] => {
            attachable(control, cx, network)?;
            match network.subnets.is_empty() {
                // As in Nova, a network without subnet is passed over when nobody asked for it.
                true => Ok(Vec::new()),
                false => Ok(vec![on(network.id.clone())]),
            }
        }
        _ => Err(Objection::Ambiguous(
            "More than one possible network found. Specify network ID(s) to select which one(s) to connect to."
                .to_owned(),
        )),
    }
}

fn on(id: String) -> NetworkRequest {
    NetworkRequest::Network {
        id,
        fixed_ip: None,
        tag: None,
    }
}

/// The network that the network service makes for a project that has none.
async fn made(control: &Control, cx: &Context, project: &str) -> Result<String> {
    let topology = network::auto_allocated_topology(&control.network, cx.token(), project).await;
    topology.map_err(|error| match error {
        ClientError::Refused { .. } => invalid(format!(
            "Unable to automatically allocate a network for project {project}"
        )),
        other => other.into(),
    })
}

/// The networks and ports that are listed, each checked.
async fn chosen(
    control: &Control,
    cx: &Context,
    project: &str,
    listed: &[NewNic],
) -> std::result::Result<Vec<NetworkRequest>, Objection> {
    well_named(listed)?;
    let mut requests = Vec::with_capacity(listed.len());
    for nic in listed {
        if let Some(id) = &nic.port {
            port(control, cx, project, id).await?;
            requests.push(NetworkRequest::Port {
                id: id.clone(),
                tag: nic.tag.clone(),
            });
            continue;
        }
        let Some(id) = &nic.network else {
            return Err(invalid("Bad network format: missing 'uuid'".to_owned()).into());
        };
        one(control, cx, id, nic.fixed_ip).await?;
        requests.push(NetworkRequest::Network {
            id: id.clone(),
            fixed_ip: nic.fixed_ip,
            tag: nic.tag.clone(),
        });
    }
    Ok(requests)
}

/// Whether each port is named once, and has no address but its own.
fn well_named(listed: &[NewNic]) -> Result<()> {
    let mut ports: Vec<&str> = Vec::new();
    for nic in listed {
        let Some(id) = nic.port.as_deref() else {
            continue;
        };
        if ports.contains(&id) {
            return Err(invalid(format!(
                "Port ID '{id}' was specified twice: you cannot attach a port multiple times."
            )));
        }
        if let Some(address) = nic.fixed_ip {
            return Err(invalid(format!(
                "Specified Fixed IP '{address}' cannot be used with port '{id}': the two cannot be specified together."
            )));
        }
        ports.push(id);
    }
    Ok(())
}

/// A port that can be given to a server.
async fn port(
    control: &Control,
    cx: &Context,
    project: &str,
    id: &str,
) -> std::result::Result<(), Objection> {
    let port = match network::port(&control.network, cx.token(), id).await {
        Err(error) if error.is_not_found() => {
            return Err(Objection::NoPort(format!(
                "Port id {id} could not be found."
            )));
        }
        other => other?,
    };
    if !port.device_id.is_empty() {
        return Err(port_in_use(id).into());
    }
    if port.project_id != project {
        // Nova says so of the instance, which has no id yet when it is new.
        let why = format!("Port {id} not usable for instance of project {project}.");
        return Err(invalid(why).into());
    }
    if port.fixed_ips.is_empty() {
        let why = format!("Port {id} requires a FixedIP in order to be used.");
        return Err(invalid(why).into());
    }
    let network = network::network(&control.network, cx.token(), &port.network_id).await;
    match network {
        Ok(network) => Ok(attachable(control, cx, &network)?),
        // A port in somebody else's network that was handed over: the port is enough.
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn port_in_use(id: &str) -> ControlError {
    ControlError::Conflict {
        why: format!("Port {id} is still in use."),
    }
}

/// A network on which a port can be made.
async fn one(
    control: &Control,
    cx: &Context,
    id: &str,
    fixed_ip: Option<IpAddr>,
) -> std::result::Result<(), Objection> {
    let network = match network::network(&control.network, cx.token(), id).await {
        Err(error) if error.is_not_found() => {
            let why = format!("Network {id} could not be found.");
            return Err(Objection::NoNetwork(why));
        }
        other => other?,
    };
    attachable(control, cx, &network)?;
    if network.subnets.is_empty() {
        let why = format!("Network {id} requires a subnet in order to boot instances on.");
        return Err(invalid(why).into());
    }
    let Some(address) = fixed_ip else {
        return Ok(());
    };
    let taken = network::ports_with(&control.network, cx.token(), id, address).await?;
    match taken.first() {
        Some(port) => Err(Objection::AddressTaken(format!(
            "Fixed IP address {address} is already in use on instance {}.",
            port.device_id
        ))),
        None => Ok(()),
    }
}

/// External networks are for routers, except where an operator says otherwise.
fn attachable(control: &Control, cx: &Context, network: &Network) -> Result<()> {
    let rule = "network:attach_external_network";
    if network.external && !network.shared && !policy::may(control, cx, rule) {
        return Err(ControlError::Forbidden {
            why: format!(
                "It is not allowed to create an interface on external network {}",
                network.id
            ),
        });
    }
    Ok(())
}
