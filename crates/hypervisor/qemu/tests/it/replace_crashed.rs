//! A driver or a guest that dies between the moments of a switch: the copy waits, the record names the new volume, the
//! guest gets it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hypervisor::{DeviceCommand, Driver, Replacing, Volume};
use qmp::Qmp;
use serde_json::{Value, json};

use crate::cloud::{BOOT, Cloud, signal};
use crate::replace_live::{copied, has_all, holds, last, pid, stage, writes_to};

fn folder(cloud: &Cloud, id: &str) -> PathBuf {
    cloud.dir.path().join("servers").join(id)
}

/// The copy that is ready waits, as for a driver that is about to write down that the guest switches. No driver is open.
async fn waits(cloud: &Cloud, id: &str) {
    let (qmp, _events) = Qmp::connect(&folder(cloud, id).join("qmp")).await.unwrap();
    let began = Instant::now();
    let mut asked = false;
    loop {
        let jobs = qmp.execute("query-jobs", json!({})).await.unwrap();
        let job = json!({"id": jobs[0]["id"]});
        match jobs[0]["status"].as_str() {
            Some("pending") => return,
            Some("ready") if !asked => {
                qmp.execute("job-complete", job).await.unwrap();
                asked = true;
            }
            _ => {}
        }
        assert!(began.elapsed() < BOOT, "{jobs}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The record names the new volume, as a driver that dies writes it before the guest gets that.
fn is_written_down(cloud: &Cloud, id: &str, new: &Volume) {
    let path = folder(cloud, id).join("spec.json");
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let known = &mut record["spec"]["volumes"][0];
    let before = std::mem::replace(known, serde_json::to_value(new).unwrap());
    record["switching"] = before;
    std::fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_is_done_by_the_next_driver_and_what_was_not_is_not() {
    let Some((cloud, driver, id, [volume, new])) = stage(1, 0).await else {
        return;
    };
    let (id, first) = (id.as_str(), DeviceCommand::first(1));

    // It dies before the record: nothing is decided, and the guest can keep the old one.
    copied(&driver, id, &new).await;
    drop(driver);
    waits(&cloud, id).await;
    let driver = cloud.driver().await;
    let able = driver.replace_volume().unwrap();
    let stands = able.look_at_copy(id, first, &new).await;
    assert_eq!(stands.unwrap(), Replacing::Ready);
    let kept = able.keep_volume(id, first, &new).await;
    assert_eq!(kept.unwrap(), Replacing::Idle);
    writes_to(&driver, id, &volume, &new).await;

    // It dies after the record: the guest has the new one, also when it is to keep the old one.
    copied(&driver, id, &new).await;
    drop(driver);
    waits(&cloud, id).await;
    is_written_down(&cloud, id, &new);
    let driver = cloud.driver().await;
    let able = driver.replace_volume().unwrap();
    let kept = able.keep_volume(id, first, &new).await;
    assert_eq!(kept.unwrap(), Replacing::Switched);
    has_all(&driver, id, &new, &volume).await;
    cloud.ends(&driver, id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_record_names_holds_all_when_the_guest_dies_with_its_driver() {
    for written in [false, true] {
        let Some((cloud, driver, id, [volume, new])) = stage(1, 0).await else {
            return;
        };
        let (id, first) = (id.as_str(), DeviceCommand::first(1));
        copied(&driver, id, &new).await;
        let guest = pid(&driver, id).await;
        drop(driver);
        waits(&cloud, id).await;
        if written {
            is_written_down(&cloud, id, &new);
        }
        signal("-KILL", guest);
        let driver = cloud.driver().await;
        let named = if written { &new } else { &volume };
        let kept = driver.spec(id).await.unwrap().unwrap();
        assert_eq!(kept.volumes, std::slice::from_ref(named));
        let said = last(&driver, id).await;
        for number in 1..=said {
            assert!(holds(named, number), "{number} of {said}");
        }
        driver.ensure_running(&kept).await.unwrap();
        let able = driver.replace_volume().unwrap();
        let stands = able.look_at_copy(id, first, &new).await.unwrap();
        let expected = match written {
            true => Replacing::Switched,
            false => Replacing::Idle,
        };
        assert_eq!(stands, expected);
        cloud.ends(&driver, id, 1).await;
    }
}
