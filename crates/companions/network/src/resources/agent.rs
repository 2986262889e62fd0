//! Agents: how they are called, and what is done with them.

use sql::sea_orm::Condition;

use crate::agents as logic;
use crate::attributes::{Attrs, tables};
use crate::core::Cx;
use crate::db::fields;
use crate::db::store;
use crate::db::store::{Reader, Tx};
use crate::fault::{Result, kinds};
use crate::resources::{Logic, Noun, Resource};
use crate::tables::agents::{Entity, Model};
use crate::views::View;

pub static AGENT: Resource = Resource {
    name: "agent",
    plural: "agents",
    path: "agents",
    table: tables::AGENT,
    fields: fields::AGENT,
    kind: &kinds::AGENT,
    reads: "get_agent",
    gives_ranges: false,
    needs_default_group: false,
    operators_only: true,
    logic: Logic::of::<Entity>(),
};

impl Noun for Entity {
    fn scope(_: &Cx<'_>) -> Condition {
        Condition::all()
    }

    async fn show(_: &Cx<'_>, _: &Reader<'_>, rows: Vec<Model>) -> Result<Vec<View>> {
        Ok(rows.into_iter().map(logic::show).collect())
    }

    async fn update(_: &Cx<'_>, tx: &Tx, row: Model, attrs: &Attrs) -> Result<Model> {
        logic::update(tx, row, attrs).await
    }

    async fn delete(_: &Cx<'_>, tx: &Tx, row: &Model) -> Result<()> {
        store::delete::<Self>(tx, &row.id).await
    }
}
