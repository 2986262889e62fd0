//! What surrounds the resources: versions, extensions, zones, quotas, address counts, topologies on demand.

use std::sync::Arc;

use rest::Answer;
use serde_json::{Value, json};

use super::{Call, inner, listed, listing, object, one, wrapped};
use crate::call::Face;
use crate::core::{Core, Cx};
use crate::fault::{Result, kinds, missing};
use crate::jobs::{self, Job};
use crate::list::{self, Paging};
use crate::resources::RESOURCES;
use crate::views::View;
use crate::{availability, extensions, parameters, quotas};

/// `GET /`.
pub async fn versions(_: Arc<Face>, call: rest::Call<()>) -> Result<Answer> {
    let link = json!([{"rel": "self", "href": format!("{}/v2.0/", call.base.0)}]);
    Ok(Answer::of(&json!({
        "versions": [{"id": "v2.0", "status": "CURRENT", "links": link}],
    })))
}

/// `GET /v2.0`.
pub async fn version(_: Arc<Core>, call: Call) -> Result<Answer> {
    let resources = RESOURCES.iter().map(|resource| {
        json!({
            "name": resource.name, "collection": resource.plural,
            "links": [{"rel": "self", "href": call.link(&format!("v2.0/{}", resource.path))}],
        })
    });
    let resources: Vec<Value> = resources.collect();
    Ok(Answer::of(&json!({"resources": resources})))
}

pub async fn list_extensions(core: Arc<Core>, call: Call) -> Result<Answer> {
    let query = &call.pairs();
    let views = extensions::list();
    listing(&core, views, query, "extensions", parameters::EXTENSIONS)
}

pub async fn show_extension(_: Arc<Core>, call: Call) -> Result<Answer> {
    let alias = call.path("alias");
    let found = extensions::find(alias).ok_or_else(|| missing(&kinds::EXTENSION, alias))?;
    Ok(wrapped("extension", found))
}

pub async fn zones(core: Arc<Core>, call: Call) -> Result<Answer> {
    let query = &call.pairs();
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
        query,
        "availability_zones",
        parameters::ZONES,
    )
}

pub async fn service_providers(core: Arc<Core>, call: Call) -> Result<Answer> {
    let query = &call.pairs();
    let known = parameters::PROVIDERS;
    listing(&core, Vec::new(), query, "service_providers", known)
}

pub async fn ip_availabilities(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let query = &call.pairs();
    cx.allow(&View::new())?;
    let paging = Paging::read(query, core.settings.max_page)?.by("network_id");
    let views = availability::page(cx, core.db.read(), query, &paging).await?;
    let url = call.link("v2.0/network-ip-availabilities");
    let page = paging.page(views, query, &url);
    Ok(listed(page, query, "network_ip_availabilities"))
}

pub async fn ip_availability(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    cx.allow(&View::new())?;
    let found = availability::find(core.db.read(), id).await?;
    let found = list::trim(found, &call.pairs());
    Ok(wrapped("network_ip_availability", found))
}

/// Quotas of the projects whose quotas the caller may see, its own for a manager.
pub async fn list_quotas(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let query = &call.pairs();
    let project = cx.project();
    cx.allow(&crate::views::owned(project, project))?;
    let paging = Paging::read(query, core.settings.max_page)?.by("project_id");
    let views = quotas::page(cx, core.db.read(), query, &paging).await?;
    let url = call.link("v2.0/quotas");
    Ok(listed(paging.page(views, query, &url), query, "quotas"))
}

/// A project reads its own quotas; others' are for admins.
fn may_read_quota(cx: &Cx<'_>, project: &str) -> Result<()> {
    if project == cx.project() {
        cx.guard.note();
        Ok(())
    } else {
        cx.allow(&crate::views::owned(project, project))
    }
}

pub async fn show_quota(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let project = call.path("project");
    // An old way to ask whose token it is.
    if project == "tenant" || project == "project" {
        let own = &cx.caller.project_id;
        cx.guard.note();
        return Ok(Answer::of(
            &json!({"tenant": {"tenant_id": own, "project_id": own}}),
        ));
    }
    may_read_quota(cx, project)?;
    let limits = quotas::limits(core.db.read(), project).await?;
    Ok(wrapped("quota", quotas::show(&limits)))
}

/// `GET /v2.0/quotas/{project}/default`.
pub async fn default_quota(core: Arc<Core>, call: Call) -> Result<Answer> {
    may_read_quota(&call.cx.with(&core), call.path("project"))?;
    Ok(wrapped("quota", quotas::show(&quotas::defaults())))
}

/// `GET /v2.0/quotas/{project}/details`.
pub async fn quota_details(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let project = call.path("project");
    may_read_quota(cx, project)?;
    let shown = quotas::details(core.db.read(), project).await?;
    Ok(wrapped("quota", shown))
}

pub async fn set_quota(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let project = call.path("project");
    let job = Job::SetQuota {
        project,
        body: inner(object(&call)?, "quota")?,
    };
    Ok(wrapped("quota", one(jobs::run(cx, &job).await?)?))
}

pub async fn reset_quota(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let project = call.path("project");
    jobs::run(cx, &Job::ResetQuota { project }).await?;
    Ok(Answer::empty())
}

pub async fn topology(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let project = call.path("project");
    let query = &call.pairs();
    let project = if project == "null" || project == "None" {
        cx.project()
    } else {
        project
    };
    let view = match query.last("fields") {
        Some("dry-run") => one(jobs::run(cx, &Job::RehearseTopology).await?)?,
        _ => {
            let made = one(jobs::run(cx, &Job::Topology { project }).await?)?;
            list::trim(made, query)
        }
    };
    Ok(wrapped("auto_allocated_topology", view))
}

pub async fn delete_topology(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let project = call.path("project");
    let project = if project == "null" || project == "None" {
        cx.project()
    } else {
        project
    };
    jobs::run(cx, &Job::DeleteTopology { project }).await?;
    Ok(Answer::empty())
}
