//! Another volume takes the place of one that a server has, as the volume service asks for it when it moves a volume to
//! another back end: **turn**, **reserve** (nobody else gets the new one), **connect** (the server's host may reach
//! it), **quiet** (nothing starts the guest), **copy** (both hold the same, and what the guest writes goes to both),
//! **switch** (the server's record has the new one, then its guest), **complete** (the volume service gives the old one
//! up, and the new one its id), **settle**.
//!
//! Whatever starts the guest gives it the volume of the record. So the record changes only while both hold the same,
//! and changes back when the guest did not follow. Once the guest has the new one there is no way back: what the guest
//! wrote since is nowhere else. An undo that finds it so goes forward. Of a server whose record is gone nobody is asked: it
//! goes forward if the record named the new one last, since its guest may have been told to switch.

use std::time::Duration;

use chrono::TimeDelta;
use compute_model::fault::Kind;
use compute_model::volume::{AttachedVolume, Connection};
use compute_model::{Server, TaskState};
use compute_rpc::agent::{self, Replace, Replaced};
use compute_rpc::workflows::{SWAP_VOLUME, SWAP_VOLUME_VERSION, SwapVolume as State};
use serde_json::Value;
use workflow::{Next, Step, StepContext, StepError, Workflow};

use super::{no_start_under_way, quiet};
use crate::env::Env;
use crate::host::AgentTrouble;
use crate::records::{self, Changed};
use crate::volumes;
use crate::why::Why;
use crate::workflows::MINUTE;
use crate::workflows::devices::{self, AWAY, Change, existing, next_command, turn};

/// How often a copy is looked at: one of a small volume is done at once, others take hours.
const LOOK: Duration = Duration::from_millis(200);
const LATER: Duration = Duration::from_secs(2);
/// Looks at the shorter interval.
const SOON: u32 = 10;

/// How long a copy may stand still, and a host may be busy or away. A disk that answers at all copies some bytes in
/// this time.
const STILL: TimeDelta = TimeDelta::minutes(10);

/// How often a guest is told to switch that does not. One that was started anew in that moment is told once more.
const SWITCHES: u32 = 3;

/// How exactly it is kept in the journal when bytes were copied last.
const NOTED: TimeDelta = TimeDelta::seconds(30);

const CHANGE: Change = Change {
    verb: "swap volume",
    action: "swap_volume",
};

/// See the module.
pub struct SwapVolume;

impl Workflow for SwapVolume {
    const KIND: &'static str = SWAP_VOLUME;
    const VERSION: u16 = SWAP_VOLUME_VERSION;
    type State = State;
    type Env = Env;

    fn request(state: &State) -> Option<telemetry::RequestId> {
        Some(state.asked.request())
    }

    fn steps() -> Vec<Step<Env, State>> {
        vec![
            Step::new("turn", MINUTE, my_turn).attempts(u32::MAX),
            Step::new("reserve", MINUTE, reserve).undo(give_back),
            Step::new("connect", MINUTE, connect),
            Step::new("quiet", MINUTE, no_start).attempts(u32::MAX),
            Step::new("copy", 2 * MINUTE, copy)
                .attempts(u32::MAX)
                .undo(keep),
            Step::new("switch", 4 * MINUTE, switch).attempts(u32::MAX),
            Step::new("complete", 5 * MINUTE, complete).no_return(),
            Step::new("settle", MINUTE, settle).no_return(),
        ]
    }

    async fn undone(
        env: &Env,
        cx: &StepContext,
        state: &mut State,
        why: &Value,
    ) -> Result<(), StepError> {
        let of = (state.server_id.as_str(), &state.asked);
        if state.switched {
            finish(env, state).await?;
            return CHANGE.went_well(cx, state, of).await.map(drop);
        }
        let ended = (state.new_volume_id.as_str(), true);
        volumes::end_migration(env, &state.old.volume_id, ended).await?;
        CHANGE.failed(cx, state, of, why).await
    }
}

async fn my_turn(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    turn(env, &state.before).await
}

async fn no_start(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    quiet(env, &state.server_id).await
}

async fn reserve(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = existing(env, &state.server_id).await?;
    // A change before this one may have taken the volume.
    let has = |one: &AttachedVolume| is_ours(state, one) && !one.detaching;
    if !server.volumes.iter().any(has) {
        return Err(Why::new(Kind::Volume, "the server does not have the volume any more").into());
    }
    let reserved = volumes::reserve(env, &server, &state.new_volume_id).await?;
    state.attachment_id = Some(reserved);
    Ok(Next::Go)
}

