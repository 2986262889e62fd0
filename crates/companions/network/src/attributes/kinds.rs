//! What a value may be. Each function checks one JSON value, gives its canonical form, or says in Neutron's words
//! why not.

mod transport;

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::words::{Direction, VnicType, Word};

pub use transport::{forwarded_protocol, port_number, protocol};

type Parsed = Result<Value, String>;

/// A member of an object: its name, whether it must be there, what it takes.
type Member<'a> = (&'a str, bool, fn(&Value) -> Parsed);

/// Text of at most 255 characters.
pub fn text(value: &Value) -> Parsed {
    bounded(value, 255)
}

fn bounded(value: &Value, most: usize) -> Parsed {
    match value {
        Value::String(text) if text.chars().count() > most => {
            Err(format!("'{text}' exceeds maximum length of {most}"))
        }
        Value::String(_) => Ok(value.clone()),
        _ => Err(format!("'{value}' is not a valid string")),
    }
}

/// Text that is not empty or blank.
pub fn filled_text(value: &Value) -> Parsed {
    match value.as_str() {
        Some(words) if words.trim().is_empty() => {
            Err(format!("'{words}' Blank strings are not permitted"))
        }
        _ => text(value),
    }
}

/// Text, or null for none.
pub fn text_or_null(value: &Value) -> Parsed {
    if value.is_null() {
        Ok(Value::Null)
    } else {
        text(value)
    }
}

/// Text, null meaning the empty text (`binding:host_id: null` unbinds).
pub fn text_null_empty(value: &Value) -> Parsed {
    if value.is_null() {
        Ok(json!(""))
    } else {
        text(value)
    }
}

/// A flag: JSON true and false, and the words that Neutron takes for them.
pub fn flag(value: &Value) -> Parsed {
    match value {
        Value::Bool(_) => Ok(value.clone()),
        Value::Number(number) if number.as_i64() == Some(0) => Ok(json!(false)),
        Value::Number(number) if number.as_i64() == Some(1) => Ok(json!(true)),
        Value::String(word) => match word.trim().to_lowercase().as_str() {
            "true" | "1" | "t" | "on" | "y" | "yes" => Ok(json!(true)),
            "false" | "0" | "f" | "off" | "n" | "no" => Ok(json!(false)),
            _ => Err(format!("'{word}' cannot be converted to boolean")),
        },
        _ => Err(format!("'{value}' cannot be converted to boolean")),
    }
}

/// A flag, or null for "as it is by default".
pub fn flag_or_null(value: &Value) -> Parsed {
    if value.is_null() {
        Ok(Value::Null)
    } else {
        flag(value)
    }
}

/// A whole number, also as text.
pub fn number(value: &Value) -> Parsed {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .map(|n| json!(n))
        .ok_or_else(|| format!("'{}' is not an integer", bare(value)))
}

/// A whole number or null.
pub fn number_or_null(value: &Value) -> Parsed {
    if value.is_null() {
        Ok(Value::Null)
    } else {
        number(value)
    }
}

/// A whole number that is not negative.
pub fn size(value: &Value) -> Parsed {
    match number(value)?.as_i64() {
        Some(n) if n < 0 => Err(format!("'{n}' should be non-negative")),
        _ => number(value),
    }
}

/// A size or null.
pub fn size_or_null(value: &Value) -> Parsed {
    if value.is_null() {
        Ok(Value::Null)
    } else {
        size(value)
    }
}

/// 4 or 6.
pub fn ip_version(value: &Value) -> Parsed {
    match number(value)?.as_i64() {
        Some(4 | 6) => number(value),
        _ => Err(format!("'{}' is not in [4, 6]", bare(value))),
    }
}

/// A UUID in its usual form.
pub fn uuid(value: &Value) -> Parsed {
    match value.as_str() {
        Some(text) if is_uuid(text) => Ok(value.clone()),
        _ => Err(format!("'{}' is not a valid UUID", bare(value))),
    }
}

/// Whether the text is a UUID with dashes or without.
pub fn is_uuid(text: &str) -> bool {
    (text.len() == 36 || text.len() == 32) && uuid::Uuid::parse_str(text).is_ok()
}

/// A UUID or null.
pub fn uuid_or_null(value: &Value) -> Parsed {
    if value.is_null() {
        Ok(Value::Null)
    } else {
        uuid(value)
    }
}

/// An IP address.
pub fn ip(value: &Value) -> Parsed {
    match value.as_str().and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(address) => Ok(json!(address.to_string())),
        None => Err(format!("'{}' is not a valid IP address", bare(value))),
    }
}

/// An IP address or null.
pub fn ip_or_null(value: &Value) -> Parsed {
    if value.is_null() {
        Ok(Value::Null)
    } else {
        ip(value)
    }
}

/// A range of addresses, host bits cleared.
pub fn cidr(value: &Value) -> Parsed {
    match value.as_str().and_then(|text| text.parse::<IpNet>().ok()) {
        Some(net) => Ok(json!(net.trunc().to_string())),
        None => Err(format!("'{}' is not a valid IP subnet", bare(value))),
    }
}

