//! Bindings of a port to hosts, for live migration.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::Value;
use web::Query;
use web::auth::Authenticated;

use super::{Shared, inner, listing, one, read, resource, wrapped};
use crate::binding;
use crate::core::{Core, Cx, View};
use crate::fault::{Result, kinds, missing};
use crate::jobs::{self, Job};
use crate::resources;

async fn bindings_of(core: &Core, caller: &web::Caller, id: &str) -> Result<Vec<View>> {
    let cx = Cx { core, caller };
    let view = resources::view(&cx, core.db.read(), resource("ports")?, id).await?;
    cx.check("get_port_binding", &view)?;
    let port =
        crate::store::get::<crate::tables::ports::Entity>(core.db.read(), &kinds::PORT, id).await?;
    binding::list(core.db.read(), &port).await
}

pub async fn bindings(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response> {
    listing(
        &core,
        bindings_of(&core, &caller, &id).await?,
        &query,
        "bindings",
        "",
    )
}

pub async fn show_binding(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((id, host)): Path<(String, String)>,
) -> Result<Response> {
    let all = bindings_of(&core, &caller, &id).await?;
    let found = all
        .into_iter()
        .find(|view| view.get("host").and_then(Value::as_str) == Some(&host));
    let found = found.ok_or_else(|| missing(&kinds::BINDING, format!("{id} on host {host}")))?;
    Ok(wrapped(StatusCode::OK, "binding", found))
}

pub async fn bind(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let job = Job::Bind {
        port: &id,
        body: inner(&read(body).await?, "binding")?,
    };
    Ok(wrapped(
        StatusCode::CREATED,
        "binding",
        one(jobs::run(&cx, &job).await?)?,
    ))
}

pub async fn change_binding(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((id, host)): Path<(String, String)>,
    body: Body,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let job = Job::ChangeBinding {
        port: &id,
        host: &host,
        body: inner(&read(body).await?, "binding")?,
    };
    Ok(wrapped(
        StatusCode::OK,
        "binding",
        one(jobs::run(&cx, &job).await?)?,
    ))
}

pub async fn activate_binding(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((id, host)): Path<(String, String)>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let views = jobs::run(
        &cx,
        &Job::ActivateBinding {
            port: &id,
            host: &host,
        },
    )
    .await?;
    Ok(wrapped(StatusCode::OK, "binding", one(views)?))
}

pub async fn unbind(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((id, host)): Path<(String, String)>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    jobs::run(
        &cx,
        &Job::DeleteBinding {
            port: &id,
            host: &host,
        },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
