//! Whether a caller may do what is asked, by the rules of the service.

use web::Caller;
use web::policy::Target;

use crate::api::Cx;
use crate::fault::Fault;
use crate::policy::is_service;
use crate::service::Volumes;

impl Volumes {
    /// Whether the caller is an administrator.
    pub(crate) fn is_admin(&self, caller: &Caller) -> bool {
        self.policy().is_admin(caller)
    }

    /// Whether things of this project exist for the caller.
    pub(crate) fn sees(&self, caller: &Caller, project_id: &str) -> bool {
        self.is_admin(caller)
            || is_service(caller)
            || caller.project_id.as_deref() == Some(project_id)
    }

    /// Whether a rule lets the caller.
    pub(crate) fn may(&self, rule: &str, caller: &Caller, target: &Target<'_>) -> bool {
        self.policy().enforce(rule, caller, target).is_ok()
    }

    /// Refuses unless the rule of the call lets the caller.
    pub(crate) fn allow(&self, cx: &Cx, target: &Target<'_>) -> Result<(), Fault> {
        let allowed = cx.guard.enforce(self.policy(), cx.caller.as_ref(), target);
        allowed.map_err(Fault::Denied)
    }

    /// Refuses unless another rule lets the caller.
    pub(crate) fn allow_rule(
        &self,
        rule: &str,
        caller: &Caller,
        target: &Target<'_>,
    ) -> Result<(), Fault> {
        let allowed = self.policy().enforce(rule, caller, target);
        allowed.map_err(Fault::Denied)
    }
}
