//! The filters that an operator names, each with who passes and who does not.

use compute_model::accepted::{Fate, Row};
use compute_model::server_group::{GroupPlacement, GroupPolicy};
use compute_model::{extra_specs, image_properties};
use serde_json::{Value, json};

use super::*;

fn grouped_with(policy: GroupPolicy, hosts: &[(&str, u32)]) -> PlacementRequest {
    let hosts = hosts.iter();
    PlacementRequest {
        group: Some(GroupPlacement {
            policy,
            max_server_per_host: 1,
            hosts: hosts
                .map(|(host, members)| ((*host).to_owned(), *members))
                .collect(),
        }),
        ..request(1)
    }
}

fn hinted(hint: &str, value: Value) -> PlacementRequest {
    PlacementRequest {
        hints: BTreeMap::from([(hint.to_owned(), value)]),
        named_servers: BTreeMap::from([("s-a".to_owned(), "a".to_owned())]),
        ..request(1)
    }
}

fn with_spec(key: &str, value: &str) -> PlacementRequest {
    let mut wanted = request(1);
    wanted.flavor.extra_specs = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    wanted
}

fn a_and_b() -> [Host; 2] {
    [host("a"), host("b")]
}

#[test]
fn members_that_want_to_be_apart_avoid_each_other() {
    let wanted = grouped_with(GroupPolicy::AntiAffinity, &[("a", 1)]);
    let selection = ask(&a_and_b(), &wanted);
    assert_eq!(names(&selection), ["b"]);
    let (filter, refused, _) = &selection.explanation.refused[0];
    assert_eq!(
        (filter.as_str(), *refused),
        ("ServerGroupAntiAffinityFilter", 1)
    );
}

#[test]
fn members_that_want_to_be_together_join_the_first() {
    let wanted = grouped_with(GroupPolicy::Affinity, &[("b", 1)]);
    assert_eq!(names(&ask(&a_and_b(), &wanted)), ["b"]);
    let first = grouped_with(GroupPolicy::Affinity, &[]);
    assert_eq!(ask(&a_and_b(), &first).choices.len(), 2);
}

#[test]
fn a_policy_whose_filter_is_off_is_refused_not_forgotten() {
    let wanted = grouped_with(GroupPolicy::Affinity, &[]);
    let settings = Settings {
        enabled_filters: vec!["ComputeFilter".to_owned()],
        ..Settings::default()
    };
    let selection = ask_with(&a_and_b(), &wanted, &settings, &[]);
    assert!(selection.choices.is_empty());
    assert_eq!(
        selection.explanation.refused[0].2,
        "ServerGroup policy is not supported: ServerGroupAffinityFilter not configured"
    );
}

#[test]
fn hints_that_name_servers_look_for_their_hosts() {
    for (filter, hint, value, pass) in [
        (
            "DifferentHostFilter",
            "different_host",
            json!("s-a"),
            &["b"][..],
        ),
        (
            "DifferentHostFilter",
            "different_host",
            json!(["s-a", "gone"]),
            &["b"],
        ),
        (
            "DifferentHostFilter",
            "same_host",
            json!("s-a"),
            &["a", "b"],
        ),
        (
            "SameHostFilter",
            "same_host",
            json!(["gone", "s-a"]),
            &["a"],
        ),
        ("SameHostFilter", "same_host", json!("gone"), &[]),
        ("SameHostFilter", "other", json!("s-a"), &["a", "b"]),
    ] {
        let wanted = hinted(hint, value);
        assert_eq!(
            passing(filter, &a_and_b(), &wanted),
            pass,
            "{filter} {:?}",
            wanted.hints
        );
    }
}

#[test]
fn an_address_near_by_is_looked_for_in_its_network() {
    let mut hosts = a_and_b();
    hosts[0].node.facts.host_ip = "10.0.0.9".into();
    hosts[1].node.facts.host_ip = "10.0.1.9".into();
    let mut wanted = hinted("build_near_host_ip", json!("10.0.0.1"));
    assert_eq!(passing("SimpleCIDRAffinityFilter", &hosts, &wanted), ["a"]);
    wanted.hints.insert("cidr".into(), json!("/16"));
    assert_eq!(
        passing("SimpleCIDRAffinityFilter", &hosts, &wanted),
        ["a", "b"]
    );
}

#[test]
fn an_expression_of_the_user_chooses_among_hosts() {
    let mut hosts = a_and_b();
    hosts[0].node.used.memory_mb = 3000;
    let query = r#"[">=", "$free_ram_mb", 2000]"#;
    assert_eq!(
        passing("JsonFilter", &hosts, &hinted("query", json!(query))),
        ["b"]
    );
    let broken = hinted("query", json!("[\"and\""));
    assert!(passing("JsonFilter", &hosts, &broken).is_empty());
}

