//! What a rule of a security group matches: checked, spelled in one way, as a row and as shown.

use ipnet::IpNet;
use serde_json::json;

use crate::db::store::{self, Tx};
use crate::fault::{Fault, Result};
use crate::protocols;
use crate::tables::{security_group_rules, security_groups};
use crate::views::{self, View};
use crate::words::{Direction, Ethertype, Word};

/// Protocols of IPv6: its extension headers, itself inside another packet, and ICMPv6.
const V6_ONLY: &[u8] = &[41, 43, 44, 58, 59, 60];

/// What a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    pub direction: Direction,
    pub ethertype: Ethertype,
    pub protocol: Option<String>,
    pub port_range_min: Option<i32>,
    pub port_range_max: Option<i32>,
    pub remote_ip_prefix: Option<String>,
    pub remote_group_id: Option<String>,
}

impl Match {
    /// Everything in one direction.
    pub fn all(direction: Direction, ethertype: Ethertype) -> Self {
        Match {
            direction,
            ethertype,
            protocol: None,
            port_range_min: None,
            port_range_max: None,
            remote_ip_prefix: None,
            remote_group_id: None,
        }
    }

    /// The same text for all ways to write the same match.
    pub fn fingerprint(&self) -> String {
        let word = |text: &Option<String>| text.clone().unwrap_or_default();
        let number = |n: Option<i32>| n.map(|n| n.to_string()).unwrap_or_default();
        let protocol = self
            .protocol
            .as_deref()
            .map(|text| match protocols::number(text) {
                // ICMP on IPv6 is ICMPv6.
                Some(1) if self.ethertype == Ethertype::IPv6 => "58".to_owned(),
                Some(number) => number.to_string(),
                None => text.to_owned(),
            });
        [
            self.direction.word().to_owned(),
            self.ethertype.word().to_owned(),
            protocol.unwrap_or_default(),
            number(self.port_range_min),
            number(self.port_range_max),
            normalized(self.remote_ip_prefix.as_deref()).unwrap_or_default(),
            word(&self.remote_group_id),
        ]
        .join("|")
    }

    /// Refuses what matches nothing, or makes no sense.
    pub fn check(&self) -> Result<()> {
        if self.remote_group_id.is_some() && self.remote_ip_prefix.is_some() {
            return Err(Fault::RuleRemotes);
        }
        if let Some(prefix) = &self.remote_ip_prefix {
            let v4 = prefix
                .parse::<IpNet>()
                .is_ok_and(|net| net.addr().is_ipv4());
            if v4 != (self.ethertype == Ethertype::IPv4) {
                return Err(Fault::RuleEthertype(self.ethertype, prefix.clone()));
            }
        }
        let (min, max) = (self.port_range_min, self.port_range_max);
        let Some(protocol) = &self.protocol else {
            let ranged = min.is_some() || max.is_some();
            return if ranged {
                Err(Fault::RuleProtocolRequired)
            } else {
                Ok(())
            };
        };
        let number =
            protocols::number(protocol).ok_or_else(|| Fault::RuleProtocol(protocol.clone()))?;
        if V6_ONLY.contains(&number) && self.ethertype == Ethertype::IPv4 {
            return Err(Fault::RuleEthertypeProtocol(
                self.ethertype,
                protocol.clone(),
            ));
        }
        match number {
            1 | 58 => check_icmp(min, max),
            6 | 17 | 33 | 132 | 136 => check_ports(min, max),
            _ if min.is_some() || max.is_some() => Err(Fault::InvalidInput(format!(
                "port_range_min and port_range_max cannot be used with protocol {protocol}"
            ))),
            _ => Ok(()),
        }
    }
}

fn check_icmp(kind: Option<i32>, code: Option<i32>) -> Result<()> {
    for (field, attribute, value) in [
        ("type", "port_range_min", kind),
        ("code", "port_range_max", code),
    ] {
        if let Some(value) = value
            && !(0..=255).contains(&value)
        {
            return Err(Fault::RuleIcmp {
                field,
                attribute,
                value: value.into(),
            });
        }
    }
    match (kind, code) {
        (None, Some(code)) => Err(Fault::RuleIcmpType(code.into())),
        _ => Ok(()),
    }
}

fn check_ports(min: Option<i32>, max: Option<i32>) -> Result<()> {
    match (min, max) {
        (None, None) => Ok(()),
        (Some(min), Some(max)) => {
            if min > max {
                return Err(Fault::RulePortRange);
            }
            for (port, name) in [(min, "port_range_min"), (max, "port_range_max")] {
                if !(1..=65535).contains(&port) {
                    return Err(Fault::RulePort(port.into(), name));
                }
            }
            Ok(())
        }
        _ => Err(Fault::RulePortRange),
    }
}

