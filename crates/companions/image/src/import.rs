//! Imports: data that was staged (`glance-direct`) or is fetched (`web-download`), in a task of its
//! own. The image is `importing` meanwhile; a failure returns it to `queued`, names the store in
//! `os_glance_failed_import` and leaves no data.

mod download;
mod ranges;

use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::db;
use crate::db::images::Filled;
use crate::fault::Fault;
use crate::model::{FAILED_IMPORT, IMPORT_TASK, Image, STORE};
use crate::quota::Allowance;
use crate::receive::Transfer;
use crate::service::Images;
use crate::store::{Place, hash_file};
use crate::tables::{Status, TaskStatus, image, task};
use crate::upload;

/// The ways that `POST …/import` knows.
pub const METHODS: [&str; 2] = ["glance-direct", "web-download"];

/// A checked import request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    GlanceDirect,
    WebDownload(String),
}

/// Who asks, for the task's record.
pub struct Asked {
    pub owner: Option<String>,
    pub user_id: String,
    pub request_id: String,
    /// Whose transfers are counted together (see [`upload::sender`]).
    pub sender: String,
}

/// Reads the body of an import request.
pub fn method(images: &Images, body: &Value) -> Result<Method, Fault> {
    let bad = |text: &str| Fault::BadRequest(text.to_owned());
    let method = body
        .get("method")
        .ok_or_else(|| bad("Import request requires a 'method' field."))?;
    let name = method
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("Import request requires a 'name' field."))?;
    for flag in ["all_stores", "all_stores_must_succeed"] {
        if body.get(flag).is_some_and(|value| !value.is_boolean()) {
            return Err(bad(&format!("'{flag}' must be boolean value only")));
        }
    }
    let stores = body
        .get("stores")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    if let Some(other) = stores
        .filter_map(Value::as_str)
        .find(|&store| store != STORE)
    {
        return Err(Fault::Conflict(format!(
            "Unknown scheme '{other}' found in URI"
        )));
    }
    match name {
        "glance-direct" => Ok(Method::GlanceDirect),
        "web-download" => {
            let uri = method
                .get("uri")
                .and_then(Value::as_str)
                .unwrap_or_default();
            download::allowed(uri, &images.settings().web_download)?;
            Ok(Method::WebDownload(uri.to_owned()))
        }
        "copy-image" | "glance-download" => Err(Fault::NotBuilt(format!(
            "The import method {name} is not built yet."
        ))),
        _ => Err(bad(&format!("Unknown import method name '{name}'."))),
    }
}

/// Starts an import: the task exists and the image is `importing` when this returns.
pub async fn start(
    images: &Images,
    image: &Image,
    method: Method,
    asked: Asked,
    body: &Value,
) -> Result<(), Fault> {
    let row = &image.row;
    ready(images, row, &method)?;
    upload::unsigned(image)?;
    let permit = images.transfers().begin(&asked.sender)?;
    let allowance = Allowance::of(images, row.owner.as_deref()).await?;
    let now = sql::micros(Utc::now());
    let mut wanted = body.clone();
    if let Method::WebDownload(uri) = &method {
        wanted["method"]["uri"] = download::without_secrets(uri).into();
    }
    let task = task::Model {
        id: Uuid::new_v4().to_string(),
        kind: "api_image_import".to_owned(),
        status: TaskStatus::Processing,
        owner: asked.owner,
        image_id: row.id.clone(),
        user_id: asked.user_id,
        request_id: asked.request_id,
        input: json!({"image_id": row.id, "import_req": wanted, "backend": [STORE]}).to_string(),
        message: String::new(),
        created_at: now,
        updated_at: now,
        expires_at: None,
    };
    let data = match method {
        Method::GlanceDirect => row.data.clone().unwrap_or_default(),
        Method::WebDownload(_) => Uuid::new_v4().to_string(),
    };
    let mut transfer = Transfer {
        id: row.id.clone(),
        data,
        status: Status::Importing,
        allowance,
        reserved: 0,
        _permit: permit,
    };
    let claimed = sql::retry(|| claim(images, row, &task, &transfer)).await?;
    if !claimed {
        return Err(Fault::Conflict(format!(
            "New operation on image '{}' is not permitted as prior operation is still in progress",
            row.id
        )));
    }
    let (images, row) = (images.clone(), row.clone());
    tokio::spawn(async move {
        let ended = match &method {
            Method::GlanceDirect => direct(&images, &row, &transfer.data).await,
            Method::WebDownload(uri) => download::fetch(&images, &row, &mut transfer, uri).await,
        };
        finish(&images, &row.id, &transfer.data, &task.id, ended).await;
    });
    Ok(())
}

