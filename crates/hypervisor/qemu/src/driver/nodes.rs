//! QEMU's nodes of volumes: which one a device reads, what each has open, and closing them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hypervisor::{DriverError, Result, Volume};
use serde_json::{Value, json};

use super::hotplug::unknown_device;
use crate::args::disk_id;
use crate::guest::Guest;
use crate::layout::Layout;
use crate::qmp::{During, QmpError};
use crate::served;
use crate::slot::Slot;
use crate::volumes::{self, FileId};

/// QEMU lets go of a node some moments after it said that its device is gone.
const RELEASE: Duration = Duration::from_secs(5);
const RELEASE_ASK: Duration = Duration::from_millis(20);

/// The node that the device of a volume reads, if there is such a device: that of the volume, or of what took its place.
///
/// # Errors
/// `Hypervisor`, when it reads another one: that is nobody's to touch.
pub(super) async fn reads(guest: &Guest, node: &str) -> Result<Option<String>> {
    let path = format!("/machine/peripheral/{}", disk_id(node));
    let asked = json!({"path": path, "property": "drive"});
    match guest.qmp.execute("qom-get", asked).await {
        Ok(Value::String(drive)) if volumes::is_of(node, &drive) => Ok(Some(drive)),
        Ok(drive) => Err(DriverError::Hypervisor {
            what: "find the volume's device".to_owned(),
            why: format!("the device of its name reads {drive}"),
        }),
        Err(error) if unknown_device(&error) => Ok(None),
        Err(error) => Err(error.during("find the volume's device")),
    }
}

/// The file that QEMU has open as the node of this name; none: the node is no file of this machine, or there is no such
/// node.
///
/// # Errors
/// `Hypervisor`, `Io`: what QEMU has open cannot be looked at.
pub(super) async fn file_of(guest: &Guest, node: &str) -> Result<Option<FileId>> {
    let sets = guest.qmp.execute("query-fdsets", json!({})).await;
    let sets = sets.map_err(|error| error.during("find the volume's file"))?;
    let sets = sets.as_array().map(Vec::as_slice).unwrap_or_default();
    let fds = sets
        .iter()
        .filter_map(|set| set["fds"].as_array())
        .flatten();
    let mut marked = fds.filter(|fd| fd["opaque"] == node);
    let Some(fd) = marked.find_map(|fd| fd["fd"].as_u64()) else {
        return Ok(None);
    };
    let path = format!("/proc/{}/fd/{fd}", guest.process.pid);
    let metadata = std::fs::metadata(&path);
    let metadata = metadata.map_err(DriverError::io(format!("look at {path}")))?;
    Ok(Some(FileId::of(&metadata)))
}

/// What the storage daemon of a volume's node serves; none: the node is no such one, or nothing is noted of it.
///
/// # Errors
/// `NotFound` when the volume's id is no UUID.
pub(super) fn served_as(layout: &Layout, volume: &Volume, node: &str) -> Result<Option<Volume>> {
    let slot = Slot::of_node(&volume.id, node)?;
    Ok(slot.and_then(|slot| served::noted(&layout.daemon(&slot))))
}

/// Whether a node is this volume: it has the file of this machine open that the volume is, or is served by a daemon of just
/// this source. `file` is what lies at the volume's path.
///
/// # Errors
/// As [`file_of`]; `NotFound` when the volume's id is no UUID.
pub(super) async fn is_of(
    guest: &Guest,
    layout: &Layout,
    node: &str,
    (volume, file): (&Volume, Option<FileId>),
) -> Result<bool> {
    let has = file_of(guest, node).await?;
    if volume.source.file().is_some() {
        return Ok(file.is_some() && has == file);
    }
    let served = served_as(layout, volume, node)?;
    Ok(has.is_none() && served.is_some_and(|served| served.source == volume.source))
}

/// Closes the node of a volume, and those of what took its place or was to take it.
pub(super) async fn close_all(guest: &Guest, node: &str) -> Result<()> {
    for node in nodes(guest, node).await? {
        close(guest, &node).await?;
    }
    Ok(())
}

/// The node of a volume, there or not, and those of what took its place or was to take it.
pub(super) async fn nodes(guest: &Guest, node: &str) -> Result<BTreeSet<String>> {
    let sets = descriptor_sets(guest).await;
    let sets = sets.map_err(|error| error.during("close the volume"))?;
    let marks = sets.into_iter().flat_map(|(_, marks)| marks);
    let all = marks.chain(open_nodes(guest).await?);
    // The filter goes with its job.
    let filter = volumes::mirror(node);
    let of_it = all.filter(|name| volumes::is_of(node, name) && *name != filter);
    Ok(of_it.chain(std::iter::once(node.to_owned())).collect())
}

/// The names of all nodes that QEMU has.
pub(super) async fn open_nodes(guest: &Guest) -> Result<BTreeSet<String>> {
    let asked = guest
        .qmp
        .execute("query-named-block-nodes", json!({"flat": true}));
    let nodes = asked.await.map_err(|error| error.during("list nodes"))?;
    let nodes = nodes.as_array().map(Vec::as_slice).unwrap_or_default();
    let names = nodes.iter().filter_map(|node| node["node-name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

/// Closes a node, its limits and its descriptor; what is not there is fine. What the guest wrote is on its way to the disk when the
/// node is gone.
pub(super) async fn close(guest: &Guest, node: &str) -> Result<()> {
    let during = |error: QmpError| error.during("close the volume");
    let began = Instant::now();
    loop {
        let closed = guest
            .qmp
            .execute("blockdev-del", json!({"node-name": node}));
        match closed.await {
            Ok(_) => break,
            Err(QmpError::Refused { text, .. }) if text.starts_with("Failed to find node") => break,
            Err(QmpError::Refused { text, .. })
                if text.ends_with("is in use") && began.elapsed() < RELEASE =>
            {
                tokio::time::sleep(RELEASE_ASK).await;
            }
            Err(error) => return Err(during(error)),
        }
    }
    let limits = json!({"id": volumes::limits_of(node)});
    match guest.qmp.execute("object-del", limits).await {
        Err(QmpError::Refused { text, .. }) if text.ends_with("not found") => {}
        deleted => drop(deleted.map_err(during)?),
    }
    for (set, marks) in descriptor_sets(guest).await.map_err(during)? {
        if marks.iter().any(|mark| mark == node) {
            let removed = guest.qmp.execute("remove-fd", json!({"fdset-id": set}));
            removed.await.map_err(during)?;
        }
    }
    Ok(())
}

/// The numbers of QEMU's descriptor sets, with the marks on what is in them.
pub(super) async fn descriptor_sets(
    guest: &Guest,
) -> std::result::Result<Vec<(u32, Vec<String>)>, QmpError> {
    let sets = guest.qmp.execute("query-fdsets", json!({})).await?;
    let sets = sets.as_array().map(Vec::as_slice).unwrap_or_default();
    let number = |set: &Value| u32::try_from(set.get("fdset-id")?.as_u64()?).ok();
    let marks = |set: &Value| {
        let fds = set.get("fds").and_then(Value::as_array);
        let fds = fds.map(Vec::as_slice).unwrap_or_default().iter();
        let marks = fds.filter_map(|fd| Some(fd.get("opaque")?.as_str()?.to_owned()));
        marks.collect::<Vec<String>>()
    };
    Ok(sets
        .iter()
        .filter_map(|set| Some((number(set)?, marks(set))))
        .collect())
}
