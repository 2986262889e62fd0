//! Networks as compute had them, until 2.35; the network service keeps them.

use std::sync::Arc;

use compute_control::policy;
use compute_control::proxies::networks::{self, Network};
use microversion::Versioned;
use serde::Serialize;

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

/// `GET /os-networks`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let found = networks::list(&api.control, &call.cx).await?;
    match policy::is_admin(&api.control, &call.cx) {
        true => call.render(&Networks::<WholeNetworkView<'_>> {
            networks: found.iter().map(Into::into).collect(),
        }),
        false => call.render(&Networks::<NetworkView<'_>> {
            networks: found.iter().map(Into::into).collect(),
        }),
    }
}

/// `GET /os-networks/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let network = networks::show(&api.control, &call.cx, call.path("id")).await?;
    match policy::is_admin(&api.control, &call.cx) {
        true => call.render_under("network", &WholeNetworkView::from(&network)),
        false => call.render_under("network", &NetworkView::from(&network)),
    }
}

/// `GET /os-tenant-networks`.
pub async fn tenant_index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let found = networks::list(&api.control, &call.cx).await?;
    call.render(&TenantNetworks {
        networks: found.iter().map(tenant_view).collect(),
    })
}

/// `GET /os-tenant-networks/{id}`.
pub async fn tenant_show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let network = networks::show(&api.control, &call.cx, call.path("id")).await?;
    call.render_under("network", &tenant_view(&network))
}

fn tenant_view(network: &Network) -> TenantNetworkView<'_> {
    TenantNetworkView {
        id: &network.id,
        cidr: "None",
        label: &network.name,
    }
}

#[derive(Serialize, Versioned)]
pub struct Networks<T: Versioned> {
    pub networks: Vec<T>,
}

/// A network, with attributes that networks of compute's own had; of others they are null
/// (`nova.api.openstack.compute.networks`).
macro_rules! network {
    ($(#[$about:meta])* $name:ident: $($null:ident)*) => {
        $(#[$about])*
        #[derive(Serialize, Versioned)]
        pub struct $name<'v> {
            pub id: &'v str,
            pub label: &'v str,
            $(pub $null: Option<&'static str>,)*
        }

        impl<'v> From<&'v Network> for $name<'v> {
            fn from(network: &'v Network) -> Self {
                $name {
                    id: &network.id,
                    label: &network.name,
                    $($null: None,)*
                }
            }
        }
    };
}

network! {
    /// What everybody sees.
    NetworkView: cidr netmask gateway broadcast dns1 dns2 cidr_v6 gateway_v6 netmask_v6
}

network! {
    /// What administrators see.
    WholeNetworkView: cidr netmask gateway broadcast dns1 dns2 cidr_v6 gateway_v6 netmask_v6 created_at updated_at
    deleted_at deleted injected bridge vlan vpn_public_address vpn_public_port vpn_private_address dhcp_start project_id
    host bridge_interface multi_host priority rxtx_base mtu dhcp_server enable_dhcp share_address
}

#[derive(Serialize, Versioned)]
pub struct TenantNetworks<'v> {
    pub networks: Vec<TenantNetworkView<'v>>,
}

#[derive(Serialize, Versioned)]
pub struct TenantNetworkView<'v> {
    pub id: &'v str,
    /// The word `None`, which Nova answers.
    pub cidr: &'static str,
    pub label: &'v str,
}
