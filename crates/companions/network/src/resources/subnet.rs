//! Subnets: how they are called, and what is done with them.

use sql::sea_orm::Condition;

use crate::attributes::{Attrs, tables};
use crate::core::Cx;
use crate::db::fields;
use crate::db::store::{Reader, Tx};
use crate::fault::{Result, kinds};
use crate::resources::{Logic, Noun, Resource};
use crate::tables::subnets::{Entity, Model};
use crate::views::View;
use crate::{networks as network_logic, subnets as logic};

pub static SUBNET: Resource = Resource {
    name: "subnet",
    plural: "subnets",
    path: "subnets",
    table: tables::SUBNET,
    fields: fields::SUBNET,
    kind: &kinds::SUBNET,
    reads: "get_subnet",
    gives_ranges: true,
    needs_default_group: false,
    operators_only: false,
    logic: Logic::tagged::<Entity>(),
};

impl Noun for Entity {
    fn scope(cx: &Cx<'_>) -> Condition {
        logic::scope(cx)
    }

    async fn show(_: &Cx<'_>, _: &Reader<'_>, rows: Vec<Model>) -> Result<Vec<View>> {
        Ok(rows.into_iter().map(logic::show).collect())
    }

    async fn create(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<Model> {
        let network = network_logic::visible(cx, tx, &attrs.text("network_id")).await?;
        logic::create(cx, tx, &network, attrs).await
    }

    async fn update(cx: &Cx<'_>, tx: &Tx, row: Model, attrs: &Attrs) -> Result<Model> {
        logic::update(cx, tx, row, attrs).await
    }

    async fn delete(cx: &Cx<'_>, tx: &Tx, row: &Model) -> Result<()> {
        logic::delete(cx.core, tx, row).await
    }
}
