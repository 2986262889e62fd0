//! The watch of the sequence of events: who may see what of it, and those who wait for what comes next.
//!
//! A [`Watch`] is a place in the sequence and nothing else: it is asked for what follows, and answers from the latest
//! events, which this process keeps while somebody watches, or from the database for somebody who is far behind. What a
//! slow reader costs is the same as what a quick one does.

mod hub;

use std::sync::Arc;

use compute_db::events::Bounds;
use compute_model::event::ServerEvent;

pub use hub::{Hub, Limits, News, Watch};

use crate::{Context, Control, ControlError, Result, policy};

/// What somebody may see of the sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Events of servers of this project; of all when there is none.
    pub project_id: Option<String>,
    /// Whether hosts are shown.
    pub hosts: bool,
}

/// What the caller may see, of their own project or of all.
///
/// # Errors
/// 403 by policy, or for a token without a project.
pub fn scope(control: &Control, cx: &Context, all_projects: bool) -> Result<Scope> {
    policy::allow(control, cx)?;
    let project_id = match all_projects {
        true => {
            let rule = "os_compute_api:servers:index:get_all_tenants";
            policy::allow_rule(control, cx, rule)?;
            None
        }
        false => Some(cx.project()?.to_owned()),
    };
    let hosts = policy::may(control, cx, "os_compute_api:os-extended-server-attributes");
    Ok(Scope { project_id, hosts })
}

/// Some events, and up to which number there are no others for who asked: where to go on.
#[derive(Debug, Clone)]
pub struct Page {
    pub events: Vec<Arc<ServerEvent>>,
    pub upto: i64,
}

/// The events behind number `after` that somebody may see, at most `limit`; without a number those from now on, which
/// is none yet.
///
/// # Errors
/// 410 when what follows was forgotten, or the number was never given.
pub async fn page(
    control: &Control,
    scope: &Scope,
    after: Option<i64>,
    limit: u64,
) -> Result<Page> {
    control.events.page(scope, after, limit).await
}

/// Begins a watch behind number `after`, or with what comes from now on.
///
/// # Errors
/// 410 as of [`page`]; 429 and 503 when the caller, or all together, have as many watches as they may.
pub async fn watch(
    control: &Control,
    cx: &Context,
    scope: Scope,
    after: Option<i64>,
) -> Result<Watch> {
    control.events.watch(&cx.caller.user_id, scope, after).await
}

/// What is said to somebody whose number is no place in the sequence.
fn outside(after: i64, bounds: Bounds) -> ControlError {
    let Bounds { first, last } = bounds;
    let gone = first - 1;
    let why = match after > last {
        true => format!(
            "No event has the number {after} yet: the sequence ends at {last}. List the servers, and read on behind \
             {last}."
        ),
        false => format!(
            "The events behind {after} are forgotten up to {gone}. Read on behind {gone} if that is enough, or list the \
             servers and read on behind {last}."
        ),
    };
    ControlError::Gone { why }
}

#[cfg(test)]
mod tests;
