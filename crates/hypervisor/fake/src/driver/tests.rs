//! The simulated hypervisor under the contract, and with every fault it can be told to have.

use std::path::{Path, PathBuf};

use hypervisor::suite::{self, Subject};
use hypervisor::{
    DeviceCommand, EventKind, ImageFormat, ImageRef, Replacing, RootDisk, Volume, VolumeSource,
};

use super::*;
use crate::{FailCall, Latencies};

struct Fake {
    dir: tempfile::TempDir,
}

#[async_trait]
impl Subject for Fake {
    async fn open(&self) -> Arc<dyn Driver> {
        let settings = FakeSettings {
            state_dir: Some(self.dir.path().join("host")),
            ..FakeSettings::default()
        };
        Arc::new(FakeDriver::open(settings).unwrap())
    }

    fn spec(&self) -> ServerSpec {
        spec("suite")
    }

    fn volume(&self) -> Volume {
        volume(self.dir.path())
    }

    fn scratch(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    fn record(&self, id: &str) -> PathBuf {
        self.dir.path().join("host").join(format!("{id}.json"))
    }
}

fn spec(name: &str) -> ServerSpec {
    let mut spec = ServerSpec::minimal(uuid::Uuid::new_v4().to_string(), name);
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: None,
    });
    spec
}

/// A volume of 1 GiB with its file in this folder.
fn volume(dir: &Path) -> Volume {
    let id = uuid::Uuid::new_v4().to_string();
    let path = dir.join(format!("volume-{id}"));
    std::fs::File::create(&path)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    Volume {
        id,
        source: VolumeSource::File { path },
        read_only: false,
        shared: false,
        boot_order: None,
        cdrom: false,
        tag: None,
        limits: hypervisor::VolumeLimits::default(),
        bus: None,
        boot: false,
    }
}

fn faulty(faults: Faults) -> FakeDriver {
    FakeDriver::open(FakeSettings {
        faults,
        ..FakeSettings::default()
    })
    .unwrap()
}

#[tokio::test]
async fn the_fake_keeps_the_contract() {
    suite::check(&Fake {
        dir: tempfile::tempdir().unwrap(),
    })
    .await;
}

#[tokio::test]
async fn a_guest_configured_not_to_start_leaves_nothing_behind() {
    let driver = faulty(Faults {
        fail_start_of: Some("^bad".into()),
        ..Faults::default()
    });
    let bad = spec("bad-one");
    assert!(matches!(
        driver.ensure_running(&bad).await,
        Err(DriverError::GuestFailed { .. })
    ));
    assert!(driver.list().await.unwrap().is_empty());
    driver.ensure_running(&spec("good")).await.unwrap();
}

#[tokio::test]
async fn the_nth_call_fails_and_the_next_succeeds() {
    let fail_calls = vec![FailCall {
        verb: Verb::EnsureRunning,
        nth: 2,
    }];
    let driver = faulty(Faults {
        fail_calls,
        ..Faults::default()
    });
    let server = spec("x");
    driver.ensure_running(&server).await.unwrap();
    assert!(matches!(
        driver.ensure_running(&server).await,
        Err(DriverError::Hypervisor { .. })
    ));
    driver.ensure_running(&server).await.unwrap();
}

#[tokio::test]
async fn a_lost_disk_is_noticed_at_the_next_start() {
    let driver = faulty(Faults {
        lose_disk_of: Some("fragile".into()),
        ..Faults::default()
    });
    let server = spec("fragile");
    driver.ensure_running(&server).await.unwrap();
    assert!(
        !driver
            .ensure_stopped(&server.id, 1, StopHow::Hard)
            .await
            .unwrap()
            .has_disks
    );
    assert!(matches!(
        driver.ensure_running(&server).await,
        Err(DriverError::GuestFailed { .. })
    ));
    assert!(
        driver.inspect(&server.id).await.unwrap().is_some(),
        "an old server is not removed by a failed start"
    );
}

