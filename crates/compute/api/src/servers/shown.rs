//! From a server to its view: what is left out, and what is worded otherwise on the wire.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, SecondsFormat, Utc};
use compute_control::servers::{HostStatuses, Sight, VisibleServer};
use compute_model::image::ServerImage;
use compute_model::{Fault, Server, VmState, host, status};
use microversion::{Patch, python_repr};
use serde_json::Value;

use super::view::{
    AddressView, Addresses, AttachedVolume, FaultView, FlavorCopy, FlavorLink, ImageLink,
    ImageView, ServerView,
};
use crate::call::Call;
use crate::words::{Link, Named};

/// `self` and `bookmark`.
pub(super) fn links(call: &Call, id: &str) -> Vec<Link> {
    let path = format!("servers/{id}");
    vec![
        Link {
            rel: "self",
            href: call.link(&path),
        },
        bookmark(call, &path),
    ]
}

fn bookmark(call: &Call, path: &str) -> Link {
    Link {
        rel: "bookmark",
        href: call.bookmark(path),
    }
}

/// The server as the answers of `PUT` and rebuild had it before 2.75: without what once were extensions.
pub(super) fn plain<'v>(call: &Call, seen: &'v VisibleServer) -> ServerView<'v> {
    let group = Some(seen.group.as_deref());
    let mut view = view(call, &seen.server, seen.sight, &HostStatuses::new(), group);
    view.availability_zone = None;
    view.config_drive = None;
    view.key_name = Patch::Absent;
    view.launched_at = Patch::Absent;
    view.terminated_at = Patch::Absent;
    view.security_groups = Vec::new();
    view.host = Patch::Absent;
    view.instance_name = None;
    view.hypervisor_hostname = Patch::Absent;
    view.hostname_extended = None;
    view.kernel_id = None;
    view.launch_index = None;
    view.ramdisk_id = None;
    view.reservation_id = None;
    view.root_device_name = Patch::Absent;
    view.user_data = Patch::Absent;
    view.task_state = Patch::Absent;
    view.vm_state = None;
    view.power_state = None;
    view.volumes_attached = None;
    view.host_status = None;
    for address in view.addresses.values_mut().flatten() {
        address.kind = None;
        address.mac = None;
    }
    view
}

/// One server in full, with its group.
pub(super) fn single<'v>(call: &Call, seen: &'v VisibleServer) -> ServerView<'v> {
    let group = Some(seen.group.as_deref());
    view(call, &seen.server, seen.sight, &seen.hosts, group)
}

/// The server in full. `groups` are none in lists, which say nothing of groups.
pub(super) fn view<'v>(
    call: &Call,
    server: &'v Server,
    sight: Sight,
    hosts: &HostStatuses,
    groups: Option<Option<&'v str>>,
) -> ServerView<'v> {
    let status = server.status();
    let zone = server.availability_zone.as_deref();
    let described_by = server.described_by();
    ServerView {
        id: &server.id,
        name: &server.name,
        status,
        tenant_id: &server.project_id,
        user_id: &server.user_id,
        metadata: &server.metadata,
        host_id: host::opaque_id(&server.project_id, server.host.as_deref()),
        image: image(call, server),
        flavor_link: FlavorLink {
            id: &server.flavor.id,
            links: vec![bookmark(call, &format!("flavors/{}", server.flavor.id))],
        },
        flavor: flavor(server, sight),
        created: seconds(server.created_at),
        updated: seconds(server.updated_at),
        addresses: match server.vm_state {
            VmState::Building => Addresses::new(),
            _ => addresses(server, true),
        },
        access_ip_v4: text(server.access_ip_v4),
        access_ip_v6: text(server.access_ip_v6),
        links: links(call, &server.id),
        disk_config: server.disk_config.as_str(),
        progress: status::shows_progress(status).then_some(server.progress),
        fault: server
            .fault
            .as_ref()
            .filter(|_| status::shows_fault(status))
            .map(|fault| shown_fault(fault, sight.admin)),
        availability_zone: Some(zone.or(server.pinned_zone.as_deref()).unwrap_or_default()),
        config_drive: Some(if server.config_drive { "True" } else { "" }),
        key_name: key_name(server),
        launched_at: or_null(server.launched_at.map(micros)),
        terminated_at: or_null(server.terminated_at.map(micros)),
        security_groups: server
            .security_groups
            .iter()
            .map(|name| Named { name })
            .collect(),
        host: if_visible(sight.extended, server.host.as_deref()),
        instance_name: sight.extended.then(|| server.instance_name()),
        hypervisor_hostname: if_visible(sight.extended, server.node.as_deref()),
        hostname_extended: sight.extended.then_some(&server.hostname),
        hostname: &server.hostname,
        kernel_id: sight
            .extended
            .then(|| described_by.map_or("", ServerImage::kernel_id)),
        launch_index: sight.extended.then_some(server.launch_index),
        ramdisk_id: sight
            .extended
            .then(|| described_by.map_or("", ServerImage::ramdisk_id)),
        reservation_id: sight.extended.then_some(&server.reservation_id),
        root_device_name: if_visible(sight.extended, server.root_device_name.as_deref()),
        user_data: if_visible(sight.extended, server.user_data.as_deref()),
        task_state: or_null(server.task_state.map(|task| task.as_str())),
        vm_state: Some(server.vm_state.as_str()),
        power_state: Some(server.power_state.number().into()),
        volumes_attached: Some(server.volumes.iter().map(attached).collect()),
        locked: server.lock.is_some(),
        host_status: host_status(server, sight, hosts),
        description: server.description.as_deref(),
        tags: &server.tags,
        trusted_image_certificates: server.trusted_certificates.as_deref(),
        server_groups: groups.map(|group| group.into_iter().collect()),
        locked_reason: server.lock.as_ref().and_then(|lock| lock.reason.as_deref()),
        pinned_availability_zone: or_null(server.pinned_zone.as_deref()),
        scheduler_hints: hints(server),
        admin_pass: None,
        rebuilt_user_data: Patch::Absent,
    }
}

