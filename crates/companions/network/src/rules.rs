//! Rules of security groups.

use sql::sea_orm::sea_query::Query;
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use crate::attributes::Attrs;
use crate::core::Cx;
use crate::db::store::{self, Tx};
use crate::fault::{Fault, Result, kinds};
use crate::matches::{self, Match};
use crate::security_groups as group_logic;
use crate::tables::{security_group_rules, security_groups};

/// Makes a rule on a user's wish.
pub async fn create(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<security_group_rules::Model> {
    let group_id = attrs.text("security_group_id");
    let group =
        store::get::<security_groups::Entity>(tx, &kinds::SECURITY_GROUP, &group_id).await?;
    if !cx.is_admin() && group.project_id != cx.project() {
        return Err(crate::fault::missing(&kinds::SECURITY_GROUP, group_id));
    }
    let port = |name: &str| {
        attrs
            .number(name)
            .map(|n| i32::try_from(n).unwrap_or(i32::MAX))
    };
    let matching = Match {
        direction: attrs.the_word("direction")?,
        ethertype: attrs.the_word("ethertype")?,
        protocol: attrs.opt_text("protocol"),
        port_range_min: port("port_range_min"),
        port_range_max: port("port_range_max"),
        remote_ip_prefix: attrs.opt_text("remote_ip_prefix"),
        remote_group_id: attrs.opt_text("remote_group_id"),
    };
    matching.check()?;
    if let Some(remote) = &matching.remote_group_id {
        group_logic::usable(cx, tx, std::slice::from_ref(remote), &group.project_id).await?;
    }
    let same = security_group_rules::Entity::find()
        .filter(security_group_rules::Column::SecurityGroupId.eq(&group.id))
        .filter(security_group_rules::Column::Fingerprint.eq(matching.fingerprint()))
        .one(tx)
        .await?;
    if let Some(same) = same {
        return Err(Fault::RuleExists(same.id));
    }
    let row = matches::add(tx, &group, matching, &attrs.text("description")).await?;
    store::save(tx, group).await?;
    Ok(row)
}

/// Removes a rule; its group counts as changed.
pub async fn delete(tx: &Tx, row: &security_group_rules::Model) -> Result<()> {
    store::delete::<security_group_rules::Entity>(tx, &row.id).await?;
    if let Some(group) = store::find::<security_groups::Entity>(tx, &row.security_group_id).await? {
        store::save(tx, group).await?;
    }
    Ok(())
}

/// Which rules the caller sees: those of its groups.
pub fn scope(cx: &Cx<'_>) -> Condition {
    if cx.is_admin() {
        return Condition::all();
    }
    let mut groups = Query::select();
    groups
        .column(security_groups::Column::Id)
        .from(security_groups::Entity)
        .cond_where(group_logic::scope(cx));
    Condition::any()
        .add(security_group_rules::Column::ProjectId.eq(cx.project()))
        .add(security_group_rules::Column::SecurityGroupId.in_subquery(groups))
}
