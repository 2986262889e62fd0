//! What workflows and handlers work with.

use bus::{Bus, CallError};
use clients::{Service, Session};
use compute_db::Database;

use crate::settings::Settings;
use crate::waiting::Waiting;

/// Shared by all workflows of a conductor.
pub struct Env {
    pub db: Database,
    pub bus: Bus,
    pub network: Service,
    /// Compute's own user.
    pub session: Session,
    /// Who waits for which server's ports.
    pub waiting: Waiting,
    pub settings: Settings,
}

/// What a failed call to an agent means for the operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentTrouble {
    /// The agent does not answer: the host may be down, or just restarting.
    Away(String),
    /// The host is busy with the server; the same call later may succeed.
    Busy(String),
    /// This host cannot; another may.
    Host(String),
    /// No host can.
    Request(String),
    /// A newer operation was there.
    Stale,
}

impl AgentTrouble {
    /// Sorts a failed call.
    pub fn of(error: &CallError) -> Self {
        use compute_rpc::code;
        let Some(failure) = error.refusal() else {
            return AgentTrouble::Away(error.to_string());
        };
        let why = failure.message.clone();
        match failure.code.as_str() {
            code::BUSY => AgentTrouble::Busy(why),
            code::STALE => AgentTrouble::Stale,
            code::BAD_REQUEST | code::UNSUPPORTED => AgentTrouble::Request(why),
            _ if failure.retryable => AgentTrouble::Busy(why),
            _ => AgentTrouble::Host(why),
        }
    }

    /// For records and faults.
    pub fn why(&self) -> String {
        match self {
            AgentTrouble::Away(why)
            | AgentTrouble::Busy(why)
            | AgentTrouble::Host(why)
            | AgentTrouble::Request(why) => why.clone(),
            AgentTrouble::Stale => "a newer operation took over".to_owned(),
        }
    }
}
