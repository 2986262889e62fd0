//! The resources with the usual five requests: a description of each, and what is done with all of them alike.

mod address_scope;
mod agent;
mod floatingip;
mod network;
mod noun;
mod port;
mod rbac_policy;
mod router;
mod security_group;
mod security_group_rule;
mod subnet;
mod subnetpool;

use serde_json::{Value, json};
use sql::sea_orm::ConnectionTrait;
use web::Query;

use crate::attributes::Attribute;
use crate::core::Cx;
use crate::db::fields::{Field, Listing};
use crate::db::pages::Reading;
use crate::db::selection::{Cut, Selection};
use crate::db::sharing;
use crate::db::store::{self, Reader};
use crate::fault::{Kind, Result, missing};
use crate::list::{self, Paging};
use crate::policy::{Below, GROUP_OWNER, NETWORK_OWNER};
use crate::tables;
use crate::views::View;

pub use address_scope::ADDRESS_SCOPE;
pub use agent::AGENT;
pub use floatingip::FLOATINGIP;
pub use network::NETWORK;
pub use noun::{Logic, Noun, Tagging};
pub use port::PORT;
pub use rbac_policy::RBAC_POLICY;
pub use router::ROUTER;
pub use security_group::SECURITY_GROUP;
pub use security_group_rule::SECURITY_GROUP_RULE;
pub use subnet::SUBNET;
pub use subnetpool::SUBNETPOOL;

/// A kind of resource.
pub struct Resource {
    /// Name of one, in bodies and in quotas.
    pub name: &'static str,
    /// Name of several, in bodies.
    pub plural: &'static str,
    /// The path below `/v2.0/`.
    pub path: &'static str,
    /// What a body may say, and the rules about that.
    pub table: &'static [Attribute],
    /// What lists are filtered and sorted by.
    pub fields: &'static [Field],
    pub kind: &'static Kind,
    /// The rule that says who sees one.
    pub reads: &'static str,
    /// Whether a change may give a range of addresses to the host; see [`crate::host_ranges`].
    pub gives_ranges: bool,
    /// Whether a list shows the caller's default security group, so that there must be one.
    pub needs_default_group: bool,
    /// Whether the rule alone says who sees them: others have an empty list, and one is forbidden, not missing.
    pub operators_only: bool,
    pub logic: Logic,
}

impl Resource {
    /// How its lists are looked for.
    pub fn listing(&self) -> Listing {
        Listing {
            tagged: self.table.iter().any(|row| row.name == "tags"),
            ..Listing::of(self.fields)
        }
    }
}

/// All resources.
pub static RESOURCES: &[&Resource] = &[
    &NETWORK,
    &SUBNET,
    &PORT,
    &SECURITY_GROUP,
    &SECURITY_GROUP_RULE,
    &ROUTER,
    &FLOATINGIP,
    &SUBNETPOOL,
    &ADDRESS_SCOPE,
    &RBAC_POLICY,
    &AGENT,
];

/// A page of the objects that the caller sees, as shown to it. What policy hides of what was read is made up for by
/// reading on.
///
/// # Errors
/// 400 for a filter, an order or a marker that makes no sense.
pub async fn page<'a>(
    cx: &Cx<'_>,
    db: impl Into<Reader<'a>>,
    resource: &Resource,
    query: &Query,
    paging: &Paging,
) -> Result<Vec<View>> {
    let db = db.into();
    let read = resource.logic.read;
    let guarded = cx.core.access.below(resource.reads, resource.table);
    let hidden = |key: &str| {
        let mut about = guarded.iter().filter(|below| below.about == key);
        about.any(|below| !cx.may(&below.rule, &View::new()))
    };
    let wanted = Selection::read(cx.project(), resource.listing(), query, &hidden)?;
    if let Some(marker) = &paging.marker
        && read(cx, db, &wanted.only(marker), Cut::default())
            .await?
            .is_empty()
    {
        return Err(list::no_marker(marker));
    }
    let keep = readable(cx, resource);
    let mut reading = Reading::of(paging);
    while let Some(cut) = reading.next_cut() {
        let found = read(cx, db, &wanted, cut).await?;
        reading.take(found, &keep);
    }
    let mut views = reading.page();
    for view in &mut views {
        hide_members(cx, &guarded, view);
    }
    Ok(views)
}

/// Which objects policy lets the caller see.
fn readable(cx: &Cx<'_>, resource: &Resource) -> impl Fn(&View) -> bool {
    if !resource.operators_only && cx.guard.rule() == resource.reads {
        cx.guard.note();
    }
    move |view| resource.operators_only || cx.core.access.may_read(resource.reads, cx.caller, view)
}

fn id_of(view: &View) -> &str {
    view.get("id").and_then(Value::as_str).unwrap_or_default()
}

/// Takes away what the caller may not see of an object.
pub fn hide(cx: &Cx<'_>, resource: &Resource, view: &mut View) {
    let guarded = cx.core.access.below(resource.reads, resource.table);
    hide_members(cx, &guarded, view);
}

fn hide_members(cx: &Cx<'_>, guarded: &[Below], view: &mut View) {
    for member in guarded {
        if view.contains_key(&member.about) && !cx.may(&member.rule, view) {
            view.remove(&member.about);
        }
    }
}

/// One object, if the caller sees it.
pub async fn view<'a>(
    cx: &Cx<'_>,
    db: impl Into<Reader<'a>>,
    resource: &Resource,
    id: &str,
) -> Result<View> {
    let wanted = Selection::of(id);
    let found = (resource.logic.read)(cx, db.into(), &wanted, Cut::default()).await?;
    // MariaDB takes a text for the same with spaces behind it.
    let keep = readable(cx, resource);
    let mut exact = found.into_iter().filter(|view| id_of(view) == id);
    let mut view = exact
        .find(|view| keep(view))
        .ok_or_else(|| missing(resource.kind, id))?;
    hide(cx, resource, &mut view);
    Ok(view)
}

/// Adds what rules ask about an object's parent: whose its network is and whether that is shared with the caller, and
/// whose its security group is.
pub async fn add_parent_facts(
    cx: &Cx<'_>,
    db: &impl ConnectionTrait,
    target: &mut View,
) -> Result<()> {
    let parent = |key: &str| target.get(key).and_then(Value::as_str);
    let network = match parent("network_id") {
        Some(id) => store::find::<tables::networks::Entity>(db, id).await?,
        None => None,
    };
    let group = match parent("security_group_id") {
        Some(id) => store::find::<tables::security_groups::Entity>(db, id).await?,
        None => None,
    };
    if let Some(network) = network {
        let given = sharing::of_object(db, &network.id).await?;
        let shared = sharing::is_shared(&given, cx.project());
        target.insert(NETWORK_OWNER.to_owned(), json!(network.project_id));
        target.insert("shared".to_owned(), json!(shared));
    }
    if let Some(group) = group {
        target.insert(GROUP_OWNER.to_owned(), json!(group.project_id));
    }
    Ok(())
}
