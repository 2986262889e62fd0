//! `/v3/registered_limits`, `/v3/limits` and `/v3/limits/model`: unified limits, kept for the services
//! that enforce them. The model is flat: the limit of a project says nothing about projects below.

use serde_json::{Value, json};
use sql::sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter,
};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, reply};
use crate::listing::{Listing, Source};
use crate::parameters;
use crate::record;
use crate::schema::{self, Field, Kind, may, must};
use crate::simple::{Plain, closed};
use crate::tables::{limits, projects, registered_limits, services};
use web::policy::Target;

const ASKED: &str = "the image service asks for it (`[image] use_keystone_limits`); compute and network keep quotas of \
    their own";

/// The description of the registered limits.
pub struct RegisteredLimits;

impl Plain for RegisteredLimits {
    type Entity = registered_limits::Entity;
    const ONE: &'static str = "registered_limit";
    const MANY: &'static str = "registered_limits";
    const ID: &'static str = "registered_limit_id";
    const FIELDS: &'static [Field] = &[
        must("service_id", Kind::Id),
        must("resource_name", Kind::Text(1, 255)),
        must("default_limit", Kind::Number).within(ASKED),
        may("region_id", Kind::MaybeText(255)),
        may("description", Kind::MaybeText(65_535)),
    ];
    const CLOSED: bool = true;
    const FILTERS: &'static [&'static str] = parameters::REGISTERED_LIMITS.filters;

    fn columns(_ctx: &Ctx) -> Value {
        json!({
            "id": record::new_id(), "service_id": "", "region_id": null, "resource_name": "",
            "default_limit": 0, "description": null,
        })
    }

    async fn check(tx: &DatabaseTransaction, row: &registered_limits::Model) -> Result<(), Fault> {
        known_service(tx, &row.service_id).await?;
        let twin = registered(
            tx,
            &row.service_id,
            row.region_id.as_deref(),
            &row.resource_name,
        )
        .await?;
        match twin {
            Some(twin) if twin.id != row.id => {
                Err(Fault::duplicate("registered_limit", &row.resource_name))
            }
            _ => Ok(()),
        }
    }

    async fn release(tx: &DatabaseTransaction, id: &str) -> Result<(), Fault> {
        let row = record::find::<registered_limits::Entity>(tx, "registered_limit", id).await?;
        let used = limits::Entity::find()
            .filter(limits::Column::ServiceId.eq(row.service_id))
            .filter(limits::Column::ResourceName.eq(row.resource_name))
            .count(tx)
            .await?;
        if used > 0 {
            return Err(Fault::ForbiddenBecause(format!(
                "Unable to update or delete registered limit {id} because there are project limits associated with it."
            )));
        }
        Ok(())
    }
}

/// The description of the limits that override.
pub struct Limits;

impl Plain for Limits {
    type Entity = limits::Entity;
    const ONE: &'static str = "limit";
    const MANY: &'static str = "limits";
    const ID: &'static str = "limit_id";
    const FIELDS: &'static [Field] = &[
        must("service_id", Kind::Id),
        must("resource_name", Kind::Text(1, 255)),
        must("resource_limit", Kind::Number).within(ASKED),
        may("region_id", Kind::MaybeText(255)),
        may("project_id", Kind::MaybeId),
        may("domain_id", Kind::MaybeId),
        may("description", Kind::MaybeText(65_535)),
    ];
    const CLOSED: bool = true;
    const FILTERS: &'static [&'static str] = parameters::LIMITS.filters;

    fn columns(_ctx: &Ctx) -> Value {
        json!({
            "id": record::new_id(), "service_id": "", "region_id": null, "resource_name": "",
            "resource_limit": 0, "project_id": null, "domain_id": null, "description": null,
        })
    }

    async fn check(tx: &DatabaseTransaction, row: &limits::Model) -> Result<(), Fault> {
        known_service(tx, &row.service_id).await?;
        if row.project_id.is_some() == row.domain_id.is_some() {
            return Err(Fault::BadRequest(
                "Either project_id or domain_id must be given, not both.".to_owned(),
            ));
        }
        if registered(
            tx,
            &row.service_id,
            row.region_id.as_deref(),
            &row.resource_name,
        )
        .await?
        .is_none()
        {
            return Err(Fault::ForbiddenBecause(format!(
                "No registered limit for the resource {} of the service {}.",
                row.resource_name, row.service_id
            )));
        }
        let all = limits::Entity::find()
            .filter(limits::Column::ServiceId.eq(row.service_id.as_str()))
            .filter(limits::Column::ResourceName.eq(row.resource_name.as_str()))
            .all(tx)
            .await?;
        let twin = all.iter().any(|other| {
            other.id != row.id
                && other.region_id == row.region_id
                && other.project_id == row.project_id
                && other.domain_id == row.domain_id
        });
        if twin {
            Err(Fault::duplicate("limit", &row.resource_name))
        } else {
            Ok(())
        }
    }
}

