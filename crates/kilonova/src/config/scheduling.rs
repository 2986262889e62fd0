//! The sections about where servers go. Names and defaults are Nova's.

use std::collections::BTreeMap;

use compute_scheduler::Settings;
use settings::{Opt, Reader, Section};

/// `[scheduler]`.
#[derive(Debug, Clone)]
pub struct SchedulerSection {
    pub max_attempts: usize,
}

impl Section for SchedulerSection {
    const NAME: &'static str = "scheduler";
    const ABOUT: &'static str = "Placing servers.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] =
            &[Opt::integer("max_attempts", "3", "Hosts tried for one build.").range(1, 1000)];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        SchedulerSection {
            max_attempts: from.integer("max_attempts"),
        }
    }
}

/// `[filter_scheduler]`.
#[derive(Debug, Clone)]
pub struct FilterSchedulerSection(pub Settings);

/// A multiplier of a weigher.
const fn weight(name: &'static str, default: &'static str, doc: &'static str) -> Opt {
    Opt::float(name, default, doc).float_range(-1e9, 1e9)
}

impl Section for FilterSchedulerSection {
    const NAME: &'static str = "filter_scheduler";
    const ABOUT: &'static str = "Filters and weighers. Metadata of an aggregate replaces, for its hosts, any multiplier \
                                 of the same name.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::list(
                "enabled_filters",
                "ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,\
                 ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter",
                "Filters that run, in addition to those for resources, zones and traits.",
            ),
            Opt::integer(
                "host_subset_size",
                "1",
                "Choose at random among so many best hosts.",
            )
            .range(1, 100_000),
            weight("ram_weight_multiplier", "1.0", "Weight of free memory."),
            weight("cpu_weight_multiplier", "1.0", "Weight of free processors."),
            weight("disk_weight_multiplier", "1.0", "Weight of free disk."),
            weight(
                "io_ops_weight_multiplier",
                "-1.0",
                "Weight of servers being built, moved or snapshotted.",
            ),
            weight(
                "num_instances_weight_multiplier",
                "0.0",
                "Weight of the number of servers.",
            ),
            weight(
                "hypervisor_version_weight_multiplier",
                "1.0",
                "Weight of the hypervisor's version.",
            ),
            weight(
                "soft_affinity_weight_multiplier",
                "1.0",
                "Weight of members of the server's group, with soft affinity.",
            ),
            weight(
                "soft_anti_affinity_weight_multiplier",
                "1.0",
                "The same, of their absence, with soft anti-affinity.",
            ),
            weight(
                "build_failure_weight_multiplier",
                "1000000.0",
                "How much builds count that failed since the last that went well.",
            ),
            weight(
                "image_props_weight_multiplier",
                "0.0",
                "Weight of servers whose images have properties in common with the new one's.",
            ),
            Opt::list(
                "image_props_weight_setting",
                "",
                "What each image property counts there, as `os_distro=2,hw_machine_type=1`; all the same when empty.",
            ),
            Opt::integer(
                "max_io_ops_per_host",
                "8",
                "IoOpsFilter: servers being built, moved or snapshotted on a host.",
            )
            .range(0, i64::MAX),
            Opt::integer(
                "max_instances_per_host",
                "50",
                "NumInstancesFilter: servers of a host.",
            )
            .range(1, i64::MAX),
            Opt::list(
                "isolated_hosts",
                "",
                "IsolatedHostsFilter: hosts for isolated images.",
            ),
            Opt::list(
                "isolated_images",
                "",
                "IsolatedHostsFilter: ids of images for these hosts only.",
            ),
            Opt::boolean(
                "restrict_isolated_hosts_to_isolated_images",
                "true",
                "Whether those hosts take no other image.",
            ),
            Opt::text(
                "aggregate_image_properties_isolation_namespace",
                "",
                "AggregateImagePropertiesIsolation: look only at metadata that begins with this and the separator.",
            ),
            Opt::text(
                "aggregate_image_properties_isolation_separator",
                ".",
                "The separator.",
            ),
            Opt::text(
                "image_properties_default_architecture",
                "",
                "ImagePropertiesFilter: architecture of images that name none; any when empty.",
            ),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        FilterSchedulerSection(Settings {
            enabled_filters: filters(from),
            host_subset_size: from.integer("host_subset_size"),
            ram_weight_multiplier: from.float("ram_weight_multiplier"),
            cpu_weight_multiplier: from.float("cpu_weight_multiplier"),
            disk_weight_multiplier: from.float("disk_weight_multiplier"),
            io_ops_weight_multiplier: from.float("io_ops_weight_multiplier"),
            num_instances_weight_multiplier: from.float("num_instances_weight_multiplier"),
            hypervisor_version_weight_multiplier: from
                .float("hypervisor_version_weight_multiplier"),
            soft_affinity_weight_multiplier: from.float("soft_affinity_weight_multiplier"),
            soft_anti_affinity_weight_multiplier: from
                .float("soft_anti_affinity_weight_multiplier"),
            build_failure_weight_multiplier: from.float("build_failure_weight_multiplier"),
            image_props_weight_multiplier: from.float("image_props_weight_multiplier"),
            image_props_weight_setting: property_weights(from),
            max_io_ops_per_host: from.integer("max_io_ops_per_host"),
            max_instances_per_host: from.integer("max_instances_per_host"),
            isolated_hosts: from.list("isolated_hosts"),
            isolated_images: from.list("isolated_images"),
            restrict_isolated_hosts_to_isolated_images: from
                .boolean("restrict_isolated_hosts_to_isolated_images"),
            aggregate_image_properties_isolation_namespace: from
                .optional("aggregate_image_properties_isolation_namespace"),
            aggregate_image_properties_isolation_separator: from
                .text("aggregate_image_properties_isolation_separator"),
            image_properties_default_architecture: from
                .optional("image_properties_default_architecture"),
            // These two are of another section.
            service_down_time: Settings::default().service_down_time,
            default_availability_zone: Settings::default().default_availability_zone,
        })
    }
}

