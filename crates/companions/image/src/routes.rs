//! The API's table of contents: every call, who may make it, the code of its success, and who answers it. A call that is
//! known but not built answers 501.

use std::sync::LazyLock;

use http::StatusCode;
use rest::Access::{Authenticated, Open, Rule};
use rest::words::CREATED;
use rest::words::{ACCEPTED, DELETE, GET, NO_CONTENT, OK, PATCH, POST, PUT};
use rest::{Access, Serving, Table, Verb};

use crate::api::*;
use crate::call::Face;

type Row = rest::Row<Face>;

static TABLE: LazyLock<Table<Face>> =
    LazyLock::new(|| Table::new(&[AROUND, IMAGES, TASKS, METADEFS, NOT_BUILT]));

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
    row(DELETE, "/v2/stores/{store}/{id}", Rule("delete_image_location"), NO_CONTENT, known!(data::delete_from_store)),
];

/// Tasks. `POST /v2/tasks` is the old way to import, which Glance deprecates.
#[rustfmt::skip] // A table reads better with a row on each line.
const TASKS: &[Row] = &[
    row(GET, "/v2/tasks", Rule("tasks_api_access"), OK, known!(tasks::list)),
    row(GET, "/v2/tasks/{id}", Rule("tasks_api_access"), OK, known!(tasks::show)),
    row(POST, "/v2/tasks", Rule("tasks_api_access"), CREATED, Serving::NotBuilt),
];

/// Metadata definitions.
#[rustfmt::skip] // A table reads better with a row on each line.
const METADEFS: &[Row] = &[
    row(GET, "/v2/metadefs/namespaces", Rule("get_metadef_namespaces"), OK, known!(metadefs::namespaces::list)),
    row(POST, "/v2/metadefs/namespaces", Rule("add_metadef_namespace"), CREATED, known!(metadefs::namespaces::create)),
    row(GET, "/v2/metadefs/namespaces/{namespace}", Rule("get_metadef_namespace"), OK, known!(metadefs::namespaces::show)),
    row(PUT, "/v2/metadefs/namespaces/{namespace}", Rule("modify_metadef_namespace"), OK, known!(metadefs::namespaces::update)),
    row(DELETE, "/v2/metadefs/namespaces/{namespace}", Rule("delete_metadef_namespace"), NO_CONTENT, known!(metadefs::namespaces::delete)),
    row(GET, "/v2/metadefs/namespaces/{namespace}/objects", Rule("get_metadef_objects"), OK, known!(metadefs::objects::list)),
    row(POST, "/v2/metadefs/namespaces/{namespace}/objects", Rule("add_metadef_object"), CREATED, known!(metadefs::objects::create)),
    row(DELETE, "/v2/metadefs/namespaces/{namespace}/objects", Rule("delete_metadef_namespace"), NO_CONTENT, known!(metadefs::objects::clear)),
    row(GET, "/v2/metadefs/namespaces/{namespace}/objects/{object}", Rule("get_metadef_object"), OK, known!(metadefs::objects::show)),
    row(PUT, "/v2/metadefs/namespaces/{namespace}/objects/{object}", Rule("modify_metadef_object"), OK, known!(metadefs::objects::update)),
    row(DELETE, "/v2/metadefs/namespaces/{namespace}/objects/{object}", Rule("delete_metadef_object"), NO_CONTENT, known!(metadefs::objects::delete)),
    row(GET, "/v2/metadefs/namespaces/{namespace}/properties", Rule("get_metadef_properties"), OK, known!(metadefs::properties::list)),
    row(POST, "/v2/metadefs/namespaces/{namespace}/properties", Rule("add_metadef_property"), CREATED, known!(metadefs::properties::create)),
    row(DELETE, "/v2/metadefs/namespaces/{namespace}/properties", Rule("delete_metadef_namespace"), NO_CONTENT, known!(metadefs::properties::clear)),
    row(GET, "/v2/metadefs/namespaces/{namespace}/properties/{property}", Rule("get_metadef_property"), OK, known!(metadefs::properties::show)),
    row(PUT, "/v2/metadefs/namespaces/{namespace}/properties/{property}", Rule("modify_metadef_property"), OK, known!(metadefs::properties::update)),
    row(DELETE, "/v2/metadefs/namespaces/{namespace}/properties/{property}", Rule("remove_metadef_property"), NO_CONTENT, known!(metadefs::properties::delete)),
    row(GET, "/v2/metadefs/namespaces/{namespace}/tags", Rule("get_metadef_tags"), OK, known!(metadefs::tags::list)),
    row(POST, "/v2/metadefs/namespaces/{namespace}/tags", Rule("add_metadef_tags"), CREATED, known!(metadefs::tags::create_many)),
    row(DELETE, "/v2/metadefs/namespaces/{namespace}/tags", Rule("delete_metadef_tags"), NO_CONTENT, known!(metadefs::tags::clear)),
    row(POST, "/v2/metadefs/namespaces/{namespace}/tags/{tag}", Rule("add_metadef_tag"), CREATED, known!(metadefs::tags::create)),
    row(GET, "/v2/metadefs/namespaces/{namespace}/tags/{tag}", Rule("get_metadef_tag"), OK, known!(metadefs::tags::show)),
    row(PUT, "/v2/metadefs/namespaces/{namespace}/tags/{tag}", Rule("modify_metadef_tag"), OK, known!(metadefs::tags::update)),
    row(DELETE, "/v2/metadefs/namespaces/{namespace}/tags/{tag}", Rule("delete_metadef_tag"), NO_CONTENT, known!(metadefs::tags::delete)),
    row(GET, "/v2/metadefs/resource_types", Rule("list_metadef_resource_types"), OK, known!(metadefs::associations::types)),
    row(GET, "/v2/metadefs/namespaces/{namespace}/resource_types", Rule("list_metadef_resource_types"), OK, known!(metadefs::associations::list)),
    row(POST, "/v2/metadefs/namespaces/{namespace}/resource_types", Rule("add_metadef_resource_type_association"), CREATED, known!(metadefs::associations::create)),
    row(DELETE, "/v2/metadefs/namespaces/{namespace}/resource_types/{resource_type}", Rule("remove_metadef_resource_type_association"), NO_CONTENT, known!(metadefs::associations::delete)),
    row(GET, "/v2/schemas/metadefs/{name}", Authenticated, OK, known!(metadefs::schema)),
];

/// The cache of images.
#[rustfmt::skip] // A table reads better with a row on each line.
const NOT_BUILT: &[Row] = &[
    Row::later(GET, "/v2/cache"),
    Row::later(DELETE, "/v2/cache"),
    Row::later(PUT, "/v2/cache/{id}"),
    Row::later(DELETE, "/v2/cache/{id}"),
    Row::later(GET, "/v2/cached_images"),
    Row::later(DELETE, "/v2/cached_images"),
    Row::later(DELETE, "/v2/cached_images/{id}"),
    Row::later(GET, "/v2/queued_images"),
    Row::later(DELETE, "/v2/queued_images"),
    Row::later(PUT, "/v2/queued_images/{id}"),
    Row::later(DELETE, "/v2/queued_images/{id}"),
];
