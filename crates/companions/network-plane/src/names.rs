//! The names of namespaces and devices: pure functions of ids.
//!
//! Linux allows 15 bytes for a device name, so names carry the first 11 characters of an id (8 hex digits, a dash and
//! 2 more: 40 bits), names of namespaces the first 8 (32 bits). The network service gives out ids that differ there.
//! All names of one kind share a prefix, by which leftovers are recognised; that a thing of such a name is ours, its
//! label says (see [`crate::label`]).

/// The namespace that holds bridges and taps: `kn-<cloud>`.
pub fn switch_namespace(cloud_id: &str) -> String {
    format!("kn-{cloud_id}")
}

/// The usual tap name of a port: `tap` + first 11 characters of its id, as in Neutron.
pub fn tap_name(port_id: &str) -> String {
    format!("tap{}", short(port_id))
}

/// The namespace of a network's DHCP server and metadata listener.
pub fn dhcp_namespace(cloud_id: &str, network_id: &str) -> String {
    format!("kn-{cloud_id}-d-{}", head(network_id, 8))
}

/// The namespace of a router.
pub fn router_namespace(cloud_id: &str, router_id: &str) -> String {
    format!("kn-{cloud_id}-r-{}", head(router_id, 8))
}

/// The bridge of a network, in the switch namespace.
pub fn bridge(network_id: &str) -> String {
    format!("br{}", short(network_id))
}

/// The switch side of the cable to the DHCP namespace.
pub(crate) fn dhcp_cable(network_id: &str) -> String {
    format!("dh{}", short(network_id))
}

/// The DHCP namespace's only device.
pub(crate) const DHCP_DEVICE: &str = "dhcp0";

/// A router's internal device, and the switch side of its cable (in the other namespace under the same name).
pub(crate) fn router_interface(port_id: &str) -> String {
    format!("ri{}", short(port_id))
}

/// A router's external device, and the switch side of its cable.
pub(crate) fn router_gateway(port_id: &str) -> String {
    format!("rg{}", short(port_id))
}

/// The switch side of an external network's cable to the host.
pub(crate) fn uplink_cable(network_id: &str) -> String {
    format!("ex{}", short(network_id))
}

/// The host side of that cable.
pub fn uplink_host(network_id: &str) -> String {
    format!("kx{}", short(network_id))
}

/// Another name for the host's end, where somebody else's device has the usual one; a different one for each attempt.
pub(crate) fn uplink_host_again(network_id: &str, attempt: u32) -> String {
    format!("kx{:011x}", hash(&format!("{network_id} {attempt}")) >> 20)
}

/// Another id for a cloud, where another cloud of this machine has the same one.
pub(crate) fn cloud_id_again(owner: &str, attempt: u32) -> String {
    format!("{:08x}", hash(&format!("{owner} {attempt}")) >> 32)
}

/// FNV-1a, 64 bits.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The first 11 characters of an id.
pub(crate) fn short(id: &str) -> &str {
    head(id, 11)
}

fn head(id: &str, length: usize) -> &str {
    id.char_indices()
        .nth(length)
        .map_or(id, |(end, _)| &id[..end])
}
