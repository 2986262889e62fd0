//! Another size for a server, for good or not.

use super::{ok, remove, state};
use crate::{Driver, DriverError, PowerState, ServerSpec, StopHow};

const HOW: StopHow = StopHow::Hard;

pub(super) async fn a_size_is_confirmed_or_taken_back(driver: &dyn Driver, spec: ServerSpec) {
    let Some(able) = driver.resize() else { return };
    let unknown = able.resize(&spec, HOW, true).await;
    assert!(
        matches!(unknown, Err(DriverError::NotFound { .. })),
        "{unknown:?}"
    );
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let larger = |epoch: u64| {
        let mut larger = spec.clone();
        larger.epoch = epoch;
        larger.memory_mb *= 2;
        larger.swap_mb = 4;
        if let Some(root) = &mut larger.root_disk {
            root.size_gb += 1;
        }
        larger
    };
    let as_before = |epoch: u64| ServerSpec {
        epoch,
        ..spec.clone()
    };
    let kept = async || ok(driver.spec(&spec.id).await, "spec").expect("it is here");

    // Taken back, twice as a command that is sent again; then once more, where nothing is kept.
    for _ in 0..2 {
        let facts = ok(able.resize(&larger(3), HOW, true).await, "resize");
        assert_eq!((facts.power_state, facts.epoch), (PowerState::Running, 3));
    }
    assert_eq!(kept().await, larger(3));
    for _ in 0..2 {
        let facts = ok(
            able.revert_resize(&as_before(4), HOW, true).await,
            "revert_resize",
        );
        assert_eq!(facts.power_state, PowerState::Running);
    }
    assert_eq!(kept().await, as_before(4));
    let stale = able.resize(&larger(3), HOW, true).await;
    assert!(
        matches!(stale, Err(DriverError::StaleEpoch { .. })),
        "{stale:?}"
    );

    // Confirmed while it runs; and again.
    ok(able.resize(&larger(5), HOW, true).await, "resize");
    for _ in 0..2 {
        let facts = ok(able.confirm_resize(&spec.id, 6).await, "confirm_resize");
        assert_eq!(facts.power_state, PowerState::Running);
    }
    // What is confirmed is not taken back.
    let facts = ok(
        able.revert_resize(&larger(7), HOW, true).await,
        "revert_resize",
    );
    assert_eq!(facts.power_state, PowerState::Running);
    assert_eq!(kept().await.memory_mb, larger(7).memory_mb);
    let smaller = able.revert_resize(&as_before(7), HOW, true).await;
    assert!(
        matches!(smaller, Err(DriverError::BadSpec { .. })),
        "{smaller:?}"
    );
    assert_eq!(kept().await.memory_mb, larger(7).memory_mb);

    // A stopped server stays stopped, and starts with its new size; what an earlier one left does not count.
    ok(
        driver.ensure_stopped(&spec.id, 8, HOW).await,
        "ensure_stopped",
    );
    for epoch in [9, 10] {
        let facts = ok(able.resize(&larger(epoch), HOW, false).await, "resize");
        assert_eq!(facts.power_state, PowerState::Shutdown);
    }
    ok(able.confirm_resize(&spec.id, 11).await, "confirm_resize");
    ok(driver.ensure_running(&larger(12)).await, "ensure_running");
    assert_eq!(state(driver, &spec.id).await, Some(PowerState::Running));
    remove(driver, &spec).await;
}
