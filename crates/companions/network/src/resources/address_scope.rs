//! Address scopes: how they are called, and what is done with them.

use sql::sea_orm::Condition;

use crate::attributes::{Attrs, tables};
use crate::core::Cx;
use crate::db::fields;
use crate::db::store::{Reader, Tx};
use crate::fault::{Result, kinds};
use crate::pools as logic;
use crate::resources::{Logic, Noun, Resource};
use crate::tables::address_scopes::{Entity, Model};
use crate::views::View;

pub static ADDRESS_SCOPE: Resource = Resource {
    name: "address_scope",
    plural: "address_scopes",
    path: "address-scopes",
    table: tables::ADDRESS_SCOPE,
    fields: fields::ADDRESS_SCOPE,
    kind: &kinds::ADDRESS_SCOPE,
    reads: "get_address_scope",
    gives_ranges: false,
    needs_default_group: false,
    operators_only: false,
    logic: Logic::of::<Entity>(),
};

impl Noun for Entity {
    fn scope(cx: &Cx<'_>) -> Condition {
        logic::scopes_scope(cx)
    }

    async fn show(_: &Cx<'_>, _: &Reader<'_>, rows: Vec<Model>) -> Result<Vec<View>> {
        Ok(rows.into_iter().map(logic::show_scope).collect())
    }

    async fn create(_: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<Model> {
        logic::create_scope(tx, attrs).await
    }

    async fn update(_: &Cx<'_>, tx: &Tx, row: Model, attrs: &Attrs) -> Result<Model> {
        logic::update_scope(tx, row, attrs).await
    }

    async fn delete(_: &Cx<'_>, tx: &Tx, row: &Model) -> Result<()> {
        logic::delete_scope(tx, row).await
    }
}
