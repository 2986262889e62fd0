//! A full server and flavor at every microversion, for comparison with foreign schemas.
//!
//! `COMPUTE_VIEW_SAMPLES` names a file that gets a line `{"view": …, "version": "2.N", "body": …}` for each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use compute_api::flavors::FlavorView;
use compute_api::servers::view::{
    AddressView, AttachedVolume, FaultView, FlavorCopy, FlavorLink, ImageLink, ImageView,
    ServerView,
};
use compute_api::versions::SERVICE;
use compute_api::words::{Link, Named};
use microversion::{Patch, Version, Versioned, render};
use serde::Serialize;
use serde_json::{Value, json};

const ID: &str = "6a2bd1b0-0000-4000-8000-000000000000";
const TIME: &str = "2026-01-02T03:04:05Z";

fn links() -> Vec<Link> {
    vec![Link {
        rel: "self",
        href: "http://cloud/compute/v2.1/servers/x".into(),
    }]
}

fn with_server<T>(run: impl FnOnce(&ServerView<'_>) -> T) -> T {
    let map = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    let (tags, address) = (vec!["t".to_owned()], "10.0.0.3".to_owned());
    let address = AddressView {
        version: 4,
        addr: address,
        kind: Some("fixed"),
        mac: Some("fa:16:3e:00:00:01"),
    };
    let flavor = FlavorCopy {
        vcpus: 1,
        ram: 64,
        disk: 1,
        ephemeral: 0,
        swap: 0,
        original_name: "tiny",
        extra_specs: Some(&map),
    };
    let fault = FaultView {
        code: 500,
        created: TIME.into(),
        message: "m",
        details: Some("d"),
    };
    run(&ServerView {
        id: ID,
        name: "n",
        status: "ACTIVE",
        tenant_id: "p",
        user_id: "u",
        metadata: &map,
        host_id: "h".into(),
        image: ImageView::Image(ImageLink {
            id: ID,
            links: links(),
            properties: &map,
        }),
        flavor_link: FlavorLink {
            id: "1",
            links: links(),
        },
        flavor,
        created: TIME.into(),
        updated: TIME.into(),
        addresses: BTreeMap::from([("net", vec![address])]),
        access_ip_v4: String::new(),
        access_ip_v6: String::new(),
        links: links(),
        disk_config: "AUTO",
        progress: Some(0),
        fault: Some(fault),
        availability_zone: Some("nova"),
        config_drive: Some(""),
        key_name: Patch::Null,
        launched_at: Patch::Value("2026-01-02T03:04:05.000000".into()),
        terminated_at: Patch::Null,
        security_groups: vec![Named { name: "default" }],
        host: Patch::Value("host"),
        instance_name: Some("instance-00000001".into()),
        hypervisor_hostname: Patch::Value("host"),
        hostname_extended: Some("n"),
        hostname: "n",
        kernel_id: Some(""),
        launch_index: Some(0),
        ramdisk_id: Some(""),
        reservation_id: Some("r-1"),
        root_device_name: Patch::Value("/dev/vda"),
        user_data: Patch::Null,
        task_state: Patch::Null,
        vm_state: Some("active"),
        power_state: Some(1),
        volumes_attached: Some(vec![AttachedVolume {
            id: ID,
            delete_on_termination: false,
        }]),
        locked: false,
        host_status: Some("UP"),
        description: None,
        tags: &tags,
        trusted_image_certificates: None,
        server_groups: Some(Vec::new()),
        locked_reason: None,
        pinned_availability_zone: Patch::Null,
        scheduler_hints: BTreeMap::new(),
        admin_pass: None,
        rebuilt_user_data: Patch::Absent,
    })
}

fn with_flavor<T>(run: impl FnOnce(&FlavorView<'_>) -> T) -> T {
    run(&FlavorView {
        id: "1",
        name: "tiny",
        ram: 64,
        disk: 1,
        swap_or_nothing: 0.into(),
        swap: 0,
        ephemeral: 0,
        disabled: false,
        vcpus: 1,
        is_public: true,
        rxtx_factor: 1.0,
        links: links(),
        description: None,
        extra_specs: Some(&BTreeMap::new()),
    })
}

fn shown<V: Versioned + Serialize>(view: &V, minor: u16) -> Value {
    render(view, Version::new(2, minor)).expect("renders")
}

#[test]
fn a_flavor_and_a_server_change_with_the_version() {
    let old = with_server(|server| shown(server, 2));
    assert_eq!(old["flavor"]["id"], "1");
    assert!(old.get("OS-EXT-SRV-ATTR:hostname").is_none() && old.get("locked").is_none());
    let new = with_server(|server| shown(server, 104));
    assert_eq!(new["flavor"]["original_name"], "tiny");
    assert_eq!(new["image"]["properties"], json!({"k": "v"}));
    assert_eq!(with_flavor(|flavor| shown(flavor, 74))["swap"], "");
    assert_eq!(with_flavor(|flavor| shown(flavor, 75))["swap"], 0);
    assert!(
        with_flavor(|flavor| shown(flavor, 102))
            .get("rxtx_factor")
            .is_none()
    );
}

#[test]
#[ignore = "writes a file, see above"]
fn samples_are_written_for_every_version() {
    let path = std::env::var("COMPUTE_VIEW_SAMPLES").expect("where to");
    let mut lines = String::new();
    for minor in SERVICE.min.minor..=SERVICE.max.minor {
        let server = with_server(|server| shown(server, minor));
        let flavor = with_flavor(|flavor| shown(flavor, minor));
        for (view, body) in [
            ("server", json!({"server": server})),
            ("flavor", json!({"flavor": flavor})),
        ] {
            let line = json!({"view": view, "version": format!("2.{minor}"), "body": body});
            writeln!(lines, "{line}").expect("text grows");
        }
    }
    fs::write(path, lines).expect("writable");
}
