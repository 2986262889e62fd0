//! A driver that is opened again on the folder of an earlier one.

use super::*;

pub(super) async fn a_new_driver_finds_the_guests(subject: &dyn Subject) {
    let (up, down) = (subject.spec(), subject.spec());
    let old = subject.open().await;
    let before = ok(old.ensure_running(&up).await, "ensure_running");
    ok(old.ensure_running(&down).await, "ensure_running");
    ok(
        old.ensure_stopped(&down.id, 3, StopHow::Hard).await,
        "ensure_stopped",
    );
    drop(old);
    let new = subject.open().await;
    let mut events = new.events();
    let listed = ok(new.list().await, "list");
    let find = |id: &str| listed.iter().find(|guest| guest.id == id).cloned();
    let (Some(up_facts), Some(down_facts)) = (find(&up.id), find(&down.id)) else {
        panic!("both servers are found again: {listed:?}")
    };
    assert_eq!(
        (up_facts.power_state, up_facts.pid),
        (PowerState::Running, before.pid)
    );
    assert_eq!(
        (down_facts.power_state, down_facts.epoch),
        (PowerState::Shutdown, 3),
        "the epoch is kept"
    );
    ok(
        new.ensure_stopped(&up.id, 2, StopHow::Hard).await,
        "a found guest can be stopped",
    );
    assert_eq!(next(&mut events, &up.id).await.kind, EventKind::Stopped);
    remove(new.as_ref(), &up).await;
    remove(new.as_ref(), &down).await;
}

pub(super) async fn a_damaged_record_hides_nobody(subject: &dyn Subject) {
    let (spec, neighbour) = (subject.spec(), subject.spec());
    let old = subject.open().await;
    let before = ok(old.ensure_running(&spec).await, "ensure_running");
    ok(old.ensure_running(&neighbour).await, "ensure_running");
    drop(old);
    let record = subject.record(&spec.id);
    assert!(record.exists(), "the subject names the file: {record:?}");
    if let Err(error) = std::fs::write(&record, "{\"epoch\": 3, \"spec\": {\"id\"") {
        panic!("damage {record:?}: {error}");
    }
    let driver = subject.open().await;
    let listed = ok(driver.list().await, "list");
    let find = |id: &str| listed.iter().find(|guest| guest.id == id);
    let Some(unknown) = find(&spec.id) else {
        panic!("a server with a damaged record is listed: {listed:?}")
    };
    assert_eq!(
        (unknown.power_state, unknown.epoch, unknown.pid),
        (PowerState::NoState, 0, before.pid),
        "nothing is claimed of it"
    );
    assert_eq!(
        state(driver.as_ref(), &spec.id).await,
        Some(PowerState::NoState)
    );
    assert_eq!(
        find(&neighbour.id).map(|guest| guest.power_state),
        Some(PowerState::Running),
        "others are not touched by it"
    );
    let started = driver.ensure_running(&spec).await;
    assert!(
        matches!(started, Err(DriverError::Io { .. })),
        "its disks are not started from a guess: {started:?}"
    );
    assert!(
        driver.spec(&spec.id).await.is_err(),
        "no description is invented"
    );
    assert_eq!(
        state(driver.as_ref(), &spec.id).await,
        Some(PowerState::NoState),
        "a refused start removes nothing"
    );
    remove(driver.as_ref(), &spec).await;
    remove(driver.as_ref(), &neighbour).await;
}