#[test]
fn extra_specs_must_be_found_in_aggregates() {
    let hosts = [
        grouped("ssd", &[("ssd", "true"), ("cores", "4, 8")]),
        host("plain"),
    ];
    let filter = "AggregateInstanceExtraSpecsFilter";
    for (key, value, pass) in [
        ("aggregate_instance_extra_specs:ssd", "true", &["ssd"][..]),
        ("ssd", "true", &["ssd"]),
        ("ssd", "false", &[]),
        ("cores", ">= 8", &["ssd"]),
        ("hw:cpu_policy", "shared", &["plain", "ssd"]),
    ] {
        let wanted = with_spec(key, value);
        assert_eq!(passing(filter, &hosts, &wanted), pass, "{key} {value}");
    }
}

#[test]
fn an_aggregate_that_speaks_of_a_property_takes_only_images_with_it() {
    let hosts = [
        grouped("win", &[("os_distro", "windows"), ("rack", "1")]),
        host("any"),
    ];
    let filter = "AggregateImagePropertiesIsolation";
    let mut wanted = request(1);
    assert_eq!(passing(filter, &hosts, &wanted), ["any", "win"]);
    for (property, pass) in [("windows", &["any", "win"][..]), ("debian", &["any"])] {
        wanted.image = Some(image(&[("os_distro", property), ("rack", "2")]));
        assert_eq!(passing(filter, &hosts, &wanted), pass, "{property}");
    }
    let namespaced = Settings {
        aggregate_image_properties_isolation_namespace: Some("only".to_owned()),
        ..Settings::default()
    };
    assert_eq!(
        passing_with(filter, &hosts, &wanted, namespaced, &[]),
        ["any", "win"]
    );
}

#[test]
fn aggregates_keep_hosts_for_projects_and_flavors() {
    let tenants = [
        grouped("ours", &[("filter_tenant_id", "x, p")]),
        grouped("theirs", &[("filter_tenant_id2", "x")]),
        host("open"),
    ];
    let filter = "AggregateMultiTenancyIsolation";
    assert_eq!(passing(filter, &tenants, &request(1)), ["open", "ours"]);
    let flavors = [
        grouped("tiny", &[("instance_type", "small, tiny")]),
        grouped("huge", &[("instance_type", "huge")]),
        host("open"),
    ];
    let filter = "AggregateTypeAffinityFilter";
    assert_eq!(passing(filter, &flavors, &request(1)), ["open", "tiny"]);
}

#[test]
fn a_host_with_much_to_do_takes_no_more() {
    let mut full = grouped("full", &[("max_instances_per_host", "60")]);
    full.node.used.servers = 50;
    let mut fuller = grouped(
        "fuller",
        &[
            ("max_instances_per_host", "40"),
            ("max_io_ops_per_host", "2"),
        ],
    );
    fuller.node.used.servers = 40;
    let hosts = [full, fuller];
    let busy = [("full", 8), ("fuller", 2)];
    for (filter, pass) in [
        ("NumInstancesFilter", &["fuller"][..]),
        ("AggregateNumInstancesFilter", &["full"]),
        ("IoOpsFilter", &["fuller"]),
        ("AggregateIoOpsFilter", &[]),
        ("AllHostsFilter", &["full", "fuller"]),
    ] {
        let found = passing_with(filter, &hosts, &request(1), Settings::default(), &busy);
        assert_eq!(found, pass, "{filter}");
    }
}

#[test]
fn a_server_is_not_too_much_for_the_host_that_has_it() {
    let limits = [
        ("max_instances_per_host", "50"),
        ("max_io_ops_per_host", "8"),
    ];
    let mut full = grouped("full", &limits);
    full.node.used.servers = 50;
    let settings = || Settings {
        max_instances_per_host: 50,
        max_io_ops_per_host: 8,
        ..Settings::default()
    };
    let newcomer = request(1);
    let resident = PlacementRequest {
        is_there: true,
        host: Some("full".to_owned()),
        ..request(1)
    };
    for filter in [
        "NumInstancesFilter",
        "AggregateNumInstancesFilter",
        "IoOpsFilter",
        "AggregateIoOpsFilter",
    ] {
        let hosts = [full.clone()];
        let asked = |wanted: &PlacementRequest| {
            passing_with(filter, &hosts, wanted, settings(), &[("full", 8)])
        };
        assert!(asked(&newcomer).is_empty(), "{filter}");
        assert_eq!(asked(&resident), ["full"], "{filter}");
    }
    full.node.used.servers = 51;
    let found = passing_with("NumInstancesFilter", &[full], &resident, settings(), &[]);
    assert!(found.is_empty(), "one more than may be there");
}

