//! Flavors, their extra specs, and who may use them.

use std::collections::BTreeMap;

use microversion::{Patch, Versioned};
use serde::{Deserialize, Serialize};

use crate::words::{Flag, Limit, Link, Name};

/// A flavor in full.
#[derive(Serialize, Versioned)]
pub struct FlavorView<'v> {
    pub id: &'v str,
    pub name: &'v str,
    /// MiB.
    pub ram: u32,
    /// GiB.
    pub disk: u32,
    #[mv(wire = "swap", until = "2.74")]
    pub swap_or_nothing: SwapOrNothing,
    /// MiB.
    #[mv(since = "2.75")]
    pub swap: u32,
    /// GiB.
    #[mv(wire = "OS-FLV-EXT-DATA:ephemeral")]
    pub ephemeral: u32,
    #[mv(wire = "OS-FLV-DISABLED:disabled", until = "2.101")]
    pub disabled: bool,
    pub vcpus: u32,
    #[mv(wire = "os-flavor-access:is_public")]
    pub is_public: bool,
    #[mv(until = "2.101")]
    pub rxtx_factor: f64,
    pub links: Vec<Link>,
    #[mv(since = "2.55")]
    pub description: Option<&'v str>,
    /// Left out for those who may not see them.
    #[mv(since = "2.61")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_specs: Option<&'v BTreeMap<String, String>>,
}

/// Until 2.74 no swap was an empty text.
#[derive(Serialize, Versioned)]
#[serde(untagged)]
pub enum SwapOrNothing {
    Megabytes(u32),
    Nothing(&'static str),
}

impl From<u32> for SwapOrNothing {
    fn from(swap: u32) -> Self {
        if swap == 0 {
            Self::Nothing("")
        } else {
            Self::Megabytes(swap)
        }
    }
}

/// A flavor in a brief list.
#[derive(Serialize, Versioned)]
pub struct FlavorSummary<'v> {
    pub id: &'v str,
    pub name: &'v str,
    pub links: Vec<Link>,
    #[mv(since = "2.55")]
    pub description: Option<&'v str>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateFlavor {
    pub flavor: NewFlavor,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewFlavor {
    pub name: Name,
    /// `null` as well as nothing at all: one is made up.
    #[mv(
        nullable,
        lenient,
        pattern = "^[a-zA-Z0-9._-]$|^[a-zA-Z0-9._-][a-zA-Z0-9. _-]*[a-zA-Z0-9._-]$",
        min_length = 1,
        max_length = 255
    )]
    pub id: Option<String>,
    #[mv(lenient, pattern = "^[0-9]+$", minimum = 1, maximum = 0x7FFF_FFFF)]
    pub ram: u32,
    #[mv(lenient, pattern = "^[0-9]+$", minimum = 1, maximum = 0x7FFF_FFFF)]
    pub vcpus: u32,
    #[mv(lenient, pattern = "^[0-9]+$", minimum = 0, maximum = 0x7FFF_FFFF)]
    pub disk: u32,
    #[mv(
        wire = "OS-FLV-EXT-DATA:ephemeral",
        lenient,
        pattern = "^[0-9]+$",
        minimum = 0,
        maximum = 0x7FFF_FFFF
    )]
    pub ephemeral: Option<u32>,
    #[mv(lenient, pattern = "^[0-9]+$", minimum = 0, maximum = 0x7FFF_FFFF)]
    pub swap: Option<u32>,
    #[mv(until = "2.101", lenient, pattern = "^[0-9]+(\\.[0-9]+)?$")]
    pub rxtx_factor: Option<f64>,
    #[mv(wire = "os-flavor-access:is_public")]
    pub is_public: Option<Flag>,
    #[mv(since = "2.55", format = "description", max_length = 65535, nullable)]
    pub description: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateFlavor {
    pub flavor: FlavorUpdate,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct FlavorUpdate {
    /// The only part of a flavor that can change; `null` takes it away.
    #[mv(
        format = "description",
        max_length = 65535,
        nullable,
        required_since = "2.0"
    )]
    #[serde(default)]
    pub description: Patch<String>,
}

/// The parameters of both lists.
#[derive(Debug, Default, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
#[serde(default)]
pub struct ListFlavors {
    pub limit: Option<Limit>,
    pub marker: Option<String>,
    pub is_public: Option<String>,
    #[mv(wire = "minRam")]
    pub min_ram: Option<String>,
    #[mv(wire = "minDisk")]
    pub min_disk: Option<String>,
    #[mv(one_of(
        "created_at",
        "description",
        "disabled",
        "ephemeral_gb",
        "flavorid",
        "id",
        "is_public",
        "memory_mb",
        "name",
        "root_gb",
        "rxtx_factor",
        "swap",
        "updated_at",
        "vcpu_weight",
        "vcpus"
    ))]
    #[mv(
        since = "2.102",
        one_of(
            "created_at",
            "description",
            "disabled",
            "ephemeral_gb",
            "flavorid",
            "id",
            "is_public",
            "memory_mb",
            "name",
            "root_gb",
            "swap",
            "updated_at",
            "vcpu_weight",
            "vcpus"
        )
    )]
    pub sort_key: Option<String>,
    #[mv(one_of("asc", "desc"))]
    pub sort_dir: Option<String>,
    #[mv(since = "2.102")]
    pub name: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateExtraSpecs {
    pub extra_specs: ExtraSpecs,
}

/// Keys and values; numbers are taken as the texts they are written as.
#[derive(Debug, Deserialize, Versioned)]
#[mv(key_pattern = "^[a-zA-Z0-9-_:. ]{1,255}$")]
pub struct ExtraSpecs(pub BTreeMap<String, ExtraSpec>);

#[derive(Debug, Deserialize, Versioned)]
#[mv(lenient, max_length = 255)]
pub struct ExtraSpec(pub String);

/// `PUT …/os-extra_specs/{key}`: the body is the one pair itself.
#[derive(Debug, Deserialize, Versioned)]
#[mv(min_properties = 1, max_properties = 1)]
pub struct UpdateExtraSpec(pub ExtraSpecs);

#[derive(Debug, Deserialize, Versioned)]
pub struct AddTenantAccess {
    #[mv(wire = "addTenantAccess")]
    pub access: TenantAccess,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct RemoveTenantAccess {
    #[mv(wire = "removeTenantAccess")]
    pub access: TenantAccess,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct TenantAccess {
    #[mv(min_length = 1, max_length = 255)]
    pub tenant: String,
}

/// One project that may use a private flavor.
#[derive(Serialize, Versioned)]
pub struct AccessView<'v> {
    pub flavor_id: &'v str,
    pub tenant_id: &'v str,
}
