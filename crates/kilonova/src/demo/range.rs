//! The external network of the demo, and the choice of its range. The network service remembers what was chosen.

use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use serde_json::{Value, json};

use super::api::{Api, id_of};
use super::steps::find;
use crate::companions::network::host::{self, Host, Places};
use crate::config::demo::fits;

const NAME: &str = "public";

/// The external network.
pub struct Public {
    pub id: String,
    pub range: String,
}

/// The external network: the one that is there, or one with the range that was asked for, or with the first range
/// that takes nothing from this machine.
///
/// # Errors
/// The range that is asked for overlaps what this machine uses, or is not the one that the network has already.
pub async fn public_network(admin: &Api, wish: Option<IpNet>, places: Places) -> Result<Public> {
    if let Some(range) = wish.filter(|range| !fits(*range)) {
        bail!("{range} cannot be the external network's: an IPv4 range of /8 to /28 is needed");
    }
    let id = match find(admin, "networks", NAME).await? {
        Some(network) => id_of(&network)?,
        None => {
            let body = json!({"network": {"name": NAME, "router:external": true}});
            let made = admin.post(&admin.network, "/v2.0/networks", &body).await?;
            id_of(&made["network"])?
        }
    };
    // An earlier run may have ended between the two.
    let path = format!("/v2.0/subnets?network_id={id}&ip_version=4");
    let known = admin.get(&admin.network, &path).await?;
    if let Some(range) = known["subnets"][0]["cidr"].as_str() {
        if let Some(wish) = wish.filter(|wish| wish.trunc().to_string() != range) {
            bail!(
                "the network {NAME} has the range {range} already, not {wish}: take external_cidr back, or delete \
                 the network with its routers and floating addresses first"
            );
        }
        return Ok(Public {
            id,
            range: range.to_owned(),
        });
    }
    let range = match wish {
        Some(range) => range.trunc(),
        None => choose(places).await?,
    };
    let gateway = range.hosts().next().context("a range without addresses")?;
    let subnet = json!({"subnet": {
        "name": NAME, "network_id": id, "ip_version": 4, "cidr": range, "gateway_ip": gateway, "enable_dhcp": false,
    }});
    let made: Value = admin
        .post(&admin.network, "/v2.0/subnets", &subnet)
        .await
        .with_context(|| format!("the external network cannot have the range {range}"))?;
    let range = made["subnet"]["cidr"]
        .as_str()
        .context("a subnet without range")?;
    Ok(Public {
        id,
        range: range.to_owned(),
    })
}

/// The first range that takes nothing from this machine.
async fn choose(places: Places) -> Result<IpNet> {
    let uses = tokio::task::spawn_blocking(move || Host::here(places, None)?.uses()).await??;
    let (range, part_of) = host::choose(&uses)
        .context("set [demo] external_cidr to a range that this machine can do without")?;
    if let Some(part_of) = part_of {
        println!("The external network {range} takes a part of {part_of}.");
    }
    Ok(range)
}
