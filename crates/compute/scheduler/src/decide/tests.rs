use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use compute_model::Flavor;
use compute_model::aggregate::Aggregate;
use compute_model::host::{Node, NodeFacts, Service, Used};
use compute_model::image::ServerImage;
use rand::SeedableRng;

use super::*;

mod filters_by_name;
mod weights;

fn host(name: &str) -> Host {
    let service = Service {
        seq: 1,
        id: name.into(),
        host: name.into(),
        binary: "nova-compute".into(),
        disabled: false,
        disabled_reason: None,
        forced_down: false,
        last_seen: Some(Utc::now()),
        created_at: Utc::now(),
        updated_at: None,
    };
    Host {
        node: Node {
            seq: 1,
            id: format!("id-{name}"),
            host: name.into(),
            name: name.into(),
            facts: NodeFacts {
                hypervisor_type: "QEMU".into(),
                hypervisor_version: 7_002_022,
                vcpus: 4,
                memory_mb: 4096,
                disk_gb: 40,
                cpu_ratio: 4.0,
                ram_ratio: 1.0,
                disk_ratio: 1.0,
                traits: vec!["HW_CPU_X86_AVX".into()],
                supported: vec![["x86_64".into(), "qemu".into(), "hvm".into()]],
                ..NodeFacts::default()
            },
            change: 1,
            service,
            used: Used::default(),
            failed_builds: 0,
        },
        up: true,
        why_down: "",
        availability_zone: None,
        aggregates: Vec::new(),
        image_properties: Default::default(),
    }
}

/// A host in an aggregate with this metadata.
fn grouped(name: &str, metadata: &[(&str, &str)]) -> Host {
    let metadata = metadata.iter();
    let aggregate = Aggregate {
        seq: 1,
        id: "a".into(),
        name: "a".into(),
        hosts: vec![name.into()],
        metadata: metadata
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        created_at: Utc::now(),
        updated_at: None,
    };
    Host {
        aggregates: vec![Arc::new(aggregate)],
        ..host(name)
    }
}

