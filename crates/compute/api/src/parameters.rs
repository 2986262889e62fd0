//! What queries may say, from the types that they are read as.

use microversion::{Field, Range, Shape, Version, Versioned};
use rest::accepted::Fate;
use rest::parameters::{Parameter, Parameters, Unknown};

use crate::events::WatchEvents;
use crate::flavors::ListFlavors;
use crate::hosts::ListHosts;
use crate::hypervisors::{ListHypervisors, ShowHypervisor};
use crate::instance_actions::ListActions;
use crate::keypairs::{self, ListKeypairs};
use crate::limits::ShowLimits;
use crate::migrations::ListMigrations;
use crate::operations::ListOperations;
use crate::proxies::Part;
use crate::proxies::images::{self, ListImages};
use crate::proxies::security_groups::ListGroups;
use crate::quota_sets;
use crate::server_groups::ListServerGroups;
use crate::servers::list::{ListServers, OPEN};
use crate::services::ListServices;
use crate::tenant_usages::ListUsages;
use crate::volumes::ListVolumes;
use crate::words::NoQuery;

/// Calls, what their queries are read as, and what becomes of parameters that are not simply honoured.
type Reading = (
    &'static [&'static str],
    &'static Shape,
    &'static [(&'static str, Fate)],
);

const OPERATORS: Fate = Fate::Within("for operators; it changes nothing for others, as in Nova");

/// All but those of servers and images.
const READINGS: &[Reading] = &[
    (
        &["GET /flavors", "GET /flavors/detail"],
        ListFlavors::SHAPE,
        &[],
    ),
    (&["GET /limits"], ShowLimits::SHAPE, &[]),
    (&["GET /os-hosts"], ListHosts::SHAPE, &[]),
    (
        &["GET /os-hypervisors", "GET /os-hypervisors/detail"],
        ListHypervisors::SHAPE,
        &[(
            "hypervisor_hostname_pattern",
            Fate::Within("not with `limit` or `marker` (400)"),
        )],
    ),
    (&["GET /os-hypervisors/{id}"], ShowHypervisor::SHAPE, &[]),
    (&["GET /os-keypairs"], ListKeypairs::SHAPE, &[]),
    (
        &["GET /os-keypairs/{id}", "DELETE /os-keypairs/{id}"],
        keypairs::OfUser::SHAPE,
        &[],
    ),
    (&["GET /os-kilonova-operations"], ListOperations::SHAPE, &[]),
    (
        &["GET /os-migrations"],
        ListMigrations::SHAPE,
        &[(
            "hidden",
            Fate::Within("no migration is hidden, so that a true word finds none"),
        )],
    ),
    (
        &[
            "GET /os-quota-sets/{id}",
            "GET /os-quota-sets/{id}/detail",
            "PUT /os-quota-sets/{id}",
            "DELETE /os-quota-sets/{id}",
        ],
        quota_sets::OfUser::SHAPE,
        &[],
    ),
    (&["GET /os-security-groups"], ListGroups::SHAPE, &[]),
    (
        &["GET /os-server-groups"],
        ListServerGroups::SHAPE,
        &[("all_projects", OPERATORS)],
    ),
    (&["GET /os-services"], ListServices::SHAPE, &[]),
    (
        &[
            "GET /os-simple-tenant-usage",
            "GET /os-simple-tenant-usage/{id}",
        ],
        ListUsages::SHAPE,
        &[("detailed", Fate::Within("`1`; anything else is no"))],
    ),
    (
        &[
            "GET /os-snapshots",
            "GET /os-snapshots/detail",
            "GET /os-volumes",
            "GET /os-volumes/detail",
        ],
        Part::SHAPE,
        &[],
    ),
    (
        &["GET /servers/events"],
        WatchEvents::SHAPE,
        &[("limit", Fate::Within("for pages; not of a stream (400)"))],
    ),
    (
        &["GET /servers/{server_id}/os-instance-actions"],
        ListActions::SHAPE,
        &[],
    ),
    (
        &["GET /servers/{server_id}/os-volume_attachments"],
        ListVolumes::SHAPE,
        &[],
    ),
    (
        &[
            "GET /extensions",
            "GET /flavors/{flavor_id}/os-extra_specs",
            "GET /flavors/{flavor_id}/os-flavor-access",
            "GET /os-aggregates",
            "GET /os-availability-zone",
            "GET /os-availability-zone/detail",
            "GET /os-instance_usage_audit_log",
            "GET /servers/{server_id}/diagnostics",
            "GET /servers/{server_id}/ips",
            "GET /servers/{server_id}/metadata",
            "GET /servers/{server_id}/migrations",
            "GET /servers/{server_id}/os-interface",
            "GET /servers/{server_id}/os-security-groups",
            "GET /servers/{server_id}/os-server-password",
            "GET /servers/{server_id}/topology",
        ],
        NoQuery::SHAPE,
        &[],
    ),
];

const SERVERS: &[&str] = &[
    "GET /servers",
    "GET /servers/detail",
    "GET /os-volumes_boot",
    "GET /os-volumes_boot/detail",
];

/// What everybody may ask of a list of servers, beside the filters.
const FOR_ALL: [&str; 7] = [
    "all_tenants",
    "changes-since",
    "limit",
    "marker",
    "sort_dir",
    "sort_key",
    "status",
];

/// Names of joined tables, which Nova refuses as filters of servers at every version.
const JOINED: [&str; 7] = [
    "block_device_mapping",
    "info_cache",
    "metadata",
    "pci_devices",
    "security_groups",
    "services",
    "system_metadata",
];