#[tokio::test]
async fn guests_crash_and_power_off_on_their_own() {
    let driver = faulty(Faults {
        crash_of: Some("doomed".into()),
        crash_after_ms: 1,
        ..Faults::default()
    });
    let mut events = driver.events();
    let doomed = spec("doomed");
    driver.ensure_running(&doomed).await.unwrap();
    assert_eq!(events.recv().await.unwrap().kind, EventKind::Started);
    let crash = events.recv().await.unwrap();
    assert_eq!(
        (crash.kind, crash.cause),
        (EventKind::Crashed, Cause::Guest)
    );
    assert_eq!(
        driver
            .inspect(&doomed.id)
            .await
            .unwrap()
            .unwrap()
            .power_state,
        PowerState::Crashed
    );
    let calm = spec("calm");
    driver.ensure_running(&calm).await.unwrap();
    driver.power_off_from_inside(&calm.id).await.unwrap();
    assert_eq!(
        driver.inspect(&calm.id).await.unwrap().unwrap().power_state,
        PowerState::Shutdown
    );
}

#[tokio::test]
async fn a_full_host_says_what_is_missing() {
    let settings = FakeSettings {
        memory_mb: 200,
        refuse_overcommit: true,
        ..FakeSettings::default()
    };
    let driver = FakeDriver::open(settings).unwrap();
    driver.ensure_running(&spec("one")).await.unwrap();
    let full = driver.ensure_running(&spec("two")).await;
    assert!(
        matches!(
            full,
            Err(DriverError::NoResources {
                what: "memory_mb",
                needed: 128,
                available: 72
            })
        ),
        "{full:?}"
    );
}

#[tokio::test]
async fn an_image_larger_than_the_disk_is_refused() {
    let driver = FakeDriver::open(FakeSettings::default()).unwrap();
    let mut server = spec("big");
    let image = ImageRef {
        id: "i".into(),
        path: "/i".into(),
        format: ImageFormat::Qcow2,
        virtual_size: 2 << 30,
    };
    server.root_disk = Some(RootDisk {
        size_gb: 1,
        image: Some(image),
    });
    assert!(matches!(
        driver.ensure_running(&server).await,
        Err(DriverError::ImageUnusable { .. })
    ));
}

#[tokio::test]
async fn latencies_pass_and_servers_do_not_wait_for_each_other() {
    let latencies = Latencies {
        start_ms: 300,
        ..Latencies::default()
    };
    let driver = FakeDriver::open(FakeSettings {
        latencies,
        ..FakeSettings::default()
    })
    .unwrap();
    let started = tokio::time::Instant::now();
    let (a, b) = (spec("a"), spec("b"));
    let (first, second) = tokio::join!(driver.ensure_running(&a), driver.ensure_running(&b));
    first.unwrap();
    second.unwrap();
    let took = started.elapsed().as_millis();
    assert!((300..590).contains(&took), "{took} ms");
}

#[tokio::test]
async fn a_delete_cuts_a_slow_shutdown_short() {
    let latencies = Latencies {
        stop_ms: 60_000,
        ..Latencies::default()
    };
    let driver = FakeDriver::open(FakeSettings {
        latencies,
        ..FakeSettings::default()
    })
    .unwrap();
    let server = spec("slow");
    driver.ensure_running(&server).await.unwrap();
    let how = StopHow::Graceful {
        timeout: Duration::from_secs(60),
    };
    let started = tokio::time::Instant::now();
    let (stopped, gone) = tokio::join!(
        driver.ensure_stopped(&server.id, 2, how),
        driver.ensure_gone(&server.id, 3, Keep::Nothing)
    );
    assert_eq!(stopped.unwrap().power_state, PowerState::Shutdown);
    gone.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn copies_of_volumes_fail_and_last_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let driver = faulty(Faults {
        fail_copy_of: Some("^torn".into()),
        slow_copy_of: Some("^slow".into()),
        ..Faults::default()
    });
    for (name, fails) in [("torn", true), ("slow", false)] {
        let (mut server, old) = (spec(name), volume(dir.path()));
        server.volumes.push(old.clone());
        driver.ensure_running(&server).await.unwrap();
        let mut new = old.clone();
        new.source = volume(dir.path()).source;
        let first = DeviceCommand::first(1);
        let begun = driver.copy_volume(&server.id, first, &new).await.unwrap();
        assert!(matches!(begun, Replacing::Copying { .. }));
        let next = driver.copy_volume(&server.id, first, &new).await;
        assert_eq!(next.is_err(), fails, "{next:?}");
        let stands = driver.switch_volume(&server.id, first, &new).await;
        assert_ne!(stands.unwrap(), Replacing::Switched);
        let kept = driver.spec(&server.id).await.unwrap().unwrap().volumes;
        assert_eq!(kept, [old]);
    }
}