/// Whether the image is where the method needs it.
fn ready(images: &Images, row: &image::Model, method: &Method) -> Result<(), Fault> {
    let conflict = |text: &str| Err(Fault::Conflict(text.to_owned()));
    if matches!(row.status, Status::Active | Status::Deactivated) {
        return conflict("Image with status active cannot be target for import");
    }
    match method {
        Method::WebDownload(_) if row.status != Status::Queued => {
            return conflict("Image needs to be in 'queued' state to use 'web-download' method");
        }
        Method::GlanceDirect if row.status != Status::Uploading => {
            return conflict("Image needs to be staged before 'glance-direct' method can be used");
        }
        _ => {}
    }
    if row.container_format.is_none() {
        return conflict("'container_format' needs to be set before import");
    }
    if row.disk_format.is_none() {
        return conflict("'disk_format' needs to be set before import");
    }
    let staged = row
        .data
        .as_deref()
        .is_some_and(|data| images.store().path(Place::Staging, data).is_file());
    if *method == Method::GlanceDirect && !staged {
        return conflict("Image data is still being staged");
    }
    Ok(())
}

/// Task, claim, quota and the property that names the task, in one transaction.
async fn claim(
    images: &Images,
    row: &image::Model,
    task: &task::Model,
    transfer: &Transfer,
) -> Result<bool, Fault> {
    let (id, data) = (&transfer.id, &transfer.data);
    let allowance = transfer.allowance.as_ref();
    let tx = images.db().begin().await?;
    let claimed = match row.status {
        Status::Uploading => {
            let size = u64::try_from(row.size.unwrap_or_default()).unwrap_or_default();
            if let Some(allowance) = allowance {
                allowance.admit_staged(&tx, size).await?;
            }
            db::images::take_staged(&tx, id, data, size).await?
        }
        _ => {
            let step = (Status::Queued, Status::Importing);
            if let Some(allowance) = allowance {
                allowance.admit_data(&tx, step.1, None).await?;
            }
            db::images::claim(&tx, id, step, data, 0).await?
        }
    };
    if claimed {
        db::tasks::add(&tx, task).await?;
        db::images::drop_property(&tx, id, FAILED_IMPORT).await?;
        db::images::set_property(&tx, id, IMPORT_TASK, &task.id).await?;
    }
    tx.commit().await?;
    Ok(claimed)
}

/// Takes up imports whose data lies staged, after a crash: one after the other, beside the work that
/// clients ask for.
pub fn resume(images: &Images, imports: Vec<(image::Model, String)>) {
    let images = images.clone();
    tokio::spawn(async move {
        for (row, task) in imports {
            let data = row.data.clone().unwrap_or_default();
            let ended = direct(&images, &row, &data).await;
            finish(&images, &row.id, &data, &task, ended).await;
        }
    });
}

/// Notes how an import ended.
async fn finish(images: &Images, id: &str, data: &str, task: &str, ended: Result<(), Fault>) {
    match ended {
        Ok(()) => {
            if let Err(error) = succeeded(images, id, task).await {
                tracing::error!(image = id, %error, "cannot end an import task");
            }
        }
        Err(fault) => {
            tracing::warn!(image = id, %fault, "an import failed");
            failed(images, id, data, Some(task), &fault.to_string()).await;
        }
    }
}

/// Makes staged data the image's data.
async fn direct(images: &Images, row: &image::Model, data: &str) -> Result<(), Fault> {
    let path = images.store().path(Place::Staging, data);
    let found = upload::inspected(images, row, path.clone()).await?;
    let (size, md5, sha512) = upload::in_store(images, move |_| hash_file(&path)).await?;
    let filled = Filled {
        size: upload::whole(size)?,
        virtual_size: found.virtual_size.map(upload::whole).transpose()?,
        md5,
        sha512,
    };
    let name = data.to_owned();
    upload::in_store(images, move |store| store.publish_staged(&name)).await?;
    upload::activate(images, row, data, Status::Importing, &filled).await
}

/// Ends an import whose image is active.
pub async fn succeeded(images: &Images, id: &str, task: &str) -> Result<(), Fault> {
    let ttl = images.settings().task_ttl;
    db::images::drop_property(images.db().write(), id, IMPORT_TASK).await?;
    db::tasks::end(images.db().write(), task, TaskStatus::Success, "", ttl).await?;
    Ok(())
}

/// Ends a failed import: image queued, no data, task failed with the reason.
pub async fn failed(images: &Images, id: &str, data: &str, task: Option<&str>, why: &str) {
    upload::give_up(images, id, data).await;
    let Some(task) = task else { return };
    let ended = async {
        let ttl = images.settings().task_ttl;
        db::images::drop_property(images.db().write(), id, IMPORT_TASK).await?;
        if db::images::find(images.db().read(), id).await?.is_some() {
            db::images::set_property(images.db().write(), id, FAILED_IMPORT, STORE).await?;
        }
        db::tasks::end(images.db().write(), task, TaskStatus::Failure, why, ttl).await?;
        Ok::<_, Fault>(())
    };
    if let Err(error) = ended.await {
        tracing::error!(image = id, %error, "cannot end a failed import task");
    }
}
