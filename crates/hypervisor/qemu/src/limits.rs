//! Limits of disks as QEMU's throttle groups.

use hypervisor::{DiskLimits, Rates, VolumeLimits};
use serde_json::{Map, Value, json};

/// The object that holds the limits of a disk of the server's own.
pub(crate) fn of_disk(group: &str, limits: &DiskLimits) -> Value {
    object(group, rates(limits, ""))
}

/// The object that holds the limits of a volume.
pub(crate) fn of_volume(group: &str, limits: &VolumeLimits) -> Value {
    let mut all = rates(&limits.rates, "");
    all.append(&mut rates(&limits.bursts, "-max"));
    if limits.operation_bytes > 0 {
        all.insert("iops-size".to_owned(), limits.operation_bytes.into());
    }
    object(group, all)
}

fn object(group: &str, limits: Map<String, Value>) -> Value {
    json!({"qom-type": "throttle-group", "id": group, "limits": limits})
}

/// Limits by the names of QEMU's `ThrottleLimits`, with this at the end of each.
fn rates(limits: &DiskLimits, end: &str) -> Map<String, Value> {
    let of = |prefix: &str, rates: Rates| {
        [
            ("total", rates.total),
            ("read", rates.read),
            ("write", rates.write),
        ]
        .into_iter()
        .filter(|(_, rate)| *rate > 0)
        .map(|(what, rate)| (format!("{prefix}-{what}{end}"), Value::from(rate)))
        .collect::<Vec<_>>()
    };
    let all = of("bps", limits.bytes)
        .into_iter()
        .chain(of("iops", limits.operations));
    all.collect()
}
