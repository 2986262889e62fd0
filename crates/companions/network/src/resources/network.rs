//! Networks: how they are called, and what is done with them.

use sql::sea_orm::Condition;

use crate::attributes::{Attrs, tables};
use crate::core::Cx;
use crate::db::fields;
use crate::db::store::{Reader, Tx};
use crate::fault::{Result, kinds};
use crate::networks as logic;
use crate::resources::{Logic, Noun, Resource};
use crate::tables::networks::{Entity, Model};
use crate::views::View;

pub static NETWORK: Resource = Resource {
    name: "network",
    plural: "networks",
    path: "networks",
    table: tables::NETWORK,
    fields: fields::NETWORK,
    kind: &kinds::NETWORK,
    reads: "get_network",
    gives_ranges: true,
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

    async fn create(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<Model> {
        logic::create(cx, tx, attrs).await
    }

    async fn update(cx: &Cx<'_>, tx: &Tx, row: Model, attrs: &Attrs) -> Result<Model> {
        logic::update(cx, tx, row, attrs).await
    }

    async fn delete(_: &Cx<'_>, tx: &Tx, row: &Model) -> Result<()> {
        logic::delete(tx, row).await
    }
}
