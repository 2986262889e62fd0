//! Security groups: how they are called, and what is done with them.

use sql::sea_orm::Condition;

use crate::attributes::{Attrs, tables};
use crate::core::Cx;
use crate::db::fields;
use crate::db::store::{Reader, Tx};
use crate::fault::{Result, kinds};
use crate::resources::{Logic, Noun, Resource};
use crate::security_groups as logic;
use crate::tables::security_groups::{Entity, Model};
use crate::views::View;

pub static SECURITY_GROUP: Resource = Resource {
    name: "security_group",
    plural: "security_groups",
    path: "security-groups",
    table: tables::SECURITY_GROUP,
    fields: fields::SECURITY_GROUP,
    kind: &kinds::SECURITY_GROUP,
    reads: "get_security_group",
    gives_ranges: false,
    needs_default_group: true,
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

    async fn create(_: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<Model> {
        logic::create(tx, attrs).await
    }

    async fn update(_: &Cx<'_>, tx: &Tx, row: Model, attrs: &Attrs) -> Result<Model> {
        logic::update(tx, row, attrs).await
    }

    async fn delete(cx: &Cx<'_>, tx: &Tx, row: &Model) -> Result<()> {
        logic::delete(cx, tx, row).await
    }
}
