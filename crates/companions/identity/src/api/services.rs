//! `/v3/services`.

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use crate::fault::Fault;
use crate::frame::Ctx;
use crate::parameters;
use crate::record::{self, Object};
use crate::schema::{Field, Kind, may, must};
use crate::simple::Plain;
use crate::tables::{endpoints, project_endpoints, services};

/// The description of `/v3/services`.
pub struct Services;

impl Plain for Services {
    type Entity = services::Entity;
    const ONE: &'static str = "service";
    const MANY: &'static str = "services";
    const ID: &'static str = "service_id";
    const FIELDS: &'static [Field] = &[
        must("type", Kind::Text(1, 255)),
        may("name", Kind::MaybeText(255)),
        may("description", Kind::MaybeText(65_535)),
        may("enabled", Kind::Flag),
    ];
    const FILTERS: &'static [&'static str] = parameters::SERVICES.filters;

    fn columns(_ctx: &Ctx) -> Value {
        columns()
    }

    fn view(row: &services::Model) -> Object {
        let mut view = record::view(row);
        if row.description.is_none() {
            view.remove("description");
        }
        view
    }

    async fn release(tx: &DatabaseTransaction, id: &str) -> Result<(), Fault> {
        let gone = endpoints::Entity::find()
            .filter(endpoints::Column::ServiceId.eq(id))
            .all(tx)
            .await?;
        project_endpoints::Entity::delete_many()
            .filter(project_endpoints::Column::EndpointId.is_in(gone.into_iter().map(|row| row.id)))
            .exec(tx)
            .await?;
        endpoints::Entity::delete_many()
            .filter(endpoints::Column::ServiceId.eq(id))
            .exec(tx)
            .await?;
        Ok(())
    }
}

/// A service's columns before a body fills them.
pub fn columns() -> Value {
    json!({
        "id": record::new_id(), "type": "", "name": null, "description": null, "enabled": true, "extra": "{}",
    })
}
