//! Filters: who cannot take the server. The table is in the order run; cheap ones come first.
//!
//! Each filter says why it refuses, in words that name no host: they end in the server's fault.

mod affinity;
mod aggregates;
mod capabilities;
mod group;
mod image;
mod isolated;
mod json;
mod load;
mod operators;
mod place;
mod resources;
mod traits;

use std::collections::HashMap;

use compute_model::request::{PlacementRequest, REQUESTED_HOST, Resources};
use serde_json::Value;

use crate::Host;
use crate::settings::Settings;

pub(crate) use aggregates::least;

/// Names of filters that others ask for.
pub(crate) const AFFINITY: &str = "ServerGroupAffinityFilter";
pub(crate) const ANTI_AFFINITY: &str = "ServerGroupAntiAffinityFilter";

/// What is asked of each host.
pub struct Question<'a> {
    pub request: &'a PlacementRequest,
    pub resources: Resources,
    pub settings: &'a Settings,
    /// How many servers of each host are in heavy work.
    pub busy: &'a HashMap<String, u64>,
    /// The expression of the hint `query`.
    pub query: Option<Value>,
}

impl<'a> Question<'a> {
    /// The question of a request, with what it takes and asks worked out once.
    pub fn new(
        request: &'a PlacementRequest,
        settings: &'a Settings,
        busy: &'a HashMap<String, u64>,
    ) -> Self {
        Question {
            request,
            resources: compute_model::request::resources(request),
            settings,
            busy,
            query: request.hints.get("query").and_then(json::parse),
        }
    }

    /// How many servers of a host are in heavy work.
    pub fn io_operations(&self, host: &Host) -> u64 {
        self.busy.get(&host.node.host).copied().unwrap_or(0)
    }
}

/// One filter.
pub struct Filter {
    /// Nova's name where Nova has it as a filter; ours for what Nova asks of Placement.
    pub name: &'static str,
    pub passes: fn(&Host, &Question) -> Result<(), String>,
    kind: Kind,
}

/// When a filter runs. Which ones look at the image alone: Nova's `RUN_ON_REBUILD`.
#[derive(PartialEq, Eq)]
enum Kind {
    /// Always: where the server may be at all.
    Place,
    /// Even for a forced host: a claim would fail otherwise. Not of a server that stays and gets another image.
    Always,
    /// Unless the host is forced: what Nova asks of Placement.
    Unforced,
    /// When enabled, unless the host is forced.
    Named,
    /// The same, also of a server that stays and gets another image.
    Image,
}

const FILTERS: &[Filter] = &[
    Filter {
        name: REQUESTED_HOST,
        passes: place::requested,
        kind: Kind::Place,
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
        name: "server group",
        passes: group::kept,
        kind: Kind::Always,
    },
    named("ComputeFilter", place::alive),
    named("ComputeCapabilitiesFilter", capabilities::capable),
    of_image("ImagePropertiesFilter", image::supported),
    named(ANTI_AFFINITY, group::apart),
    named(AFFINITY, group::together),
    of_image(
        "AggregateImagePropertiesIsolation",
        aggregates::image_properties,
    ),
    named("AggregateInstanceExtraSpecsFilter", aggregates::extra_specs),
    named("AggregateIoOpsFilter", load::few_operations_by_aggregate),
    named("AggregateMultiTenancyIsolation", aggregates::tenants),
    named(
        "AggregateNumInstancesFilter",
        load::few_servers_by_aggregate,
    ),
    named("AggregateTypeAffinityFilter", aggregates::flavors),
    named("AllHostsFilter", |_, _| Ok(())),
    named("DifferentHostFilter", affinity::different_host),
    named("IoOpsFilter", load::few_operations),
    of_image("IsolatedHostsFilter", isolated::isolated),
    named("JsonFilter", json::holds),
    named("NumInstancesFilter", load::few_servers),
    named("SameHostFilter", affinity::same_host),
    named("SimpleCIDRAffinityFilter", affinity::near),
];

/// A filter that operators enable.
const fn named(name: &'static str, passes: fn(&Host, &Question) -> Result<(), String>) -> Filter {
    Filter {
        name,
        passes,
        kind: Kind::Named,
    }
}

/// One of those that looks at the image.
const fn of_image(
    name: &'static str,
    passes: fn(&Host, &Question) -> Result<(), String>,
) -> Filter {
    Filter {
        name,
        passes,
        kind: Kind::Image,
    }
}

/// Names that `enabled_filters` may hold.
pub fn names() -> impl Iterator<Item = &'static str> {
    let named = FILTERS
        .iter()
        .filter(|filter| matches!(filter.kind, Kind::Named | Kind::Image));
    named.map(|filter| filter.name)
}

/// Whether some filter looks at the work that hosts do.
pub fn ask_for_load(settings: &Settings, request: &PlacementRequest) -> bool {
    const ASKING: [&str; 3] = ["AggregateIoOpsFilter", "IoOpsFilter", "JsonFilter"];
    let enabled = &settings.enabled_filters;
    let mut specs = request.flavor.extra_specs.keys();
    enabled.iter().any(|name| ASKING.contains(&name.as_str()))
        || specs.any(|key| key.ends_with("num_io_ops"))
}

/// The filters that run for a question.
pub fn for_request<'a>(question: &'a Question) -> impl Iterator<Item = &'static Filter> + 'a {
    let forced = question.request.forced_host.is_some() || question.request.forced_node.is_some();
    let image_alone = question.request.image_alone;
    let enabled = &question.settings.enabled_filters;
    FILTERS.iter().filter(move |filter| {
        let named = !forced && enabled.iter().any(|name| name == filter.name);
        match filter.kind {
            Kind::Place => true,
            Kind::Always => !image_alone,
            Kind::Unforced => !forced && !image_alone,
            Kind::Named => named && !image_alone,
            Kind::Image => named,
        }
    })
}
