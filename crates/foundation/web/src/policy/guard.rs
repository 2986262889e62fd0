//! The rule that guards a call, on its way to whoever knows what it is about.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Denied, Policy, Subject, Target};

/// The rule of a row of a service's table. It travels with the request, so that use cases need not spell it again, and
/// remembers whether it was asked. Clones remember together.
#[derive(Clone, Debug)]
pub struct Guard {
    rule: Option<&'static str>,
    asked: Arc<AtomicBool>,
}

impl Guard {
    /// `rule`: none for calls that any caller may make.
    pub fn new(rule: Option<&'static str>) -> Self {
        Self {
            rule,
            asked: Arc::default(),
        }
    }

    /// The name of the rule; empty when there is none, which no policy knows.
    pub fn rule(&self) -> &'static str {
        self.rule.unwrap_or_default()
    }

    /// Asks the rule about a target.
    ///
    /// # Errors
    /// The caller may not; nor may anybody where there is no rule.
    pub fn enforce(
        &self,
        policy: &Policy,
        subject: &dyn Subject,
        target: &Target<'_>,
    ) -> Result<(), Denied> {
        self.note();
        policy.enforce(self.rule(), subject, target)
    }

    /// Notes that the caller's right was decided in another way: rule by rule of what a list shows, say.
    pub fn note(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether a rule that there is was asked.
    pub fn was_asked(&self) -> bool {
        self.rule.is_none() || self.asked.load(Ordering::Relaxed)
    }
}
