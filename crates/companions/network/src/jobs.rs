//! Changes: each request that writes is one [`Job`], done in one transaction that is tried again when it lost a race.

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use crate::attributes::{Attrs, Verb, admit, honour, tables as attribute_tables};
use crate::core::Cx;
use crate::db::sharing;
use crate::db::store::{self, Tx};
use crate::fault::{Fault, Result, kinds};
use crate::resources::{self, Resource, Tagging};
use crate::tables::{floatingips, ports, routers};
use crate::views::View;
use crate::{binding, forwardings, quotas, routers as router_logic, topology};

/// A change that a request asks for.
pub enum Job<'a> {
    Create {
        resource: &'static Resource,
        bodies: Vec<Map<String, Value>>,
    },
    Update {
        resource: &'static Resource,
        id: &'a str,
        body: Map<String, Value>,
        revision: Option<i64>,
    },
    Delete {
        resource: &'static Resource,
        id: &'a str,
        revision: Option<i64>,
    },
    Tag {
        resource: &'static Resource,
        id: &'a str,
        change: Tagging,
    },
    RouterAction {
        id: &'a str,
        action: RouterAction,
        body: Map<String, Value>,
    },
    Bind {
        port: &'a str,
        body: Map<String, Value>,
    },
    ChangeBinding {
        port: &'a str,
        host: &'a str,
        body: Map<String, Value>,
    },
    ActivateBinding {
        port: &'a str,
        host: &'a str,
    },
    DeleteBinding {
        port: &'a str,
        host: &'a str,
    },
    Forward {
        floating: &'a str,
        body: Map<String, Value>,
    },
    ChangeForwarding {
        floating: &'a str,
        id: &'a str,
        body: Map<String, Value>,
    },
    DeleteForwarding {
        floating: &'a str,
        id: &'a str,
    },
    SetQuota {
        project: &'a str,
        body: Map<String, Value>,
    },
    ResetQuota {
        project: &'a str,
    },
    Topology {
        project: &'a str,
    },
    RehearseTopology,
    DeleteTopology {
        project: &'a str,
    },
}

/// What is asked of a router beside the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterAction {
    AddInterface,
    RemoveInterface,
    AddRoutes,
    RemoveRoutes,
}

/// Does a job; the views of what was made or changed.
///
/// Boxed, as [`perform`] is: the compiler cannot see through so deep a nest of futures that it may move between threads.
pub fn run<'a>(cx: &'a Cx<'a>, job: &'a Job<'a>) -> BoxFuture<'a, Result<Vec<View>>> {
    Box::pin(tried(cx, job))
}

async fn tried<'a>(cx: &'a Cx<'a>, job: &'a Job<'a>) -> Result<Vec<View>> {
    if gives_ranges(job) {
        cx.core.host.look().await?;
    }
    sql::retry(|| once(cx, job)).await
}

/// Whether the job may give a range to the host: see [`crate::host_ranges`].
fn gives_ranges(job: &Job<'_>) -> bool {
    let (Job::Create { resource, .. } | Job::Update { resource, .. }) = job else {
        return false;
    };
    resource.gives_ranges
}

async fn once<'a>(cx: &'a Cx<'a>, job: &'a Job<'a>) -> Result<Vec<View>> {
    let tx = cx.core.db.begin().await?;
    match perform(cx, &tx, job).await {
        Ok(views) => {
            tx.commit().await?;
            cx.core.changed.notify_one();
            cx.core.told.notify_one();
            Ok(views)
        }
        Err(error) => {
            tx.rollback().await?;
            Err(lost(error))
        }
    }
}

/// Who made a row that another made first lost a race: it looks again.
fn lost(error: Fault) -> Fault {
    if error.is_duplicate() {
        Fault::Stale
    } else {
        error
    }
}

fn perform<'a>(cx: &'a Cx<'a>, tx: &'a Tx, job: &'a Job<'a>) -> BoxFuture<'a, Result<Vec<View>>> {
    Box::pin(performed(cx, tx, job))
}