fn image(properties: &[(&str, &str)]) -> ServerImage {
    let properties = properties.iter();
    ServerImage {
        id: "i".into(),
        name: "i".into(),
        disk_format: "qcow2".into(),
        container_format: "bare".into(),
        min_ram: 0,
        min_disk: 0,
        size: 1,
        virtual_size: None,
        properties: properties
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn request(ram: u32) -> PlacementRequest {
    PlacementRequest {
        server_id: "s".into(),
        project_id: "p".into(),
        flavor: Flavor {
            ram,
            ..compute_model::testing::flavor("1")
        },
        image: None,
        availability_zone: None,
        host: None,
        hypervisor_hostname: None,
        forced_host: None,
        forced_node: None,
        ignore_hosts: vec![],
        hints: BTreeMap::new(),
        group: None,
        named_servers: BTreeMap::new(),
        volume_backed: false,
        image_alone: false,
        is_there: false,
    }
}

fn ask(hosts: &[Host], request: &PlacementRequest) -> Selection {
    ask_with(hosts, request, &Settings::default(), &[])
}

/// `busy` are hosts with their servers in heavy work.
fn ask_with(
    hosts: &[Host],
    request: &PlacementRequest,
    settings: &Settings,
    busy: &[(&str, u64)],
) -> Selection {
    let busy = busy
        .iter()
        .map(|(host, count)| ((*host).to_owned(), *count));
    let world = World {
        hosts,
        busy: &busy.collect(),
    };
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    decide(&world, request, 2, settings, &mut random)
}

/// The hosts that pass one filter beside those that always run, best first.
fn passing(filter: &str, hosts: &[Host], request: &PlacementRequest) -> Vec<String> {
    passing_with(filter, hosts, request, Settings::default(), &[])
}

fn passing_with(
    filter: &str,
    hosts: &[Host],
    request: &PlacementRequest,
    settings: Settings,
    busy: &[(&str, u64)],
) -> Vec<String> {
    assert!(filters::names().any(|name| name == filter), "{filter}");
    let settings = Settings {
        enabled_filters: vec![filter.to_owned()],
        ..settings
    };
    let mut names = names(&ask_with(hosts, request, &settings, busy));
    names.sort();
    names
}

fn names(selection: &Selection) -> Vec<String> {
    let choices = selection.choices.iter();
    choices.map(|choice| choice.host.clone()).collect()
}

#[test]
fn the_emptiest_host_is_chosen_and_others_are_alternates() {
    let mut busy = host("busy");
    busy.node.used.memory_mb = 2048;
    let mut busier = host("busier");
    busier.node.used.memory_mb = 3000;
    let selection = ask(&[busier, host("free"), busy], &request(512));
    let names: Vec<_> = selection
        .choices
        .iter()
        .map(|choice| choice.host.as_str())
        .collect();
    assert_eq!(names, ["free", "busy", "busier"]);
    assert_eq!(selection.choices[0].availability_zone, "nova");
}

#[test]
fn every_refusal_is_counted_with_its_reason() {
    let mut full = host("full");
    full.node.used.memory_mb = 4000;
    let mut down = host("down");
    (down.up, down.why_down) = (false, "down");
    let selection = ask(&[full, down], &request(512));
    assert!(selection.choices.is_empty());
    assert_eq!(
        selection.explanation.sentence(),
        "2 of 2 hosts: resources refused 1 (MEMORY_MB: 512 wanted, 96 free), ComputeFilter refused 1 (down)."
    );
}

#[test]
fn no_host_at_all_says_so() {
    assert_eq!(
        ask(&[], &request(1)).explanation.sentence(),
        "There is no compute host."
    );
}

#[test]
fn a_forced_host_passes_filters_but_an_unknown_one_does_not_exist() {
    let mut off = host("off");
    (off.up, off.why_down) = (false, "disabled");
    let mut wanted = request(1);
    wanted.forced_host = Some("off".into());
    assert_eq!(
        ask(&[off.clone(), host("on")], &wanted).choices[0].host,
        "off"
    );
    wanted.forced_host = Some("nobody".into());
    assert!(ask(&[off], &wanted).choices.is_empty());
}

#[test]
fn tried_hosts_are_left_out() {
    let mut wanted = request(1);
    wanted.ignore_hosts = vec!["A".into()];
    let selection = ask(&[host("a"), host("b")], &wanted);
    assert_eq!(selection.choices.len(), 1);
    assert_eq!(selection.choices[0].host, "b");
}

#[test]
fn a_required_trait_must_be_there_and_a_forbidden_one_must_not() {
    let mut wanted = request(1);
    let specs = &mut wanted.flavor.extra_specs;
    specs.insert("trait:HW_CPU_X86_AVX".into(), "required".into());
    assert_eq!(ask(&[host("a")], &wanted).choices.len(), 1);
    wanted
        .flavor
        .extra_specs
        .insert("trait:HW_CPU_X86_AVX".into(), "forbidden".into());
    assert!(ask(&[host("a")], &wanted).choices.is_empty());
}

#[test]
fn a_server_that_stays_is_asked_for_its_image_alone() {
    let mut own = host("own");
    (own.up, own.why_down) = (false, "disabled");
    own.node.used.memory_mb = 4096;
    let hosts = [own, host("other")];
    let mut wanted = request(512);
    wanted.host = Some("own".into());
    wanted.image_alone = true;
    wanted.image = Some(image(&[("hw_architecture", "x86_64")]));
    assert_eq!(names(&ask(&hosts, &wanted)), ["own"], "full, and disabled");
    wanted.image = Some(image(&[("hw_architecture", "aarch64")]));
    let selection = ask(&hosts, &wanted);
    assert!(selection.choices.is_empty());
    let explanation = selection.explanation.of_requested_host();
    assert_eq!(
        explanation.sentence(),
        "1 of 1 hosts: ImagePropertiesFilter refused 1 (aarch64 is not supported)."
    );
    // An operator who does not ask for that filter does not ask for it here.
    let settings = Settings {
        enabled_filters: vec!["ComputeFilter".to_owned()],
        ..Settings::default()
    };
    assert_eq!(names(&ask_with(&hosts, &wanted, &settings, &[])), ["own"]);
}

#[test]
fn an_image_of_another_architecture_finds_no_host() {
    let mut wanted = request(1);
    wanted.image = Some(image(&[("hw_architecture", "aarch64")]));
    let selection = ask(&[host("a")], &wanted);
    assert!(selection.choices.is_empty());
    assert_eq!(selection.explanation.refused[0].0, "ImagePropertiesFilter");
}
