//! Filters: who cannot take the server. The table is in the order run; cheap ones come first.
//!
//! Each filter says why it refuses, in words that name no host: they end in the server's fault.

mod capabilities;
mod image;
mod place;
mod resources;
mod traits;

use compute_model::request::{PlacementRequest, Resources};

use crate::Host;
use crate::settings::Settings;

/// What is asked of each host.
pub struct Question<'a> {
    pub request: &'a PlacementRequest,
    pub resources: Resources,
    pub settings: &'a Settings,
}

/// One filter.
pub struct Filter {
    /// Nova's name where Nova has it as a filter; ours for what Nova asks of Placement.
    pub name: &'static str,
    pub passes: fn(&Host, &Question) -> Result<(), String>,
    kind: Kind,
}

/// When a filter runs.
#[derive(PartialEq, Eq)]
enum Kind {
    /// Always, even for a forced host: a claim would fail otherwise.
    Always,
    /// Unless the host is forced: what Nova asks of Placement.
    Unforced,
    /// When enabled, unless the host is forced.
    Named,
}

const FILTERS: &[Filter] = &[
    Filter {
        name: "requested host",
        passes: place::requested,
        kind: Kind::Always,
    },
    Filter {
        name: "tried hosts",
        passes: place::untried,
        kind: Kind::Always,
    },
    Filter {
        name: "resources",
        passes: resources::fit,
        kind: Kind::Always,
    },
    Filter {
        name: "availability zone",
        passes: place::zone,
        kind: Kind::Unforced,
    },
    Filter {
        name: "traits",
        passes: traits::match_all,
        kind: Kind::Unforced,
    },
    Filter {
        name: "ComputeFilter",
        passes: place::alive,
        kind: Kind::Named,
    },
    Filter {
        name: "ComputeCapabilitiesFilter",
        passes: capabilities::capable,
        kind: Kind::Named,
    },
    Filter {
        name: "ImagePropertiesFilter",
        passes: image::supported,
        kind: Kind::Named,
    },
];

/// Names that `enabled_filters` may hold.
pub fn names() -> impl Iterator<Item = &'static str> {
    let named = FILTERS.iter().filter(|filter| filter.kind == Kind::Named);
    named.map(|filter| filter.name)
}

/// The filters that run for a question.
pub fn for_request<'a>(question: &'a Question) -> impl Iterator<Item = &'static Filter> + 'a {
    let forced = question.request.forced_host.is_some() || question.request.forced_node.is_some();
    let enabled = &question.settings.enabled_filters;
    FILTERS.iter().filter(move |filter| match filter.kind {
        Kind::Always => true,
        Kind::Unforced => !forced,
        Kind::Named => !forced && enabled.iter().any(|name| name == filter.name),
    })
}