async fn performed<'a>(cx: &'a Cx<'a>, tx: &'a Tx, job: &'a Job<'a>) -> Result<Vec<View>> {
    match job {
        Job::Create { resource, bodies } => create(cx, tx, resource, bodies).await,
        Job::Update {
            resource,
            id,
            body,
            revision,
        } => {
            // Its form is looked at before what it is about, as in Neutron.
            let attrs = admit(resource.table, Verb::Put, body)?;
            let mut target = resources::view(cx, tx, resource, id).await?;
            at_revision(&target, *revision)?;
            resources::add_parent_facts(cx, tx, &mut target).await?;
            authorise(cx, Verb::Put, resource, &mut target, &attrs)?;
            let mut view = (resource.logic.update)(cx, tx, (resource.kind, id), &attrs).await?;
            resources::hide(cx, resource, &mut view);
            Ok(vec![view])
        }
        Job::Delete {
            resource,
            id,
            revision,
        } => {
            let mut target = resources::view(cx, tx, resource, id).await?;
            at_revision(&target, *revision)?;
            resources::add_parent_facts(cx, tx, &mut target).await?;
            cx.allow(&target)?;
            (resource.logic.delete)(cx, tx, (resource.kind, id)).await?;
            Ok(Vec::new())
        }
        Job::Tag {
            resource,
            id,
            change,
        } => {
            let target = resources::view(cx, tx, resource, id).await?;
            cx.allow(&target)?;
            let tags = (resource.logic.tag)(tx, (resource.kind, id), change).await?;
            let mut view = View::new();
            view.insert("tags".to_owned(), json!(tags));
            Ok(vec![view])
        }
        Job::RouterAction { id, action, body } => router_action(cx, tx, id, *action, body)
            .await
            .map(|view| vec![view]),
        Job::Bind { port, body } => {
            let port = bound_port(cx, tx, port).await?;
            let attrs = admit(attribute_tables::PORT_BINDING, Verb::Post, body)?;
            Ok(vec![binding::create(tx, cx.core, port, &attrs).await?])
        }
        Job::ChangeBinding { port, host, body } => {
            let port = bound_port(cx, tx, port).await?;
            let attrs = admit(attribute_tables::PORT_BINDING, Verb::Put, body)?;
            Ok(vec![
                binding::update(tx, cx.core, port, host, &attrs).await?,
            ])
        }
        Job::ActivateBinding { port, host } => {
            let port = bound_port(cx, tx, port).await?;
            Ok(vec![binding::activate(tx, cx.core, port, host).await?])
        }
        Job::DeleteBinding { port, host } => {
            let port = bound_port(cx, tx, port).await?;
            binding::delete(tx, cx.core, port, host).await?;
            Ok(Vec::new())
        }
        Job::Forward { floating, body } => {
            let floating = forwarding_ip(cx, tx, floating).await?;
            let attrs = admit(attribute_tables::PORT_FORWARDING, Verb::Post, body)?;
            Ok(vec![forwardings::create(cx, tx, floating, &attrs).await?])
        }
        Job::ChangeForwarding { floating, id, body } => {
            let floating = forwarding_ip(cx, tx, floating).await?;
            let attrs = admit(attribute_tables::PORT_FORWARDING, Verb::Put, body)?;
            Ok(vec![
                forwardings::update(cx, tx, floating, id, &attrs).await?,
            ])
        }
        Job::DeleteForwarding { floating, id } => {
            let floating = forwarding_ip(cx, tx, floating).await?;
            forwardings::delete(tx, floating, id).await?;
            Ok(Vec::new())
        }
        Job::SetQuota { project, body } => {
            cx.allow(&View::new())?;
            Ok(vec![quotas::set(tx, project, body).await?])
        }
        Job::ResetQuota { project } => {
            cx.allow(&View::new())?;
            quotas::reset(tx, project).await?;
            Ok(Vec::new())
        }
        Job::Topology { project } => {
            cx.allow(&crate::views::owned(project, project))?;
            Ok(vec![topology::ensure(cx, tx, project).await?])
        }
        Job::RehearseTopology => {
            let project = cx.project();
            cx.allow(&crate::views::owned(project, project))?;
            Ok(vec![topology::rehearse(cx, tx).await?])
        }
        Job::DeleteTopology { project } => {
            cx.allow(&crate::views::owned(project, project))?;
            topology::delete(tx, project).await?;
            Ok(Vec::new())
        }
    }
}

/// The condition of an `If-Match: revision_number=N`.
fn at_revision(view: &View, wanted: Option<i64>) -> Result<()> {
    let found = view.get("revision_number").and_then(Value::as_i64);
    match (wanted, found) {
        (Some(wanted), Some(found)) if wanted != found => {
            let id = view
                .get("id")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            Err(Fault::WrongRevision { id, found })
        }
        _ => Ok(()),
    }
}

