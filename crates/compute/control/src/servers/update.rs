//! `PUT`: what of a server its owner may change at any time.

use std::net::IpAddr;

use compute_model::server::DiskConfig;

use super::edit;
use super::show::{VisibleServer, visible};
use crate::{Context, Control, ControlError, Result};

/// What is to change; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerUpdate {
    pub name: Option<String>,
    pub hostname: Option<String>,
    pub disk_config: Option<DiskConfig>,
    pub access_ip_v4: Option<IpAddr>,
    pub access_ip_v6: Option<IpAddr>,
    /// The inner absence removes it.
    pub description: Option<Option<String>>,
    /// The inner absence unpins; else only the zone that the server is in.
    pub pinned_zone: Option<Option<String>>,
}

/// Changes a server and gives it back.
///
/// # Errors
/// 404, 403 by policy, 409 for a zone that the server is not in.
pub async fn update(
    control: &Control,
    cx: &Context,
    id: &str,
    wanted: &ServerUpdate,
    with_host: bool,
) -> Result<VisibleServer> {
    let (server, ()) = edit(control, cx, id, None, |server| {
        if let Some(zone) = &wanted.pinned_zone {
            if zone.is_some() && *zone != server.availability_zone {
                return Err(ControlError::Conflict {
                    why: format!(
                        "Instance {} can only be pinned to the availability zone that it is in.",
                        server.id
                    ),
                });
            }
            server.pinned_zone.clone_from(zone);
        }
        if let Some(name) = &wanted.name {
            server.name.clone_from(name);
        }
        if let Some(hostname) = &wanted.hostname {
            server.hostname.clone_from(hostname);
        }
        if let Some(description) = &wanted.description {
            server.description.clone_from(description);
        }
        server.disk_config = wanted.disk_config.unwrap_or(server.disk_config);
        server.access_ip_v4 = wanted.access_ip_v4.or(server.access_ip_v4);
        server.access_ip_v6 = wanted.access_ip_v6.or(server.access_ip_v6);
        Ok(())
    })
    .await?;
    visible(control, cx, server, with_host).await
}