/// Calls whose queries say nothing, at all their versions.
const SILENT: &[&str] = &[
    "GET /images/{image_id}/metadata",
    "GET /os-floating-ip-pools",
    "GET /os-floating-ips",
    "GET /os-hosts/{id}/reboot",
    "GET /os-hosts/{id}/shutdown",
    "GET /os-hosts/{id}/startup",
    "GET /os-hypervisors/statistics",
    "GET /os-hypervisors/{id}/search",
    "GET /os-hypervisors/{id}/servers",
    "GET /os-hypervisors/{id}/uptime",
    "GET /os-networks",
    "GET /os-quota-sets/{id}/defaults",
    "GET /os-tenant-networks",
    "GET /servers/{server_id}/tags",
];

/// A query that is read as this shape; `told` says what becomes of one field.
fn read(
    calls: &'static [&'static str],
    shape: &'static Shape,
    told: impl Fn(&'static str, Range) -> Vec<Parameter>,
) -> Parameters {
    let (fields, refused): (&'static [Field], Version) = match shape {
        Shape::Object(object) => (object.fields, object.unknown_refused_since),
        _ => (&[], Version::MAX),
    };
    let known = fields
        .iter()
        .flat_map(|field| told(field.wire, field.range));
    Parameters {
        calls,
        known: known.collect(),
        unknown: match refused {
            Version::MAX => Unknown::Ignored("as in Nova"),
            Version { minor: 0, .. } => Unknown::Refused,
            since => Unknown::RefusedSince(since),
        },
    }
}

/// What becomes of a parameter of the list of servers: two lines where others than operators came to use it.
fn of_servers(name: &'static str, range: Range) -> Vec<Parameter> {
    let one = |range, fate| Parameter { name, range, fate };
    let always = |fate| vec![one(range, fate)];
    let mut opened = OPEN.iter();
    let opened = opened.find(|(_, names)| names.contains(&name));
    match (name, opened) {
        ("sort_key", _) => always(Fate::Within(
            "keys that Nova knows and does not sort by change nothing until 2.74, and are refused from 2.75 on; `host` \
             and `node` are for operators (403)",
        )),
        ("tenant_id", _) => always(Fate::Within("with `all_tenants`, the same as `project_id`")),
        _ if JOINED.contains(&name) => always(Fate::Refused {
            unless: &[],
            why: "Invalid filter field",
        }),
        _ if FOR_ALL.contains(&name) => always(Fate::Honoured),
        (_, None) => always(OPERATORS),
        (_, Some((since, _))) if since.minor <= 1 || range.min.at_least(*since) => {
            always(Fate::Honoured)
        }
        (_, Some((since, _))) => {
            let before = Version::new(since.major, since.minor - 1);
            vec![
                one(Range::between(range.min, before), OPERATORS),
                one(Range::between(*since, range.max), Fate::Honoured),
            ]
        }
    }
}

/// Of all calls.
pub fn parameters() -> Vec<Parameters> {
    let readings = READINGS.iter().map(|&(calls, shape, fates)| {
        read(calls, shape, |name, range| {
            let fate = fates.iter().find(|(known, _)| *known == name);
            let fate = fate.map_or(Fate::Honoured, |(_, fate)| *fate);
            vec![Parameter { name, range, fate }]
        })
    });
    let honoured = |name, range| {
        vec![Parameter {
            range,
            ..Parameter::honoured(name)
        }]
    };
    let mut of_images = read(
        &["GET /images", "GET /images/detail"],
        ListImages::SHAPE,
        honoured,
    );
    let filters = images::FILTERS.iter();
    let filters = filters.map(|&(name, _)| Parameter::honoured(name));
    of_images.known.extend(filters);
    of_images.unknown = Unknown::Read(
        "`property-NAME` is a filter by that property; others change nothing, as in Nova",
    );
    let silent = Parameters {
        calls: SILENT,
        known: Vec::new(),
        unknown: Unknown::Ignored("as in Nova"),
    };
    let servers = read(SERVERS, ListServers::SHAPE, of_servers);
    let first = std::iter::once(servers);
    first.chain(readings).chain([of_images, silent]).collect()
}

#[cfg(test)]
mod tests {
    use microversion::{Mode, admit_query};

    use super::*;
    use crate::versions::SERVICE;

    #[test]
    fn what_becomes_of_a_field_is_said_of_fields_that_are_read() {
        for (calls, shape, fates) in READINGS {
            let Shape::Object(object) = shape else {
                panic!("{calls:?}: a query has fields");
            };
            for (name, _) in *fates {
                let mut fields = object.fields.iter();
                assert!(fields.any(|field| field.wire == *name), "{calls:?} {name}");
            }
        }
    }

    #[test]
    fn no_filter_of_servers_is_lost_on_its_way() {
        let ask = |query: &str| -> ListServers {
            let asked = admit_query(Some(query), Mode::Strict(SERVICE.max));
            asked.expect("a query that is taken")
        };
        let known = read(SERVERS, ListServers::SHAPE, of_servers).known;
        // These are no filters by name.
        let others = |name: &&str| !FOR_ALL.contains(name) && *name != "changes-before";
        for name in known.iter().map(|known| known.name).filter(others) {
            let asked = ask(&format!("{name}=1&all_tenants=1"));
            let wanted = match name {
                "tenant_id" => "project_id",
                other => other,
            };
            match JOINED.contains(&name) {
                true => assert_eq!(asked.joined_table(), Some(name)),
                false => assert!(asked.filters().contains_key(wanted), "{name}"),
            }
        }
    }
}