async fn known_service(tx: &DatabaseTransaction, id: &str) -> Result<(), Fault> {
    match services::Entity::find_by_id(id.to_owned()).one(tx).await? {
        Some(_) => Ok(()),
        None => Err(Fault::BadRequest(format!("Could not find service: {id}."))),
    }
}

/// The registered limit of a resource in exactly this region.
async fn registered(
    db: &impl ConnectionTrait,
    service_id: &str,
    region_id: Option<&str>,
    name: &str,
) -> Result<Option<registered_limits::Model>, Fault> {
    let all = registered_limits::Entity::find()
        .filter(registered_limits::Column::ServiceId.eq(service_id))
        .filter(registered_limits::Column::ResourceName.eq(name))
        .all(db)
        .await?;
    Ok(all
        .into_iter()
        .find(|row| row.region_id.as_deref() == region_id))
}

/// `POST` of a list of either kind: all or none.
pub async fn create<P: Plain>(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let Some(Value::Array(wanted)) = ctx.object()?.remove(P::MANY) else {
        return Err(Fault::BadRequest(format!(
            "'{}' is a required property",
            P::MANY
        )));
    };
    let tx = ctx.state.begin().await?;
    let mut made = Vec::new();
    for body in wanted {
        let Value::Object(body) = body else {
            return Err(Fault::BadRequest(format!(
                "Invalid input for field '{}': not of type 'object'",
                P::MANY
            )));
        };
        schema::check_new(&body, P::FIELDS)?;
        closed::<P>(&body)?;
        let row = record::build(P::columns(&ctx), &body, P::FIELDS)?;
        P::check(&tx, &row).await?;
        made.push(ctx.linked(P::MANY, P::view(&row)));
        record::insert::<P::Entity>(&tx, row).await?;
    }
    ctx.state.commit(tx).await?;
    Ok(reply(json!({P::MANY: made})))
}

/// `PATCH` changes only the number and the description of a limit.
pub async fn update(ctx: Ctx) -> Answer {
    let body = ctx.under("limit")?;
    if let Some(key) = body
        .keys()
        .find(|key| !["resource_limit", "description"].contains(&key.as_str()))
    {
        return Err(Fault::BadRequest(format!(
            "Additional properties are not allowed ('{key}' was unexpected)"
        )));
    }
    crate::simple::update::<Limits>(ctx).await
}

/// What the policy asks about a limit.
async fn target<'a>(ctx: &Ctx, row: &'a limits::Model) -> Result<Target<'a>, Fault> {
    let project = match &row.project_id {
        Some(id) => {
            projects::Entity::find_by_id(id.clone())
                .one(ctx.state.db.read())
                .await?
        }
        None => None,
    };
    let mut target =
        Target::new().with_option("target.limit.project_id", row.project_id.as_deref());
    if let Some(domain) = &row.domain_id {
        target = target.with("target.limit.domain.id", domain);
    }
    if let Some(project) = project {
        target = target.with("target.limit.project.domain_id", project.domain_id);
    }
    Ok(target)
}

pub async fn show(ctx: Ctx) -> Answer {
    let id = ctx.param("limit_id");
    match limits::Entity::find_by_id(id.to_owned())
        .one(ctx.state.db.read())
        .await?
    {
        Some(row) => {
            ctx.allow(target(&ctx, &row).await?)?;
            ctx.shown("limit", "limits", record::view(&row))
        }
        None => {
            ctx.allow(Target::new())?;
            Err(Fault::not_found("limit", id))
        }
    }
}

/// Everybody may list; a project sees its own limits, a domain those within, system, admin and the
/// services that enforce them all.
pub async fn list(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let session = ctx.session()?;
    let (system, domain) = (session.caller.system, session.caller.domain_id.clone());
    let project = session.caller.project_id.clone();
    let passes = |rule: &str| {
        let asked = ctx
            .state
            .policy
            .enforce(rule, session.as_ref(), &Target::new());
        asked.is_ok()
    };
    let all = system || passes("service_or_admin");
    let mut rows = limits::Entity::find();
    if !all && domain.is_none() {
        // None for a token without a scope: there are no limits of no project.
        rows = rows.filter(limits::Column::ProjectId.eq(project.clone().unwrap_or_default()));
    }
    let db = ctx.state.db.read();
    let mut list = Listing::open(db, Source::new(rows, Limits::FILTERS, &[]), &ctx.query).await?;
    loop {
        let rows = list.next(db).await?;
        if rows.is_empty() {
            return ctx.paged("limits", list.page());
        }
        for row in rows {
            let own = project.is_some() && row.project_id == project;
            let within = match &domain {
                Some(domain) => {
                    row.domain_id.as_ref() == Some(domain)
                        || ctx.may("get_limit", target(&ctx, &row).await?)?
                }
                None => false,
            };
            if all || own || within {
                list.add(ctx.linked("limits", record::view(&row)));
            }
        }
    }
}

pub async fn model(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    Ok(reply(json!({"model": {
        "name": "flat",
        "description": "Limit enforcement and validation does not take project hierarchy into consideration.",
    }})))
}
