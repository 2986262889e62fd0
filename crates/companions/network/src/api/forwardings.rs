//! Port forwardings of a floating address.

use std::sync::Arc;

use rest::Answer;

use super::{Call, inner, listed, object, one, wrapped};
use crate::core::{Core, Cx};
use crate::fault::{Fault, Result};
use crate::jobs::{self, Job};
use crate::list::{self, Paging};
use crate::{forwardings, resources};

const ONE: &str = "port_forwarding";
const SEVERAL: &str = "port_forwardings";

/// Refuses a floating address that the caller does not see, or whose forwardings it may not.
async fn see(cx: &Cx<'_>, floating: &str) -> Result<()> {
    let db = cx.core.db.read();
    let view = resources::view(cx, db, &resources::FLOATINGIP, floating).await?;
    cx.allow(&view)
}

pub async fn index(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let floating = call.path("floatingip_id");
    let query = &call.pairs();
    if let Some((filter, _)) = query
        .0
        .iter()
        .find(|(key, _)| forwardings::NO_FILTERS.contains(&key.as_str()))
    {
        return Err(Fault::ForwardingFilter(filter.clone()));
    }
    list::validate(query, forwardings::LISTING.filters())?;
    let url = call.link(&format!("v2.0/floatingips/{floating}/{SEVERAL}"));
    see(cx, floating).await?;
    let paging = Paging::read(query, core.settings.max_page)?;
    let views = forwardings::page(cx, core.db.read(), floating, query, &paging).await?;
    Ok(listed(paging.page(views, query, &url), query, SEVERAL))
}

pub async fn show(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let (floating, id) = (call.path("floatingip_id"), call.path("id"));
    see(cx, floating).await?;
    let found = forwardings::get(core.db.read(), floating, id).await?;
    let found = forwardings::show(found);
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