/// A range or null.
pub fn cidr_or_null(value: &Value) -> Parsed {
    if value.is_null() {
        Ok(Value::Null)
    } else {
        cidr(value)
    }
}

/// A range with its host bits, or one address as the range of only it; null for none. Rules are
/// shown as they were written.
pub fn prefix_or_null(value: &Value) -> Parsed {
    match value {
        Value::Null => Ok(Value::Null),
        Value::String(text) if text.is_empty() => Ok(Value::Null),
        Value::String(text) => match text.parse::<IpAddr>() {
            Ok(address) => Ok(json!(IpNet::from(address).to_string())),
            Err(_) => match text.parse::<IpNet>() {
                Ok(net) => Ok(json!(net.to_string())),
                Err(_) => cidr(value),
            },
        },
        _ => Err(format!("'{value}' is not a valid IP subnet")),
    }
}

/// A unicast MAC address that is not zero, lower case.
pub fn mac(value: &Value) -> Parsed {
    let refused = || format!("'{}' is not a valid MAC address", bare(value));
    let text = value
        .as_str()
        .ok_or_else(refused)?
        .to_lowercase()
        .replace('-', ":");
    let octets: Option<Vec<u8>> = text
        .split(':')
        .map(|part| {
            u8::from_str_radix(part, 16)
                .ok()
                .filter(|_| part.len() == 2)
        })
        .collect();
    match octets.as_deref() {
        Some([0, 0, 0, 0, 0, 0]) => Err(refused()),
        Some([first, rest @ ..]) if rest.len() == 5 && first & 1 == 0 => Ok(json!(text)),
        _ => Err(refused()),
    }
}

/// Any object; null is the empty one.
pub fn object(value: &Value) -> Parsed {
    match value {
        Value::Null => Ok(json!({})),
        Value::Object(_) => Ok(value.clone()),
        // Clients that cannot write an object send an empty text for none.
        Value::String(text) if text.is_empty() => Ok(json!({})),
        _ => Err(format!("'{value}' is not a dictionary")),
    }
}

/// An object or null, told apart.
pub fn object_or_null(value: &Value) -> Parsed {
    if value.is_null() {
        Ok(Value::Null)
    } else {
        object(value)
    }
}

/// A list of texts without repetition; null is the empty list.
pub fn texts(value: &Value) -> Parsed {
    list(value, text)
}

/// A list of UUIDs without repetition; null is the empty list.
pub fn uuids(value: &Value) -> Parsed {
    list(value, uuid)
}

/// A list of addresses without repetition; null is the empty list.
pub fn ips(value: &Value) -> Parsed {
    list(value, ip)
}

/// A list of ranges without repetition.
pub fn cidrs(value: &Value) -> Parsed {
    list(value, cidr)
}

