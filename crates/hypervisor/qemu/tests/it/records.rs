//! What is true of guests whose process hangs, and of servers whose record is lost.

use std::time::Duration;

use hypervisor::{Driver, DriverError, Keep, PowerState, StopHow};

use crate::cloud::{Cloud, signal, small};

#[tokio::test]
async fn a_guest_that_lives_and_does_not_answer_is_never_shown_as_shut_down() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let spec = small("hung");
    let pid = driver.ensure_running(&spec).await.unwrap().pid.unwrap();
    drop(driver);
    signal("-STOP", pid);
    // A driver that never was connected to it.
    let driver = cloud.driver().await;
    for _ in 0..2 {
        let seen = driver.list().await.unwrap();
        assert_eq!(
            (seen[0].power_state, seen[0].pid),
            (PowerState::NoState, Some(pid))
        );
    }
    signal("-CONT", pid);
    // Without a command, it is only asked; a loaded machine lets it run again late.
    let answers = async {
        loop {
            let facts = driver.inspect(&spec.id).await.unwrap().unwrap();
            assert_eq!(facts.pid, Some(pid));
            match facts.power_state {
                PowerState::NoState => tokio::time::sleep(Duration::from_millis(50)).await,
                other => return other,
            }
        }
    };
    let state = tokio::time::timeout(Duration::from_secs(60), answers).await;
    assert_eq!(state, Ok(PowerState::Running));
    cloud.ends(&driver, &spec.id, 1).await;
}

#[tokio::test]
async fn a_guest_whose_pid_file_is_lost_is_not_shown_as_shut_down() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let spec = small("nameless");
    let pid = driver.ensure_running(&spec).await.unwrap().pid.unwrap();
    drop(driver);
    signal("-STOP", pid);
    let driver = cloud.driver().await;
    std::fs::remove_file(cloud.dir.path().join("servers").join(&spec.id).join("pid")).unwrap();
    let facts = driver.inspect(&spec.id).await.unwrap().unwrap();
    assert_eq!(
        (facts.power_state, facts.pid),
        (PowerState::NoState, Some(pid))
    );
    cloud.ends(&driver, &spec.id, 1).await;
}

#[tokio::test]
async fn a_server_whose_record_is_lost_keeps_its_disks_until_somebody_says_so() {
    let Some((cloud, driver)) = Cloud::ready().await else {
        return;
    };
    let spec = small("lost");
    let folder = cloud.dir.path().join("servers").join(&spec.id);
    let pid = driver.ensure_running(&spec).await.unwrap().pid.unwrap();
    std::fs::remove_file(folder.join("spec.json")).unwrap();
    // For the driver that saw it happen, and for one that comes later.
    for driver in [driver, cloud.driver().await] {
        let seen = driver.list().await.unwrap();
        assert_eq!(
            (seen.len(), seen[0].power_state, seen[0].epoch, seen[0].pid),
            (1, PowerState::NoState, 0, Some(pid))
        );
        // Asked to run as if it were new: that would make new disks, and remove them all when it fails.
        let refused = driver.ensure_running(&spec).await;
        assert!(
            matches!(refused, Err(DriverError::Io { .. })),
            "{refused:?}"
        );
        assert!(folder.join("disk.qcow2").exists());
        assert_eq!(cloud.processes(), [pid]);
    }
    let driver = cloud.driver().await;
    // Taking the host down must work on it.
    let how = StopHow::Graceful {
        timeout: Duration::from_millis(200),
    };
    driver.ensure_stopped(&spec.id, 0, how).await.unwrap();
    assert!(cloud.processes().is_empty());
    assert!(folder.join("disk.qcow2").exists(), "a stop removes nothing");
    let kept = driver.ensure_gone(&spec.id, 1, Keep::Disks).await;
    assert!(kept.is_err(), "disks of nobody are not kept for anybody");
    cloud.ends(&driver, &spec.id, 1).await;
}
