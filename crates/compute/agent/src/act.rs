//! Actions on a server that is here.

use std::sync::Arc;
use std::time::Duration;

use bus::{Context, Failure};
use compute_model::disk_device::DiskPlace;
use compute_model::lifecycle::Action;
use compute_model::{Server, VmState};
use compute_rpc::agent::{Act, Done, Given};
use hypervisor::{GuestFacts, Keep, Reboot, StopHow};

use crate::description::described;
use crate::failure::{facts_of, of_driver, unsupported};
use crate::numbers::{epoch, power};
use crate::spec::{self, Extras};
use crate::{Host, description, guest_agent, images, late, rescue, resume, volumes};

/// Carries out one action. Repeating it is harmless.
pub async fn act(host: Arc<Host>, _context: Context, message: Act) -> Result<Done, Failure> {
    let server = &message.server;
    late::refuse(&host, server, message.sent_at).await?;
    let facts = tokio::select! {
        biased;
        failure = host.given_up.of(&server.id, server.epoch) => return Err(failure),
        facts = carry_out(&host, &message) => facts?,
    };
    let disk_places = match starts_guest(message.action) {
        true => disk_places(&host, server).await,
        false => None,
    };
    Ok(Done {
        power_state: power(facts.power_state),
        disk_places,
    })
}

/// Whether an action starts a guest by its description, which puts its disks in their places.
fn starts_guest(action: Action) -> bool {
    match action {
        Action::Start
        | Action::Restore
        | Action::RebootSoft
        | Action::RebootHard
        | Action::ResumeOnBoot
        | Action::Rescue
        | Action::Unrescue
        | Action::Resize
        | Action::RevertResize
        | Action::Rebuild => true,
        Action::Stop
        | Action::SoftDelete
        | Action::ChangePassword
        | Action::Pause
        | Action::Unpause
        | Action::Suspend
        | Action::Resume
        | Action::ConfirmResize
        | Action::CrashDump => false,
    }
}

/// Where the guest finds its disks with tags since it was started; None when no disk has one.
async fn disk_places(host: &Host, server: &Server) -> Option<Vec<DiskPlace>> {
    // The guest runs by this description: that nobody can tell where its disks are is no failure of the action.
    places_kept(host, server).await.unwrap_or_else(|failure| {
        let why = &failure.message;
        tracing::warn!(
            server = server.id,
            why,
            "where the disks of a guest are is not known"
        );
        None
    })
}

async fn places_kept(host: &Host, server: &Server) -> Result<Option<Vec<DiskPlace>>, Failure> {
    let kept = host.driver.spec(&server.id).await;
    match kept.map_err(|error| of_driver(&error))? {
        Some(kept) => description::disk_places(host, server, &kept).await,
        None => Ok(None),
    }
}

async fn carry_out(host: &Arc<Host>, message: &Act) -> Result<GuestFacts, Failure> {
    let (server, action) = (&*message.server, message.action);
    Ok(match action {
        Action::Start => {
            let (described, _holds) = described(host, server).await?;
            facts_of(host.driver.ensure_running(&described).await)?
        }
        Action::Stop => {
            let how = StopHow::Graceful {
                timeout: patience(host, server),
            };
            let stopped = host
                .driver
                .ensure_stopped(&server.id, epoch(server.epoch), how);
            facts_of(stopped.await)?
        }
        Action::SoftDelete => {
            let epoch = epoch(server.epoch);
            facts_of(
                host.driver
                    .ensure_stopped(&server.id, epoch, StopHow::Hard)
                    .await,
            )?
        }
        Action::Restore => {
            let (mut described, _holds) = described(host, server).await?;
            // What interrupted a change of its size left the row right, and maybe not the guest.
            spec::size(&mut described, server, &host.settings)?;
            facts_of(host.driver.ensure_running(&described).await)?
        }
        Action::RebootSoft => {
            let how = Reboot::Soft {
                timeout: host.settings.soft_reboot_timeout,
            };
            let (described, _holds) = described(host, server).await?;
            facts_of(host.driver.reboot(&described, how).await)?
        }
        Action::RebootHard => {
            let (described, _holds) = described(host, server).await?;
            facts_of(host.driver.reboot(&described, Reboot::Hard).await)?
        }
        Action::ChangePassword => {
            guest_agent::change_password(host, server, &message.given).await?
        }
        Action::ResumeOnBoot => resume::resume(host, server).await?,
        Action::Pause | Action::Unpause => pause(host, server, action).await?,
        Action::Suspend | Action::Resume => suspend(host, server, action).await?,
        Action::Rescue => {
            let (mut described, mut holds) = described(host, server).await?;
            holds.extend(rescue::describe(host, &mut described, server, &message.given).await?);
            let how = Reboot::Soft {
                timeout: patience(host, server),
            };
            facts_of(host.driver.reboot(&described, how).await)?
        }
        Action::Unrescue => {
            let (described, _holds) = described(host, server).await?;
            facts_of(host.driver.reboot(&described, Reboot::Hard).await)?
        }
        Action::Resize | Action::ConfirmResize | Action::RevertResize => {
            resize(host, server, action).await?
        }
        Action::Rebuild => rebuild(host, server, &message.given).await?,
        Action::CrashDump => {
            let able = host.driver.crash_dump();
            let able = able.ok_or_else(|| unsupported("trigger a crash dump"))?;
            facts_of(able.crash_dump(&server.id, epoch(server.epoch)).await)?
        }
    })
}

