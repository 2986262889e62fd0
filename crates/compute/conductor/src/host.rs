//! Calls to the agents of hosts. A call ends with its answer, or when its host is dead.
//!
//! On a broker the queue of a dead host lives on, and a machine without power closes no connection:
//! without this a call would wait until its deadline.
//!
//! **A host that looks dead may not be.** It may be cut off, or its agent may hang, and later do what
//! nobody waits for any more. Whoever gives a host up therefore raises the server's epoch and
//! [leaves word](leave_word): the host finds that behind the old command, and whichever of the two it
//! takes first, the guest is gone in the end, since drivers refuse older epochs. A command that waited
//! in the host's queue is not even begun: the agent asks whether it is still wanted.

use std::time::Duration;

use bus::{CallError, Message, Options};
use compute_model::fault::Kind;
use compute_rpc::agent;
use compute_rpc::workflows::Asked;
use workflow::StepError;

use crate::env::Env;
use crate::hearing::look_interval;
use crate::records;
use crate::silence;
use crate::why::Why;

/// How long word waits for a host: as long as the broker keeps the queue of a host that is away. The
/// lasting word is in the database ([`crate::letting_go`]); this one comes sooner.
const WORD: Duration = Duration::from_secs(24 * 3600);

/// What a failed call to an agent means for the operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentTrouble {
    /// The agent does not answer: the host may be down, or just restarting.
    Away(Why),
    /// The host has been silent for too long, or was declared down.
    Dead(Why),
    /// The host is busy with the server; the same call later may succeed.
    Busy(Why),
    /// This host cannot; another may.
    Host(Why),
    /// No host can.
    Request(Why),
    /// A newer operation was there.
    Stale,
}

impl AgentTrouble {
    /// Sorts a failed call.
    fn of(error: &CallError) -> Self {
        use compute_rpc::code;
        let Some(failure) = error.refusal() else {
            return AgentTrouble::Away(Why::new(Kind::HostAway, error.to_string()));
        };
        let why = Why::new(compute_rpc::kind(failure), failure.message.clone());
        match failure.code.as_str() {
            code::BUSY => AgentTrouble::Busy(why),
            code::STALE => AgentTrouble::Stale,
            code::BAD_REQUEST | code::UNSUPPORTED => AgentTrouble::Request(why),
            _ if failure.retryable => AgentTrouble::Busy(why),
            _ => AgentTrouble::Host(why),
        }
    }

    /// For records and faults.
    pub fn why(self) -> Why {
        match self {
            AgentTrouble::Away(why)
            | AgentTrouble::Dead(why)
            | AgentTrouble::Busy(why)
            | AgentTrouble::Host(why)
            | AgentTrouble::Request(why) => why,
            AgentTrouble::Stale => Why::plain(Kind::Overtaken),
        }
    }
}

/// Sends a command to a host's agent and waits for its answer, until `options` say or the host is dead.
///
/// # Errors
/// What it means that there is no answer, or a refusal.
pub async fn call<M: Message>(
    env: &Env,
    host: &str,
    message: M,
    options: Options,
) -> Result<M::Reply, AgentTrouble> {
    let address = agent::address(host);
    tokio::select! {
        biased;
        called = env.bus.call(&address, message, options) => {
            called.map_err(|error| AgentTrouble::of(&error))
        }
        why = death(env, host) => {
            tracing::warn!(host, why, "a host counts as dead: its answer is not waited for");
            Err(AgentTrouble::Dead(Why::new(Kind::HostAway, format!("{host}: {why}"))))
        }
    }
}

/// Whether a host counts as dead.
///
/// # Errors
/// The database does not answer: the step is tried again.
pub async fn is_dead(env: &Env, host: &str) -> Result<bool, StepError> {
    let death = silence::death(env, host).await;
    Ok(death.map_err(records::database)?.is_some())
}

/// Tells a host that is away what it must do when it returns: whatever it was told before about the
/// server is void. The same must stand in the database already.
pub async fn leave_word(env: &Env, host: &str, asked: &Asked, word: agent::Destroy) {
    let server = word.server_id.clone();
    let options = Options::from(asked.context()).deadline(WORD);
    match env.bus.cast(&agent::address(host), word, options).await {
        Ok(()) => tracing::warn!(server, host, "its host will clean up when it returns"),
        // It then waits for the host's report of its guests.
        Err(error) => {
            tracing::error!(server, host, %error, "no word could be left for its host");
        }
    }
}

/// Tells a server's host that what it was told with this epoch was given up, in case it hangs in its middle or has not begun:
/// it is to end without effect. The row has the next epoch already, which refuses what the host asks about.
///
/// # Errors
/// The database does not answer: the step is tried again.
pub async fn say_given_up(
    env: &Env,
    asked: &Asked,
    server_id: &str,
    epoch: i64,
) -> Result<(), StepError> {
    let Some(server) = records::load(env, server_id).await? else {
        return Ok(());
    };
    let Some(host) = server.host else {
        return Ok(());
    };
    let word = agent::GiveUp {
        server_id: server.id,
        epoch: epoch + 1,
    };
    let options = Options::from(asked.context()).deadline(WORD);
    if let Err(error) = env.bus.cast(&agent::address(&host), word, options).await {
        // What it does late is seen in its report of guests.
        tracing::warn!(server = server_id, host, %error, "its host does not hear that an action was given up");
    }
    Ok(())
}

/// Ends when the host is dead, with the reason. See [`crate::hearing`].
async fn death(env: &Env, host: &str) -> String {
    loop {
        tokio::time::sleep(look_interval(env.settings.service_down_time)).await;
        match silence::death(env, host).await {
            Ok(Some(why)) => return why,
            Ok(None) => {}
            Err(error) => tracing::warn!(host, %error, "cannot see whether a host is alive"),
        }
    }
}
