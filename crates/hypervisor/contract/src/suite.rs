//! What every driver must do, as tests that each driver runs on itself. A driver implements [`Subject`] in its tests
//! and calls [`check`]; a failed expectation panics with the sentence it broke.

mod abilities;
mod recovery;
mod replace;
mod rescue;
mod resize;
mod volumes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;

use crate::{
    Cause, Driver, DriverError, EventKind, GuestEvent, Keep, PowerState, Reboot, ServerSpec,
    StopHow, Volume,
};

/// A driver under test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A new driver object over the same state every time, as after a restart of the agent.
    async fn open(&self) -> Arc<dyn Driver>;

    /// A description with a new id that this driver can run.
    fn spec(&self) -> ServerSpec;

    /// A new volume of 1 GiB, which is there.
    fn volume(&self) -> Volume;

    /// A volume that is not there.
    fn missing_volume(&self) -> Volume {
        let volume = self.volume();
        if let Some(path) = volume.source.file()
            && let Err(error) = std::fs::remove_file(path)
        {
            panic!("remove {path:?}: {error}");
        }
        volume
    }

    /// A folder for files that the suite makes.
    fn scratch(&self) -> PathBuf;

    /// The file in which the driver keeps what it knows of a server.
    fn record(&self, id: &str) -> PathBuf;
}

/// Runs everything; prints each rule before it is checked.
pub async fn check(subject: &dyn Subject) {
    let driver = subject.open().await;
    let driver = driver.as_ref();
    for rule in RULES {
        println!("  {}", rule.name());
        match rule {
            Rule::Lifecycle => a_server_runs_stops_and_goes(driver, subject.spec()).await,
            Rule::Repeat => repeating_a_verb_is_harmless(driver, subject.spec()).await,
            Rule::Epoch => an_older_epoch_is_refused(driver, subject.spec()).await,
            Rule::Early => a_start_after_its_delete_is_refused(driver, subject.spec()).await,
            Rule::Hurry => a_delete_does_not_wait_for_the_guest(driver, subject.spec()).await,
            Rule::Unknown => unknown_servers_are_not_invented(driver, subject.spec()).await,
            Rule::BadId => an_id_that_is_no_uuid_is_refused(driver, subject.spec()).await,
            Rule::Restart => recovery::a_new_driver_finds_the_guests(subject).await,
            Rule::Damaged => recovery::a_damaged_record_hides_nobody(subject).await,
            Rule::Reboot => a_reboot_ends_running(driver, subject.spec()).await,
            Rule::KeepDisks => {
                kept_disks_are_not_listed_but_used_again(driver, subject.spec()).await
            }
            Rule::Rescue => rescue::a_rescue_begins_and_ends(driver, subject.spec()).await,
            Rule::Resize => resize::a_size_is_confirmed_or_taken_back(driver, subject.spec()).await,
            Rule::NoVolume => volumes::a_missing_volume_is_named(driver, subject).await,
            Rule::Volumes => volumes::volumes_come_and_go(subject).await,
            Rule::Shared => volumes::those_that_share_a_volume_have_it(driver, subject).await,
            Rule::Replace => replace::another_takes_its_place(subject).await,
            Rule::Pause => abilities::pausing_and_unpausing(driver, subject.spec()).await,
            Rule::CrashDump => abilities::a_crash_dump_needs_a_guest(driver, subject.spec()).await,
            Rule::Suspend => abilities::suspending_and_resuming(driver, subject.spec()).await,
            Rule::Console => abilities::consoles_and_the_log(driver, subject.spec()).await,
            Rule::Snapshot => abilities::a_snapshot_is_a_whole_file(driver, subject).await,
            Rule::Hotplug => abilities::cards_come_and_go(driver, subject.spec()).await,
            Rule::Diagnostics => abilities::diagnostics_know_the_size(driver, subject.spec()).await,
            Rule::DiskPlaces => abilities::disks_with_tags_are_told(driver, subject.spec()).await,
            Rule::Host => abilities::the_host_says_what_it_is(driver).await,
        }
    }
    assert!(
        driver.list().await.unwrap_or_default().is_empty(),
        "the suite leaves no server behind"
    );
}

