//! What a network's dnsmasq is told, as text.
//!
//! One process serves all subnets of a network. Changes of reservations only rewrite the files that dnsmasq reads again
//! on SIGHUP ([`Files::hosts`], [`Files::options`], [`Files::names`]); changes of subnets restart it.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use crate::names::DHCP_DEVICE;
use crate::wanted::{DhcpHost, Ipv6Mode, Network, Subnet};

/// As in Neutron (`dhcp_lease_duration`), in seconds.
const LEASE: u32 = 86_400;
/// Where guests look for metadata.
pub const METADATA: &str = "169.254.169.254";
pub const METADATA_ADDRESS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(169, 254, 169, 254);

/// The texts of a network's dnsmasq files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Read at start only.
    pub config: String,
    pub hosts: String,
    pub options: String,
    pub names: String,
}

/// The files of a network, if a subnet of it has DHCP.
pub fn files(network: &Network, directory: &Path) -> Option<Files> {
    let subnets: Vec<&Subnet> = network.subnets.iter().filter(|s| serves(s)).collect();
    if subnets.is_empty() {
        return None;
    }
    let mut hosts: Vec<&DhcpHost> = network.dhcp_hosts.iter().collect();
    hosts.sort_by(|a, b| a.mac.cmp(&b.mac));
    let mut files = Files {
        config: config(network, &subnets, directory),
        hosts: String::new(),
        options: String::new(),
        names: String::new(),
    };
    for host in hosts {
        reservation(host, network, &subnets, &mut files);
    }
    Some(files)
}

/// Whether a network has a dnsmasq.
pub fn is_served(network: &Network) -> bool {
    network.subnets.iter().any(serves)
}

/// SLAAC guests need nothing from a DHCP server.
fn serves(subnet: &Subnet) -> bool {
    let addressed = subnet.cidr.addr().is_ipv4()
        || matches!(
            subnet.ipv6_mode,
            Some(Ipv6Mode::Dhcpv6Stateful | Ipv6Mode::Dhcpv6Stateless)
        );
    subnet.dhcp && addressed
}

fn config(network: &Network, subnets: &[&Subnet], directory: &Path) -> String {
    let path = directory.display();
    let mut text = format!(
        "no-hosts\nno-resolv\nbind-interfaces\ninterface={DHCP_DEVICE}\nexcept-interface=lo\n\
         pid-file={path}/run/pid\ndhcp-hostsfile={path}/hosts\ndhcp-optsfile={path}/options\naddn-hosts={path}/names\n\
         dhcp-leasefile={path}/run/leases\ndhcp-lease-max=65536\ndhcp-authoritative\n\
         dhcp-option-force=option:mtu,{}\n",
        network.mtu
    );
    if let Some(domain) = &network.dns_domain {
        let _ = writeln!(text, "domain={domain}\nlocal=/{domain}/");
    }
    for subnet in subnets {
        match subnet.cidr {
            IpNet::V4(net) => {
                let (first, mask) = (net.network(), net.netmask());
                let _ = writeln!(
                    text,
                    "dhcp-range=set:{},{first},static,{mask},{LEASE}s",
                    tag(subnet)
                );
                options_v4(network, subnet, &mut text);
            }
            IpNet::V6(net) => {
                let _ = writeln!(
                    text,
                    "dhcp-range=set:{},{},static,{},{LEASE}s",
                    tag(subnet),
                    net.network(),
                    net.prefix_len()
                );
                let dns: Vec<String> = subnet
                    .dns
                    .iter()
                    .filter(|d| d.is_ipv6())
                    .map(|d| format!("[{d}]"))
                    .collect();
                let dns = if dns.is_empty() {
                    "[::]".to_owned()
                } else {
                    dns.join(",")
                };
                let _ = writeln!(
                    text,
                    "dhcp-option=tag:{},option6:dns-server,{dns}",
                    tag(subnet)
                );
            }
        }
    }
    text
}

fn tag(subnet: &Subnet) -> String {
    format!("subnet-{}", subnet.id)
}

