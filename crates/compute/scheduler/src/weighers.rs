//! Weighers: which of the hosts that fit is best.
//!
//! A host's score is the sum over the weighers of multiplier × value, the value scaled to 0…1 over
//! the hosts at hand, as Nova does.

use crate::Host;
use crate::settings::Settings;

/// One weigher.
struct Weigher {
    value: fn(&Host) -> f64,
    multiplier: fn(&Settings) -> f64,
    /// Scale from zero rather than from the least value.
    from_zero: bool,
}

const WEIGHERS: &[Weigher] = &[
    Weigher {
        value: |host| {
            let facts = &host.node.facts;
            capacity(facts.memory_mb, facts.reserved_memory_mb, facts.ram_ratio)
                - host.node.used.memory_mb as f64
        },
        multiplier: |settings| settings.ram_weight_multiplier,
        from_zero: true,
    },
    Weigher {
        value: |host| {
            let facts = &host.node.facts;
            capacity(
                facts.vcpus.into(),
                facts.reserved_vcpus.into(),
                facts.cpu_ratio,
            ) - host.node.used.vcpus as f64
        },
        multiplier: |settings| settings.cpu_weight_multiplier,
        from_zero: true,
    },
    Weigher {
        value: |host| {
            let facts = &host.node.facts;
            capacity(facts.disk_gb, facts.reserved_disk_gb, facts.disk_ratio)
                - host.node.used.disk_gb as f64
        },
        multiplier: |settings| settings.disk_weight_multiplier,
        from_zero: true,
    },
    Weigher {
        value: |host| host.node.used.servers as f64,
        multiplier: |settings| settings.num_instances_weight_multiplier,
        from_zero: false,
    },
    Weigher {
        value: |host| f64::from(host.node.facts.hypervisor_version),
        multiplier: |settings| settings.hypervisor_version_weight_multiplier,
        from_zero: false,
    },
];

/// What a node offers of a class: Placement's `(total − reserved) × ratio`.
pub fn capacity(total: u64, reserved: u64, ratio: f64) -> f64 {
    (total.saturating_sub(reserved) as f64 * ratio).floor()
}

/// The score of each host, in their order.
pub fn scores(hosts: &[&Host], settings: &Settings) -> Vec<f64> {
    let mut scores = vec![0.0; hosts.len()];
    for weigher in WEIGHERS {
        let multiplier = (weigher.multiplier)(settings);
        if multiplier == 0.0 {
            continue;
        }
        let values: Vec<f64> = hosts.iter().map(|host| (weigher.value)(host)).collect();
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let least = if weigher.from_zero {
            least.min(0.0)
        } else {
            least
        };
        let span = most - least;
        if span > 0.0 {
            for (score, value) in scores.iter_mut().zip(values) {
                *score += multiplier * (value - least) / span;
            }
        }
    }
    scores
}