#[derive(Clone, Copy)]
enum Rule {
    Lifecycle,
    Repeat,
    Epoch,
    Early,
    Hurry,
    Unknown,
    BadId,
    Restart,
    Damaged,
    Reboot,
    KeepDisks,
    Rescue,
    Resize,
    NoVolume,
    Volumes,
    Shared,
    Replace,
    Pause,
    CrashDump,
    Suspend,
    Console,
    Snapshot,
    Hotplug,
    Diagnostics,
    DiskPlaces,
    Host,
}

const RULES: &[Rule] = &[
    Rule::Lifecycle,
    Rule::Repeat,
    Rule::Epoch,
    Rule::Early,
    Rule::Hurry,
    Rule::Unknown,
    Rule::BadId,
    Rule::Restart,
    Rule::Damaged,
    Rule::Reboot,
    Rule::KeepDisks,
    Rule::Rescue,
    Rule::Resize,
    Rule::NoVolume,
    Rule::Volumes,
    Rule::Shared,
    Rule::Replace,
    Rule::Pause,
    Rule::CrashDump,
    Rule::Suspend,
    Rule::Console,
    Rule::Snapshot,
    Rule::Hotplug,
    Rule::Diagnostics,
    Rule::DiskPlaces,
    Rule::Host,
];

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Lifecycle => "a server runs, stops and goes, and events tell it",
            Self::Repeat => "repeating a verb is harmless",
            Self::Epoch => "an older epoch is refused and changes nothing",
            Self::Early => "a delete that came before its build's start is remembered",
            Self::Hurry => "a delete does not wait for a guest that is asked to shut down",
            Self::Unknown => "unknown servers are not invented",
            Self::BadId => "an id that is no UUID is refused",
            Self::Restart => "a new driver finds the guests of the old one",
            Self::Damaged => {
                "a damaged record neither hides a server nor keeps it from being removed"
            }
            Self::Reboot => "a reboot ends running",
            Self::KeepDisks => "kept disks are not listed, but used again",
            Self::Rescue => "a rescue boots from its own disk, and leaves nothing",
            Self::Resize => "another size is confirmed, or taken back",
            Self::NoVolume => "a volume that is not there is named, and nothing is left behind",
            Self::Volumes => "volumes come and go, and stay over a restart",
            Self::Shared => "a volume that is shared is in two servers, and no third has it alone",
            Self::Replace => "a volume takes the place of another, and the guest keeps its device",
            Self::Pause => "pausing and unpausing",
            Self::CrashDump => "a crash dump needs a guest that runs",
            Self::Suspend => "suspending and resuming",
            Self::Console => "consoles and the log",
            Self::Snapshot => "a snapshot is a whole file",
            Self::Hotplug => "network cards come and go",
            Self::Diagnostics => "diagnostics know the server's size",
            Self::DiskPlaces => "the place of a disk with a tag is known before its guest",
            Self::Host => "the host says what it is",
        }
    }
}

const SOON: Duration = Duration::from_secs(20);

/// Unwraps with the error's text: the sentences of `check` are read by people.
#[track_caller]
fn ok<T>(result: crate::Result<T>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error} ({error:?})"),
    }
}

async fn state(driver: &dyn Driver, id: &str) -> Option<PowerState> {
    ok(driver.inspect(id).await, "inspect").map(|facts| facts.power_state)
}

async fn next(events: &mut broadcast::Receiver<GuestEvent>, id: &str) -> GuestEvent {
    let wait = async {
        loop {
            match events.recv().await {
                Ok(event) if event.id == id => return event,
                Ok(_) => {}
                Err(error) => panic!("the event stream ended: {error}"),
            }
        }
    };
    match tokio::time::timeout(SOON, wait).await {
        Ok(event) => event,
        Err(_) => panic!("no event for {id} came"),
    }
}

async fn remove(driver: &dyn Driver, spec: &ServerSpec) {
    ok(
        driver.ensure_gone(&spec.id, u64::MAX, Keep::Nothing).await,
        "ensure_gone",
    );
    assert_eq!(
        state(driver, &spec.id).await,
        None,
        "a server that is gone is unknown"
    );
}