fn options_v4(network: &Network, subnet: &Subnet, text: &mut String) {
    let tag = tag(subnet);
    let gateway = subnet.gateway.filter(IpAddr::is_ipv4);
    // An option without a value is not sent; left out, dnsmasq would offer itself as the router.
    let _ = match gateway {
        Some(gateway) => writeln!(text, "dhcp-option=tag:{tag},option:router,{gateway}"),
        None => writeln!(text, "dhcp-option=tag:{tag},option:router"),
    };
    let dns: Vec<String> = subnet
        .dns
        .iter()
        .filter(|d| d.is_ipv4())
        .map(IpAddr::to_string)
        .collect();
    if !dns.is_empty() {
        let _ = writeln!(
            text,
            "dhcp-option=tag:{tag},option:dns-server,{}",
            dns.join(",")
        );
    }
    let server = network
        .dhcp_port
        .iter()
        .flat_map(|p| &p.ips)
        .find(|ip| subnet.cidr.contains(*ip));
    let mut routes = Vec::new();
    if let Some(server) = server.filter(|_| network.metadata) {
        routes.push(format!("{METADATA}/32,{server}"));
    }
    for route in subnet.host_routes.iter().filter(|r| r.next_hop.is_ipv4()) {
        routes.push(format!("{},{}", route.destination, route.next_hop));
    }
    // Clients that know option 121 ignore option 3 (RFC 3442).
    routes.extend(gateway.map(|gateway| format!("0.0.0.0/0,{gateway}")));
    if !routes.is_empty() {
        let routes = routes.join(",");
        // 249 is Microsoft's number of the same option.
        let _ = writeln!(
            text,
            "dhcp-option=tag:{tag},option:classless-static-route,{routes}"
        );
        let _ = writeln!(text, "dhcp-option=tag:{tag},249,{routes}");
    }
}

fn reservation(host: &DhcpHost, network: &Network, subnets: &[&Subnet], files: &mut Files) {
    let tag = format!("host-{}", host.mac.replace(':', ""));
    let set = if host.options.is_empty() {
        String::new()
    } else {
        format!(",set:{tag}")
    };
    // Of several addresses on a subnet dnsmasq offers the one it read last, and that is to be the port's first.
    for ip in host
        .ips
        .iter()
        .rev()
        .filter(|ip| subnets.iter().any(|s| s.cidr.contains(*ip)))
    {
        let name = host.hostname.clone().filter(|name| !name.is_empty());
        let name =
            name.unwrap_or_else(|| format!("host-{}", ip.to_string().replace(['.', ':'], "-")));
        // A guest is told its own name only; dnsmasq adds the domain, and takes no other.
        let own = name.split('.').next().unwrap_or_default();
        let address = if ip.is_ipv6() {
            format!("[{ip}]")
        } else {
            ip.to_string()
        };
        let _ = writeln!(files.hosts, "{}{set},{own},{address}", host.mac);
        let full = network
            .dns_domain
            .as_ref()
            .map(|domain| format!("{name}.{domain} "))
            .unwrap_or_default();
        let _ = writeln!(files.names, "{ip} {full}{name}");
    }
    for option in &host.options {
        let kind = if option.ip_version == 6 {
            "option6"
        } else {
            "option"
        };
        let numeric = option.name.chars().all(|c| c.is_ascii_digit());
        let name = if numeric && kind == "option" {
            option.name.clone()
        } else {
            format!("{kind}:{}", option.name)
        };
        let _ = writeln!(files.options, "tag:{tag},{name},{}", option.value);
    }
}

/// A lease as dnsmasq's lease file has it; IPv4 only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub mac: [u8; 6],
    pub ip: std::net::Ipv4Addr,
    /// The client's identifier, if it gave one.
    pub client: Vec<u8>,
}

/// The leases in a lease file that no reservation of `hosts` backs any more. dnsmasq would hold their addresses back
/// from a new owner until they run out.
pub fn stale_leases(leases: &str, hosts: &str) -> Vec<Lease> {
    let kept: std::collections::BTreeSet<(String, &str)> = hosts
        .lines()
        .filter_map(|line| {
            Some((
                line.split(',').next()?.to_lowercase(),
                line.rsplit(',').next()?,
            ))
        })
        .collect();
    leases
        .lines()
        .filter_map(parse_lease)
        .filter(|(mac, lease)| !kept.contains(&(mac.clone(), lease.ip.to_string().as_str())))
        .map(|(_, lease)| lease)
        .collect()
}

/// `expiry mac ip hostname client-id`, with `*` for what is unknown.
fn parse_lease(line: &str) -> Option<(String, Lease)> {
    let mut words = line.split_whitespace().skip(1);
    let (mac, ip, client) = (words.next()?, words.next()?.parse().ok()?, words.nth(1)?);
    let client = if client == "*" {
        Vec::new()
    } else {
        client
            .split(':')
            .filter_map(|b| u8::from_str_radix(b, 16).ok())
            .collect()
    };
    Some((
        mac.to_lowercase(),
        Lease {
            mac: crate::check::mac(mac).ok()?,
            ip,
            client,
        },
    ))
}

#[cfg(test)]
mod tests;
