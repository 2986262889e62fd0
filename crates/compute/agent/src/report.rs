//! What the agent tells conductors: that the host is alive, what it offers, what its guests do.

use std::sync::Arc;
use std::time::Duration;

use bus::Options;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use compute_model::host::NodeFacts;
use compute_rpc::conductor::{
    self, GuestChanged, GuestReport, GuestSeen, GuestsGone, HostReport, Unwanted,
};
use hypervisor::{Cause, GuestEvent, HostFacts, Keep};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::Host;
use crate::failure::chain;
use crate::numbers::{epoch, power};

/// How long a report waits for a conductor; the next one comes anyway.
const CONDUCTOR_TIMEOUT: Duration = Duration::from_secs(5);

/// Wait after a report that no conductor took.
const AGAIN: Duration = Duration::from_millis(200);

/// Reports the host at once and then at every interval.
pub async fn host(host: Arc<Host>, stop: CancellationToken) {
    let (mut started, mut booted_at) = (true, None);
    // What was wrong last: it is said once, not at every attempt.
    let mut trouble = None;
    loop {
        let wait = match report_host(&host, started, &mut booted_at).await {
            Ok(()) => {
                (started, trouble) = (false, None);
                host.settings.report_interval
            }
            Err(why) => {
                if trouble.as_ref() != Some(&why) {
                    tracing::warn!(why, "the host cannot report; it counts as down before long");
                }
                trouble = Some(why);
                AGAIN
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// `booted_at` is worked out once: the next time it would be another fraction of a second.
async fn report_host(
    host: &Host,
    started: bool,
    booted_at: &mut Option<DateTime<Utc>>,
) -> Result<(), String> {
    let facts = host
        .driver
        .host_facts()
        .await
        .map_err(|error| chain(&error))?;
    let report = HostReport {
        cloud_id: host.settings.cloud_id.clone(),
        host: host.settings.host.clone(),
        node: facts.hypervisor_hostname.clone(),
        node_id: host.settings.node_id.clone(),
        facts: NodeFacts {
            booted_at: Some(*booted_at.get_or_insert_with(|| boot_time(&facts))),
            ..node_facts(host, &facts)
        },
        started,
    };
    let options = Options::default().deadline(CONDUCTOR_TIMEOUT);
    let sent = host.bus.call(&conductor::address(), report, options).await;
    let orders = sent.map_err(|error| error.to_string())?;
    if orders.report_guests {
        host.report_guests.notify_one();
    }
    Ok(())
}

fn node_facts(host: &Host, facts: &HostFacts) -> NodeFacts {
    let settings = &host.settings;
    NodeFacts {
        hypervisor_type: facts.hypervisor_type.clone(),
        hypervisor_version: facts.hypervisor_version,
        host_ip: settings.my_ip.clone(),
        vcpus: facts.vcpus,
        memory_mb: facts.memory_mb,
        disk_gb: facts.disk_gb,
        reserved_memory_mb: settings.reserved_memory_mb,
        reserved_vcpus: settings.reserved_vcpus,
        // What suspended guests wrote nobody else can have.
        reserved_disk_gb: settings.reserved_disk_gb + facts.saved_memory_mb.div_ceil(1024),
        cpu_ratio: settings.cpu_ratio,
        ram_ratio: settings.ram_ratio,
        disk_ratio: settings.disk_ratio,
        cpu_info: facts.cpu_info.clone(),
        traits: facts.traits.iter().cloned().collect(),
        supported: facts
            .supported_instances
            .iter()
            .map(|kind| {
                [
                    kind.arch.clone(),
                    kind.hv_type.clone(),
                    kind.vm_mode.clone(),
                ]
            })
            .collect(),
        booted_at: None,
    }
}

fn boot_time(facts: &HostFacts) -> DateTime<Utc> {
    let seconds = i64::try_from(facts.uptime_s).unwrap_or_default();
    let moment = Utc::now() - TimeDelta::seconds(seconds);
    moment.trunc_subsecs(0)
}

/// Reports all guests at once, then each change, and all again at every interval, when changes were
/// missed, or when a conductor wants it.
pub async fn guests(host: Arc<Host>, stop: CancellationToken) {
    let mut events = host.driver.events();
    let (mut all, mut resume) = (true, host.settings.resume_guests);
    loop {
        if all && !report_guests(&host, resume).await {
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => continue,
                () = stop.cancelled() => return,
            }
        }
        resume = false;
        all = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => !report_event(&host, &event).await,
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => return,
            },
            () = tokio::time::sleep(host.settings.sync_interval) => true,
            () = host.report_guests.notified() => true,
            () = stop.cancelled() => return,
        };
    }
}

/// One change. What was commanded is answered to whoever commanded it.
async fn report_event(host: &Host, event: &GuestEvent) -> bool {
    if event.cause == Cause::Command {
        return true;
    }
    let facts = match host.driver.inspect(&event.id).await {
        Ok(Some(facts)) => facts,
        Ok(None) => return true,
        Err(error) => {
            tracing::warn!(
                server = event.id,
                error = chain(&error),
                "cannot inspect a guest"
            );
            return false;
        }
    };
    tracing::info!(server = event.id, kind = ?event.kind, detail = ?event.detail, "a guest changed");
    let message = GuestChanged {
        cloud_id: host.settings.cloud_id.clone(),
        host: host.settings.host.clone(),
        server_id: event.id.clone(),
        power_state: power(facts.power_state),
        at: event.at,
        epoch: i64::try_from(facts.epoch).unwrap_or(i64::MAX),
    };
    let options = Options::default().deadline(CONDUCTOR_TIMEOUT);
    let told = host.bus.call(&conductor::address(), message, options).await;
    if let Err(error) = &told {
        tracing::debug!(server = event.id, %error, "no conductor heard of a guest; all are reported");
    }
    told.is_ok()
}

/// All guests; removes those that are to go, and looks again at those that are in doubt. False when no
/// conductor answered.
async fn report_guests(host: &Host, resume: bool) -> bool {
    let Some(first) = ask_about_guests(host, Vec::new(), resume).await else {
        return false;
    };
    let_go(host, first.servers).await;
    if first.doubtful.is_empty() {
        return true;
    }
    let Some(second) = ask_about_guests(host, first.doubtful, false).await else {
        return false;
    };
    let_go(host, second.servers).await;
    true
}

/// Lists the guests and hears what is to become of them.
async fn ask_about_guests(host: &Host, doubted: Vec<String>, resume: bool) -> Option<Unwanted> {
    let guests = match host.driver.list().await {
        Ok(guests) => guests,
        Err(error) => {
            tracing::warn!(error = chain(&error), "cannot list the guests");
            return None;
        }
    };
    let report = GuestReport {
        cloud_id: host.settings.cloud_id.clone(),
        host: host.settings.host.clone(),
        node_id: host.settings.node_id.clone(),
        guests: guests
            .iter()
            .map(|guest| GuestSeen {
                server_id: guest.id.clone(),
                power_state: power(guest.power_state),
                epoch: i64::try_from(guest.epoch).unwrap_or(i64::MAX),
            })
            .collect(),
        doubted,
        resume,
    };
    let options = Options::default().deadline(CONDUCTOR_TIMEOUT);
    match host.bus.call(&conductor::address(), report, options).await {
        Ok(answer) => Some(answer),
        Err(error) => {
            tracing::debug!(%error, "no conductor took the report of all guests");
            None
        }
    }
}

/// Removes servers that are to go, whether they are here or not, and says so.
async fn let_go(host: &Host, servers: Vec<(String, i64)>) {
    let mut gone = Vec::with_capacity(servers.len());
    for (id, number) in servers {
        tracing::warn!(server = id, "nothing of this server is to stay here");
        let removed = host
            .driver
            .ensure_gone(&id, epoch(number), Keep::Nothing)
            .await;
        match removed {
            Ok(()) => gone.push((id, number)),
            Err(error) => {
                tracing::error!(server = id, error = chain(&error), "cannot remove a guest");
            }
        }
    }
    if gone.is_empty() {
        return;
    }
    let message = GuestsGone {
        cloud_id: host.settings.cloud_id.clone(),
        host: host.settings.host.clone(),
        node_id: host.settings.node_id.clone(),
        servers: gone,
    };
    let options = Options::default().deadline(CONDUCTOR_TIMEOUT);
    if let Err(error) = host.bus.call(&conductor::address(), message, options).await {
        tracing::debug!(%error, "no conductor heard what went; the next report says it again");
    }
}
