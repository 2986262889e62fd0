//! What surrounds the resources: extensions, zones, quotas, address counts, topologies on demand.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use web::Query;
use web::auth::Authenticated;
use web::body::json as answer;

use super::{Shared, inner, listing, one, read, wrapped};
use crate::core::{Cx, View};
use crate::fault::{Fault, Result, kinds, missing};
use crate::jobs::{self, Job};
use crate::{availability, extensions, quotas};

pub async fn list_extensions(State(core): Shared, query: Query) -> Result<Response> {
    listing(&core, extensions::list(), &query, "extensions", "")
}

pub async fn show_extension(Path(alias): Path<String>) -> Result<Response> {
    let found = extensions::find(&alias).ok_or_else(|| missing(&kinds::EXTENSION, alias))?;
    Ok(wrapped(StatusCode::OK, "extension", found))
}

pub async fn zones(State(core): Shared, query: Query) -> Result<Response> {
    let zone = |resource: &str| {
        let mut view = View::new();
        crate::views::fill(
            &mut view,
            json!({
                "name": core.settings.availability_zone, "resource": resource, "state": "available",
            }),
        );
        view
    };
    listing(
        &core,
        vec![zone("network"), zone("router")],
        &query,
        "availability_zones",
        "",
    )
}

pub async fn service_providers(State(core): Shared, query: Query) -> Result<Response> {
    listing(&core, Vec::new(), &query, "service_providers", "")
}

pub async fn ip_availabilities(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    cx.check("get_network_ip_availability", &View::new())?;
    let views = availability::list(core.db.read()).await?;
    listing(&core, views, &query, "network_ip_availabilities", "")
}

pub async fn ip_availability(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    cx.check("get_network_ip_availability", &View::new())?;
    let views = availability::list(core.db.read()).await?;
    let found = views
        .into_iter()
        .find(|view| view.get("network_id").and_then(Value::as_str) == Some(&id));
    let found = found.ok_or_else(|| missing(&kinds::NETWORK, id))?;
    Ok(wrapped(StatusCode::OK, "network_ip_availability", found))
}

pub async fn list_quotas(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    cx.check("get_quota", &View::new())?;
    listing(
        &core,
        quotas::list(core.db.read()).await?,
        &query,
        "quotas",
        "",
    )
}

/// A project reads its own quotas; others' are for admins.
fn may_read_quota(cx: &Cx<'_>, project: &str) -> Result<()> {
    if project == cx.project() {
        Ok(())
    } else {
        cx.check("get_quota", &View::new())
    }
}

pub async fn show_quota(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(project): Path<String>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    // An old way to ask whose token it is.
    if project == "tenant" || project == "project" {
        let own = &caller.project_id;
        return Ok(answer(
            StatusCode::OK,
            &json!({"tenant": {"tenant_id": own, "project_id": own}}),
        ));
    }
    may_read_quota(&cx, &project)?;
    let limits = quotas::limits(core.db.read(), &project).await?;
    Ok(wrapped(StatusCode::OK, "quota", quotas::show(&limits)))
}

pub async fn quota_view(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path((project, view)): Path<(String, String)>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    may_read_quota(&cx, &project)?;
    let shown = match view.as_str() {
        "default" | "default.json" => quotas::DEFAULTS
            .iter()
            .map(|(name, limit)| ((*name).to_owned(), json!(limit)))
            .collect(),
        "details" | "details.json" => quotas::details(core.db.read(), &project).await?,
        _ => return Err(Fault::NoSuchRoute),
    };
    Ok(wrapped(StatusCode::OK, "quota", shown))
}

pub async fn set_quota(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(project): Path<String>,
    body: Body,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let job = Job::SetQuota {
        project: &project,
        body: inner(&read(body).await?, "quota")?,
    };
    Ok(wrapped(
        StatusCode::OK,
        "quota",
        one(jobs::run(&cx, &job).await?)?,
    ))
}

pub async fn reset_quota(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(project): Path<String>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    jobs::run(&cx, &Job::ResetQuota { project: &project }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub async fn topology(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(project): Path<String>,
    query: Query,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let project = if project == "null" || project == "None" {
        cx.project().to_owned()
    } else {
        project
    };
    let job = match query.last("fields") {
        Some("dry-run") => Job::RehearseTopology,
        _ => Job::Topology { project: &project },
    };
    Ok(wrapped(
        StatusCode::OK,
        "auto_allocated_topology",
        one(jobs::run(&cx, &job).await?)?,
    ))
}

pub async fn delete_topology(
    State(core): Shared,
    Authenticated(caller): Authenticated,
    Path(project): Path<String>,
) -> Result<Response> {
    let cx = Cx {
        core: &core,
        caller: &caller,
    };
    let project = if project == "null" || project == "None" {
        cx.project().to_owned()
    } else {
        project
    };
    jobs::run(&cx, &Job::DeleteTopology { project: &project }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
