//! The body of `POST /volumes`.

use microversion::{Version, Versioned};
use rest::accepted::Fate;
use rest::bodies::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::words::{Flag, Metadata};
use crate::fault::Fault;
use crate::listing::MOST;
use crate::policy::version;

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateVolume {
    pub volume: NewVolume,
    /// What a filter may read: none of those that are built does.
    #[mv(wire = "OS-SCH-HNT:scheduler_hints", nullable)]
    pub hints: Option<Hints>,
}

/// Hints of the scheduler. Those that would bind a volume to others are refused, since no filter honours them.
#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
#[mv(open)]
pub struct Hints {
    #[mv(opaque)]
    pub same_host: Option<Value>,
    #[mv(opaque)]
    pub different_host: Option<Value>,
    #[mv(opaque)]
    pub local_to_instance: Option<Value>,
    #[mv(opaque)]
    pub query: Option<Value>,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct NewVolume {
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub display_name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub display_description: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub volume_type: Option<String>,
    #[mv(nullable)]
    pub metadata: Option<Metadata>,
    #[mv(nullable, format = "uuid")]
    pub snapshot_id: Option<String>,
    #[mv(nullable, format = "uuid")]
    pub source_volid: Option<String>,
    #[mv(nullable, format = "uuid")]
    pub consistencygroup_id: Option<String>,
    #[mv(nullable, lenient, minimum = 1, maximum = MOST)]
    pub size: Option<i64>,
    #[mv(nullable, min_length = 1, max_length = 255)]
    pub availability_zone: Option<String>,
    #[mv(nullable)]
    pub multiattach: Option<Flag>,
    #[mv(nullable, max_length = 255)]
    pub image_id: Option<String>,
    #[mv(nullable, max_length = 255, wire = "imageRef")]
    pub image_ref: Option<String>,
    #[mv(since = "3.13", nullable, max_length = 255)]
    pub group_id: Option<String>,
    #[mv(since = "3.47", nullable, format = "uuid")]
    pub backup_id: Option<String>,
}

/// What becomes of each name.
pub const CREATE: Body = Body {
    calls: &["POST /volumes"],
    shape: CreateVolume::SHAPE,
    honoured: &[
        "volume.name",
        "volume.description",
        "volume.display_name",
        "volume.display_description",
        "volume.volume_type",
        "volume.metadata",
        "volume.snapshot_id",
        "volume.source_volid",
        "volume.size",
        "volume.availability_zone",
        "volume.image_id",
        "volume.imageRef",
        "volume.group_id",
        "volume.backup_id",
    ],
    others: &[
        (
            "volume.consistencygroup_id",
            Fate::NotBuilt {
                unless: &["null"],
                why: "consistency groups are not built",
            },
        ),
        (
            "volume.multiattach",
            Fate::Refused {
                unless: &["false", "null"],
                why: "multiattach parameter has been removed. The default behavior is to use multiattach enabled volume \
                      types. Contact your administrator to create a multiattach enabled volume type and use it to create \
                      multiattach volumes.",
            },
        ),
        ("OS-SCH-HNT:scheduler_hints.same_host", HINT),
        ("OS-SCH-HNT:scheduler_hints.different_host", HINT),
        ("OS-SCH-HNT:scheduler_hints.local_to_instance", HINT),
        ("OS-SCH-HNT:scheduler_hints.query", HINT),
    ],
    open: &[
        (
            "volume.*",
            version(52),
            "not looked at, as in Cinder; refused with 400 from 3.53 on",
        ),
        (
            "OS-SCH-HNT:scheduler_hints.*",
            Version::MAX,
            "no filter of Cinder's own reads them either",
        ),
    ],
};

/// What a filter of Cinder's would bind a volume by.
const HINT: Fate = Fate::NotBuilt {
    unless: &["null"],
    why: "no filter honours this hint",
};

/// Refuses what the table says is not done.
///
/// # Errors
/// 400 and 501.
pub fn refuse(new: &NewVolume, hints: Option<Hints>) -> Result<(), Fault> {
    let hints = hints.unwrap_or_default();
    let sent = json!({
        "volume": {
            "consistencygroup_id": new.consistencygroup_id,
            "multiattach": new.multiattach.map(|flag| flag.0),
        },
        "OS-SCH-HNT:scheduler_hints": {
            "same_host": hints.same_host,
            "different_host": hints.different_host,
            "local_to_instance": hints.local_to_instance,
            "query": hints.query,
        },
    });
    match CREATE.refusal(&sent) {
        Some((name, Fate::NotBuilt { .. }, why)) => Err(Fault::NotBuilt(format!("{name}: {why}"))),
        Some((name, _, why)) => Err(Fault::BadRequest(format!("{name}: {why}"))),
        None => Ok(()),
    }
}
