//! What every request needs at hand: the database, settings, policy, and who asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sql::Database;
use tokio::sync::{Notify, RwLock};
use web::Caller;
use web::policy::Guard;

use crate::fault::Result;
use crate::host_ranges::HostRanges;
use crate::policy::Access;
use crate::settings::Settings;
use crate::sink::EventSink;
use crate::views::View;

/// The shared insides of the service.
pub struct Core {
    pub db: Database,
    pub settings: Settings,
    pub access: Access,
    /// What this host uses of the address space.
    pub host: HostRanges,
    /// Rung when something changed that the data plane should know.
    pub changed: Notify,
    /// Rung when there is an event for compute.
    pub told: Notify,
    /// Who tells compute; events wait in the database until there is one.
    pub sink: RwLock<Option<Arc<dyn EventSink>>>,
    /// Per subnet, the address handed out last: a hint where to look for the next, never the truth.
    pub cursors: Mutex<HashMap<String, u128>>,
}

/// A request's view of the service: who asks, with what rights.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    pub core: &'a Core,
    pub caller: &'a Caller,
    /// The rule of the call.
    pub guard: &'a Guard,
}

/// The project of a caller whose token is for none: nothing belongs to it. The empty one would not do,
/// since what the service made for itself belongs to that.
const NOBODY: &str = "-";

impl Cx<'_> {
    /// The project that the caller acts for. A token without one owns nothing; an admin's may make
    /// objects that belong to nobody.
    pub fn project(&self) -> &str {
        match self.caller.project_id.as_deref() {
            Some(project) => project,
            None if self.is_admin() => "",
            None => NOBODY,
        }
    }

    /// Whether the caller sees and may touch every project's objects.
    pub fn is_admin(&self) -> bool {
        self.core.access.is_admin(self.caller)
    }

    /// Whether the caller finds every project's objects; see [`Access::sees_all`].
    pub fn sees_all(&self) -> bool {
        self.core.access.sees_all(self.caller)
    }

    /// Asks the rule of the call.
    ///
    /// # Errors
    /// [`Fault::Forbidden`](crate::fault::Fault::Forbidden) naming the rule.
    pub fn allow(&self, target: &View) -> Result<()> {
        self.guard.note();
        self.check(self.guard.rule(), target)
    }

    /// Asks a rule beside that of the call; see [`Access::check`].
    pub fn check(&self, rule: &str, target: &View) -> Result<()> {
        self.core.access.check(rule, self.caller, target)
    }

    /// Whether policy allows.
    pub fn may(&self, rule: &str, target: &View) -> bool {
        self.check(rule, target).is_ok()
    }
}