/// Gives the server the size of its flavor as the message has it, for good or not.
async fn resize(host: &Host, server: &Server, action: Action) -> Result<GuestFacts, Failure> {
    let able = host.driver.resize();
    let able = able.ok_or_else(|| unsupported("give a server another size"))?;
    if action == Action::ConfirmResize {
        let confirmed = able.confirm_resize(&server.id, epoch(server.epoch));
        return facts_of(confirmed.await);
    }
    let (mut described, _holds) = described(host, server).await?;
    spec::size(&mut described, server, &host.settings)?;
    let runs = server.resize.as_ref();
    let runs = runs.is_none_or(|resize| resize.was != VmState::Stopped);
    let how = StopHow::Graceful {
        timeout: patience(host, server),
    };
    facts_of(match action {
        Action::Resize => able.resize(&described, how, runs).await,
        _ => able.revert_resize(&described, how, runs).await,
    })
}

/// Makes the server anew: nothing of its guest, and none of its local disks, is left. A stopped one is stopped again.
async fn rebuild(host: &Host, server: &Server, given: &Given) -> Result<GuestFacts, Failure> {
    let _permit = host.builds.acquire().await;
    // Fetched before anything is given up: an image that cannot be had leaves the server as it is.
    let (root, _holds) = images::of_server(host, server).await?;
    // What cannot be read of the server is found before, too.
    spec::new(server, root.clone(), &Extras::of(given), &host.settings)?;
    volumes::of(server, host.seal())?;
    let epoch = epoch(server.epoch);
    let gone = host.driver.ensure_gone(&server.id, epoch, Keep::Nothing);
    gone.await.map_err(|error| of_driver(&error))?;
    // The guest that is gone had a machine, and so places, of its own.
    let (described, _) = description::new(host, server, root, &Extras::of(given)).await?;
    let facts = facts_of(host.driver.ensure_running(&described).await)?;
    if server.vm_state != VmState::Stopped {
        return Ok(facts);
    }
    facts_of(
        host.driver
            .ensure_stopped(&server.id, epoch, StopHow::Hard)
            .await,
    )
}

/// How long the guest may take to shut down.
fn patience(host: &Host, server: &Server) -> Duration {
    let image = server.described_by();
    let asked = image.and_then(|image| image.properties.get("os_shutdown_timeout"));
    shutdown_timeout(asked.map(String::as_str), host.settings.shutdown_timeout)
}

async fn pause(host: &Host, server: &Server, action: Action) -> Result<GuestFacts, Failure> {
    let able = host.driver.pause().ok_or_else(|| unsupported("pause"))?;
    facts_of(match action {
        Action::Pause => able.pause(&server.id, epoch(server.epoch)).await,
        _ => able.unpause(&server.id, epoch(server.epoch)).await,
    })
}

async fn suspend(host: &Host, server: &Server, action: Action) -> Result<GuestFacts, Failure> {
    let able = host
        .driver
        .suspend()
        .ok_or_else(|| unsupported("suspend"))?;
    facts_of(match action {
        Action::Suspend => able.suspend(&server.id, epoch(server.epoch)).await,
        _ => able.resume(&server.id, epoch(server.epoch)).await,
    })
}

/// The longest that a guest may take to shut down, whatever its image says. Who commands the stop
/// waits 300 s for the answer (the conductor's `action_timeout`) and then commands it again: a guest
/// that ignores the power button must be cut off, and that be said, before.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(240);

/// How long the guest may take: `usual`, unless its image says otherwise (`asked`, in seconds).
fn shutdown_timeout(asked: Option<&str>, usual: Duration) -> Duration {
    asked
        .and_then(|seconds| seconds.parse().ok())
        .map(Duration::from_secs)
        .unwrap_or(usual)
        .min(LONGEST_SHUTDOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_chooses_how_long_its_guest_may_take_to_shut_down_within_reason() {
        let usual = Duration::from_secs(60);
        for (asked, seconds) in [
            (None, 60),
            (Some("90"), 90),
            (Some("0"), 0),
            (Some("soon"), 60),
            (Some("86400"), 240),
            (Some("18446744073709551615"), 240),
        ] {
            let timeout = shutdown_timeout(asked, usual);
            assert_eq!(timeout, Duration::from_secs(seconds), "{asked:?}");
        }
        let forever = shutdown_timeout(None, Duration::MAX);
        assert_eq!(forever, LONGEST_SHUTDOWN, "an operator's setting too");
    }
}
