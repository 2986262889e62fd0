//! `/v3/regions`.

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter};

use crate::fault::{Answer, Fault};
use crate::frame::Ctx;
use crate::parameters;
use crate::record;
use crate::schema::{Field, Kind, may};
use crate::simple::Plain;
use crate::tables::{endpoints, regions};
use web::policy::Target;

/// The description of `/v3/regions`.
pub struct Regions;

impl Plain for Regions {
    type Entity = regions::Entity;
    const ONE: &'static str = "region";
    const MANY: &'static str = "regions";
    const ID: &'static str = "region_id";
    const FIELDS: &'static [Field] = &[
        may("description", Kind::MaybeText(65_535)),
        may("parent_region_id", Kind::MaybeText(255)),
    ];
    const FILTERS: &'static [&'static str] = parameters::REGIONS.filters;

    fn columns(_ctx: &Ctx) -> Value {
        columns(&record::new_id())
    }

    async fn check(tx: &DatabaseTransaction, row: &regions::Model) -> Result<(), Fault> {
        let mut above = row.parent_region_id.clone();
        let mut steps = 0;
        while let Some(id) = above {
            steps += 1;
            if id == row.id || steps > 64 {
                return Err(Fault::BadRequest(format!(
                    "The specified parent region {id} would create a circular region hierarchy."
                )));
            }
            above = record::find::<regions::Entity>(tx, "region", &id)
                .await?
                .parent_region_id;
        }
        Ok(())
    }

    async fn release(tx: &DatabaseTransaction, id: &str) -> Result<(), Fault> {
        let mut family = vec![id.to_owned()];
        let mut next = 0;
        while let Some(parent) = family.get(next).cloned() {
            next += 1;
            let children = regions::Entity::find()
                .filter(regions::Column::ParentRegionId.eq(parent))
                .all(tx)
                .await?;
            family.extend(children.into_iter().map(|row| row.id));
        }
        let used = endpoints::Entity::find()
            .filter(endpoints::Column::RegionId.is_in(family.clone()))
            .count(tx)
            .await?;
        if used > 0 {
            return Err(Fault::ForbiddenBecause(format!(
                "Unable to delete region {id} because it or its child regions have associated endpoints."
            )));
        }
        regions::Entity::delete_many()
            .filter(regions::Column::Id.is_in(family))
            .exec(tx)
            .await?;
        Ok(())
    }
}

/// A region's columns before a body fills them.
pub fn columns(id: &str) -> Value {
    json!({"id": id, "description": "", "parent_region_id": null, "extra": "{}"})
}

/// `POST /v3/regions` and `PUT /v3/regions/{region_id}`: unlike elsewhere the client may choose the id.
pub async fn create(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let mut body = ctx.new_object("region", Regions::FIELDS)?;
    let in_body = body
        .remove("id")
        .and_then(|id| id.as_str().map(str::to_owned))
        .filter(|id| !id.is_empty());
    let in_path = Some(ctx.param("region_id").to_owned()).filter(|id| !id.is_empty());
    if let (Some(body), Some(path)) = (&in_body, &in_path)
        && body != path
    {
        return Err(Fault::BadRequest(
            "Conflicting region IDs specified".to_owned(),
        ));
    }
    let id = in_path.or(in_body).unwrap_or_else(record::new_id);
    if body.get("description") == Some(&Value::Null) {
        body.insert("description".to_owned(), "".into());
    }
    let row: regions::Model = record::build(columns(&id), &body, Regions::FIELDS)?;
    let tx = ctx.state.begin().await?;
    Regions::check(&tx, &row).await?;
    record::insert::<regions::Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("region", &id))?;
    ctx.state.commit(tx).await?;
    ctx.shown("region", "regions", record::view(&row))
}
