//! The API's table of contents: every call, who may make it, the code of its success, and who answers it. A call that is
//! known but not built answers 501.

use std::sync::LazyLock;

use http::StatusCode;
use rest::Access::{Authenticated, Open, Rule};
use rest::words::CREATED;
use rest::words::{ACCEPTED, DELETE, GET, NO_CONTENT, OK, PATCH, POST, PUT};
use rest::{Access, Serving, Table, Verb};

use crate::api::*;

type Row = rest::Row<Face>;

static TABLE: LazyLock<Table<Face>> =
    LazyLock::new(|| Table::new(&[AROUND, IMAGES, TASKS, NOT_BUILT]));

/// All calls.
pub fn table() -> &'static Table<Face> {
    &TABLE
}

macro_rules! known {
    ($handler:path) => {
        Serving::Known(|face, call| Box::pin($handler(face.images.clone(), call)))
    };
}

macro_rules! streamed {
    ($handler:path) => {
        Serving::Streamed(|face, call, body| Box::pin($handler(face.images.clone(), call, body)))
    };
}

const fn row(
    verb: Verb,
    path: &'static str,
    access: Access,
    success: StatusCode,
    serving: Serving<Face>,
) -> Row {
    Row::new(verb, path, access, success, serving)
}

const fn later(verb: Verb, path: &'static str) -> Row {
    row(verb, path, Authenticated, OK, Serving::NotBuilt)
}

/// Versions, what the service offers, schemas.
#[rustfmt::skip] // A table reads better with a row on each line.
const AROUND: &[Row] = &[
    row(GET, "/", Open, StatusCode::MULTIPLE_CHOICES, rest::open!(versions::list)),
    row(GET, "/versions", Open, OK, rest::open!(versions::list)),
    row(GET, "/v2", Open, StatusCode::MULTIPLE_CHOICES, rest::open!(versions::list)),
    row(GET, "/v2/", Open, StatusCode::MULTIPLE_CHOICES, rest::open!(versions::list)),
    row(GET, "/healthcheck", Open, OK, rest::open!(info::health)),
    row(GET, "/v2/info/import", Authenticated, OK, known!(info::import)),
    row(GET, "/v2/info/stores", Authenticated, OK, known!(info::stores)),
    row(GET, "/v2/info/stores/detail", Rule("stores_info_detail"), OK, known!(info::stores_detail)),
    row(GET, "/v2/info/usage", Authenticated, OK, known!(info::usage)),
    row(GET, "/v2/schemas/{name}", Authenticated, OK, known!(schemas::show)),
];

/// Images and what hangs below them.
#[rustfmt::skip] // A table reads better with a row on each line.
const IMAGES: &[Row] = &[
    row(GET, "/v2/images", Rule("get_images"), OK, known!(images::list)),
    row(POST, "/v2/images", Rule("add_image"), CREATED, known!(images::create)),
    row(GET, "/v2/images/{id}", Rule("get_image"), OK, known!(images::show)),
    row(PATCH, "/v2/images/{id}", Rule("modify_image"), OK, known!(images::update)),
    row(DELETE, "/v2/images/{id}", Rule("delete_image"), NO_CONTENT, known!(images::delete)),
    row(GET, "/v2/images/{id}/file", Rule("download_image"), OK, known!(data::download)),
    row(PUT, "/v2/images/{id}/file", Rule("upload_image"), NO_CONTENT, streamed!(data::upload)),
    row(PUT, "/v2/images/{id}/stage", Rule("modify_image"), NO_CONTENT, streamed!(data::stage)),
    row(POST, "/v2/images/{id}/import", Rule("modify_image"), ACCEPTED, known!(imports::import)),
    row(GET, "/v2/images/{id}/tasks", Rule("get_image"), OK, known!(tasks::of_image)),
    row(GET, "/v2/images/{id}/locations", Rule("fetch_image_location"), OK, known!(data::locations)),
    row(POST, "/v2/images/{id}/locations", Rule("add_image_location"), ACCEPTED, Serving::NotBuilt),
    row(POST, "/v2/images/{id}/actions/deactivate", Rule("deactivate"), NO_CONTENT, known!(actions::deactivate)),
    row(POST, "/v2/images/{id}/actions/reactivate", Rule("reactivate"), NO_CONTENT, known!(actions::reactivate)),
    row(PUT, "/v2/images/{id}/tags/{tag}", Rule("modify_image"), NO_CONTENT, known!(tags::add)),
    row(DELETE, "/v2/images/{id}/tags/{tag}", Rule("modify_image"), NO_CONTENT, known!(tags::remove)),
    row(GET, "/v2/images/{id}/members", Rule("get_members"), OK, known!(members::list)),
    row(POST, "/v2/images/{id}/members", Rule("add_member"), OK, known!(members::add)),
    row(GET, "/v2/images/{id}/members/{member}", Rule("get_member"), OK, known!(members::show)),
    row(PUT, "/v2/images/{id}/members/{member}", Rule("modify_member"), OK, known!(members::answer)),
    row(DELETE, "/v2/images/{id}/members/{member}", Rule("delete_member"), NO_CONTENT, known!(members::remove)),
    row(DELETE, "/v2/stores/{store}/{id}", Rule("delete_from_store"), NO_CONTENT, known!(data::delete_from_store)),
];

