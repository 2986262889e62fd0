//! Bindings of a port to hosts, for live migration.

use std::sync::Arc;

use rest::Answer;
use serde_json::Value;

use super::{Call, inner, listing, object, one, wrapped};
use crate::binding;
use crate::core::{Core, Cx};
use crate::db::store;
use crate::fault::{Result, kinds, missing};
use crate::jobs::{self, Job};
use crate::list;
use crate::parameters;
use crate::resources;
use crate::tables::ports;
use crate::views::View;

async fn bindings_of(cx: &Cx<'_>, id: &str) -> Result<Vec<View>> {
    let db = cx.core.db.read();
    let view = resources::view(cx, db, &resources::PORT, id).await?;
    cx.allow(&view)?;
    let port = store::get::<ports::Entity>(db, &kinds::PORT, id).await?;
    binding::list(db, &port).await
}

pub async fn bindings(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let query = &call.pairs();
    let views = bindings_of(cx, id).await?;
    listing(&core, views, query, "bindings", parameters::BINDINGS)
}

pub async fn show_binding(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let host = call.path("host");
    let all = bindings_of(cx, id).await?;
    let found = all
        .into_iter()
        .find(|view| view.get("host").and_then(Value::as_str) == Some(host));
    let found = found.ok_or_else(|| missing(&kinds::BINDING, format!("{id} on host {host}")))?;
    Ok(wrapped("binding", list::trim(found, &call.pairs())))
}

pub async fn bind(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let job = Job::Bind {
        port: id,
        body: inner(object(&call)?, "binding")?,
    };
    Ok(wrapped("binding", one(jobs::run(cx, &job).await?)?))
}

pub async fn change_binding(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let host = call.path("host");
    let job = Job::ChangeBinding {
        port: id,
        host,
        body: inner(object(&call)?, "binding")?,
    };
    Ok(wrapped("binding", one(jobs::run(cx, &job).await?)?))
}

pub async fn activate_binding(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let host = call.path("host");
    let views = jobs::run(cx, &Job::ActivateBinding { port: id, host }).await?;
    Ok(wrapped("binding", one(views)?))
}

pub async fn unbind(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let host = call.path("host");
    jobs::run(cx, &Job::DeleteBinding { port: id, host }).await?;
    Ok(Answer::empty())
}
