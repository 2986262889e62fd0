//! What queries may say, from the tables that they are read by.

use rest::accepted::Fate;
use rest::parameters::{Parameter, Parameters, Unknown};

use crate::api::tasks;
use crate::listing;
use crate::metadefs::listing::{NAMESPACE_FILTERS, PAGING, SHOWN_FOR};

/// Calls whose queries say nothing.
const SILENT: &[&str] = &[
    "GET /",
    "GET /versions",
    "GET /v2",
    "GET /v2/",
    "GET /healthcheck",
    "GET /v2/info/import",
    "GET /v2/info/stores",
    "GET /v2/info/stores/detail",
    "GET /v2/info/usage",
    "GET /v2/images/{id}/locations",
    "GET /v2/images/{id}/members",
    "GET /v2/images/{id}/tasks",
];

/// Metadata definitions whose queries say nothing.
const CLOSED: &[&str] = &[
    "GET /v2/metadefs/namespaces/{namespace}/properties",
    "GET /v2/metadefs/namespaces/{namespace}/resource_types",
    "GET /v2/metadefs/resource_types",
];

const IGNORED: Unknown = Unknown::Ignored("as in Glance");

fn honoured(names: &[&[&'static str]]) -> Vec<Parameter> {
    let names = names.iter().flat_map(|names| names.iter().copied());
    names.map(Parameter::honoured).collect()
}

/// Of all calls.
pub fn parameters() -> Vec<Parameters> {
    let of = |calls, known, unknown| Parameters {
        calls,
        known,
        unknown,
    };
    let prefer = Parameter::new("prefer", Fate::Hint("there is one store"));
    vec![
        of(
            &["GET /v2/images"],
            listing::parameters(),
            Unknown::Read("images that have a property of this name and value"),
        ),
        of(&["GET /v2/images/{id}/file"], vec![prefer], IGNORED),
        of(&["GET /v2/tasks"], tasks::parameters(), Unknown::Refused),
        of(
            &["GET /v2/metadefs/namespaces"],
            honoured(&[&PAGING, &NAMESPACE_FILTERS]),
            Unknown::Refused,
        ),
        of(
            &[
                "GET /v2/metadefs/namespaces/{namespace}",
                "GET /v2/metadefs/namespaces/{namespace}/properties/{property}",
            ],
            honoured(&[&SHOWN_FOR]),
            Unknown::Refused,
        ),
        of(
            &[
                "GET /v2/metadefs/namespaces/{namespace}/objects",
                "GET /v2/metadefs/namespaces/{namespace}/tags",
            ],
            honoured(&[&PAGING]),
            Unknown::Refused,
        ),
        of(CLOSED, Vec::new(), Unknown::Refused),
        of(SILENT, Vec::new(), IGNORED),
    ]
}
