//! Who owns a port (`device_owner`): servers, or parts of the service, which make and remove their ports themselves.

/// The DHCP server of a network.
pub const DHCP: &str = "network:dhcp";
/// A floating address, on its external network.
pub const FLOATING_IP: &str = "network:floatingip";
/// A router, on its external network.
pub const ROUTER_GATEWAY: &str = "network:router_gateway";
/// A router, on an internal network.
pub const ROUTER_INTERFACE: &str = "network:router_interface";

/// Whether the port is part of the service: someone else than compute wires it.
pub fn is_service(owner: &str) -> bool {
    owner.starts_with("network:")
}

/// Whether the owner is a router, whose addresses are never automatic.
pub fn is_router(owner: &str) -> bool {
    owner.starts_with("network:router") || owner == "network:ha_router_replicated_interface"
}

/// Whether the owner is a server.
pub fn is_server(owner: &str) -> bool {
    owner.starts_with("compute:")
}
