//! What workflows and handlers work with.

use bus::Bus;
use clients::{Service, Session};
use sql::ReadOnly;

use crate::hearing::Hearing;
use crate::settings::Settings;

/// Shared by all workflows of a conductor.
pub struct Env {
    /// To look. Steps write by [`StepContext::begin`](workflow::StepContext::begin) alone.
    pub db: ReadOnly,
    pub bus: Bus,
    pub network: Service,
    pub image: Service,
    pub volume: Service,
    /// Compute's own user.
    pub session: Session,
    pub settings: Settings,
    /// What this conductor heard of agents.
    pub hearing: Hearing,
}
