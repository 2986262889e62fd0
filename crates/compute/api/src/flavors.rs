//! Flavors, their extra specs, and who may use them.

pub mod access;
pub mod extra_specs;

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::flavors::{self, Kind, Listing, NewFlavor as Wanted, SortKey};
use compute_model::Flavor;
use microversion::{Patch, Versioned};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::paging;
use crate::words::{Flag, Limit, Link, Name, NoQuery};

/// `GET /flavors`.
pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&api, &call, "flavors").await?;
    let flavors = found.iter().map(|flavor| FlavorSummary {
        id: &flavor.id,
        name: &flavor.name,
        links: links(&call, &flavor.id),
        description: flavor.description.as_deref(),
    });
    call.render(&FlavorPage {
        flavors: flavors.collect(),
        next,
    })
}

/// `GET /flavors/detail`.
pub async fn detail(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (found, next) = page(&api, &call, "flavors/detail").await?;
    let specs = flavors::shows_specs(&api.control, &call.cx);
    let flavors = found.iter().map(|flavor| view(&call, flavor, specs));
    call.render(&FlavorPage {
        flavors: flavors.collect(),
        next,
    })
}

/// `GET /flavors/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let flavor = flavors::show(&api.control, &call.cx, call.path("id")).await?;
    shown(&api, &call, &flavor)
}

/// `POST /flavors`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let CreateFlavor { flavor: new } = call.admit()?;
    let rxtx_factor = new.rxtx_factor.unwrap_or(1.0);
    if rxtx_factor <= 0.0 {
        return Err(Fault::bad_request(
            "Invalid input for field/attribute rxtx_factor. Value: 0. 0 is less than or equal to the minimum of 0",
        ));
    }
    let wanted = Wanted {
        id: new.id,
        name: new.name.0,
        ram: new.ram,
        vcpus: new.vcpus,
        disk: new.disk,
        ephemeral: new.ephemeral.unwrap_or(0),
        swap: new.swap.unwrap_or(0),
        rxtx_factor,
        is_public: new.is_public.is_none_or(|Flag(public)| public),
        description: new.description,
    };
    let flavor = flavors::create(&api.control, &call.cx, wanted).await?;
    shown(&api, &call, &flavor)
}

/// `PUT /flavors/{id}`.
pub async fn update(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let UpdateFlavor { flavor: update } = call.admit()?;
    let description = update.description.into_option().flatten();
    let cx = call.cx.clone();
    let flavor = flavors::describe(&api.control, &cx, call.path("id"), description).await?;
    shown(&api, &call, &flavor)
}

/// `DELETE /flavors/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    flavors::delete(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

fn shown(api: &Api, call: &Call, flavor: &Flavor) -> Result<Answer, Fault> {
    let specs = flavors::shows_specs(&api.control, &call.cx);
    call.render_under("flavor", &view(call, flavor, specs))
}

fn view<'v>(call: &Call, flavor: &'v Flavor, specs: bool) -> FlavorView<'v> {
    FlavorView {
        id: &flavor.id,
        name: &flavor.name,
        ram: flavor.ram,
        disk: flavor.disk,
        swap_or_nothing: flavor.swap.into(),
        swap: flavor.swap,
        ephemeral: flavor.ephemeral,
        disabled: flavor.disabled,
        vcpus: flavor.vcpus,
        is_public: flavor.is_public,
        rxtx_factor: flavor.rxtx_factor,
        links: links(call, &flavor.id),
        description: flavor.description.as_deref(),
        extra_specs: specs.then_some(&flavor.extra_specs),
    }
}

fn links(call: &Call, id: &str) -> Vec<Link> {
    let path = format!("flavors/{id}");
    vec![
        Link {
            rel: "self",
            href: call.link(&path),
        },
        Link {
            rel: "bookmark",
            href: call.bookmark(&path),
        },
    ]
}

/// The flavors of a page and the link to the next.
async fn page(
    api: &Api,
    call: &Call,
    path: &str,
) -> Result<(Vec<Flavor>, Option<Vec<Link>>), Fault> {
    let asked: ListFlavors = call.admit_query()?;
    let limit = paging::size(api, asked.limit);
    let wanted = Listing {
        kind: kind(asked.is_public.as_deref())?,
        min_ram: at_least(asked.min_ram.as_deref(), "minRam")?,
        min_disk: at_least(asked.min_disk.as_deref(), "minDisk")?,
        name: asked.name,
        sort: asked
            .sort_key
            .as_deref()
            .and_then(SortKey::named)
            .unwrap_or(SortKey::Id),
        descending: asked.sort_dir.as_deref() == Some("desc"),
        marker: asked.marker,
        limit,
    };
    let found = flavors::list(&api.control, &call.cx, &wanted).await?;
    let last = found.last().map(|flavor| flavor.id.as_str());
    let next = paging::next(call, path, limit, found.len(), last);
    Ok((found, next))
}

/// `none` means public and private.
fn kind(is_public: Option<&str>) -> Result<Kind, Fault> {
    let Some(text) = is_public else {
        return Ok(Kind::Usable);
    };
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Ok(Kind::Usable),
        "0" | "f" | "false" | "off" | "n" | "no" => Ok(Kind::Private),
        "none" => Ok(Kind::All),
        _ => Err(Fault::bad_request(format!(
            "Invalid is_public filter [{text}]"
        ))),
    }
}

fn at_least(text: Option<&str>, name: &str) -> Result<i64, Fault> {
    let Some(text) = text else {
        return Ok(0);
    };
    text.trim()
        .parse()
        .map_err(|_| Fault::bad_request(format!("Invalid {name} filter [{text}]")))
}

/// A page of either list.
#[derive(Serialize, Versioned)]
pub struct FlavorPage<F> {
    pub flavors: Vec<F>,
    #[mv(wire = "flavors_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

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
        decimal,
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
#[mv(decimal, max_length = 255)]
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
