//! What the value of a list's filter may be, by the filter's name.
//!
//! As in Neutron a filter is converted, not validated: a value that cannot be converted is refused, one that no object
//! has (`ip_version=9`, an id that is no UUID) finds nothing.

use std::net::IpAddr;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use ipnet::IpNet;
use serde_json::{Value, json};
use web::Query;

use crate::attributes::kinds;
use crate::fault::{Fault, Result};
use crate::protocols;

/// Brings a value into the form that objects show, or refuses it.
type Convert = fn(&str) -> Result<String>;

/// Every filter whose value is converted. A name means the same kind of value in all resources.
#[rustfmt::skip] // A table reads better with a row on each line.
const FILTERS: &[(&str, Convert)] = &[
    ("admin_state_up", flag),
    ("alive", flag),
    ("changed_since", time),
    ("cidr", cidr),
    ("default_prefixlen", number),
    ("default_quota", number),
    ("distributed", flag),
    ("dns_publish_fixed_ip", flag),
    ("enable_dhcp", flag),
    ("ethertype", ethertype),
    ("external_port", port),
    ("fixed_ip_address", address),
    ("fixed_ips", pair),
    ("floating_ip_address", address),
    ("gateway_ip", address),
    ("ha", flag),
    ("ip_address", address),
    ("ip_version", number),
    ("is_default", flag),
    ("mac_address", mac),
    ("max_prefixlen", number),
    ("min_prefixlen", number),
    ("mtu", number),
    ("port_range_max", port),
    ("port_range_min", port),
    ("port_security_enabled", flag),
    ("protocol", protocol),
    ("provider:segmentation_id", number),
    ("remote_ip_prefix", prefix),
    ("revision_number", number),
    ("router:external", flag),
    ("shared", flag),
    ("stateful", flag),
];

/// The query with every filter's value in the form that objects show.
///
/// # Errors
/// 400 for a value that cannot be converted.
pub fn canonical(query: &Query) -> Result<Query> {
    let pairs = query.0.iter().map(|(key, value)| {
        let row = FILTERS.iter().find(|(name, _)| name == key);
        let value = row.map_or_else(|| Ok(value.clone()), |(_, convert)| convert(value))?;
        Ok((key.clone(), value))
    });
    Ok(Query(pairs.collect::<Result<_>>()?))
}

/// The moment that `changed_since` names: a date, or a date and a time, which is UTC if it does not say.
pub fn moment(text: &str) -> Option<DateTime<Utc>> {
    let whole = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    let moment = whole(text).or_else(|| whole(&format!("{text}Z")));
    let midnight = || {
        let date: NaiveDate = text.parse().ok()?;
        Some(date.and_time(NaiveTime::MIN).and_utc())
    };
    moment.map(DateTime::<Utc>::from).or_else(midnight)
}

/// By the function that reads the same kind of value in a body.
fn by(parse: fn(&Value) -> Result<Value, String>, text: &str) -> Result<String> {
    match parse(&json!(text)) {
        Ok(Value::String(text)) => Ok(text),
        Ok(value) => Ok(value.to_string()),
        Err(reason) => Err(Fault::InvalidInput(reason)),
    }
}

fn flag(text: &str) -> Result<String> {
    by(kinds::flag, text)
}

fn number(text: &str) -> Result<String> {
    by(kinds::number, text)
}

fn time(text: &str) -> Result<String> {
    match moment(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(Fault::InvalidInput(
            "The input changed_since must be in the following format: YYYY-MM-DDTHH:MM:SSZ"
                .to_owned(),
        )),
    }
}

/// `name=value`. The word `True` alone is how clients write the filter without a value.
fn pair(text: &str) -> Result<String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok(format!("{}={}", name.trim(), value.trim()))
        }
        None if text == "True" => Ok(text.to_owned()),
        _ => Err(Fault::InvalidInput(format!(
            "'{text}' is not of the form <key>=[value]"
        ))),
    }
}

/// An address in its usual form; what is none finds nothing.
fn address(text: &str) -> Result<String> {
    let address = text.parse::<IpAddr>();
    Ok(address.map_or_else(|_| text.to_owned(), |ip| ip.to_string()))
}

/// A MAC address in lower case; what is none finds nothing.
fn mac(text: &str) -> Result<String> {
    Ok(text.to_lowercase().replace('-', ":"))
}

fn cidr(text: &str) -> Result<String> {
    let range = text.parse::<IpNet>().map(|net| net.to_string());
    let range = range.or_else(|_| text.parse().map(|ip: IpAddr| IpNet::from(ip).to_string()));
    range.map_err(|_| Fault::InvalidInput(format!("{text} is not in a CIDR format")))
}

/// The range of a rule, whose absence is the empty text.
fn prefix(text: &str) -> Result<String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    cidr(text).map_err(|_| Fault::InvalidCidr(text.to_owned()))
}

fn ethertype(text: &str) -> Result<String> {
    by(kinds::ethertype, text).map_err(|_| Fault::RuleEthertypeUnknown(text.to_owned()))
}

/// The name or number of a protocol; any protocol is the empty text.
fn protocol(text: &str) -> Result<String> {
    if text.is_empty() || text.eq_ignore_ascii_case("any") {
        return Ok(String::new());
    }
    let name = text.to_lowercase();
    match protocols::number(&name) {
        Some(_) => Ok(name),
        None => Err(Fault::RuleProtocol(text.to_owned())),
    }
}

fn port(text: &str) -> Result<String> {
    let port = text.trim().parse::<u16>();
    port.map(|port| port.to_string())
        .map_err(|_| Fault::RulePortValue(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::tables;

    #[test]
    fn every_filter_is_an_attribute_or_known_besides() {
        for (name, _) in FILTERS {
            let mut attributes = tables::ALL.iter().flat_map(|(_, table)| *table);
            let known = attributes.any(|row| row.name == *name)
                || ["changed_since", "ip_address", "shared"].contains(name);
            assert!(known, "{name}");
        }
        assert!(FILTERS.is_sorted_by_key(|(name, _)| name));
    }

    #[test]
    fn a_moment_may_leave_out_its_zone_or_its_time() {
        let noon = moment("2026-01-02T12:00:00Z");
        assert!(noon.is_some());
        assert_eq!(moment("2026-01-02T12:00:00"), noon);
        assert_eq!(moment("2026-01-02T14:00:00+02:00"), noon);
        assert!(moment("2026-01-02") < noon);
        assert_eq!(moment("yesterday"), None);
    }
}