/// Whether what a server's record says of a volume is about this one, old or new.
fn is_ours(state: &State, one: &AttachedVolume) -> bool {
    let known = [Some(&state.old.attachment_id), state.attachment_id.as_ref()];
    one.volume_id == state.old.volume_id && known.contains(&Some(&one.attachment_id))
}

async fn give_back(env: &Env, _cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    if state.switched {
        return Ok(());
    }
    match (
        records::load(env, &state.server_id).await?,
        &state.attachment_id,
    ) {
        (Some(server), _) => volumes::release_reserved(env, &server, &state.new_volume_id).await,
        (None, Some(reserved)) => volumes::release(env, reserved).await,
        (None, None) => Ok(()),
    }
}

async fn connect(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let server = existing(env, &state.server_id).await?;
    let new = AttachedVolume {
        volume_id: state.new_volume_id.clone(),
        attachment_id: reserved(state)?.to_owned(),
        ..state.old.clone()
    };
    state.connection = Some(volumes::connect(env, &server, &new).await?);
    Ok(Next::Go)
}

fn reserved(state: &State) -> Result<&str, StepError> {
    let reserved = state.attachment_id.as_deref();
    reserved.ok_or_else(|| StepError::fail("no volume was reserved"))
}

fn reached(state: &State) -> Result<&Connection, StepError> {
    let reached = state.connection.as_ref();
    reached.ok_or_else(|| StepError::fail("the host does not reach the new volume"))
}

/// Asks the server's host; none: the server is gone.
async fn ask(
    env: &Env,
    cx: &StepContext,
    state: &State,
    wish: Replace,
) -> Result<Option<(Server, Result<Replaced, AgentTrouble>)>, StepError> {
    let Some(server) = next_command(cx, &state.server_id).await? else {
        return Ok(None);
    };
    let message = agent::ReplaceVolume {
        server: Box::new(server.clone()),
        volume_id: state.old.volume_id.clone(),
        new: reached(state)?.clone(),
        wish,
    };
    let answer = devices::tell(env, &state.asked, server.host.as_deref(), message).await;
    Ok(Some((server, answer)))
}

/// The same of a server that must be there.
async fn told(
    env: &Env,
    cx: &StepContext,
    state: &State,
    wish: Replace,
) -> Result<Result<Replaced, AgentTrouble>, StepError> {
    let answer = ask(env, cx, state, wish).await?;
    let answer = answer.map(|(_, answer)| answer);
    answer.ok_or_else(|| Why::plain(Kind::Deleted).into())
}

async fn copy(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    match told(env, cx, state, Replace::Copy).await? {
        Ok(Replaced::Ready | Replaced::Switched) => Ok(Next::Go),
        other => Err(later(cx, state, other).await?),
    }
}

/// It is not so far: looked at again, as long as bytes are copied now and then.
async fn later(
    cx: &StepContext,
    state: &mut State,
    answer: Result<Replaced, AgentTrouble>,
) -> Result<StepError, StepError> {
    let now = records::now();
    let copied = match answer {
        Ok(Replaced::Copying { copied, .. }) => copied,
        Ok(Replaced::Ready) => u64::MAX,
        _ => state.copied,
    };
    let quiet = state.copied_at.map(|at| now - at);
    let moved = copied != state.copied && quiet.is_some_and(|quiet| quiet > NOTED);
    if moved || quiet.is_none() {
        (state.copied, state.copied_at) = (copied, Some(now));
        cx.save(state).await?;
    } else if quiet.is_some_and(|quiet| quiet > STILL) {
        let why = "nothing was copied for ten minutes";
        return Ok(Why::new(Kind::TimedOut, why).into());
    }
    let pause = match cx.attempt() < SOON {
        true => LOOK,
        false => LATER,
    };
    Ok(match answer {
        Ok(_) => StepError::retry(pause, "the volume is being copied"),
        Err(trouble @ (AgentTrouble::Away(_) | AgentTrouble::Busy(_) | AgentTrouble::Stale)) => {
            StepError::retry(AWAY, trouble.why().text)
        }
        Err(trouble) => trouble.why().into(),
    })
}

/// Has the server's record name the new volume, or the old one. The id is the same.
async fn point(cx: &StepContext, state: &mut State, new: bool) -> Result<Changed, StepError> {
    if new && !state.named {
        state.named = true;
        cx.save(state).await?;
    }
    let changed = name(cx, state, new).await?;
    if !new && state.named && changed == Changed::Yes {
        state.named = false;
        cx.save(state).await?;
    }
    Ok(changed)
}

