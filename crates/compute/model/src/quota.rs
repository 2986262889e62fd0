//! Quotas: how much a project or user may have, and the check of a request against it.

use serde::{Deserialize, Serialize};

/// A counted thing. The wire names are Nova's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    Instances,
    Cores,
    Ram,
    KeyPairs,
    MetadataItems,
    ServerGroups,
    ServerGroupMembers,
    InjectedFiles,
    InjectedFileContentBytes,
    InjectedFilePathBytes,
    /// These four are shown until 2.35 and never enforced here: the network service has its own.
    FixedIps,
    FloatingIps,
    SecurityGroups,
    SecurityGroupRules,
}

/// Every resource with its wire name and default limit; −1 is unlimited. Defaults are Nova's.
pub const RESOURCES: &[(Resource, &str, i64)] = &[
    (Resource::Cores, "cores", 20),
    (Resource::FixedIps, "fixed_ips", -1),
    (Resource::FloatingIps, "floating_ips", -1),
    (
        Resource::InjectedFileContentBytes,
        "injected_file_content_bytes",
        10240,
    ),
    (
        Resource::InjectedFilePathBytes,
        "injected_file_path_bytes",
        255,
    ),
    (Resource::InjectedFiles, "injected_files", 5),
    (Resource::Instances, "instances", 10),
    (Resource::KeyPairs, "key_pairs", 100),
    (Resource::MetadataItems, "metadata_items", 128),
    (Resource::Ram, "ram", 51200),
    (Resource::SecurityGroupRules, "security_group_rules", -1),
    (Resource::SecurityGroups, "security_groups", -1),
    (Resource::ServerGroupMembers, "server_group_members", 10),
    (Resource::ServerGroups, "server_groups", 10),
];

impl Resource {
    /// The wire name.
    pub fn as_str(self) -> &'static str {
        row(self).1
    }

    /// Nova's default limit.
    pub fn default_limit(self) -> i64 {
        row(self).2
    }

    /// The resource of a wire name.
    pub fn named(name: &str) -> Option<Self> {
        RESOURCES
            .iter()
            .find(|(_, wire, _)| *wire == name)
            .map(|(resource, _, _)| *resource)
    }
}

fn row(resource: Resource) -> &'static (Resource, &'static str, i64) {
    RESOURCES
        .iter()
        .find(|(candidate, _, _)| *candidate == resource)
        .expect("every resource has a row, checked by a test")
}

/// What servers of a project take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerUsage {
    pub instances: i64,
    pub cores: i64,
    /// MiB.
    pub ram: i64,
}

/// Limits of the three things that a new server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    pub instances: i64,
    pub cores: i64,
    pub ram: i64,
}

/// A request that does not fit, with the numbers for the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Quota exceeded for {names}: Requested {requested}, but already used {used} of {total} {names}"
)]
pub struct Exceeded {
    pub names: String,
    pub requested: String,
    pub used: String,
    pub total: String,
}

/// How many of `min..=max` servers fit beside `used`, each taking `cores` and `ram`.
///
/// # Errors
/// [`Exceeded`] when not even `min` fit; it names every limit in the way, as Nova does.
pub fn fit(
    limits: ServerLimits,
    used: ServerUsage,
    cores: i64,
    ram: i64,
    (min, max): (u32, u32),
) -> Result<u32, Exceeded> {
    let room = |limit: i64, used: i64, each: i64| match (limit, each) {
        (-1, _) | (_, 0) => i64::from(max),
        _ => (limit - used).max(0) / each,
    };
    let fits = room(limits.instances, used.instances, 1)
        .min(room(limits.cores, used.cores, cores))
        .min(room(limits.ram, used.ram, ram))
        .min(i64::from(max));
    if fits >= i64::from(min) {
        return Ok(u32::try_from(fits).expect("not above max, which is a u32"));
    }
    let count = i64::from(min);
    let over: Vec<(&str, i64, i64, i64)> = [
        ("cores", cores * count, used.cores, limits.cores),
        ("instances", count, used.instances, limits.instances),
        ("ram", ram * count, used.ram, limits.ram),
    ]
    .into_iter()
    .filter(|(_, wanted, used, limit)| *limit != -1 && used + wanted > *limit)
    .collect();
    let join = |pick: fn(&(&str, i64, i64, i64)) -> String| {
        over.iter().map(pick).collect::<Vec<_>>().join(", ")
    };
    Err(Exceeded {
        names: join(|row| row.0.to_owned()),
        requested: join(|row| row.1.to_string()),
        used: join(|row| row.2.to_string()),
        total: join(|row| row.3.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ServerLimits = ServerLimits {
        instances: 10,
        cores: 20,
        ram: 51200,
    };

    #[test]
    fn every_resource_has_a_row_and_a_name_of_its_own() {
        for (resource, name, _) in RESOURCES {
            assert_eq!(Resource::named(name), Some(*resource));
        }
    }

    #[test]
    fn a_multi_create_is_lowered_to_what_fits() {
        let used = ServerUsage {
            instances: 8,
            cores: 8,
            ram: 0,
        };
        assert_eq!(fit(LIMITS, used, 1, 512, (1, 5)), Ok(2));
    }

    #[test]
    fn the_message_names_each_limit_in_the_way() {
        let used = ServerUsage {
            instances: 10,
            cores: 20,
            ram: 512,
        };
        let over = fit(LIMITS, used, 2, 512, (1, 1)).expect_err("full");
        assert_eq!(
            over.to_string(),
            "Quota exceeded for cores, instances: Requested 2, 1, but already used 20, 10 of 20, 10 cores, instances"
        );
    }

    #[test]
    fn minus_one_is_no_limit() {
        let limits = ServerLimits {
            instances: -1,
            cores: -1,
            ram: -1,
        };
        let used = ServerUsage {
            instances: 1000,
            cores: 1000,
            ram: 1_000_000,
        };
        assert_eq!(fit(limits, used, 64, 1 << 20, (3, 3)), Ok(3));
    }
}
