//! What queries may say, from the tables that lists are filtered by.

use microversion::Range;
use rest::accepted::Fate;
use rest::parameters::{Parameter, Parameters, Unknown};

use crate::api::{clusters, pools};
use crate::fields::{
    ATTACHMENTS, BACKUPS, Field, GROUP_SNAPSHOTS, GROUP_TYPES, GROUPS, Kind, MESSAGES, Noun, QOS,
    SNAPSHOTS, TRANSFERS, TYPES, VOLUMES,
};
use crate::listing::{COUNT, PAGING, REFUSED};
use crate::policy::version;

const OPERATORS: Fate = Fate::Within("for administrators; for others an unknown name");
/// `all_tenants`, where things belong to projects.
const OF_PROJECTS: Fate = Fate::Within(
    "for administrators; it changes nothing for others, whose clients always send it, as in Cinder",
);
/// The same where they belong to none.
const OF_NOBODY: Fate = Fate::Hint("they belong to no project; clients always send it");
/// The same of messages.
const OF_ALL: Fate = Fate::Hint("administrators see those of all projects anyway, others never");
const TIME: Fate =
    Fate::Within("`gt:`, `gte:`, `eq:`, `neq:`, `lt:` or `lte:` before a time, between commas");
const PUBLIC: Fate =
    Fate::Within("for administrators, public ones if nothing is said; others see public ones");
/// Lists of what the database has.
const FILTERED: Unknown = Unknown::Read(
    "administrators find nothing by them; for others they change nothing, and are refused with 400 from 3.31 on; \
     those above change nothing before their versions. `name~=` finds parts of texts from 3.34 on",
);
const IGNORED: Unknown = Unknown::Ignored("as in Cinder");

/// The lists of what the database has, with the version since when their queries mean something, and what `all_tenants`
/// does.
const LISTS: &[(&[&str], &Noun, u16, Fate)] = &[
    (
        &["GET /volumes", "GET /volumes/detail"],
        &VOLUMES,
        0,
        OF_PROJECTS,
    ),
    (
        &["GET /snapshots", "GET /snapshots/detail"],
        &SNAPSHOTS,
        0,
        OF_PROJECTS,
    ),
    (
        &["GET /backups", "GET /backups/detail"],
        &BACKUPS,
        0,
        OF_PROJECTS,
    ),
    (
        &["GET /attachments", "GET /attachments/detail"],
        &ATTACHMENTS,
        0,
        OF_PROJECTS,
    ),
    (
        &[
            "GET /os-volume-transfer",
            "GET /os-volume-transfer/detail",
            "GET /volume-transfers",
            "GET /volume-transfers/detail",
        ],
        &TRANSFERS,
        0,
        OF_PROJECTS,
    ),
    (&["GET /types"], &TYPES, 0, OF_NOBODY),
    (&["GET /qos-specs"], &QOS, 0, OF_NOBODY),
    (
        &["GET /groups", "GET /groups/detail"],
        &GROUPS,
        0,
        OF_PROJECTS,
    ),
    (
        &["GET /group_snapshots", "GET /group_snapshots/detail"],
        &GROUP_SNAPSHOTS,
        29,
        OF_PROJECTS,
    ),
    (&["GET /group_types"], &GROUP_TYPES, 0, OF_NOBODY),
    (&["GET /messages"], &MESSAGES, 5, OF_ALL),
];

/// What lies on back ends, which is sorted and cut here.
const MANAGEABLE: &[&str] = &[
    "GET /manageable_volumes",
    "GET /manageable_volumes/detail",
    "GET /manageable_snapshots",
    "GET /manageable_snapshots/detail",
    "GET /os-volume-manage",
    "GET /os-volume-manage/detail",
    "GET /os-snapshot-manage",
    "GET /os-snapshot-manage/detail",
];

/// Calls whose queries say nothing.
const SILENT: &[&str] = &[
    "GET /backups/{id}/export_record",
    "GET /default-types",
    "GET /extensions",
    "GET /group_types/{group_type_id}/group_specs",
    "GET /os-availability-zone",
    "GET /os-quota-sets/{project_id}/defaults",
    "GET /qos-specs/{id}/associations",
    "GET /qos-specs/{id}/disassociate_all",
    "GET /snapshots/{snapshot_id}/metadata",
    "GET /types/{type_id}/encryption",
    "GET /types/{type_id}/extra_specs",
    "GET /types/{type_id}/os-volume-type-access",
    "GET /volumes/{volume_id}/encryption",
    "GET /volumes/{volume_id}/metadata",
];

fn since(minor: u16, parameter: Parameter) -> Parameter {
    Parameter {
        range: Range::since(version(minor)),
        ..parameter
    }
}

fn filter(field: &Field) -> Parameter {
    let fate = match (field.members, field.kind) {
        (None, _) => OPERATORS,
        (Some(_), Kind::Time) => TIME,
        (Some(_), _) => Fate::Honoured,
    };
    since(field.members.unwrap_or(0), Parameter::new(field.name, fate))
}