#[test]
fn isolated_images_and_hosts_are_for_each_other() {
    let isolated = |restrict| Settings {
        isolated_hosts: vec!["a".to_owned()],
        isolated_images: vec!["i".to_owned()],
        restrict_isolated_hosts_to_isolated_images: restrict,
        ..Settings::default()
    };
    let with_image = PlacementRequest {
        image: Some(image(&[])),
        ..request(1)
    };
    let filter = "IsolatedHostsFilter";
    for (wanted, restrict, pass) in [
        (&with_image, true, &["a"][..]),
        (&with_image, false, &["a"]),
        (&request(1), true, &["b"]),
        (&request(1), false, &["a", "b"]),
    ] {
        let found = passing_with(filter, &a_and_b(), wanted, isolated(restrict), &[]);
        assert_eq!(found, pass, "restricted: {restrict}");
    }
}

#[test]
fn fields_of_the_host_can_be_asked_for_without_a_namespace() {
    let filter = "ComputeCapabilitiesFilter";
    for (key, value, passes) in [
        ("hypervisor_type", "QEMU", true),
        ("hypervisor_type", "VMware", false),
        ("capabilities:vcpus_total", ">= 8", false),
        ("colour", "red", true),
    ] {
        let found = passing(filter, &[host("a")], &with_spec(key, value));
        assert_eq!(!found.is_empty(), passes, "{key} {value}");
    }
}

#[test]
fn an_image_without_architecture_has_the_operators() {
    let settings = Settings {
        image_properties_default_architecture: Some("aarch64".to_owned()),
        ..Settings::default()
    };
    let wanted = PlacementRequest {
        image: Some(image(&[])),
        ..request(1)
    };
    let filter = "ImagePropertiesFilter";
    assert!(passing_with(filter, &a_and_b(), &wanted, settings, &[]).is_empty());
    assert_eq!(passing(filter, &a_and_b(), &wanted), ["a", "b"]);
}

/// Every row of an image property or extra spec that says that a filter honours it has hosts refused that do not fit.
#[test]
fn each_row_of_a_filter_refuses_hosts() {
    let ours = |row: &&Row| match row.fate {
        Fate::Honoured(by) => by.iter().any(|file| {
            let file = file.strip_prefix("compute/scheduler/src/filters/");
            // Rules of aggregates are a filter that operators choose, with a test of its own.
            file.is_some_and(|file| file != "aggregates.rs")
        }),
        _ => false,
    };
    let fits = |wanted: &PlacementRequest| !ask(&a_and_b(), wanted).choices.is_empty();
    let mut seen = 0;
    for row in image_properties::PROPERTIES.iter().filter(ours) {
        let name = row.name.replace("{key}", "HW_NOT_HERE");
        let value = match row.name {
            "trait:{key}" => "required",
            "img_hv_requested_version" => ">=7, <7.2",
            "hw_architecture" => "mips",
            "img_hv_type" => "vmware",
            _ => "xen",
        };
        let of = |name: &str, value: &str| PlacementRequest {
            image: Some(image(&[(name, value)])),
            ..request(1)
        };
        assert!(!fits(&of(&name, value)), "{name}={value}");
        seen += 1;
    }
    for (older, newer) in image_properties::LEGACY {
        let row = image_properties::row(newer);
        if row.as_ref().is_some_and(ours) {
            let wanted = PlacementRequest {
                image: Some(image(&[(older, ">=9")])),
                ..request(1)
            };
            assert!(!fits(&wanted), "{older}");
        }
    }
    for row in extra_specs::SPECS.iter().filter(ours) {
        let name = row.name.replace("{:path}", "");
        let (name, value) = match name.as_str() {
            "trait:{trait}" => ("trait:CUSTOM_NOT_HERE", "required"),
            name => (name, "== 123456"),
        };
        assert!(!fits(&with_spec(name, value)), "{name}={value}");
        seen += 1;
    }
    assert!(!fits(&with_spec("resources:CUSTOM_NOT_HERE", "1")));
    assert!(seen > 45, "{seen}");
}

#[test]
fn an_image_may_demand_a_version_of_the_hypervisor() {
    for (demand, fits) in [
        (">=7.2, <8", true),
        ("==7.2.22", true),
        (">=8", false),
        ("new", false),
    ] {
        let wanted = PlacementRequest {
            image: Some(image(&[("hypervisor_version_requires", demand)])),
            ..request(1)
        };
        assert_eq!(
            !ask(&a_and_b(), &wanted).choices.is_empty(),
            fits,
            "{demand}"
        );
    }
}