async fn name(cx: &StepContext, state: &State, new: bool) -> Result<Changed, StepError> {
    let (attachment, connection) = match new {
        true => (reserved(state)?.to_owned(), Some(reached(state)?.clone())),
        false => (
            state.old.attachment_id.clone(),
            state.old.connection.clone(),
        ),
    };
    records::change(cx, &state.server_id, None, |server| {
        let mut volumes = server.volumes.iter_mut();
        let known = volumes.find(|one| is_ours(state, one));
        known.is_some_and(|known| {
            known.attachment_id.clone_from(&attachment);
            known.connection.clone_from(&connection);
            true
        })
    })
    .await
}

async fn switch(env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    match told(env, cx, state, Replace::Copy).await? {
        Ok(Replaced::Ready) => {}
        Ok(Replaced::Switched) => {
            point(cx, state, true).await?;
            return has_new(cx, state).await;
        }
        // The guest started meanwhile, and the copy began anew: until it is done, only the old one holds all.
        Ok(other) => {
            point(cx, state, false).await?;
            return Err(later(cx, state, Ok(other)).await?);
        }
        Err(trouble) => return Err(later(cx, state, Err(trouble)).await?),
    }
    if point(cx, state, true).await? == Changed::Overtaken {
        return Err(Why::plain(Kind::Deleted).into());
    }
    // What was accepted from here on starts the guest with the new one. What was accepted before may start it with the
    // old one, and must not do so after the guest had the new one.
    if let Err(starts) = no_start_under_way(env, &state.server_id, AWAY).await {
        point(cx, state, false).await?;
        return Err(starts);
    }
    match told(env, cx, state, Replace::Switch).await? {
        Ok(Replaced::Switched) => has_new(cx, state).await,
        Ok(other) => {
            point(cx, state, false).await?;
            Err(not_switched(cx, state, other).await?)
        }
        // Whether the guest has it is not known: the new one holds all that the old one does.
        Err(trouble) => Err(later(cx, state, Err(trouble)).await?),
    }
}

/// The guest did not switch: tried again, a few times.
async fn not_switched(
    cx: &StepContext,
    state: &mut State,
    stands: Replaced,
) -> Result<StepError, StepError> {
    state.failed_switches += 1;
    cx.save(state).await?;
    if state.failed_switches < SWITCHES {
        return later(cx, state, Ok(stands)).await;
    }
    let why = format!("the guest did not switch to the new volume, {SWITCHES} times");
    Ok(Why::new(Kind::Hypervisor, why).into())
}

async fn has_new(cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    state.switched = true;
    cx.save(state).await?;
    Ok(Next::Go)
}

/// What a host said, for an undo.
enum Has {
    Old,
    New,
    /// Its host counts as dead or fails, and the server is being deleted: nobody waits for the host. Or the server is
    /// gone.
    Unknown,
}

/// When a host was asked.
#[derive(Clone, Copy)]
struct When {
    /// The server's record named the new volume since a host last said which one the guest has: it may have switched.
    named: bool,
    /// The server is being deleted.
    going: bool,
    /// It was asked a while already.
    often: bool,
}

/// What an answer says of the guest.
///
/// # Errors
/// Nothing: the host is to be asked again.
fn said(answer: Result<Replaced, AgentTrouble>, when: When) -> Result<Has, AgentTrouble> {
    match answer {
        Ok(Replaced::Switched) => Ok(Has::New),
        Ok(Replaced::Idle | Replaced::Copying { .. } | Replaced::Ready) => Ok(Has::Old),
        // It does not understand what it is asked, and was told to switch by nobody. Of a guest that may have switched,
        // this says nothing: a volume's secret cannot be read after a change of passwords.
        Err(AgentTrouble::Request(_)) if !when.named => Ok(Has::Old),
        Err(AgentTrouble::Dead(_)) if when.going => Ok(Has::Unknown),
        // The guest goes as a whole.
        Err(AgentTrouble::Host(_) | AgentTrouble::Request(_)) if when.going && when.often => {
            Ok(Has::Unknown)
        }
        // A host that counts as dead may run the guest on, with the one or the other: its own word decides.
        Err(trouble) => Err(trouble),
    }
}

async fn has(
    env: &Env,
    cx: &StepContext,
    state: &State,
    wish: Replace,
) -> Result<(Has, Option<Server>), StepError> {
    let Some((server, answer)) = ask(env, cx, state, wish).await? else {
        return Ok((Has::Unknown, None));
    };
    let going = server.task_state == Some(TaskState::Deleting);
    let when = When {
        named: state.named,
        going,
        often: cx.attempt() > SOON,
    };
    let has = said(answer, when);
    let has = has.map_err(|trouble| StepError::retry(AWAY, trouble.why().text))?;
    Ok((has, Some(server)))
}