#[tokio::test]
async fn volumes_fail_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let driver = faulty(Faults {
        fail_attach_volume_of: Some("^picky".into()),
        keep_volume_of: Some("^sticky".into()),
        fail_calls: vec![FailCall {
            verb: Verb::DetachVolume,
            nth: 1,
        }],
        ..Faults::default()
    });
    let (picky, mut sticky) = (spec("picky"), spec("sticky"));
    let (refused, volume) = (volume(dir.path()), volume(dir.path()));
    sticky.volumes.push(volume.clone());
    driver.ensure_running(&picky).await.unwrap();
    driver.ensure_running(&sticky).await.unwrap();
    let plugged = driver
        .attach_volume(&picky.id, DeviceCommand::first(1), &refused)
        .await;
    assert!(matches!(plugged, Err(DriverError::Hypervisor { .. })));
    for _ in 0..2 {
        let unplugged = driver
            .detach_volume(&sticky.id, DeviceCommand::first(1), &volume.id)
            .await;
        assert!(matches!(unplugged, Err(DriverError::Hypervisor { .. })));
        let kept = driver.spec(&sticky.id).await.unwrap().unwrap().volumes;
        assert_eq!(kept, std::slice::from_ref(&volume));
    }
    driver
        .ensure_stopped(&sticky.id, 1, StopHow::Hard)
        .await
        .unwrap();
    driver
        .detach_volume(&sticky.id, DeviceCommand::first(1), &volume.id)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_served_volume_is_had_unseen_by_one_guest_that_lives() {
    let driver = FakeDriver::open(FakeSettings::default()).unwrap();
    let served: Volume = serde_json::from_value(serde_json::json!({
        "id": uuid::Uuid::new_v4().to_string(),
        "source": {"nbd": {"host": "192.0.2.1", "port": 10_809, "export": "v"}},
    }))
    .unwrap();
    let (mut one, mut two) = (spec("one"), spec("two"));
    one.volumes.push(served.clone());
    two.volumes.push(served.clone());
    driver.ensure_running(&one).await.unwrap();
    let refused = driver.ensure_running(&two).await;
    assert!(
        matches!(refused, Err(DriverError::Busy { .. })),
        "{refused:?}"
    );
    let unseen = driver.resize_volume(&one.id, &served.id).await;
    assert!(
        matches!(unseen, Err(DriverError::Unsupported { .. })),
        "{unseen:?}"
    );
    let taken = driver.detach_volume(&one.id, DeviceCommand::first(1), &served.id);
    taken.await.unwrap();
    driver.ensure_running(&two).await.unwrap();
}

#[tokio::test]
async fn two_guests_that_live_share_a_volume_only_to_read() {
    let dir = tempfile::tempdir().unwrap();
    let driver = FakeDriver::open(FakeSettings::default()).unwrap();
    let (mut one, mut two) = (spec("one"), spec("two"));
    one.volumes.push(volume(dir.path()));
    two.volumes = one.volumes.clone();
    driver.ensure_running(&one).await.unwrap();
    let refused = driver.ensure_running(&two).await;
    assert!(
        matches!(refused, Err(DriverError::Busy { .. })),
        "{refused:?}"
    );
    assert!(driver.inspect(&two.id).await.unwrap().is_none());
    driver
        .ensure_stopped(&one.id, 1, StopHow::Hard)
        .await
        .unwrap();
    one.volumes[0].read_only = true;
    two.volumes[0].read_only = true;
    driver.ensure_running(&one).await.unwrap();
    driver.ensure_running(&two).await.unwrap();
}

#[test]
fn settings_have_defaults_and_refuse_unknown_keys() {
    let settings: FakeSettings = serde_json::from_str(r#"{"vcpus": 8}"#).unwrap();
    assert_eq!((settings.vcpus, settings.memory_mb), (8, 800_000));
    assert!(serde_json::from_str::<FakeSettings>(r#"{"vcpu": 8}"#).is_err());
}
