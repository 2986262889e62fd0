//! Calls that are known and not built.

use rest::words::{DELETE, GET, POST, PUT};

use super::Row;

#[rustfmt::skip] // A table reads better with a row on each line.
pub const ROWS: &[Row] = &[
    Row::later(POST, "/types/{type_id}/encryption"),
    Row::later(GET, "/types/{type_id}/encryption/{encryption_id}"),
    Row::later(PUT, "/types/{type_id}/encryption/{encryption_id}"),
    Row::later(DELETE, "/types/{type_id}/encryption/{encryption_id}"),
    Row::later(PUT, "/os-hosts/{host}"),
    Row::later(PUT, "/os-services/get-log").since(32),
    Row::later(PUT, "/os-services/set-log").since(32),
    Row::later(GET, "/consistencygroups"),
    Row::later(GET, "/consistencygroups/detail"),
    Row::later(POST, "/consistencygroups"),
    Row::later(GET, "/consistencygroups/{id}"),
    Row::later(POST, "/consistencygroups/create_from_src"),
    Row::later(POST, "/consistencygroups/{id}/delete"),
    Row::later(PUT, "/consistencygroups/{id}/update"),
    Row::later(GET, "/cgsnapshots"),
    Row::later(GET, "/cgsnapshots/detail"),
    Row::later(POST, "/cgsnapshots"),
    Row::later(GET, "/cgsnapshots/{id}"),
    Row::later(DELETE, "/cgsnapshots/{id}"),
];