/// What lists read themselves.
fn also(name: &'static str) -> Parameter {
    match name {
        "is_public" => Parameter::new(name, PUBLIC),
        "list_volume" => since(25, Parameter::honoured(name)),
        _ => Parameter::honoured(name),
    }
}

fn list(calls: &'static [&'static str], noun: &Noun, minor: u16, all_tenants: Fate) -> Parameters {
    let fields = noun.fields.iter();
    let fields = fields.filter(|field| !noun.also.contains(&field.name));
    let own = noun.also.iter().copied().map(also);
    let pages = PAGING.iter().copied().map(Parameter::honoured);
    let count = noun.counted.then_some(Parameter {
        range: Range::since(COUNT),
        ..Parameter::honoured("with_count")
    });
    let all = fields.map(filter).chain(own).chain(pages).chain(count);
    let all_tenants = Parameter::new("all_tenants", all_tenants);
    let all = all.chain([all_tenants]).map(|mut known| {
        known.range.min = known.range.min.max(version(minor));
        known
    });
    Parameters {
        calls,
        known: all.collect(),
        unknown: FILTERED,
    }
}

fn honoured(names: &[&'static str]) -> Vec<Parameter> {
    names.iter().copied().map(Parameter::honoured).collect()
}

/// Of all calls.
pub fn parameters() -> Vec<Parameters> {
    let of = |calls, known, unknown| Parameters {
        calls,
        known,
        unknown,
    };
    let mut place = honoured(&PAGING);
    place.push(Parameter::honoured("host"));
    place.push(Parameter::new(
        "cluster",
        Fate::Within("from 3.17 on; there is none, so that none is found (404)"),
    ));
    let mut of_clusters = honoured(&clusters::FILTERS);
    of_clusters.extend(clusters::REPLICATION.iter().map(|&name| Parameter {
        range: Range::since(clusters::REPLICATED),
        ..Parameter::honoured(name)
    }));
    let of_pools = pools::KNOWN.iter().map(|&(name, since)| Parameter {
        range: Range::since(since),
        ..Parameter::honoured(name)
    });
    let of_limits =
        ["project_id", "tenant_id"].map(|name| since(39, Parameter::new(name, OPERATORS)));
    let others = [
        of(
            &["GET /volumes/summary"],
            vec![Parameter::new("all_tenants", OF_PROJECTS)],
            IGNORED,
        ),
        of(
            &["DELETE /volumes/{id}"],
            vec![
                Parameter::honoured("cascade"),
                since(23, Parameter::honoured("force")),
            ],
            IGNORED,
        ),
        of(
            &["GET /groups/{id}"],
            vec![since(25, Parameter::honoured("list_volume"))],
            IGNORED,
        ),
        of(MANAGEABLE, place, IGNORED),
        of(&["DELETE /qos-specs/{id}"], honoured(&["force"]), IGNORED),
        of(
            &[
                "GET /qos-specs/{id}/associate",
                "GET /qos-specs/{id}/disassociate",
            ],
            honoured(&["vol_type_id"]),
            IGNORED,
        ),
        of(
            &["GET /os-quota-sets/{project_id}"],
            honoured(&["usage"]),
            IGNORED,
        ),
        of(&["GET /limits"], of_limits.to_vec(), IGNORED),
        of(
            &["GET /os-services"],
            honoured(&["binary", "host"]),
            IGNORED,
        ),
        of(&["GET /os-hosts"], honoured(&["zone"]), IGNORED),
        of(
            &["GET /scheduler-stats/get_pools"],
            of_pools.collect(),
            Unknown::RefusedSince(REFUSED),
        ),
        of(
            &["GET /clusters", "GET /clusters/detail"],
            of_clusters,
            Unknown::Refused,
        ),
        of(&["GET /resource_filters"], honoured(&["resource"]), IGNORED),
        of(SILENT, Vec::new(), IGNORED),
    ];
    let lists = LISTS.iter();
    let lists = lists.map(|&(calls, noun, minor, fate)| list(calls, noun, minor, fate));
    lists.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::PUBLISHED;

    #[test]
    fn what_members_are_told_to_filter_by_stands_in_the_tables() {
        for (resource, filters) in PUBLISHED {
            let call = match *resource {
                "pool" => "GET /scheduler-stats/get_pools".to_owned(),
                "volume_type" => "GET /types".to_owned(),
                resource => format!("GET /{resource}s"),
            };
            let tables = parameters();
            let mut tables = tables.iter();
            let table = tables.find(|table| table.calls.contains(&call.as_str()));
            let known = &table.expect("a table").known;
            for filter in *filters {
                let found = known.iter().find(|known| known.name == *filter);
                let fate = found.map(|found| found.fate);
                assert!(
                    fate.is_some_and(|fate| fate != OPERATORS),
                    "{call} {filter}"
                );
            }
        }
    }
}
