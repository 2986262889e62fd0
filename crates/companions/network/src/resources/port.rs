//! Ports: how they are called, and what is done with them.

use sql::sea_orm::Condition;

use crate::attributes::{Attrs, tables};
use crate::core::Cx;
use crate::db::fields;
use crate::db::store::{Reader, Tx};
use crate::fault::{Result, kinds};
use crate::resources::{Logic, Noun, Resource};
use crate::tables::ports::{Entity, Model};
use crate::views::View;
use crate::{networks as network_logic, ports as logic};

pub static PORT: Resource = Resource {
    name: "port",
    plural: "ports",
    path: "ports",
    table: tables::PORT,
    fields: fields::PORT,
    kind: &kinds::PORT,
    reads: "get_port",
    gives_ranges: false,
    needs_default_group: false,
    operators_only: false,
    logic: Logic::tagged::<Entity>(),
};

impl Noun for Entity {
    fn scope(cx: &Cx<'_>) -> Condition {
        logic::scope(cx)
    }

    async fn show(cx: &Cx<'_>, db: &Reader<'_>, rows: Vec<Model>) -> Result<Vec<View>> {
        logic::show(cx, db, rows).await
    }

    async fn see_parent(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<()> {
        let network = attrs.text("network_id");
        network_logic::joinable(cx, tx, &network).await.map(drop)
    }

    async fn create(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<Model> {
        let network = network_logic::joinable(cx, tx, &attrs.text("network_id")).await?;
        logic::create(cx, tx, &network, attrs).await
    }

    async fn update(cx: &Cx<'_>, tx: &Tx, row: Model, attrs: &Attrs) -> Result<Model> {
        logic::update(cx, tx, row, attrs).await
    }

    async fn delete(cx: &Cx<'_>, tx: &Tx, row: &Model) -> Result<()> {
        logic::delete(tx, cx.core, row).await
    }
}
