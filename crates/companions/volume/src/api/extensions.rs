//! The extensions that clients look for: those whose calls are built. Of Cinder's these are all but `encryption`, which
//! also makes types encrypted, `consistencygroups` and `cgsnapshots`.

use rest::Answer;
use serde_json::{Value, json};

use super::Call;
use crate::fault::Fault;
use crate::service::Volumes;

/// Name, alias, when it came, what it is for.
type Extension = (&'static str, &'static str, &'static str, &'static str);

const EXTENSIONS: &[Extension] = &[
    (
        "AdminActions",
        "os-admin-actions",
        "2012-08-25T00:00:00+00:00",
        "What only administrators do.",
    ),
    (
        "AvailabilityZones",
        "os-availability-zone",
        "2013-06-27T00:00:00+00:00",
        "Describe availability zones.",
    ),
    (
        "Backups",
        "backups",
        "2012-12-12T00:00:00+00:00",
        "Backups.",
    ),
    (
        "Capabilities",
        "capabilities",
        "2015-08-31T00:00:00+00:00",
        "What back ends are able to do.",
    ),
    (
        "ExtendedServices",
        "os-extended-services",
        "2014-01-10T00:00:00-00:00",
        "Reasons with services.",
    ),
    (
        "ExtendedSnapshotAttributes",
        "os-extended-snapshot-attributes",
        "2012-06-19T00:00:00+00:00",
        "Projects and progress with snapshots.",
    ),
    (
        "Hosts",
        "os-hosts",
        "2011-06-29T00:00:00+00:00",
        "Hosts, and what lies on them.",
    ),
    (
        "Qos_specs_manage",
        "qos-specs",
        "2013-08-02T00:00:00+00:00",
        "QoS specs.",
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
        "SnapshotActions",
        "os-snapshot-actions",
        "2013-07-16T00:00:00+00:00",
        "What is done with snapshots.",
    ),
    (
        "SnapshotManage",
        "os-snapshot-manage",
        "2014-12-31T00:00:00+00:00",
        "Snapshots are taken over.",
    ),
    (
        "SnapshotUnmanage",
        "os-snapshot-unmanage",
        "2014-12-31T00:00:00+00:00",
        "Snapshots are let go.",
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
        "VolumeActions",
        "os-volume-actions",
        "2012-05-31T00:00:00+00:00",
        "What is done with volumes.",
    ),
    (
        "VolumeEncryptionMetadata",
        "os-volume-encryption-metadata",
        "2013-07-10T00:00:00+00:00",
        "Encryption with volumes.",
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
        "VolumeManage",
        "os-volume-manage",
        "2014-02-10T00:00:00+00:00",
        "Volumes are taken over.",
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
        "VolumeTransfer",
        "os-volume-transfer",
        "2013-05-29T00:00:00+00:00",
        "Volumes are given to other projects.",
    ),
    (
        "VolumeTypeAccess",
        "os-volume-type-access",
        "2014-06-26T00:00:00Z",
        "Private types.",
    ),
    (
        "VolumeUnmanage",
        "os-volume-unmanage",
        "2012-05-31T00:00:00+00:00",
        "Volumes are let go.",
    ),
];

fn view((name, alias, updated, description): &Extension) -> Value {
    json!({"name": name, "alias": alias, "updated": updated, "description": description, "links": []})
}

/// `GET /extensions`.
pub async fn list(_: Volumes, _call: Call) -> Result<Answer, Fault> {
    let all: Vec<Value> = EXTENSIONS.iter().map(view).collect();
    Ok(Answer::of(&json!({"extensions": all})))
}

/// `GET /extensions/{alias}`.
pub async fn show(_: Volumes, call: Call) -> Result<Answer, Fault> {
    let alias = call.path("alias");
    let found = EXTENSIONS.iter().find(|(_, one, ..)| *one == alias);
    let found =
        found.ok_or_else(|| Fault::NotFound("The resource could not be found.".to_owned()))?;
    Ok(Answer::of(&json!({"extension": view(found)})))
}
