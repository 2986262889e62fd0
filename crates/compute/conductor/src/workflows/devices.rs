//! Devices of servers that exist, network cards and volumes: one more, or one less.
//!
//! The server's record says which devices its guest is to have: it is changed before the guest, and changed back when
//! the guest does not follow. So whatever else starts the guest meanwhile gives it the devices of the record.
//! Such changes of one server are made one after the other, in the order in which they were accepted.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bus::{Message, Options};
use compute_model::Server;
use compute_model::action::{ActionEvent, event_of};
use compute_model::fault::Kind;
use compute_rpc::workflows::{Asked, DEVICE_CHANGES};
use serde::Serialize;
use serde_json::Value;
use workflow::{Next, StepContext, StepError};

use crate::env::Env;
use crate::host::{self, AgentTrouble};
use crate::records;
use crate::why::{FailureText, Why};

/// How long a host may take to plug a device in or out; a guest that lets go of one does so within half a second.
const PLUG: Duration = Duration::from_secs(60);

/// How long a host that does not answer, or is busy with the server, is left alone between attempts.
pub const AWAY: Duration = Duration::from_secs(2);

/// How often a host is asked to plug a device in or out.
pub const TRIES: u32 = 8;

/// How often the changes that come first are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Waits for the changes of the server's devices that were accepted before this one.
pub async fn turn(env: &Env, before: &[String]) -> Result<Next, StepError> {
    for id in before.iter().filter_map(|id| id.parse().ok()) {
        let earlier = workflow::get(env.db.read(), id).await;
        let earlier = earlier.map_err(|error| StepError::retry(Duration::from_secs(1), error))?;
        if earlier.is_some_and(|record| record.status == workflow::Status::Running) {
            return Err(StepError::retry(LOOK, "an earlier change is under way"));
        }
    }
    Ok(Next::Go)
}

/// Waits for the changes of a server's devices that were accepted before an operation that moves the server: none is
/// accepted while the operation holds it.
pub async fn at_rest(env: &Env, server_id: &str) -> Result<Next, StepError> {
    let running = workflow::find(env.db.read(), server_id).await;
    let running = running.map_err(|error| StepError::retry(Duration::from_secs(1), error))?;
    let changes = |record: &workflow::Record| {
        record.status == workflow::Status::Running && DEVICE_CHANGES.contains(&record.kind.as_str())
    };
    match running.iter().any(changes) {
        true => Err(StepError::retry(LOOK, "a change of devices is under way")),
        false => Ok(Next::Go),
    }
}

/// The server, which must still be there.
pub async fn existing(env: &Env, server_id: &str) -> Result<Server, StepError> {
    let server = records::load(env, server_id).await?;
    server.ok_or_else(|| Why::plain(Kind::Deleted).into())
}

/// The server as the next command about one of its devices is to have it, numbered: a host refuses what a process that died
/// left on its way when it comes after this. Nothing when the server is gone.
pub async fn next_command(cx: &StepContext, server_id: &str) -> Result<Option<Server>, StepError> {
    // From the transaction that counted: a process that stands still after it must not take a later number.
    let numbered = Mutex::new(None);
    records::change(cx, server_id, None, |server| {
        server.device_command += 1;
        *numbered.lock().unwrap_or_else(PoisonError::into_inner) = Some(server.clone());
        true
    })
    .await?;
    Ok(numbered
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner))
}

/// Has the server's host plug a device in or out.
pub async fn tell<M: Message>(
    env: &Env,
    asked: &Asked,
    on: Option<&str>,
    message: M,
) -> Result<M::Reply, AgentTrouble> {
    let Some(on) = on else {
        let why = Why::new(Kind::Lost, "the server is on no host");
        return Err(AgentTrouble::Request(why));
    };
    let options = Options::from(asked.context()).deadline(PLUG);
    host::call(env, on, message, options).await
}

/// What it means for a step that a host did not do what it was told.
pub fn failed(cx: &StepContext, trouble: AgentTrouble) -> StepError {
    match trouble {
        // A newer operation was there: the record has its epoch by now.
        AgentTrouble::Stale | AgentTrouble::Away(_) | AgentTrouble::Busy(_)
            if cx.attempt() + 1 < TRIES =>
        {
            StepError::retry(AWAY, trouble.why().text)
        }
        trouble => trouble.why().into(),
    }
}

/// What it means for an undo that a host was told to change a guest's device back. The record is right in any case: a host
/// that cannot follow does so with the guest's next start.
pub fn undone_on_host(
    cx: &StepContext,
    server_id: &str,
    told: Result<(), AgentTrouble>,
) -> Result<(), StepError> {
    match told {
        Ok(()) | Err(AgentTrouble::Dead(_)) => Ok(()),
        Err(AgentTrouble::Request(why)) => {
            tracing::debug!(server = server_id, why = why.text, "nothing to change back");
            Ok(())
        }
        Err(trouble) if cx.attempt() < 2 => {
            Err(StepError::retry(Duration::from_secs(1), trouble.why().text))
        }
        Err(trouble) => {
            let why = trouble.why().text;
            tracing::warn!(
                server = server_id,
                why,
                "a guest's device is not changed back"
            );
            Ok(())
        }
    }
}

/// A change of a server's devices, by Nova's names for it.
pub struct Change {
    /// As in "Failed to … of server".
    pub verb: &'static str,
    pub action: &'static str,
}

impl Change {
    /// Writes down that the change went well, as the last thing that its step does.
    pub async fn went_well<S: Serialize + Sync>(
        &self,
        cx: &StepContext,
        state: &S,
        (server_id, asked): (&str, &Asked),
    ) -> Result<Next, StepError> {
        self.write(cx, state, server_id, asked, None).await?;
        Ok(Next::Go)
    }

    /// The event of a change that went well.
    pub fn ended(&self, asked: &Asked) -> ActionEvent {
        records::event(asked, &event_of(self.action), None, None)
    }

    /// Writes down why it failed.
    pub async fn failed<S: Serialize + Sync>(
        &self,
        cx: &StepContext,
        state: &S,
        (server_id, asked): (&str, &Asked),
        why: &Value,
    ) -> Result<(), StepError> {
        let why = Why::of(why);
        let (verb, sentence) = (self.verb, why.kind.sentence());
        let told = FailureText {
            message: format!("Failed to {verb} of {server_id}: {sentence}"),
            details: why.text,
        };
        self.write(cx, state, server_id, asked, Some(&told)).await
    }

    async fn write<S: Serialize + Sync>(
        &self,
        cx: &StepContext,
        state: &S,
        server_id: &str,
        asked: &Asked,
        failed: Option<&FailureText>,
    ) -> Result<(), StepError> {
        let event = records::event(asked, &event_of(self.action), None, failed);
        records::finish(cx, state, server_id, Some((asked, event)), |_| true).await?;
        Ok(())
    }
}