async fn a_server_runs_stops_and_goes(driver: &dyn Driver, spec: ServerSpec) {
    let mut events = driver.events();
    let facts = ok(driver.ensure_running(&spec).await, "ensure_running");
    assert_eq!(
        (facts.power_state, facts.epoch, facts.id.as_str()),
        (PowerState::Running, spec.epoch, spec.id.as_str())
    );
    assert_eq!(facts.name, spec.name);
    assert!(
        ok(driver.list().await, "list")
            .iter()
            .any(|guest| guest.id == spec.id),
        "a running server is listed"
    );
    assert_eq!(
        ok(driver.spec(&spec.id).await, "spec").as_ref(),
        Some(&spec),
        "the description is kept"
    );
    let event = next(&mut events, &spec.id).await;
    assert_eq!(
        (event.kind, event.cause),
        (EventKind::Started, Cause::Command)
    );
    let facts = ok(
        driver.ensure_stopped(&spec.id, 1, StopHow::Hard).await,
        "ensure_stopped",
    );
    assert_eq!(facts.power_state, PowerState::Shutdown);
    let event = next(&mut events, &spec.id).await;
    assert_eq!(
        (event.kind, event.cause),
        (EventKind::Stopped, Cause::Command)
    );
    ok(
        driver.ensure_running(&spec).await,
        "a stopped server starts again",
    );
    assert_eq!(state(driver, &spec.id).await, Some(PowerState::Running));
    remove(driver, &spec).await;
    assert!(
        ok(driver.list().await, "list")
            .iter()
            .all(|guest| guest.id != spec.id)
    );
}

async fn repeating_a_verb_is_harmless(driver: &dyn Driver, spec: ServerSpec) {
    let first = ok(driver.ensure_running(&spec).await, "ensure_running");
    let second = ok(driver.ensure_running(&spec).await, "ensure_running again");
    assert_eq!(
        (first.pid, first.power_state),
        (second.pid, second.power_state),
        "a running guest is left alone"
    );
    for _ in 0..2 {
        ok(
            driver
                .ensure_stopped(&spec.id, spec.epoch, StopHow::Hard)
                .await,
            "ensure_stopped",
        );
    }
    for _ in 0..2 {
        ok(
            driver
                .ensure_gone(&spec.id, spec.epoch, Keep::Nothing)
                .await,
            "ensure_gone",
        );
    }
}

async fn an_older_epoch_is_refused(driver: &dyn Driver, mut spec: ServerSpec) {
    spec.epoch = 7;
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let stop = driver.ensure_stopped(&spec.id, 6, StopHow::Hard).await;
    assert!(
        matches!(
            stop,
            Err(DriverError::StaleEpoch {
                current: 7,
                epoch: 6,
                ..
            })
        ),
        "{stop:?}"
    );
    let gone = driver.ensure_gone(&spec.id, 6, Keep::Nothing).await;
    assert!(
        matches!(gone, Err(DriverError::StaleEpoch { .. })),
        "{gone:?}"
    );
    assert_eq!(
        state(driver, &spec.id).await,
        Some(PowerState::Running),
        "a refused command changes nothing"
    );
    ok(
        driver.ensure_stopped(&spec.id, 8, StopHow::Hard).await,
        "a newer epoch",
    );
    let late = driver.ensure_running(&spec).await;
    assert!(
        matches!(late, Err(DriverError::StaleEpoch { .. })),
        "a late start is refused: {late:?}"
    );
    assert_eq!(state(driver, &spec.id).await, Some(PowerState::Shutdown));
    ok(
        driver.ensure_gone(&spec.id, 9, Keep::Nothing).await,
        "ensure_gone",
    );
    let late = driver.ensure_running(&spec).await;
    assert!(
        matches!(late, Err(DriverError::StaleEpoch { .. })),
        "a late start raises no dead: {late:?}"
    );
    assert_eq!(state(driver, &spec.id).await, None);
}

