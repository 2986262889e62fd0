//! Rules of security groups: how they are called, and what is done with them.

use sql::sea_orm::Condition;

use crate::attributes::{Attrs, tables};
use crate::core::Cx;
use crate::db::fields;
use crate::db::store::{Reader, Tx};
use crate::fault::{Result, kinds};
use crate::matches;
use crate::resources::{Logic, Noun, Resource};
use crate::rules as logic;
use crate::security_groups;
use crate::tables::security_group_rules::{Entity, Model};
use crate::views::View;

pub static SECURITY_GROUP_RULE: Resource = Resource {
    name: "security_group_rule",
    plural: "security_group_rules",
    path: "security-group-rules",
    table: tables::SECURITY_GROUP_RULE,
    fields: fields::SECURITY_GROUP_RULE,
    kind: &kinds::RULE,
    reads: "get_security_group_rule",
    gives_ranges: false,
    needs_default_group: true,
    operators_only: false,
    logic: Logic::tagged::<Entity>(),
};

impl Noun for Entity {
    fn scope(cx: &Cx<'_>) -> Condition {
        logic::scope(cx)
    }

    async fn show(_: &Cx<'_>, _: &Reader<'_>, rows: Vec<Model>) -> Result<Vec<View>> {
        Ok(rows.into_iter().map(matches::show).collect())
    }

    async fn see_parent(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<()> {
        let group = attrs.text("security_group_id");
        security_groups::usable(cx, tx, &[group], cx.project()).await
    }

    async fn create(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<Model> {
        logic::create(cx, tx, attrs).await
    }

    async fn delete(_: &Cx<'_>, tx: &Tx, row: &Model) -> Result<()> {
        logic::delete(tx, row).await
    }
}
