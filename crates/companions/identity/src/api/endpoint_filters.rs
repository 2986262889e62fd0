//! `/v3/OS-EP-FILTER`: which endpoints the catalog of a project shows. A project for which nothing was
//! chosen sees all (`[endpoint_filter] return_all_endpoints_if_no_filter`).

use serde_json::{Value, json};
use sql::sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content, reply};
use crate::listing::Source;
use crate::parameters;
use crate::record;
use crate::schema::{Field, Kind, may, must};
use crate::simple::Plain;
use crate::snapshot;
use crate::tables::{
    endpoint_groups, endpoints, project_endpoint_groups, project_endpoints, projects,
};
use web::policy::Target;

use super::endpoints::Endpoints;
use super::projects as project_api;

/// What a group may filter by.
const FILTER_KEYS: [&str; 4] = ["enabled", "interface", "region_id", "service_id"];

/// The description of the endpoint groups.
pub struct EndpointGroups;

impl Plain for EndpointGroups {
    type Entity = endpoint_groups::Entity;
    const ONE: &'static str = "endpoint_group";
    const MANY: &'static str = "endpoint_groups";
    const PLACE: &'static str = "OS-EP-FILTER/endpoint_groups";
    const ID: &'static str = "endpoint_group_id";
    const FIELDS: &'static [Field] = &[
        must("name", Kind::Text(1, 255)),
        must("filters", Kind::Object),
        may("description", Kind::MaybeText(65_535)),
    ];
    const CLOSED: bool = true;
    const FILTERS: &'static [&'static str] = parameters::NAMED.filters;

    fn columns(_ctx: &Ctx) -> Value {
        json!({"id": record::new_id(), "name": "", "description": null, "filters": "{}"})
    }

    async fn check(_tx: &DatabaseTransaction, row: &endpoint_groups::Model) -> Result<(), Fault> {
        let filters: record::Object = serde_json::from_str(&row.filters).unwrap_or_default();
        match filters
            .keys()
            .find(|key| !FILTER_KEYS.contains(&key.as_str()))
        {
            Some(_) => Err(Fault::expecting(
                "valid filter keys: enabled, interface, region_id, service_id",
                "endpoint_group",
            )),
            None => Ok(()),
        }
    }

    async fn release(tx: &DatabaseTransaction, id: &str) -> Result<(), Fault> {
        project_endpoint_groups::Entity::delete_many()
            .filter(project_endpoint_groups::Column::EndpointGroupId.eq(id))
            .exec(tx)
            .await?;
        Ok(())
    }
}

async fn project(ctx: &Ctx) -> Result<projects::Model, Fault> {
    record::find::<projects::Entity>(ctx.state.db.read(), "project", ctx.param("project_id")).await
}

async fn group(ctx: &Ctx) -> Result<endpoint_groups::Model, Fault> {
    let id = ctx.param("endpoint_group_id");
    record::find::<endpoint_groups::Entity>(ctx.state.db.read(), "endpoint group", id).await
}

/// The project and endpoint of the path, both of which must exist.
async fn bond(ctx: &Ctx) -> Result<project_endpoints::Model, Fault> {
    ctx.allow(Target::new())?;
    let id = ctx.param("endpoint_id");
    let endpoint = record::find::<endpoints::Entity>(ctx.state.db.read(), "endpoint", id).await?;
    Ok(project_endpoints::Model {
        endpoint_id: endpoint.id,
        project_id: project(ctx).await?.id,
    })
}

pub async fn add(ctx: Ctx) -> Answer {
    let bond = bond(&ctx).await?;
    let key = (bond.endpoint_id.clone(), bond.project_id.clone());
    let tx = ctx.state.begin().await?;
    if project_endpoints::Entity::find_by_id(key)
        .one(&tx)
        .await?
        .is_none()
    {
        record::insert::<project_endpoints::Entity>(&tx, bond).await?;
    }
    ctx.state.commit(tx).await?;
    no_content()
}

pub async fn check(ctx: Ctx) -> Answer {
    let bond = bond(&ctx).await?;
    let key = (bond.endpoint_id.clone(), bond.project_id);
    match project_endpoints::Entity::find_by_id(key)
        .one(ctx.state.db.read())
        .await?
    {
        Some(_) => no_content(),
        None => Err(Fault::not_found("endpoint", bond.endpoint_id)),
    }
}

pub async fn remove(ctx: Ctx) -> Answer {
    let bond = bond(&ctx).await?;
    let key = (bond.endpoint_id.clone(), bond.project_id);
    let tx = ctx.state.begin().await?;
    if project_endpoints::Entity::delete_by_id(key)
        .exec(&tx)
        .await?
        .rows_affected
        == 0
    {
        return Err(Fault::not_found("endpoint", bond.endpoint_id));
    }
    ctx.state.commit(tx).await?;
    no_content()
}