async fn create(
    cx: &Cx<'_>,
    tx: &Tx,
    resource: &'static Resource,
    bodies: &[Map<String, Value>],
) -> Result<Vec<View>> {
    let mut all = Vec::with_capacity(bodies.len());
    for body in bodies {
        all.push(own(cx, admit(resource.table, Verb::Post, body)?)?);
    }
    for attrs in &all {
        let mut target = attrs.values().clone();
        target.insert("tenant_id".to_owned(), json!(attrs.text("project_id")));
        (resource.logic.see_parent)(cx, tx, attrs).await?;
        resources::add_parent_facts(cx, tx, &mut target).await?;
        authorise(cx, Verb::Post, resource, &mut target, attrs)?;
    }
    if let Some(first) = all.first() {
        let project = first.text("project_id");
        quotas::admit(tx, resource.name, &project, all.len() as u64).await?;
    }
    let mut views = Vec::with_capacity(all.len());
    for attrs in &all {
        let mut view = (resource.logic.create)(cx, tx, attrs).await?;
        resources::hide(cx, resource, &mut view);
        views.push(view);
    }
    Ok(views)
}

/// Fills in whose object it will be: the caller's, unless an admin says otherwise.
fn own(cx: &Cx<'_>, mut attrs: Attrs) -> Result<Attrs> {
    let wanted = attrs
        .opt_text("project_id")
        .filter(|project| !project.is_empty());
    match wanted {
        Some(project) if project != cx.project() && !cx.sees_all() => Err(Fault::BadRequest(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin \
             privileges"
                .to_owned(),
        )),
        Some(_) => Ok(attrs),
        None => {
            attrs.set("project_id", cx.project());
            Ok(attrs)
        }
    }
}

/// Asks policy about the request and about each attribute that it names; then refuses what is not done.
fn authorise(
    cx: &Cx<'_>,
    verb: Verb,
    resource: &Resource,
    target: &mut View,
    attrs: &Attrs,
) -> Result<()> {
    cx.allow(target)?;
    let below = cx.core.access.below(cx.guard.rule(), resource.table);
    for name in &attrs.named {
        let value = attrs.get(name).unwrap_or(&Value::Null);
        // To spell out what holds anyway is no privilege.
        let idle = match value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::String(text) => text.is_empty(),
            Value::Number(_) => false,
        };
        if verb == Verb::Post && idle && name != "port_security_enabled" {
            continue;
        }
        if matches!(name.as_str(), "device_owner" | "target_tenant") {
            target.insert(name.clone(), value.clone());
        }
        let parts = parts(value);
        for rule in &below {
            let concerned = match rule.about.strip_prefix(name.as_str()) {
                Some("") => true,
                Some(rest) => rest
                    .strip_prefix(':')
                    .is_some_and(|part| parts.contains(&part)),
                None => false,
            };
            if concerned {
                cx.check(&rule.rule, target)?;
            }
        }
    }
    honour(resource.table, attrs)
}

/// The parts of a value about which policy has rules of their own: its members, and `all` for everybody.
fn parts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) if text == sharing::EVERYBODY => vec!["all"],
        Value::Object(map) => map.keys().map(String::as_str).collect(),
        Value::Array(items) => items
            .iter()
            .flat_map(|item| match item {
                Value::Object(map) => map.keys().map(String::as_str).collect(),
                _ => Vec::new(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

async fn bound_port(cx: &Cx<'_>, tx: &Tx, id: &str) -> Result<ports::Model> {
    let view = resources::view(cx, tx, &resources::PORT, id).await?;
    cx.allow(&view)?;
    store::get::<ports::Entity>(tx, &kinds::PORT, id).await
}

async fn forwarding_ip(cx: &Cx<'_>, tx: &Tx, id: &str) -> Result<floatingips::Model> {
    let view = resources::view(cx, tx, &resources::FLOATINGIP, id).await?;
    cx.allow(&view)?;
    store::get::<floatingips::Entity>(tx, &kinds::FLOATINGIP, id).await
}

async fn router_action(
    cx: &Cx<'_>,
    tx: &Tx,
    id: &str,
    action: RouterAction,
    body: &Map<String, Value>,
) -> Result<View> {
    let view = resources::view(cx, tx, &resources::ROUTER, id).await?;
    cx.allow(&view)?;
    let row = store::get::<routers::Entity>(tx, &kinds::ROUTER, id).await?;
    match action {
        RouterAction::AddInterface => {
            quotas::admit(tx, "port", &row.project_id, 1).await?;
            router_logic::add_interface(cx, tx, row, body).await
        }
        RouterAction::RemoveInterface => router_logic::remove_interface(tx, row, body).await,
        RouterAction::AddRoutes | RouterAction::RemoveRoutes => {
            let inner = body
                .get("router")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default();
            let row =
                router_logic::change_routes(cx, tx, row, &inner, action == RouterAction::AddRoutes)
                    .await?;
            let shown = router_logic::show(cx, tx, vec![row])
                .await?
                .pop()
                .unwrap_or_default();
            let mut wrapped = View::new();
            wrapped.insert("router".to_owned(), Value::Object(shown));
            Ok(wrapped)
        }
    }
}