/// A list of objects with exactly these members, each checked, without repetition.
fn objects(value: &Value, known: &[Member<'_>]) -> Parsed {
    list(value, |item| members(item, known))
}

/// An object with exactly these members, each checked.
fn members(item: &Value, known: &[Member<'_>]) -> Parsed {
    let map = item
        .as_object()
        .ok_or_else(|| format!("'{item}' is not a dictionary"))?;
    let mut out = Map::new();
    for name in map.keys() {
        if !known.iter().any(|(known, ..)| known == name) {
            return Err(format!("Unexpected keys supplied: {name}"));
        }
    }
    for (name, required, parse) in known {
        match map.get(*name) {
            Some(member) => {
                out.insert((*name).to_owned(), parse(member)?);
            }
            None if *required => return Err(format!("Missing required key: {name}")),
            None => {}
        }
    }
    Ok(Value::Object(out))
}

/// The items of a list; null is the empty one.
fn items(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err(format!("'{}' is not a list", bare(value))),
    }
}

fn list(value: &Value, item: impl Fn(&Value) -> Parsed) -> Parsed {
    let items = items(value)?;
    let mut out: Vec<Value> = Vec::with_capacity(items.len());
    for value in items {
        let parsed = item(value)?;
        if out.contains(&parsed) {
            return Err(format!("Duplicate items in the list: '{}'", bare(&parsed)));
        }
        out.push(parsed);
    }
    Ok(Value::Array(out))
}

/// `[{subnet_id?, ip_address?}]`. A subnet may be named several times, for so many addresses.
pub fn fixed_ips(value: &Value) -> Parsed {
    let items = items(value)?;
    let mut out = Vec::with_capacity(items.len());
    let mut addresses = Vec::new();
    for item in items {
        let one = members(
            item,
            &[("subnet_id", false, uuid), ("ip_address", false, ip)],
        )?;
        if let Some(address) = one.get("ip_address") {
            if addresses.contains(address) {
                return Err(format!("Duplicate IP address '{}'", bare(address)));
            }
            addresses.push(address.clone());
        }
        out.push(one);
    }
    Ok(Value::Array(out))
}

/// `[{destination, nexthop}]`
pub fn routes(value: &Value) -> Parsed {
    objects(value, &[("destination", true, cidr), ("nexthop", true, ip)])
}

/// `[{start, end}]`
pub fn pools(value: &Value) -> Parsed {
    objects(value, &[("start", true, ip), ("end", true, ip)])
}

/// `[{mac_address?, ip_address}]`
pub fn address_pairs(value: &Value) -> Parsed {
    objects(
        value,
        &[
            ("mac_address", false, mac),
            ("ip_address", true, address_or_cidr),
        ],
    )
}

/// One address or a range, as written.
fn address_or_cidr(value: &Value) -> Parsed {
    ip(value)
        .or_else(|_| cidr(value))
        .map_err(|_| format!("'{}' is not a valid IP address", bare(value)))
}

/// `[{opt_name, opt_value, ip_version?}]`; a null value removes the option.
pub fn dhcp_options(value: &Value) -> Parsed {
    objects(
        value,
        &[
            ("opt_name", true, filled_text),
            ("opt_value", true, text_or_null),
            ("ip_version", false, ip_version),
        ],
    )
}

/// `{network_id, enable_snat?, external_fixed_ips?}`, or null or `{}` for no gateway.
pub fn gateway(value: &Value) -> Parsed {
    let map = match value {
        Value::Null => return Ok(Value::Null),
        Value::Object(map) if map.is_empty() => return Ok(Value::Null),
        Value::Object(map) => map,
        _ => return Err(format!("'{value}' is not a dictionary")),
    };
    let list = Value::Array(vec![Value::Object(map.clone())]);
    let members: [Member<'_>; 3] = [
        ("network_id", true, uuid),
        ("enable_snat", false, flag),
        ("external_fixed_ips", false, fixed_ips),
    ];
    let mut parsed = objects(&list, &members)?;
    Ok(parsed[0].take())
}

/// `ingress` or `egress`.
pub fn direction(value: &Value) -> Parsed {
    word(value, Direction::WORDS)
}

/// `IPv4` or `IPv6`, in any case.
pub fn ethertype(value: &Value) -> Parsed {
    match value.as_str().map(str::to_lowercase).as_deref() {
        Some("ipv4") => Ok(json!("IPv4")),
        Some("ipv6") => Ok(json!("IPv6")),
        _ => Err(format!("'{}' is not in ['IPv4', 'IPv6']", bare(value))),
    }
}

/// How guests get IPv6 addresses, or null.
pub fn ipv6_mode(value: &Value) -> Parsed {
    if value.is_null() {
        return Ok(Value::Null);
    }
    word(value, &["dhcpv6-stateful", "dhcpv6-stateless", "slaac"])
}

/// How a port is made: only what the data planes can do, and `direct` and friends that other planes may.
pub fn vnic_type(value: &Value) -> Parsed {
    word(value, VnicType::WORDS)
}

/// A name for DNS in lower case, with a dot at its end when it is a whole one; empty for none.
pub fn dns_name(value: &Value) -> Parsed {
    let text = text_null_empty(value)?;
    let name = text.as_str().unwrap_or_default();
    if name.is_empty() {
        return Ok(text);
    }
    let refused = |why: String| Err(format!("'{name}' not a valid PQDN or FQDN. Reason: {why}"));
    let labels: Vec<&str> = name.strip_suffix('.').unwrap_or(name).split('.').collect();
    if name.len() > crate::dns::LONGEST {
        return refused(format!(
            "'{name}' exceeds the {} character FQDN limit",
            crate::dns::LONGEST
        ));
    }
    let misfit = labels.iter().find(|label| {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !(1..=63).contains(&label.len())
            || label.starts_with('-')
            || label.ends_with('-')
            || !label.chars().all(known)
    });
    if let Some(label) = misfit {
        return refused(format!(
            "Name '{label}' must be 1-63 characters long, each of which can only be alphanumeric or a hyphen"
        ));
    }
    let top = labels.last().copied().unwrap_or_default();
    if labels.len() > 1 && top.chars().all(|c| c.is_ascii_digit()) {
        return refused(format!("TLD '{top}' must not be all numeric"));
    }
    Ok(json!(name.to_lowercase()))
}

/// A domain for DNS: a whole name. Empty for none.
pub fn dns_domain(value: &Value) -> Parsed {
    let domain = dns_name(value)?;
    match domain.as_str() {
        Some(name) if !name.is_empty() && !name.ends_with('.') => {
            Err(format!("'{name}' is not a FQDN"))
        }
        _ => Ok(domain),
    }
}

fn word(value: &Value, known: &[&str]) -> Parsed {
    match value.as_str() {
        Some(text) if known.contains(&text) => Ok(value.clone()),
        _ => Err(format!("'{}' is not in {known:?}", bare(value))),
    }
}

fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