/// Projects whose ids these rows are.
async fn list_projects<E: EntityTrait>(ctx: &Ctx, ids: Select<E>) -> Answer {
    let rows = projects::Entity::find().filter(projects::Column::Id.in_subquery(ids.into_query()));
    let source = Source::new(rows, parameters::NAMED.filters, &[projects::Column::Name]);
    let show = |row: &projects::Model| Ok(Some(project_api::view(row)));
    ctx.list_rows("projects", "projects", source, show).await
}

/// Projects that have chosen an endpoint.
pub async fn projects_of_endpoint(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let db = ctx.state.db.read();
    let endpoint =
        record::find::<endpoints::Entity>(db, "endpoint", ctx.param("endpoint_id")).await?;
    let ids = project_endpoints::Entity::find()
        .select_only()
        .column(project_endpoints::Column::ProjectId)
        .filter(project_endpoints::Column::EndpointId.eq(endpoint.id));
    list_projects(&ctx, ids).await
}

/// Endpoints chosen for a project, alone or by a group.
pub async fn endpoints_of_project(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let project = project(&ctx).await?;
    let snapshot = ctx.state.snapshot().await?;
    let chosen = snapshot.chosen_endpoints(&project.id);
    let rows = endpoints::Entity::find().filter(endpoints::Column::Id.is_in(chosen.cloned()));
    let source = Source::new(rows, Endpoints::FILTERS, &[]);
    let show = |row: &endpoints::Model| Ok(Some(Endpoints::view(row)));
    ctx.list_rows("endpoints", "endpoints", source, show).await
}

/// Groups chosen for a project.
pub async fn groups_of_project(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let project = project(&ctx).await?;
    let ids = project_endpoint_groups::Entity::find()
        .select_only()
        .column(project_endpoint_groups::Column::EndpointGroupId)
        .filter(project_endpoint_groups::Column::ProjectId.eq(project.id));
    let rows = endpoint_groups::Entity::find()
        .filter(endpoint_groups::Column::Id.in_subquery(ids.into_query()));
    let source = Source::new(rows, EndpointGroups::FILTERS, &[]);
    let show = |row: &endpoint_groups::Model| Ok(Some(EndpointGroups::view(row)));
    ctx.list_rows("endpoint_groups", EndpointGroups::PLACE, source, show)
        .await
}

pub async fn projects_of_group(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let group = group(&ctx).await?;
    let ids = project_endpoint_groups::Entity::find()
        .select_only()
        .column(project_endpoint_groups::Column::ProjectId)
        .filter(project_endpoint_groups::Column::EndpointGroupId.eq(group.id));
    list_projects(&ctx, ids).await
}

pub async fn endpoints_of_group(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let group = group(&ctx).await?;
    let source = Source::new(endpoints::Entity::find(), Endpoints::FILTERS, &[]);
    let show =
        |row: &endpoints::Model| Ok(snapshot::fits(row, &group).then(|| Endpoints::view(row)));
    ctx.list_rows("endpoints", "endpoints", source, show).await
}

/// The project and group of the path, both of which must exist.
async fn group_bond(ctx: &Ctx) -> Result<project_endpoint_groups::Model, Fault> {
    ctx.allow(Target::new())?;
    Ok(project_endpoint_groups::Model {
        endpoint_group_id: group(ctx).await?.id,
        project_id: project(ctx).await?.id,
    })
}

pub async fn add_group(ctx: Ctx) -> Answer {
    let bond = group_bond(&ctx).await?;
    let key = (bond.endpoint_group_id.clone(), bond.project_id.clone());
    let tx = ctx.state.begin().await?;
    if project_endpoint_groups::Entity::find_by_id(key)
        .one(&tx)
        .await?
        .is_none()
    {
        record::insert::<project_endpoint_groups::Entity>(&tx, bond).await?;
    }
    ctx.state.commit(tx).await?;
    no_content()
}

pub async fn check_group(ctx: Ctx) -> Answer {
    let bond = group_bond(&ctx).await?;
    let key = (bond.endpoint_group_id.clone(), bond.project_id);
    match project_endpoint_groups::Entity::find_by_id(key)
        .one(ctx.state.db.read())
        .await?
    {
        Some(row) => Ok(reply(json!({"project_endpoint_group": record::view(&row)}))),
        None => Err(Fault::not_found("endpoint group", bond.endpoint_group_id)),
    }
}

pub async fn remove_group(ctx: Ctx) -> Answer {
    let bond = group_bond(&ctx).await?;
    let key = (bond.endpoint_group_id.clone(), bond.project_id);
    let tx = ctx.state.begin().await?;
    if project_endpoint_groups::Entity::delete_by_id(key)
        .exec(&tx)
        .await?
        .rows_affected
        == 0
    {
        return Err(Fault::not_found("endpoint group", bond.endpoint_group_id));
    }
    ctx.state.commit(tx).await?;
    no_content()
}
