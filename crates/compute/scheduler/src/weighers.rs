//! Weighers: which of the hosts that fit is best.
//!
//! A host's score is the sum over the weighers of multiplier × value, the value scaled to 0…1 over
//! the hosts at hand, as Nova does. An aggregate may give its hosts multipliers of their own, by
//! metadata of the same name; of several the least counts.

use compute_model::server_group::GroupPolicy;

use crate::filters::{Question, least};
use crate::hosts::{Host, capacity};
use crate::settings::Settings;

/// One weigher.
struct Weigher {
    /// The option, and the metadata of aggregates, that sets its multiplier.
    option: &'static str,
    multiplier: fn(&Settings) -> f64,
    value: fn(&Host, &Question) -> f64,
    /// Scale from zero rather than from the least value.
    from_zero: bool,
    /// Less is better, though the multiplier is given as a positive number.
    negated: bool,
}

impl Weigher {
    const fn new(
        option: &'static str,
        multiplier: fn(&Settings) -> f64,
        value: fn(&Host, &Question) -> f64,
    ) -> Self {
        Weigher {
            option,
            multiplier,
            value,
            from_zero: false,
            negated: false,
        }
    }

    const fn scaled_from_zero(self) -> Self {
        Weigher {
            from_zero: true,
            ..self
        }
    }

    const fn negated(self) -> Self {
        Weigher {
            negated: true,
            ..self
        }
    }

    fn multiplier(&self, host: &Host, settings: &Settings) -> f64 {
        let multiplier = least(host, self.option).unwrap_or_else(|| (self.multiplier)(settings));
        if self.negated {
            -multiplier
        } else {
            multiplier
        }
    }
}

const WEIGHERS: &[Weigher] = &[
    Weigher::new(
        "ram_weight_multiplier",
        |s| s.ram_weight_multiplier,
        free_memory,
    )
    .scaled_from_zero(),
    Weigher::new(
        "cpu_weight_multiplier",
        |s| s.cpu_weight_multiplier,
        free_processors,
    )
    .scaled_from_zero(),
    Weigher::new(
        "disk_weight_multiplier",
        |s| s.disk_weight_multiplier,
        free_disk,
    )
    .scaled_from_zero(),
    Weigher::new(
        "io_ops_weight_multiplier",
        |s| s.io_ops_weight_multiplier,
        |host, question| question.io_operations(host) as f64,
    )
    .scaled_from_zero(),
    Weigher::new(
        "num_instances_weight_multiplier",
        |s| s.num_instances_weight_multiplier,
        |host, _| host.node.used.servers as f64,
    ),
    Weigher::new(
        "hypervisor_version_weight_multiplier",
        |s| s.hypervisor_version_weight_multiplier,
        |host, _| f64::from(host.node.facts.hypervisor_version),
    ),
    Weigher::new(
        "soft_affinity_weight_multiplier",
        |s| s.soft_affinity_weight_multiplier,
        |host, question| members(host, question, GroupPolicy::SoftAffinity),
    ),
    Weigher::new(
        "soft_anti_affinity_weight_multiplier",
        |s| s.soft_anti_affinity_weight_multiplier,
        |host, question| -members(host, question, GroupPolicy::SoftAntiAffinity),
    ),
    Weigher::new(
        "build_failure_weight_multiplier",
        |s| s.build_failure_weight_multiplier,
        |host, _| host.node.failed_builds as f64,
    )
    .negated(),
    Weigher::new(
        "image_props_weight_multiplier",
        |s| s.image_props_weight_multiplier,
        like_images,
    ),
];

fn free_memory(host: &Host, _: &Question) -> f64 {
    let facts = &host.node.facts;
    capacity(facts.memory_mb, facts.reserved_memory_mb, facts.ram_ratio)
        - host.node.used.memory_mb as f64
}

fn free_processors(host: &Host, _: &Question) -> f64 {
    let facts = &host.node.facts;
    capacity(
        facts.vcpus.into(),
        facts.reserved_vcpus.into(),
        facts.cpu_ratio,
    ) - host.node.used.vcpus as f64
}

fn free_disk(host: &Host, _: &Question) -> f64 {
    let facts = &host.node.facts;
    capacity(facts.disk_gb, facts.reserved_disk_gb, facts.disk_ratio)
        - host.node.used.disk_gb as f64
}

/// How many members of the server's group are there, if it has this policy.
fn members(host: &Host, question: &Question, policy: GroupPolicy) -> f64 {
    let group = question.request.group.as_ref();
    let group = group.filter(|group| group.policy == policy);
    group.map_or(0.0, |group| group.members_on(&host.node.host).into())
}

/// How many servers there have image properties in common with this one, property by property.
fn like_images(host: &Host, question: &Question) -> f64 {
    let settings = question.settings;
    let wanted = question.request.image.iter();
    wanted
        .flat_map(|image| &image.properties)
        .map(|(name, value)| {
            let alike = host.image_properties.get(&(name.clone(), value.clone()));
            let weight = match settings.image_props_weight_setting.is_empty() {
                true => 1.0,
                false => {
                    let found = settings.image_props_weight_setting.get(name);
                    found.copied().unwrap_or(0.0)
                }
            };
            weight * alike.copied().unwrap_or(0) as f64
        })
        .sum()
}

/// The score of each host, in their order.
pub fn scores(hosts: &[&Host], question: &Question) -> Vec<f64> {
    let mut scores = vec![0.0; hosts.len()];
    if hosts.len() < 2 {
        return scores;
    }
    for weigher in WEIGHERS {
        let multipliers = hosts
            .iter()
            .map(|host| weigher.multiplier(host, question.settings));
        let multipliers: Vec<f64> = multipliers.collect();
        if multipliers.iter().all(|multiplier| *multiplier == 0.0) {
            continue;
        }
        let values: Vec<f64> = hosts
            .iter()
            .map(|host| (weigher.value)(host, question))
            .collect();
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let least = if weigher.from_zero {
            least.min(0.0)
        } else {
            least
        };
        let span = most - least;
        if span > 0.0 {
            for ((score, value), multiplier) in scores.iter_mut().zip(values).zip(multipliers) {
                *score += multiplier * (value - least) / span;
            }
        }
    }
    scores
}
