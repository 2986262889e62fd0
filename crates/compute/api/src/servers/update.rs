//! `PUT /servers/{id}` and the action `rebuild`: what of a server can be changed.

use std::sync::Arc;

use compute_control::servers;
use microversion::{Patch, Version, Versioned};
use serde::Deserialize;

use super::{ask, show, shown};
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::{Certificates, Flag, Id, InjectedFile, Metadata, Name};

/// The version in which the answer became complete.
pub(super) const COMPLETE: Version = Version::new(2, 75);

/// `PUT /servers/{id}`.
pub async fn update(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let UpdateServer { server } = call.admit()?;
    let wanted = servers::ServerUpdate {
        name: server.name.map(|Name(name)| name.trim().to_owned()),
        hostname: server.hostname,
        disk_config: ask::disk_config(server.disk_config.as_deref()),
        access_ip_v4: ask::address(server.access_ip_v4.as_deref()),
        access_ip_v6: ask::address(server.access_ip_v6.as_deref()),
        description: server.description.into_option(),
        pinned_zone: server.pinned_availability_zone.into_option(),
    };
    let complete = call.version.at_least(COMPLETE);
    let with_host = complete && call.version.at_least(show::HOST_STATUS);
    let id = call.path("id");
    let seen = servers::update(&api.control, &call.cx, id, &wanted, with_host).await?;
    let view = match complete {
        true => shown::single(&call, &seen),
        false => shown::plain(&call, &seen),
    };
    call.render_under("server", &view)
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateServer {
    pub server: ServerUpdate,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ServerUpdate {
    pub name: Option<Name>,
    #[mv(wire = "OS-DCF:diskConfig", one_of("AUTO", "MANUAL"))]
    pub disk_config: Option<String>,
    #[mv(wire = "accessIPv4", format = "ipv4")]
    pub access_ip_v4: Option<String>,
    #[mv(wire = "accessIPv6", format = "ipv6")]
    pub access_ip_v6: Option<String>,
    #[mv(since = "2.19", format = "description", max_length = 255, nullable)]
    #[serde(default)]
    pub description: Patch<String>,
    #[mv(
        since = "2.90",
        pattern = "^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$",
        min_length = 2,
        max_length = 63
    )]
    #[mv(
        since = "2.94",
        pattern = "^[a-zA-Z0-9-._]*$",
        min_length = 1,
        max_length = 255
    )]
    pub hostname: Option<String>,
    /// `null` unpins; the zone the server is in pins it again.
    #[mv(since = "2.104", min_length = 1, max_length = 255, nullable)]
    #[serde(default)]
    pub pinned_availability_zone: Patch<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct RebuildServer {
    pub rebuild: Rebuild,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Rebuild {
    pub name: Option<Name>,
    #[mv(wire = "imageRef")]
    pub image_ref: Id,
    #[mv(wire = "adminPass")]
    pub admin_pass: Option<String>,
    pub metadata: Option<Metadata>,
    pub preserve_ephemeral: Option<Flag>,
    #[mv(wire = "OS-DCF:diskConfig", one_of("AUTO", "MANUAL"))]
    pub disk_config: Option<String>,
    #[mv(wire = "accessIPv4", format = "ipv4")]
    pub access_ip_v4: Option<String>,
    #[mv(wire = "accessIPv6", format = "ipv6")]
    pub access_ip_v6: Option<String>,
    #[mv(until = "2.56")]
    pub personality: Option<Vec<InjectedFile>>,
    #[mv(since = "2.19", format = "description", max_length = 255, nullable)]
    #[serde(default)]
    pub description: Patch<String>,
    #[mv(since = "2.54", min_length = 1, max_length = 255, nullable)]
    #[serde(default)]
    pub key_name: Patch<String>,
    #[mv(since = "2.57", format = "base64", max_length = 65535, nullable)]
    #[serde(default)]
    pub user_data: Patch<String>,
    #[mv(since = "2.63", nullable)]
    #[serde(default)]
    pub trusted_image_certificates: Patch<Certificates>,
    #[mv(
        since = "2.90",
        pattern = "^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$",
        min_length = 2,
        max_length = 63
    )]
    #[mv(
        since = "2.94",
        pattern = "^[a-zA-Z0-9-._]*$",
        min_length = 1,
        max_length = 255
    )]
    pub hostname: Option<String>,
}
