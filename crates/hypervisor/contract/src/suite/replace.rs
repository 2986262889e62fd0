//! The rules of volumes that take the place of others. A driver without them passes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{
    DeviceCommand, Driver, DriverError, ReplaceVolume, Replacing, Result, StopHow, Volume,
};

use super::{Subject, ok, remove};

/// How often a copy is looked at, and how many times: one of a volume that holds nothing is done in a moment.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 1500;

/// The commands about one server, numbered.
struct Commands<'d> {
    able: &'d dyn ReplaceVolume,
    id: &'d str,
    epoch: u64,
    number: &'d AtomicU64,
}

impl Commands<'_> {
    fn next(&self) -> DeviceCommand {
        DeviceCommand {
            epoch: self.epoch,
            number: self.number.fetch_add(1, Ordering::SeqCst),
        }
    }

    async fn look(&self, new: &Volume) -> Result<Replacing> {
        self.able.look_at_copy(self.id, self.next(), new).await
    }

    async fn copy(&self, new: &Volume) -> Result<Replacing> {
        self.able.copy_volume(self.id, self.next(), new).await
    }

    async fn switch(&self, new: &Volume) -> Replacing {
        let done = self.able.switch_volume(self.id, self.next(), new).await;
        ok(done, "switch_volume")
    }

    async fn keep(&self, new: &Volume) -> Replacing {
        let done = self.able.keep_volume(self.id, self.next(), new).await;
        ok(done, "keep_volume")
    }

    /// Copies until both hold the same.
    async fn copied(&self, new: &Volume) {
        for _ in 0..LOOKS {
            match ok(self.copy(new).await, "copy_volume") {
                Replacing::Ready => return,
                Replacing::Copying { .. } => tokio::time::sleep(LOOK).await,
                other => panic!("a copy that is begun: {other:?}"),
            }
        }
        panic!("a copy comes to its end");
    }
}

pub(super) async fn another_takes_its_place(subject: &dyn Subject) {
    let opened = subject.open().await;
    let driver = opened.as_ref();
    if driver.replace_volume().is_none() {
        return;
    }
    let mut spec = subject.spec();
    let [old, other, third] = [subject.volume(), subject.volume(), subject.volume()];
    let mut new = old.clone();
    new.source = other.source.clone();
    spec.volumes = vec![old.clone(), third.clone()];
    ok(driver.ensure_running(&spec).await, "a start with volumes");
    let number = AtomicU64::new(1);
    let on = commands(driver, &spec.id, spec.epoch, &number);
    assert_eq!(ok(on.look(&new).await, "look_at_copy"), Replacing::Idle);
    let absent = on.copy(&other).await;
    assert!(
        matches!(absent, Err(DriverError::BadSpec { .. })),
        "{absent:?}"
    );
    assert_eq!(on.switch(&new).await, Replacing::Idle);
    on.copied(&new).await;
    let late = DeviceCommand::first(spec.epoch);
    let late = on.able.switch_volume(&spec.id, late, &new).await;
    assert!(
        matches!(late, Err(DriverError::StaleCommand { .. })),
        "{late:?}"
    );

    // Another object finds the copy, and ends it.
    drop(opened);
    let again = subject.open().await;
    let driver = again.as_ref();
    let on = commands(driver, &spec.id, spec.epoch, &number);
    assert_eq!(ok(on.look(&new).await, "look_at_copy"), Replacing::Ready);
    for _ in 0..2 {
        assert_eq!(on.keep(&new).await, Replacing::Idle);
    }
    assert_eq!(
        volumes(driver, &spec.id).await,
        [old.clone(), third.clone()]
    );

    // A file that is made anew at the same path is no copy.
    if let Some(path) = new.source.file() {
        on.copied(&new).await;
        let made = made_anew(path).map_err(DriverError::io("make a file anew"));
        ok(made, "a file");
        assert_eq!(ok(on.look(&new).await, "look_at_copy"), Replacing::Idle);
        assert_eq!(on.switch(&new).await, Replacing::Idle);
        let begun = ok(on.copy(&new).await, "copy_volume");
        assert!(matches!(begun, Replacing::Copying { .. }), "{begun:?}");
        assert_eq!(on.keep(&new).await, Replacing::Idle);
    }

    // It takes the place, and the first one takes it back.
    for next in [&new, &old, &new] {
        on.copied(next).await;
        for _ in 0..2 {
            assert_eq!(on.switch(next).await, Replacing::Switched);
        }
        assert_eq!(
            volumes(driver, &spec.id).await,
            [next.clone(), third.clone()]
        );
        assert_eq!(ok(on.copy(next).await, "copy_volume"), Replacing::Switched);
        assert_eq!(on.keep(next).await, Replacing::Switched);
    }
    // The old file is nobody's any more. Of what another machine serves, the id tells which volume it is.
    if old.source.file().is_some() {
        let mut two = subject.spec();
        two.volumes.push(old.clone());
        ok(
            driver.ensure_running(&two).await,
            "a start with the old one",
        );
        remove(driver, &two).await;
    }

    // A copy ends with its guest, which starts with what it had.
    on.copied(&old).await;
    let stopped = driver.ensure_stopped(&spec.id, spec.epoch, StopHow::Hard);
    ok(stopped.await, "ensure_stopped");
    assert_eq!(ok(on.look(&old).await, "look_at_copy"), Replacing::Idle);
    let still = on.copy(&old).await;
    assert!(
        matches!(still, Err(DriverError::Unsupported { .. })),
        "{still:?}"
    );
    spec.volumes = vec![new.clone(), third.clone()];
    ok(
        driver.ensure_running(&spec).await,
        "a start with the new one",
    );
    assert_eq!(ok(on.look(&new).await, "look_at_copy"), Replacing::Switched);
    assert_eq!(volumes(driver, &spec.id).await, [new, third]);
    remove(driver, &spec).await;
}

fn commands<'d>(
    driver: &'d dyn Driver,
    id: &'d str,
    epoch: u64,
    number: &'d AtomicU64,
) -> Commands<'d> {
    match driver.replace_volume() {
        Some(able) => Commands {
            able,
            id,
            epoch,
            number,
        },
        None => panic!("the ability does not come and go"),
    }
}

/// Another file of the same size at a path. Both exist at once, so that it is another one for certain.
fn made_anew(path: &std::path::Path) -> std::io::Result<()> {
    let bytes = std::fs::metadata(path)?.len();
    let beside = path.with_extension("anew");
    std::fs::File::create(&beside)?.set_len(bytes)?;
    std::fs::rename(&beside, path)
}

async fn volumes(driver: &dyn Driver, id: &str) -> Vec<Volume> {
    let spec = ok(driver.spec(id).await, "spec");
    spec.map(|spec| spec.volumes).unwrap_or_default()
}
