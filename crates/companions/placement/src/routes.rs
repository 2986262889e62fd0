//! The API's table of contents, as of Placement 1.39. A call that is known but not built answers 501.

use std::sync::LazyLock;

use rest::Access::Open;
use rest::Table;
use rest::words::{DELETE, GET, OK, POST, PUT};

use crate::Face;

type Row = rest::Row<Face>;

static TABLE: LazyLock<Table<Face>> = LazyLock::new(|| Table::new(&[ROWS]));

/// All calls.
pub fn table() -> &'static Table<Face> {
    &TABLE
}

#[rustfmt::skip] // A table reads better with a row on each line.
const ROWS: &[Row] = &[
    Row::new(GET, "/", Open, OK, rest::open!(crate::versions)),
    Row::later(GET, "/resource_classes"),
    Row::later(POST, "/resource_classes"),
    Row::later(GET, "/resource_classes/{name}"),
    Row::later(PUT, "/resource_classes/{name}"),
    Row::later(DELETE, "/resource_classes/{name}"),
    Row::later(GET, "/resource_providers"),
    Row::later(POST, "/resource_providers"),
    Row::later(GET, "/resource_providers/{uuid}"),
    Row::later(PUT, "/resource_providers/{uuid}"),
    Row::later(DELETE, "/resource_providers/{uuid}"),
    Row::later(GET, "/resource_providers/{uuid}/inventories"),
    Row::later(POST, "/resource_providers/{uuid}/inventories"),
    Row::later(PUT, "/resource_providers/{uuid}/inventories"),
    Row::later(DELETE, "/resource_providers/{uuid}/inventories"),
    Row::later(GET, "/resource_providers/{uuid}/inventories/{resource_class}"),
    Row::later(PUT, "/resource_providers/{uuid}/inventories/{resource_class}"),
    Row::later(DELETE, "/resource_providers/{uuid}/inventories/{resource_class}"),
    Row::later(GET, "/resource_providers/{uuid}/usages"),
    Row::later(GET, "/resource_providers/{uuid}/aggregates"),
    Row::later(PUT, "/resource_providers/{uuid}/aggregates"),
    Row::later(GET, "/resource_providers/{uuid}/allocations"),
    Row::later(GET, "/resource_providers/{uuid}/traits"),
    Row::later(PUT, "/resource_providers/{uuid}/traits"),
    Row::later(DELETE, "/resource_providers/{uuid}/traits"),
    Row::later(GET, "/allocations/{consumer_uuid}"),
    Row::later(PUT, "/allocations/{consumer_uuid}"),
    Row::later(DELETE, "/allocations/{consumer_uuid}"),
    Row::later(POST, "/allocations"),
    Row::later(GET, "/allocation_candidates"),
    Row::later(GET, "/traits"),
    Row::later(GET, "/traits/{name}"),
    Row::later(PUT, "/traits/{name}"),
    Row::later(DELETE, "/traits/{name}"),
    Row::later(GET, "/usages"),
    Row::later(POST, "/reshaper"),
];
