//! Routers: how they are called, and what is done with them.

use sql::sea_orm::Condition;

use crate::attributes::{Attrs, tables};
use crate::core::Cx;
use crate::db::fields;
use crate::db::store::{Reader, Tx};
use crate::fault::{Result, kinds};
use crate::resources::{Logic, Noun, Resource};
use crate::routers as logic;
use crate::tables::routers::{Entity, Model};
use crate::views::View;

pub static ROUTER: Resource = Resource {
    name: "router",
    plural: "routers",
    path: "routers",
    table: tables::ROUTER,
    fields: fields::ROUTER,
    kind: &kinds::ROUTER,
    reads: "get_router",
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