pub(super) fn key_name(server: &Server) -> Patch<&str> {
    or_null(server.key.as_ref().map(|key| key.name.as_str()))
}

fn image<'v>(call: &Call, server: &'v Server) -> ImageView<'v> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    match server.shown_image() {
        None => ImageView::None(""),
        Some(id) => ImageView::Image(ImageLink {
            id,
            links: vec![bookmark(call, &format!("images/{id}"))],
            properties: server
                .described_by()
                .map_or(&NONE, |image| &image.properties),
        }),
    }
}

fn flavor(server: &Server, sight: Sight) -> FlavorCopy<'_> {
    let flavor = &server.flavor;
    FlavorCopy {
        vcpus: flavor.vcpus,
        ram: flavor.ram,
        disk: flavor.disk,
        ephemeral: flavor.ephemeral,
        swap: flavor.swap,
        original_name: &flavor.name,
        extra_specs: sight.extra_specs.then_some(&flavor.extra_specs),
    }
}

/// Hints as the scheduler of Nova reads them: lists of texts, without those that are its own.
fn hints(server: &Server) -> BTreeMap<&str, Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => python_repr(other),
    };
    let asked = server.hints.iter();
    asked
        .filter(|(name, _)| !name.starts_with("_nova"))
        .map(|(name, value)| {
            let values = match value {
                Value::Array(values) => values.iter().map(text).collect(),
                one => vec![text(one)],
            };
            (name.as_str(), values)
        })
        .collect()
}

/// A volume in the view of its server.
fn attached(volume: &compute_model::volume::AttachedVolume) -> AttachedVolume<'_> {
    AttachedVolume {
        id: &volume.volume_id,
        delete_on_termination: volume.delete_on_termination,
    }
}

/// The state of the server's host, for those who may see it; empty without host.
fn host_status(server: &Server, sight: Sight, hosts: &HostStatuses) -> Option<&'static str> {
    let known = server
        .host
        .as_ref()
        .and_then(|host| hosts.get(host).copied());
    match sight.host_status {
        true => Some(known.unwrap_or_default()),
        false => known,
    }
}

/// Addresses by network, floating ones last; `extended` tells kind and MAC address too.
pub(super) fn addresses(server: &Server, extended: bool) -> Addresses<'_> {
    let mut shown: Addresses<'_> = BTreeMap::new();
    for kind in ["fixed", "floating"] {
        for vif in &server.vifs {
            let of_network = shown.entry(&vif.network_name).or_default();
            for fixed in &vif.addresses {
                let addresses = match kind {
                    "fixed" => std::slice::from_ref(&fixed.address),
                    _ => fixed.floating.as_slice(),
                };
                of_network.extend(addresses.iter().map(|addr| AddressView {
                    version: if addr.is_ipv4() { 4 } else { 6 },
                    addr: addr.to_string(),
                    kind: extended.then_some(kind),
                    mac: extended.then_some(&vif.mac),
                }));
            }
        }
    }
    shown
}

fn shown_fault(fault: &Fault, admin: bool) -> FaultView<'_> {
    FaultView {
        code: fault.code,
        created: seconds(fault.created),
        message: &fault.message,
        details: fault
            .details
            .as_deref()
            .filter(|_| admin || fault.code != 500),
    }
}

/// `2026-01-02T03:04:05Z`.
pub(crate) fn seconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `2026-01-02T03:04:05.000000`, without a zone.
pub(crate) fn micros(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

fn text(address: Option<IpAddr>) -> String {
    address
        .map(|address| address.to_string())
        .unwrap_or_default()
}

pub(super) fn or_null<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Null, Patch::Value)
}

/// A field that is left out for those who may not see it.
fn if_visible<T>(visible: bool, value: Option<T>) -> Patch<T> {
    match visible {
        true => or_null(value),
        false => Patch::Absent,
    }
}
