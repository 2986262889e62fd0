//! Bodies of volumes, attachments, snapshots, backups and transfers, and of what is taken over.

use microversion::{Version, Versioned};
use rest::accepted::Fate;
use rest::bodies::Body;

use super::{CONNECTOR, whole};
use crate::api::{
    attachments, backups, manage, metadata, snapshot_metadata, snapshots, transfers, volumes,
};

pub const ALL: &[&Body] = &[
    &volumes::CREATE,
    &whole(
        &["PUT /volumes/{id}"],
        volumes::UpdateVolume::SHAPE,
        &[
            "volume.name",
            "volume.description",
            "volume.display_name",
            "volume.display_description",
            "volume.metadata",
        ],
    ),
    &whole(
        &[
            "POST /volumes/{volume_id}/metadata",
            "PUT /volumes/{volume_id}/metadata",
        ],
        metadata::All::SHAPE,
        &["metadata"],
    ),
    &whole(
        &["PUT /volumes/{volume_id}/metadata/{key}"],
        metadata::One::SHAPE,
        &["meta"],
    ),
    &Body {
        calls: &["POST /attachments"],
        shape: attachments::CreateAttachment::SHAPE,
        honoured: &[
            "attachment.volume_uuid",
            "attachment.instance_uuid",
            "attachment.mode",
        ],
        others: &[("attachment.connector", CONNECTOR)],
        open: &[],
    },
    &Body {
        calls: &["PUT /attachments/{id}"],
        shape: attachments::UpdateAttachment::SHAPE,
        honoured: &[],
        others: &[("attachment.connector", CONNECTOR)],
        open: &[],
    },
    &Body {
        calls: &["POST /snapshots"],
        shape: snapshots::CreateSnapshot::SHAPE,
        honoured: &[
            "snapshot.name",
            "snapshot.display_name",
            "snapshot.description",
            "snapshot.volume_id",
            "snapshot.metadata",
        ],
        others: &[(
            "snapshot.force",
            Fate::Within(
                "before 3.66; from then on volumes in use need no word: true changes nothing, false is refused with \
                 400, as in Cinder",
            ),
        )],
        open: &[],
    },
    &whole(
        &["PUT /snapshots/{id}"],
        snapshots::UpdateSnapshot::SHAPE,
        &[
            "snapshot.name",
            "snapshot.description",
            "snapshot.display_name",
            "snapshot.display_description",
        ],
    ),
    &Body {
        calls: &[
            "POST /snapshots/{snapshot_id}/metadata",
            "PUT /snapshots/{snapshot_id}/metadata",
        ],
        shape: snapshot_metadata::All::SHAPE,
        honoured: &["metadata"],
        others: &[],
        open: &[("*", Version::MAX, UNREAD)],
    },
    &Body {
        calls: &["PUT /snapshots/{snapshot_id}/metadata/{key}"],
        shape: snapshot_metadata::One::SHAPE,
        honoured: &["meta"],
        others: &[],
        open: &[("*", Version::MAX, UNREAD)],
    },
    &Body {
        calls: &["POST /backups"],
        shape: backups::create::CreateBackup::SHAPE,
        honoured: &[
            "backup.volume_id",
            "backup.name",
            "backup.description",
            "backup.incremental",
            "backup.force",
            "backup.snapshot_id",
            "backup.metadata",
            "backup.availability_zone",
        ],
        others: &[(
            "backup.container",
            Fate::Hint("kept, shown, and listed by: all backups lie in the operator's folder"),
        )],
        open: &[],
    },
    &whole(
        &["PUT /backups/{id}"],
        backups::UpdateBackup::SHAPE,
        &["backup.name", "backup.description", "backup.metadata"],
    ),
    &whole(
        &["POST /backups/{id}/restore"],
        backups::restore::RestoreBody::SHAPE,
        &["restore.name", "restore.volume_id"],
    ),
    &whole(
        &["POST /backups/import_record"],
        backups::record::ImportBody::SHAPE,
        &["backup-record.backup_service", "backup-record.backup_url"],
    ),
    &Body {
        calls: &["POST /os-volume-manage", "POST /manageable_volumes"],
        shape: manage::volumes::ManageBody::SHAPE,
        honoured: &[
            "volume.name",
            "volume.description",
            "volume.availability_zone",
            "volume.bootable",
            "volume.volume_type",
            "volume.host",
            "volume.metadata",
        ],
        others: &[
            ("volume.ref", REFERENCE),
            (
                "volume.cluster",
                Fate::Within("there are no clusters: none is found"),
            ),
        ],
        open: &[],
    },
    &Body {
        calls: &["POST /os-snapshot-manage", "POST /manageable_snapshots"],
        shape: manage::snapshots::ManageBody::SHAPE,
        honoured: &[
            "snapshot.volume_id",
            "snapshot.name",
            "snapshot.description",
            "snapshot.metadata",
        ],
        others: &[("snapshot.ref", REFERENCE)],
        open: &[],
    },
    &whole(
        &["POST /volume-transfers"],
        transfers::CreateTransfer::SHAPE,
        &[
            "transfer.volume_id",
            "transfer.name",
            "transfer.no_snapshots",
        ],
    ),
    &whole(
        &["POST /os-volume-transfer"],
        transfers::CreatePlainTransfer::SHAPE,
        &["transfer.volume_id", "transfer.name"],
    ),
    &whole(
        &[
            "POST /volume-transfers/{id}/accept",
            "POST /os-volume-transfer/{id}/accept",
        ],
        transfers::AcceptTransfer::SHAPE,
        &["accept.auth_key"],
    ),
];

const UNREAD: &str = "as in Cinder";
const REFERENCE: Fate = Fate::Within(
    "a name, or an object with it as `source-name`; what names nothing is refused with 400",
);
