//! Bodies of what is done with volumes, attachments, snapshots and backups.

use microversion::{Version, Versioned};
use rest::accepted::Fate;
use rest::bodies::Body;

use super::{CONNECTOR, UNSEEN, unseen, whole};
use crate::api::actions::{self, admin, attach, image_metadata, migrate, reimage, retype, upload};
use crate::api::{backups, snapshots};

pub const ALL: &[&Body] = &[
    &unseen(
        &["POST /volumes/{id}/action os-reserve"],
        &[("os-reserve", UNSEEN)],
    ),
    &unseen(
        &["POST /volumes/{id}/action os-unreserve"],
        &[("os-unreserve", UNSEEN)],
    ),
    &unseen(
        &["POST /volumes/{id}/action os-begin_detaching"],
        &[("os-begin_detaching", UNSEEN)],
    ),
    &unseen(
        &["POST /volumes/{id}/action os-roll_detaching"],
        &[("os-roll_detaching", UNSEEN)],
    ),
    &whole(
        &["POST /volumes/{id}/action os-attach"],
        attach::AttachBody::SHAPE,
        &[
            "os-attach.instance_uuid",
            "os-attach.mountpoint",
            "os-attach.host_name",
            "os-attach.mode",
        ],
    ),
    &whole(
        &["POST /volumes/{id}/action os-detach"],
        attach::DetachBody::SHAPE,
        &["os-detach.attachment_id"],
    ),
    &Body {
        calls: &["POST /volumes/{id}/action os-initialize_connection"],
        shape: attach::InitializeBody::SHAPE,
        honoured: &[],
        others: &[
            ("os-initialize_connection.connector", CONNECTOR),
            (
                "os-initialize_connection.connector.enforce_multipath",
                Fate::Hint("shown to the host again, as in Cinder"),
            ),
        ],
        open: &[],
    },
    &Body {
        calls: &["POST /volumes/{id}/action os-terminate_connection"],
        shape: attach::TerminateBody::SHAPE,
        honoured: &[],
        others: &[("os-terminate_connection.connector", ENDED)],
        open: &[],
    },
    &whole(
        &["POST /volumes/{id}/action os-extend"],
        actions::ExtendBody::SHAPE,
        &["os-extend.new_size"],
    ),
    &whole(
        &["POST /volumes/{id}/action os-set_bootable"],
        actions::BootableBody::SHAPE,
        &["os-set_bootable.bootable"],
    ),
    &whole(
        &["POST /volumes/{id}/action os-update_readonly_flag"],
        actions::ReadonlyBody::SHAPE,
        &["os-update_readonly_flag.readonly"],
    ),
    &Body {
        calls: &["POST /volumes/{id}/action os-retype"],
        shape: retype::RetypeBody::SHAPE,
        honoured: &["os-retype.new_type"],
        others: &[(
            "os-retype.migration_policy",
            Fate::Within(
                "`on-demand` moves a volume that one server has, or none, between back ends of one host",
            ),
        )],
        open: &[],
    },
    &Body {
        calls: &["POST /volumes/{id}/action revert"],
        shape: actions::RevertBody::SHAPE,
        honoured: &["revert.snapshot_id"],
        others: &[],
        open: &[("revert.*", Version::MAX, "not looked at, as in Cinder")],
    },
    &Body {
        calls: &["POST /volumes/{id}/action os-volume_upload_image"],
        shape: upload::UploadBody::SHAPE,
        honoured: &[
            "os-volume_upload_image.image_name",
            "os-volume_upload_image.visibility",
            "os-volume_upload_image.protected",
        ],
        others: &[
            (
                "os-volume_upload_image.force",
                Fate::Within("where the operator lets volumes in use be uploaded, as in Cinder"),
            ),
            (
                "os-volume_upload_image.disk_format",
                Fate::Within("`raw` and `qcow2`; others are answered 501"),
            ),
            (
                "os-volume_upload_image.container_format",
                Fate::Within(
                    "what the image service takes; `compressed` is refused with 400, as in a Cinder that does not \
                     allow it",
                ),
            ),
        ],
        open: &[],
    },
    &whole(
        &["POST /volumes/{id}/action os-reimage"],
        reimage::ReimageBody::SHAPE,
        &["os-reimage.image_id", "os-reimage.reimage_reserved"],
    ),
    &Body {
        calls: &["POST /volumes/{id}/action os-migrate_volume"],
        shape: migrate::MigrateBody::SHAPE,
        honoured: &[],
        others: &[
            (
                "os-migrate_volume.lock_volume",
                Fate::Within("of a volume that no server has, as in Cinder"),
            ),
            (
                "os-migrate_volume.host",
                Fate::Within(
                    "a back end of the volume's host; those of other hosts are answered 501",
                ),
            ),
            (
                "os-migrate_volume.cluster",
                Fate::Within("there are no clusters: none is found"),
            ),
            (
                "os-migrate_volume.force_host_copy",
                Fate::Hint(
                    "every copy is made by this host: there is no other way that it would turn off",
                ),
            ),
        ],
        open: &[],
    },
    &whole(
        &["POST /volumes/{id}/action os-migrate_volume_completion"],
        migrate::CompleteBody::SHAPE,
        &[
            "os-migrate_volume_completion.new_volume",
            "os-migrate_volume_completion.error",
        ],
    ),
    &Body {
        calls: &["POST /volumes/{id}/action os-reset_status"],
        shape: admin::ResetBody::SHAPE,
        honoured: &["os-reset_status.status"],
        others: &[
            (
                "os-reset_status.attach_status",
                Fate::Within("`attached` where there is an attachment, else refused with 400"),
            ),
            (
                "os-reset_status.migration_status",
                Fate::Within("how a move ended, or `none`; that one is under way is answered 501"),
            ),
        ],
        open: &[],
    },
    &unseen(
        &["POST /volumes/{id}/action os-force_delete"],
        &[("os-force_delete", UNSEEN)],
    ),
    &Body {
        calls: &["POST /volumes/{id}/action os-force_detach"],
        shape: admin::ForceDetachBody::SHAPE,
        honoured: &["os-force_detach.attachment_id"],
        others: &[("os-force_detach.connector", ENDED)],
        open: &[],
    },
    &Body {
        calls: &["POST /volumes/{id}/action os-extend_volume_completion"],
        shape: admin::CompletionBody::SHAPE,
        honoured: &[],
        others: &[("os-extend_volume_completion.error", NEVER)],
        open: &[],
    },
    &unseen(
        &["POST /volumes/{id}/action os-show_image_metadata"],
        &[("os-show_image_metadata", UNSEEN)],
    ),
    &whole(
        &["POST /volumes/{id}/action os-set_image_metadata"],
        image_metadata::SetBody::SHAPE,
        &["os-set_image_metadata.metadata"],
    ),
    &whole(
        &["POST /volumes/{id}/action os-unset_image_metadata"],
        image_metadata::UnsetBody::SHAPE,
        &["os-unset_image_metadata.key"],
    ),
    &unseen(
        &["POST /volumes/{id}/action os-unmanage"],
        &[("os-unmanage", UNSEEN)],
    ),
    &unseen(
        &["POST /attachments/{id}/action os-complete"],
        &[("os-complete", UNSEEN)],
    ),
    &whole(
        &["POST /snapshots/{id}/action os-reset_status"],
        snapshots::ResetBody::SHAPE,
        &["os-reset_status.status"],
    ),
    &whole(
        &["POST /snapshots/{id}/action os-update_snapshot_status"],
        snapshots::UpdateStatusBody::SHAPE,
        &[
            "os-update_snapshot_status.status",
            "os-update_snapshot_status.progress",
        ],
    ),
    &unseen(
        &["POST /snapshots/{id}/action os-force_delete"],
        &[("os-force_delete", UNSEEN)],
    ),
    &unseen(
        &["POST /snapshots/{id}/action os-unmanage"],
        &[("os-unmanage", UNSEEN)],
    ),
    &whole(
        &["POST /backups/{id}/action os-reset_status"],
        backups::ResetBody::SHAPE,
        &["os-reset_status.status"],
    ),
    &unseen(
        &["POST /backups/{id}/action os-force_delete"],
        &[("os-force_delete", UNSEEN)],
    ),
];

/// What a host says of itself when it is done with a volume.
const ENDED: Fate =
    Fate::Hint("this back end keeps nothing for a host that would have to be taken back");
/// Of calls that find nothing to complete.
const NEVER: Fate =
    Fate::Hint("nothing waits to be completed: the call is refused with 400 whatever it says");
