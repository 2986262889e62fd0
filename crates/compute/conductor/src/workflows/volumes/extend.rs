//! A volume of a server became larger: **show** (the guest sees its size), **settle**.
//!
//! The volume has its size already, and its server's record says nothing of sizes: a guest that cannot be shown the
//! size now has it with its next start. So there is nothing to undo.

use compute_rpc::agent::ResizeVolume;
use compute_rpc::workflows::{EXTEND_VOLUME, EXTEND_VOLUME_VERSION, ExtendVolume as State};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use crate::env::Env;
use crate::records;
use crate::workflows::MINUTE;
use crate::workflows::devices::{Change, TRIES, failed, tell};

const CHANGE: Change = Change {
    verb: "extend volume",
    action: "extend_volume",
};

/// See the module.
pub struct ExtendVolume;

impl Workflow for ExtendVolume {
    const KIND: &'static str = EXTEND_VOLUME;
    const VERSION: u16 = EXTEND_VOLUME_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("show", 2 * MINUTE, show).attempts(TRIES),
            Step::new("settle", MINUTE, settle).no_return(),
        ]
    }

    async fn undone(
        _env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        let of = (state.server_id.as_str(), &state.asked);
        CHANGE.failed(cx, state, of, why).await
    }
}

async fn show(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = records::load(env, &state.server_id).await?;
    // One that lost the volume has nothing to be shown (as with Nova), nor has one that left its host.
    let shown = server.filter(|server| {
        let mut volumes = server.volumes.iter();
        server.host.is_some() && volumes.any(|known| known.volume_id == state.volume_id)
    });
    let Some(server) = shown else {
        return Ok(Next::Go);
    };
    let message = ResizeVolume {
        server_id: server.id,
        volume_id: state.volume_id.clone(),
    };
    let told = tokio::select! {
        told = tell(env, &state.asked, server.host.as_deref(), message) => told,
        () = cx.cancelled() => return Err(StepError::fail("cancelled")),
    };
    match told {
        Ok(()) => Ok(Next::Go),
        Err(trouble) => Err(failed(cx, trouble)),
    }
}

async fn settle(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let of = (state.server_id.as_str(), &state.asked);
    CHANGE.went_well(cx, state, of).await
}
