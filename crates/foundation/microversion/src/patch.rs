//! A field that tells "not mentioned" from "set to null".

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a request says about a field: nothing, `null`, or a value. Use it with `#[serde(default)]`, and with
/// `#[mv(nullable)]` where `null` is allowed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Patch<T> {
    #[default]
    Absent,
    Null,
    Value(T),
}

impl<T> Patch<T> {
    /// Whether the request mentions the field at all.
    pub fn is_given(&self) -> bool {
        !matches!(self, Patch::Absent)
    }

    /// For `skip_serializing_if`.
    pub fn is_absent(&self) -> bool {
        matches!(self, Patch::Absent)
    }

    /// The outer option says whether the field is mentioned, the inner one its value.
    pub fn into_option(self) -> Option<Option<T>> {
        match self {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Value(value) => Some(Some(value)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Patch::Null, Patch::Value))
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    /// An absent field is written as `null`: leave it out with `skip_serializing_if` where that matters.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Patch::Absent | Patch::Null => serializer.serialize_none(),
            Patch::Value(value) => serializer.serialize_some(value),
        }
    }
}
