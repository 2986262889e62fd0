//! The body of `POST /volumes`.

use microversion::Versioned;
use serde::Deserialize;
use serde_json::Value;

use crate::api::words::{Flag, Metadata};
use crate::fault::Fault;
use crate::listing::MOST;

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

/// Refuses hints that nothing would honour.
pub fn refuse_hints(hints: Option<Hints>) -> Result<(), Fault> {
    let hints = hints.unwrap_or_default();
    let given = [
        ("same_host", hints.same_host),
        ("different_host", hints.different_host),
        ("local_to_instance", hints.local_to_instance),
        ("query", hints.query),
    ];
    match given
        .into_iter()
        .find(|(_, value)| value.as_ref().is_some_and(|value| !value.is_null()))
    {
        Some((name, _)) => Err(Fault::NotBuilt(format!(
            "The scheduler hint {name} is not built yet."
        ))),
        None => Ok(()),
    }
}

/// Refuses origins and groups that are not built.
pub fn refuse_unbuilt(new: &NewVolume) -> Result<(), Fault> {
    let given = [("consistencygroup_id", &new.consistencygroup_id)];
    match given.into_iter().find(|(_, value)| value.is_some()) {
        Some((name, _)) => Err(Fault::NotBuilt(format!(
            "A volume with {name} is not built yet."
        ))),
        None => Ok(()),
    }
}
