//! The extensions that clients look for: those whose calls are built.

use rest::Answer;
use serde_json::{Value, json};

use super::Call;
use crate::fault::Fault;
use crate::service::Volumes;

/// Name, alias, when it came, what it is for.
const EXTENSIONS: &[(&str, &str, &str, &str)] = &[
    (
        "AvailabilityZones",
        "os-availability-zone",
        "2013-06-27T00:00:00+00:00",
        "Describe availability zones.",
    ),
    (
        "ExtendedServices",
        "os-extended-services",
        "2014-01-10T00:00:00-00:00",
        "Reasons with services.",
    ),
    (
        "QuotaClasses",
        "os-quota-class-sets",
        "2012-03-12T00:00:00+00:00",
        "Quotas of classes.",
    ),
    (
        "Quotas",
        "os-quota-sets",
        "2011-08-08T00:00:00+00:00",
        "Quotas of projects.",
    ),
    (
        "SchedulerHints",
        "OS-SCH-HNT",
        "2013-04-18T00:00:00+00:00",
        "Hints to the scheduler.",
    ),
    (
        "Scheduler_stats",
        "scheduler-stats",
        "2014-09-07T00:00:00+00:00",
        "Pools of back ends.",
    ),
    (
        "Services",
        "os-services",
        "2012-10-28T00:00:00-00:00",
        "Services.",
    ),
    (
        "TypesExtraSpecs",
        "os-types-extra-specs",
        "2011-08-24T00:00:00+00:00",
        "Extra specs of types.",
    ),
    (
        "TypesManage",
        "os-types-manage",
        "2011-08-24T00:00:00+00:00",
        "Types are made and changed.",
    ),
    (
        "UsedLimits",
        "os-used-limits",
        "2013-10-03T00:00:00+00:00",
        "How much of limits is used.",
    ),
    (
        "VolumeHostAttribute",
        "os-vol-host-attr",
        "2011-11-03T00:00:00+00:00",
        "Hosts with volumes.",
    ),
    (
        "VolumeImageMetadata",
        "os-vol-image-meta",
        "2012-12-07T00:00:00+00:00",
        "What volumes know of images.",
    ),
    (
        "VolumeMigStatusAttribute",
        "os-vol-mig-status-attr",
        "2013-08-08T00:00:00+00:00",
        "Migrations with volumes.",
    ),
    (
        "VolumeTenantAttribute",
        "os-vol-tenant-attr",
        "2011-11-03T00:00:00+00:00",
        "Projects with volumes.",
    ),
    (
        "VolumeTypeAccess",
        "os-volume-type-access",
        "2014-06-26T00:00:00Z",
        "Private types.",
    ),
];

/// `GET /extensions`.
pub async fn list(_: Volumes, _call: Call) -> Result<Answer, Fault> {
    let all = EXTENSIONS.iter().map(|(name, alias, updated, description)| {
        json!({"name": name, "alias": alias, "updated": updated, "description": description, "links": []})
    });
    Ok(Answer::of(
        &json!({"extensions": all.collect::<Vec<Value>>()}),
    ))
}