/// Ends the copy: the guest keeps the old volume. Where it has the new one already, it keeps that.
async fn keep(env: &Env, cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    if state.switched || state.connection.is_none() {
        return Ok(());
    }
    // An earlier command may still be on its way: from this answer on its host refuses it.
    let (before, server) = has(env, cx, state, Replace::Look).await?;
    let names_new = match server {
        Some(server) => {
            let mut volumes = server.volumes.iter();
            volumes.any(|one| Some(&one.attachment_id) == state.attachment_id.as_ref())
        }
        None => state.named,
    };
    match before {
        Has::New => return keeps_new(cx, state).await,
        // The host may have been told to switch. If it was not, the new one holds what both held when it was ready.
        Has::Unknown if names_new => return keeps_new(cx, state).await,
        Has::Unknown => return Ok(()),
        Has::Old => {}
    }
    point(cx, state, false).await?;
    // One that started the guest with the new one meanwhile.
    no_start_under_way(env, &state.server_id, AWAY).await?;
    match has(env, cx, state, Replace::Keep).await? {
        (Has::New, _) => keeps_new(cx, state).await,
        (Has::Old | Has::Unknown, _) => Ok(()),
    }
}

async fn keeps_new(cx: &StepContext, state: &mut State) -> Result<(), StepError> {
    point(cx, state, true).await?;
    state.switched = true;
    cx.save(state).await
}

async fn complete(env: &Env, _cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    finish(env, state).await?;
    Ok(Next::Go)
}

/// The volume service is told that the server has the new volume, by the id of the old one, and uses the old one no
/// more. It takes the old attachment away with that; before, the volume would look as if no server had it.
async fn finish(env: &Env, state: &State) -> Result<(), StepError> {
    volumes::complete_if_there(env, reserved(state)?).await?;
    let ended = (state.new_volume_id.as_str(), false);
    volumes::end_migration(env, &state.old.volume_id, ended).await?;
    // Where the volume or its twin is gone, the attachment is left.
    volumes::release(env, &state.old.attachment_id).await
}

async fn settle(_env: &Env, cx: &StepContext, state: &mut State) -> Result<Next, StepError> {
    let of = (state.server_id.as_str(), &state.asked);
    CHANGE.went_well(cx, state, of).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why() -> Why {
        Why::new(Kind::Internal, "it cannot")
    }

    /// Every time when a host may be asked.
    fn times() -> impl Iterator<Item = When> {
        (0..8).map(|bits| When {
            named: bits & 1 != 0,
            going: bits & 2 != 0,
            often: bits & 4 != 0,
        })
    }

    #[test]
    fn a_host_that_answers_is_believed() {
        let copying = Replaced::Copying {
            copied: 1,
            total: 2,
        };
        for when in times() {
            assert!(matches!(said(Ok(Replaced::Switched), when), Ok(Has::New)));
            for old in [Replaced::Idle, copying, Replaced::Ready] {
                assert!(matches!(said(Ok(old), when), Ok(Has::Old)));
            }
        }
    }

    #[test]
    fn one_that_may_have_been_told_to_switch_never_has_the_old_one_by_a_failure() {
        let failures = [
            AgentTrouble::Request(why()),
            AgentTrouble::Host(why()),
            AgentTrouble::Dead(why()),
            AgentTrouble::Busy(why()),
            AgentTrouble::Away(why()),
            AgentTrouble::Stale,
        ];
        for failure in failures {
            for when in times().filter(|when| when.named) {
                let has = said(Err(failure.clone()), when);
                assert!(!matches!(has, Ok(Has::Old | Has::New)), "{failure:?}");
                let waits = !when.going;
                assert!(!waits || has.is_err(), "{failure:?} of a server that stays");
            }
        }
    }

    #[test]
    fn what_was_never_told_to_switch_has_the_old_one_where_it_cannot_be_asked() {
        for when in times().filter(|when| !when.named) {
            let refused = AgentTrouble::Request(why());
            assert!(matches!(said(Err(refused), when), Ok(Has::Old)));
        }
        let goes = When {
            named: false,
            going: true,
            often: true,
        };
        let failed = AgentTrouble::Host(why());
        assert!(matches!(said(Err(failed), goes), Ok(Has::Unknown)));
    }
}
