//! Names of ports (extension `dns-integration`): what a port may be called, and what it is called on each of its
//! addresses. DHCP and its name server say the same as `dns_assignment`.
//!
//! A port's name is relative to the domain of its network, or to the service's own where the network has none; a name
//! with a dot at its end is whole and must lie in that domain.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::fault::{Result, invalid};
use crate::settings::Settings;

/// Longest whole name, with the dot at its end: what fits into the 255 bytes that DNS has for one.
pub const LONGEST: usize = 254;

/// The domain of a network's names, without the dot at its end; may be empty.
pub fn domain<'a>(settings: &'a Settings, network_domain: &'a str) -> &'a str {
    let domain = match network_domain {
        "" => &settings.dns_domain,
        own => own,
    };
    domain.trim_end_matches('.')
}

/// Refuses a name that is too long for its domain, or lies in another one. An empty name is fine.
pub fn check(name: &str, domain: &str) -> Result<()> {
    let refused = |why: String| Err(invalid("dns_name", why));
    match name.strip_suffix('.') {
        None if name.is_empty() => Ok(()),
        None if name.len() + domain.len() + 2 > LONGEST => refused(format!(
            "The dns_name passed is a PQDN and its size is '{}'. The dns_domain option in neutron.conf is set to \
             {domain}., with a length of '{}'. When the two are concatenated to form a FQDN (with a '.' at the end), \
             the resulting length exceeds the maximum size of '{LONGEST}'",
            name.len(),
            domain.len() + 1,
        )),
        None => Ok(()),
        Some(whole) if relative(whole, domain).is_none() => refused(format!(
            "The dns_name passed is a FQDN. Its higher level labels must be equal to the dns_domain option in \
             neutron.conf, that has been set to '{domain}.'. It must also include one or more valid DNS labels to the \
             left of '{domain}.'"
        )),
        Some(_) => Ok(()),
    }
}

/// The part of a whole name to the left of its domain.
fn relative<'a>(whole: &'a str, domain: &str) -> Option<&'a str> {
    let left = match domain {
        "" => Some(whole),
        domain => whole.strip_suffix(domain)?.strip_suffix('.'),
    };
    left.filter(|left| !left.is_empty())
}

/// The name of a port on one of its addresses, relative to the domain.
pub fn host(name: &str, domain: &str, ip: &str) -> String {
    let own = match name.strip_suffix('.') {
        // The network's domain may have changed since the name was checked.
        Some(whole) => relative(whole, domain).unwrap_or(whole),
        None => name,
    };
    match own {
        "" => format!("host-{}", ip.replace(['.', ':'], "-")),
        own => own.to_owned(),
    }
}

/// An entry of `dns_assignment`.
pub fn assignment(name: &str, domain: &str, ip: &str) -> Value {
    let host = host(name, domain, ip);
    let whole = match (name.ends_with('.'), domain) {
        (true, _) => name.to_owned(),
        (false, "") => host.clone(),
        (false, domain) => format!("{host}.{domain}."),
    };
    let host = if name.is_empty() {
        host
    } else {
        name.to_owned()
    };
    json!({"ip_address": ip, "hostname": host, "fqdn": whole})
}

/// What DHCP calls a port; its first address names it where it has no name of its own.
pub fn served(name: &str, domain: &str, ips: &[IpAddr]) -> Option<String> {
    match (name, ips.first()) {
        ("", None) => None,
        (name, ip) => Some(host(
            name,
            domain,
            &ip.map(IpAddr::to_string).unwrap_or_default(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_relative_unless_it_ends_with_a_dot() {
        let named = |name| assignment(name, "example.org", "10.0.0.5");
        assert_eq!(
            named("web"),
            json!({"ip_address": "10.0.0.5", "hostname": "web", "fqdn": "web.example.org."})
        );
        assert_eq!(named("web.example.org.")["fqdn"], "web.example.org.");
        assert_eq!(named("")["fqdn"], "host-10-0-0-5.example.org.");
        assert_eq!(host("a.b.example.org.", "example.org", ""), "a.b");
        assert_eq!(served("", "example.org", &[]), None);
    }

    #[test]
    fn a_whole_name_lies_in_its_domain_and_every_name_fits() {
        let fits = |name: &str| check(name, "example.org").is_ok();
        assert!(fits("") && fits("web") && fits("a.b") && fits("web.example.org."));
        assert!(!fits("web.example.com.") && !fits("example.org.") && !fits("webexample.org."));
        let long = vec!["a".repeat(59); 4].join(".");
        assert!(fits(&long) && !fits(&format!("{long}aaaaaaa")));
    }
}