/// A build that still fetches its image is overtaken by the delete, which finds no server yet.
async fn a_start_after_its_delete_is_refused(driver: &dyn Driver, mut spec: ServerSpec) {
    spec.epoch = 1;
    ok(
        driver.ensure_gone(&spec.id, 2, Keep::Nothing).await,
        "deleting what is not there yet",
    );
    let late = driver.ensure_running(&spec).await;
    assert!(
        matches!(late, Err(DriverError::StaleEpoch { current: 2, .. })),
        "a build that was deleted meanwhile starts nothing: {late:?}"
    );
    assert_eq!(state(driver, &spec.id).await, None);
    spec.epoch = 2;
    ok(driver.ensure_running(&spec).await, "the same operation may");
    remove(driver, &spec).await;
}

async fn a_delete_does_not_wait_for_the_guest(driver: &dyn Driver, spec: ServerSpec) {
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let how = StopHow::Graceful {
        timeout: Duration::from_secs(120),
    };
    let stop = driver.ensure_stopped(&spec.id, 2, how);
    let delete = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let stale = driver.ensure_gone(&spec.id, 1, Keep::Nothing).await;
        assert!(
            matches!(stale, Err(DriverError::StaleEpoch { .. })),
            "a stale delete does nothing: {stale:?}"
        );
        driver.ensure_gone(&spec.id, 3, Keep::Nothing).await
    };
    let both = async { tokio::join!(stop, delete) };
    let Ok((stopped, gone)) = tokio::time::timeout(SOON, both).await else {
        panic!("the delete waits for the guest")
    };
    let stopped = ok(stopped, "the stop ends as usual");
    assert_eq!(stopped.power_state, PowerState::Shutdown);
    ok(gone, "ensure_gone");
    assert_eq!(state(driver, &spec.id).await, None);
}

async fn unknown_servers_are_not_invented(driver: &dyn Driver, spec: ServerSpec) {
    assert_eq!(state(driver, &spec.id).await, None);
    assert!(ok(driver.spec(&spec.id).await, "spec").is_none());
    let stop = driver.ensure_stopped(&spec.id, 1, StopHow::Hard).await;
    assert!(
        matches!(stop, Err(DriverError::NotFound { .. })),
        "{stop:?}"
    );
    if let Some(pause) = driver.pause() {
        let paused = pause.pause(&spec.id, 1).await;
        assert!(
            matches!(paused, Err(DriverError::NotFound { .. })),
            "{paused:?}"
        );
    }
    ok(
        driver.ensure_gone(&spec.id, 1, Keep::Nothing).await,
        "deleting what is not there",
    );
}

async fn an_id_that_is_no_uuid_is_refused(driver: &dyn Driver, mut spec: ServerSpec) {
    for id in ["", "..", "../../etc", "a/b"] {
        spec.id = id.to_owned();
        assert!(driver.ensure_running(&spec).await.is_err(), "{id:?}");
        assert!(!matches!(driver.inspect(id).await, Ok(Some(_))), "{id:?}");
    }
}

async fn a_reboot_ends_running(driver: &dyn Driver, spec: ServerSpec) {
    ok(driver.ensure_running(&spec).await, "ensure_running");
    // A guest that does not listen: power is cut after the timeout.
    let soft = Reboot::Soft {
        timeout: Duration::from_millis(300),
    };
    assert_eq!(
        ok(driver.reboot(&spec, soft).await, "soft reboot").power_state,
        PowerState::Running
    );
    assert_eq!(
        ok(driver.reboot(&spec, Reboot::Hard).await, "hard reboot").power_state,
        PowerState::Running
    );
    ok(
        driver.ensure_stopped(&spec.id, 1, StopHow::Hard).await,
        "ensure_stopped",
    );
    assert_eq!(
        ok(driver.reboot(&spec, Reboot::Hard).await, "from stopped").power_state,
        PowerState::Running
    );
    remove(driver, &spec).await;
}

async fn kept_disks_are_not_listed_but_used_again(driver: &dyn Driver, spec: ServerSpec) {
    ok(driver.ensure_running(&spec).await, "ensure_running");
    ok(
        driver.ensure_gone(&spec.id, 1, Keep::Disks).await,
        "ensure_gone keeping disks",
    );
    assert_eq!(
        state(driver, &spec.id).await,
        None,
        "a server whose disks are kept is not on the host"
    );
    let facts = ok(
        driver.ensure_running(&spec).await,
        "ensure_running on kept disks",
    );
    assert!(facts.has_disks);
    remove(driver, &spec).await;
}