/// Tasks. `POST /v2/tasks` is the old way to import, which Glance deprecates.
#[rustfmt::skip] // A table reads better with a row on each line.
const TASKS: &[Row] = &[
    row(GET, "/v2/tasks", Rule("tasks_api_access"), OK, known!(tasks::list)),
    row(GET, "/v2/tasks/{id}", Rule("tasks_api_access"), OK, known!(tasks::show)),
    row(POST, "/v2/tasks", Rule("tasks_api_access"), CREATED, Serving::NotBuilt),
];

/// The catalogue of metadata definitions, and the cache of images.
#[rustfmt::skip] // A table reads better with a row on each line.
const NOT_BUILT: &[Row] = &[
    later(GET, "/v2/metadefs/namespaces"),
    later(POST, "/v2/metadefs/namespaces"),
    later(GET, "/v2/metadefs/namespaces/{namespace}"),
    later(PUT, "/v2/metadefs/namespaces/{namespace}"),
    later(DELETE, "/v2/metadefs/namespaces/{namespace}"),
    later(GET, "/v2/metadefs/namespaces/{namespace}/objects"),
    later(POST, "/v2/metadefs/namespaces/{namespace}/objects"),
    later(DELETE, "/v2/metadefs/namespaces/{namespace}/objects"),
    later(GET, "/v2/metadefs/namespaces/{namespace}/objects/{object}"),
    later(PUT, "/v2/metadefs/namespaces/{namespace}/objects/{object}"),
    later(DELETE, "/v2/metadefs/namespaces/{namespace}/objects/{object}"),
    later(GET, "/v2/metadefs/namespaces/{namespace}/properties"),
    later(POST, "/v2/metadefs/namespaces/{namespace}/properties"),
    later(DELETE, "/v2/metadefs/namespaces/{namespace}/properties"),
    later(GET, "/v2/metadefs/namespaces/{namespace}/properties/{property}"),
    later(PUT, "/v2/metadefs/namespaces/{namespace}/properties/{property}"),
    later(DELETE, "/v2/metadefs/namespaces/{namespace}/properties/{property}"),
    later(GET, "/v2/metadefs/namespaces/{namespace}/tags"),
    later(POST, "/v2/metadefs/namespaces/{namespace}/tags"),
    later(DELETE, "/v2/metadefs/namespaces/{namespace}/tags"),
    later(GET, "/v2/metadefs/namespaces/{namespace}/tags/{tag}"),
    later(POST, "/v2/metadefs/namespaces/{namespace}/tags/{tag}"),
    later(PUT, "/v2/metadefs/namespaces/{namespace}/tags/{tag}"),
    later(DELETE, "/v2/metadefs/namespaces/{namespace}/tags/{tag}"),
    later(GET, "/v2/metadefs/resource_types"),
    later(GET, "/v2/metadefs/namespaces/{namespace}/resource_types"),
    later(POST, "/v2/metadefs/namespaces/{namespace}/resource_types"),
    later(DELETE, "/v2/metadefs/namespaces/{namespace}/resource_types/{resource_type}"),
    later(GET, "/v2/schemas/metadefs/namespace"),
    later(GET, "/v2/schemas/metadefs/namespaces"),
    later(GET, "/v2/schemas/metadefs/object"),
    later(GET, "/v2/schemas/metadefs/objects"),
    later(GET, "/v2/schemas/metadefs/property"),
    later(GET, "/v2/schemas/metadefs/properties"),
    later(GET, "/v2/schemas/metadefs/resource_type"),
    later(GET, "/v2/schemas/metadefs/resource_types"),
    later(GET, "/v2/schemas/metadefs/tag"),
    later(GET, "/v2/schemas/metadefs/tags"),
    later(GET, "/v2/cache"),
    later(DELETE, "/v2/cache"),
    later(PUT, "/v2/cache/{id}"),
    later(DELETE, "/v2/cache/{id}"),
    later(GET, "/v2/cached_images"),
    later(DELETE, "/v2/cached_images"),
    later(DELETE, "/v2/cached_images/{id}"),
    later(GET, "/v2/queued_images"),
    later(DELETE, "/v2/queued_images"),
    later(PUT, "/v2/queued_images/{id}"),
    later(DELETE, "/v2/queued_images/{id}"),
];
