//! `/v3/endpoints`. A region that an endpoint names and that does not exist is made, as Keystone does.

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, reply};
use crate::parameters;
use crate::record::{self, Object};
use crate::schema::{self, Field, Kind, may, must};
use crate::simple::Plain;
use crate::snapshot;
use crate::tables::{endpoints, project_endpoints, regions, services};
use web::policy::Target;

const FIELDS: &[Field] = &[
    must("interface", Kind::OneOf(&["admin", "internal", "public"])),
    must("service_id", Kind::Id),
    must("url", Kind::Text(1, 225)),
    may("region_id", Kind::MaybeText(255)),
    may("region", Kind::MaybeText(255)),
    may("enabled", Kind::Flag),
];

/// The description of `/v3/endpoints`.
pub struct Endpoints;

impl Plain for Endpoints {
    type Entity = endpoints::Entity;
    const ONE: &'static str = "endpoint";
    const MANY: &'static str = "endpoints";
    const ID: &'static str = "endpoint_id";
    const FIELDS: &'static [Field] = FIELDS;
    const FILTERS: &'static [&'static str] = parameters::ENDPOINTS.filters;

    fn columns(_ctx: &Ctx) -> Value {
        columns()
    }

    fn view(row: &endpoints::Model) -> Object {
        let mut view = record::view(row);
        view.insert("region".to_owned(), row.region_id.clone().into());
        view
    }

    async fn release(tx: &DatabaseTransaction, id: &str) -> Result<(), Fault> {
        project_endpoints::Entity::delete_many()
            .filter(project_endpoints::Column::EndpointId.eq(id))
            .exec(tx)
            .await?;
        Ok(())
    }

    async fn check(tx: &DatabaseTransaction, row: &endpoints::Model) -> Result<(), Fault> {
        let is_url = row.url.starts_with("http://") || row.url.starts_with("https://");
        if !is_url || !snapshot::is_fillable(&row.url) {
            return Err(Fault::BadRequest(format!(
                "Cannot create an endpoint with an invalid URL: {}.",
                row.url
            )));
        }
        if services::Entity::find_by_id(row.service_id.clone())
            .one(tx)
            .await?
            .is_none()
        {
            return Err(Fault::BadRequest(format!(
                "Could not find service: {}.",
                row.service_id
            )));
        }
        match &row.region_id {
            Some(id)
                if regions::Entity::find_by_id(id.clone())
                    .one(tx)
                    .await?
                    .is_none() =>
            {
                Err(Fault::BadRequest(format!("Could not find region: {id}.")))
            }
            _ => Ok(()),
        }
    }
}

/// An endpoint's columns before a body fills them.
pub fn columns() -> Value {
    json!({
        "id": record::new_id(), "service_id": "", "region_id": null, "interface": "", "url": "", "enabled": true,
        "extra": "{}",
    })
}

/// Turns the old field `region` into `region_id`.
fn modern(body: &mut Object) -> Option<String> {
    let old = body
        .remove("region")
        .and_then(|region| region.as_str().map(str::to_owned))?;
    if !body.contains_key("region_id") {
        body.insert("region_id".to_owned(), old.clone().into());
    }
    Some(old)
}

async fn ensure_region(tx: &DatabaseTransaction, id: Option<String>) -> Result<(), Fault> {
    let Some(id) = id else {
        return Ok(());
    };
    if regions::Entity::find_by_id(id.clone())
        .one(tx)
        .await?
        .is_none()
    {
        let row = regions::Model {
            id,
            description: String::new(),
            parent_region_id: None,
            extra: "{}".to_owned(),
        };
        record::insert::<regions::Entity>(tx, row).await?;
    }
    Ok(())
}

pub async fn create(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let mut body = ctx.new_object("endpoint", FIELDS)?;
    let old = modern(&mut body);
    let row: endpoints::Model = record::build(columns(), &body, FIELDS)?;
    let tx = ctx.state.begin().await?;
    ensure_region(&tx, old).await?;
    Endpoints::check(&tx, &row).await?;
    record::insert::<endpoints::Entity>(&tx, row.clone()).await?;
    ctx.state.commit(tx).await?;
    ctx.shown("endpoint", "endpoints", Endpoints::view(&row))
}

pub async fn update(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let mut body = ctx.under("endpoint")?;
    schema::check_change(&body, FIELDS)?;
    let old_region = modern(&mut body);
    let tx = ctx.state.begin().await?;
    let old = record::lock::<endpoints::Entity>(&tx, "endpoint", ctx.param("endpoint_id")).await?;
    let row: endpoints::Model = record::change(&old, &body, FIELDS)?;
    ensure_region(&tx, old_region).await?;
    Endpoints::check(&tx, &row).await?;
    record::update::<endpoints::Entity>(&tx, row.clone()).await?;
    ctx.state.commit(tx).await?;
    Ok(reply(
        json!({"endpoint": ctx.linked("endpoints", Endpoints::view(&row))}),
    ))
}