/// A filter that is not built must not be thought to run.
fn filters(from: &mut Reader<'_>) -> Vec<String> {
    let enabled = from.list("enabled_filters");
    for name in &enabled {
        if !compute_scheduler::filter_names().any(|known| known == name) {
            let known: Vec<&str> = compute_scheduler::filter_names().collect();
            from.refuse(
                "enabled_filters",
                format!("{name} is not built; there are {}", known.join(", ")),
            );
        }
    }
    enabled
}

fn property_weights(from: &mut Reader<'_>) -> BTreeMap<String, f64> {
    let mut weights = BTreeMap::new();
    for pair in from.list("image_props_weight_setting") {
        let parsed = pair
            .split_once('=')
            .and_then(|(name, text)| Some((name.trim(), text.trim().parse().ok()?)));
        match parsed {
            Some((property, weight)) => {
                weights.insert(property.to_owned(), weight);
            }
            None => from.refuse(
                "image_props_weight_setting",
                format!("{pair} is no property=number"),
            ),
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_scheduler() {
        let read = settings::defaults::<FilterSchedulerSection>().0;
        assert_eq!(format!("{read:?}"), format!("{:?}", Settings::default()));
    }

    #[test]
    fn a_filter_that_is_not_built_ends_the_start() {
        let text = "[filter_scheduler]\nenabled_filters = ComputeFilter, NUMATopologyFilter\n\
                    image_props_weight_setting = os_distro=much\n";
        let sections = [settings::section::<FilterSchedulerSection>()];
        let settings = settings::Settings::from_text(text, &sections).expect("it parses");
        let read = settings.read::<FilterSchedulerSection>();
        let problems = read.expect_err("refused").to_string();
        assert!(
            problems.contains("NUMATopologyFilter is not built; there are ComputeFilter"),
            "{problems}"
        );
        assert!(
            problems.contains("os_distro=much is no property=number"),
            "{problems}"
        );
    }
}
