//! Ports attached to a server.

use std::sync::Arc;

use compute_control::ControlError;
use compute_control::servers::interfaces::{self, NewNic, Port};
use compute_model::Server;
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::{Id, NoQuery, Tag};

/// `GET …/os-interface`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let id = call.path("server_id");
    let (server, ports) = interfaces::list(&api.control, &call.cx, id).await?;
    let views = ports.iter().map(|port| view(&server, port)).collect();
    call.render(&Interfaces { attachments: views })
}

/// `GET …/os-interface/{port}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let (id, port) = (call.path("server_id"), call.path("id"));
    let (server, port) = interfaces::show(&api.control, &call.cx, id, port).await?;
    call.render_under("interfaceAttachment", &view(&server, &port))
}

/// `POST …/os-interface`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let asked: AttachInterface = call.admit()?;
    let nic = wanted(asked.interface.unwrap_or_default())?;
    let id = call.path("server_id");
    let (server, port) = interfaces::attach(&api.control, &call.cx, id, &nic).await?;
    call.render_under("interfaceAttachment", &view(&server, &port))
}

/// `DELETE …/os-interface/{port}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (id, port) = (call.path("server_id"), call.path("id"));
    interfaces::detach(&api.control, &call.cx, id, port).await?;
    Ok(Answer::empty())
}

fn wanted(asked: NewInterface) -> Result<NewNic, ControlError> {
    let invalid = |why: &str| ControlError::Invalid {
        why: why.to_owned(),
    };
    if asked.net_id.is_some() && asked.port_id.is_some() {
        return Err(invalid("Must not input both network_id and port_id"));
    }
    let address = asked.fixed_ips.into_iter().flatten().next();
    if address.is_some() && asked.net_id.is_none() {
        return Err(invalid("Must input network_id when request IP address"));
    }
    let fixed_ip = match address {
        Some(wanted) => {
            let read = wanted.ip_address.parse();
            Some(read.map_err(|_| invalid("The address cannot be read."))?)
        }
        None => None,
    };
    Ok(NewNic {
        network: asked.net_id.map(|Id(id)| id),
        port: asked.port_id.map(|Id(id)| id),
        fixed_ip,
        tag: asked.tag.map(|Tag(tag)| tag),
    })
}

fn view<'v>(server: &'v Server, port: &'v Port) -> InterfaceView<'v> {
    let vif = server.vifs.iter().find(|vif| vif.port_id == port.id);
    let fixed = port.fixed_ips.iter().map(|fixed| FixedIp {
        subnet_id: &fixed.subnet_id,
        ip_address: fixed.ip_address.to_string(),
    });
    InterfaceView {
        port_id: &port.id,
        net_id: &port.network_id,
        mac_addr: &port.mac_address,
        port_state: &port.status,
        fixed_ips: Some(fixed.collect()),
        tag: vif.and_then(|vif| vif.tag.as_deref()),
    }
}

#[derive(Serialize, Versioned)]
pub struct Interfaces<'v> {
    #[mv(wire = "interfaceAttachments")]
    pub attachments: Vec<InterfaceView<'v>>,
}

#[derive(Serialize, Versioned)]
pub struct InterfaceView<'v> {
    pub port_id: &'v str,
    pub net_id: &'v str,
    pub mac_addr: &'v str,
    pub port_state: &'v str,
    pub fixed_ips: Option<Vec<FixedIp<'v>>>,
    #[mv(since = "2.70")]
    pub tag: Option<&'v str>,
}

#[derive(Serialize, Versioned)]
pub struct FixedIp<'v> {
    pub subnet_id: &'v str,
    pub ip_address: String,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct AttachInterface {
    #[mv(wire = "interfaceAttachment")]
    pub interface: Option<NewInterface>,
}

/// A port, or a network to make one on; neither means any network of the project.
#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct NewInterface {
    pub net_id: Option<Id>,
    pub port_id: Option<Id>,
    #[mv(min_items = 1, max_items = 1)]
    pub fixed_ips: Option<Vec<WantedIp>>,
    #[mv(since = "2.49")]
    pub tag: Option<Tag>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct WantedIp {
    #[mv(format = "ip")]
    pub ip_address: String,
}