/// Adds a rule to a group.
pub async fn add(
    tx: &Tx,
    group: &security_groups::Model,
    matching: Match,
    description: &str,
) -> Result<security_group_rules::Model> {
    let now = store::now();
    let fingerprint = matching.fingerprint();
    let row = security_group_rules::Model {
        id: store::new_id(),
        project_id: group.project_id.clone(),
        security_group_id: group.id.clone(),
        direction: matching.direction,
        ethertype: matching.ethertype,
        protocol: matching.protocol,
        port_range_min: matching.port_range_min,
        port_range_max: matching.port_range_max,
        remote_ip_prefix: matching.remote_ip_prefix,
        remote_group_id: matching.remote_group_id,
        description: description.to_owned(),
        fingerprint,
        tags: "[]".to_owned(),
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    store::insert(tx, row.clone()).await?;
    Ok(row)
}

/// A prefix without the bits of a host: what the rule is about, however it was written.
fn normalized(prefix: Option<&str>) -> Option<String> {
    let prefix = prefix?;
    Some(match prefix.parse::<IpNet>() {
        Ok(net) => net.trunc().to_string(),
        Err(_) => prefix.to_owned(),
    })
}

/// A rule as shown.
pub fn show(row: security_group_rules::Model) -> View {
    let mut view = views::standard(&row);
    views::fill(
        &mut view,
        json!({
            "security_group_id": row.security_group_id, "direction": row.direction, "ethertype": row.ethertype,
            "protocol": row.protocol, "port_range_min": row.port_range_min, "port_range_max": row.port_range_max,
            "remote_ip_prefix": row.remote_ip_prefix, "normalized_cidr": normalized(row.remote_ip_prefix.as_deref()),
            "remote_group_id": row.remote_group_id, "remote_address_group_id": null,
            "description": row.description,
        }),
    );
    view
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(min: Option<i32>, max: Option<i32>) -> Match {
        Match {
            protocol: Some("tcp".to_owned()),
            port_range_min: min,
            port_range_max: max,
            ..Match::all(Direction::Ingress, Ethertype::IPv4)
        }
    }

    #[test]
    fn a_protocol_by_name_and_by_number_is_the_same_rule() {
        let by_number = Match {
            protocol: Some("6".to_owned()),
            ..tcp(Some(22), Some(22))
        };
        assert_eq!(
            tcp(Some(22), Some(22)).fingerprint(),
            by_number.fingerprint()
        );
    }

    #[test]
    fn what_is_of_ipv6_only_fits_no_ipv4_rule_by_name_or_number() {
        let rule = |ethertype, protocol: &str| Match {
            protocol: Some(protocol.to_owned()),
            ..Match::all(Direction::Ingress, ethertype)
        };
        for protocol in [
            "ipv6-encap",
            "41",
            "43",
            "ipv6-frag",
            "58",
            "icmpv6",
            "59",
            "60",
        ] {
            assert!(
                rule(Ethertype::IPv4, protocol).check().is_err(),
                "{protocol}"
            );
            assert!(
                rule(Ethertype::IPv6, protocol).check().is_ok(),
                "{protocol}"
            );
        }
        assert!(rule(Ethertype::IPv4, "vrrp").check().is_ok());
        assert!(rule(Ethertype::IPv6, "icmp").check().is_ok());
    }

    #[test]
    fn port_ranges_must_make_sense() {
        assert!(tcp(Some(1), Some(65535)).check().is_ok());
        assert!(tcp(None, None).check().is_ok());
        assert!(tcp(Some(2), Some(1)).check().is_err());
        assert!(tcp(Some(0), Some(1)).check().is_err());
        assert!(tcp(Some(1), None).check().is_err());
        assert!(tcp(Some(1), Some(65536)).check().is_err());
    }

    #[test]
    fn an_icmp_code_needs_a_type_and_an_unknown_protocol_is_refused() {
        let icmp = |kind, code| Match {
            protocol: Some("icmp".to_owned()),
            ..tcp(kind, code)
        };
        assert!(icmp(Some(8), Some(0)).check().is_ok());
        assert!(icmp(None, Some(0)).check().is_err());
        assert!(
            Match {
                protocol: Some("bad".to_owned()),
                ..tcp(None, None)
            }
            .check()
            .is_err()
        );
        assert!(
            Match {
                protocol: Some("256".to_owned()),
                ..tcp(None, None)
            }
            .check()
            .is_err()
        );
    }
}
