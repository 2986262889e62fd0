//! Port forwardings of a floating address.

use std::sync::Arc;

use rest::Answer;
use serde_json::Value;

use super::{Call, inner, listing, object, one, wrapped};
use crate::attributes::tables::PORT_FORWARDING;
use crate::core::{Core, Cx};
use crate::fault::{Fault, Result, kinds, missing};
use crate::jobs::{self, Job};
use crate::views::View;
use crate::{forwardings, list, resources};

const ONE: &str = "port_forwarding";
const SEVERAL: &str = "port_forwardings";

/// Attributes that nothing is looked for by, as in Neutron.
const NO_FILTERS: &[&str] = &["internal_ip_address", "internal_port"];

/// Those of a floating address that the caller sees.
async fn all_of(cx: &Cx<'_>, floating: &str) -> Result<Vec<View>> {
    let db = cx.core.db.read();
    let view = resources::view(cx, db, &resources::FLOATINGIP, floating).await?;
    cx.allow(&view)?;
    let mut found = forwardings::of(db, &[floating.to_owned()]).await?;
    let rows = found.remove(floating).unwrap_or_default();
    Ok(rows.into_iter().map(forwardings::show).collect())
}

pub async fn index(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let floating = call.path("floatingip_id");
    let query = &call.pairs();
    if let Some((filter, _)) = query
        .0
        .iter()
        .find(|(key, _)| NO_FILTERS.contains(&key.as_str()))
    {
        return Err(Fault::ForwardingFilter(filter.clone()));
    }
    let known = |key: &str| PORT_FORWARDING.iter().any(|row| row.name == key);
    list::validate(query, known)?;
    let url = call.link(&format!("v2.0/floatingips/{floating}/{SEVERAL}"));
    listing(&core, all_of(cx, floating).await?, query, SEVERAL, &url)
}

pub async fn show(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let id = call.path("id");
    let all = all_of(cx, call.path("floatingip_id")).await?;
    let mut found = all.into_iter();
    let found = found.find(|view| view.get("id").and_then(Value::as_str) == Some(id));
    let found = found.ok_or_else(|| missing(&kinds::FORWARDING, id))?;
    Ok(wrapped(ONE, list::trim(found, &call.pairs())))
}

pub async fn create(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let job = Job::Forward {
        floating: call.path("floatingip_id"),
        body: inner(object(&call)?, ONE)?,
    };
    Ok(wrapped(ONE, one(jobs::run(cx, &job).await?)?))
}

pub async fn update(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let job = Job::ChangeForwarding {
        floating: call.path("floatingip_id"),
        id: call.path("id"),
        body: inner(object(&call)?, ONE)?,
    };
    Ok(wrapped(ONE, one(jobs::run(cx, &job).await?)?))
}

pub async fn remove(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let job = Job::DeleteForwarding {
        floating: call.path("floatingip_id"),
        id: call.path("id"),
    };
    jobs::run(cx, &job).await?;
    Ok(Answer::empty())
}
