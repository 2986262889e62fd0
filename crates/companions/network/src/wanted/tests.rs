use super::*;
use crate::db::store;

fn network(uplink: bool) -> networks::Model {
    networks::Model {
        uplink,
        ..networks::Model::plain(&store::new_id())
    }
}

fn subnet(network: &networks::Model) -> subnets::Model {
    subnets::Model {
        id: store::new_id(),
        project_id: "p".to_owned(),
        network_id: network.id.clone(),
        name: String::new(),
        description: String::new(),
        ip_version: 4,
        cidr: "203.0.113.0/24".to_owned(),
        gateway_ip: Some("203.0.113.1".to_owned()),
        enable_dhcp: false,
        ipv6_ra_mode: None,
        ipv6_address_mode: None,
        allocation_pools: "[]".to_owned(),
        dns_nameservers: "[]".to_owned(),
        host_routes: "[]".to_owned(),
        service_types: "[]".to_owned(),
        subnetpool_id: None,
        dns_publish_fixed_ip: false,
        tags: "[]".to_owned(),
        created_at: store::now(),
        updated_at: store::now(),
        revision: 1,
    }
}

#[test]
fn only_what_an_operator_made_external_gets_an_address_of_the_host() {
    for (external, operator) in [(true, true), (true, false), (false, true), (false, false)] {
        let network = network(operator);
        let found = uplink_of(external, &network, &[subnet(&network)]).expect("read");
        let addresses: Vec<String> = found
            .iter()
            .flat_map(|uplink| &uplink.addresses)
            .map(ToString::to_string)
            .collect();
        let wanted: &[&str] = match external && operator {
            true => &["203.0.113.1/24"],
            false => &[],
        };
        assert_eq!(addresses, wanted, "{external} {operator}");
        assert_eq!(found.is_some(), external && operator);
    }
}
