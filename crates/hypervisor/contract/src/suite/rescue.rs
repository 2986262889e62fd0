//! A server is rescued, and is itself again afterwards.

use super::{ok, remove, state};
use crate::{Driver, PowerState, Reboot, Rescue, ServerSpec};

pub(super) async fn a_rescue_begins_and_ends(driver: &dyn Driver, mut spec: ServerSpec) {
    ok(driver.ensure_running(&spec).await, "ensure_running");
    let image = spec.root_disk.as_ref().and_then(|root| root.image.clone());
    let mut rescued = spec.clone();
    for number in [7, 8] {
        rescued.epoch = number;
        rescued.rescue = image.clone().map(|image| Rescue {
            number,
            image,
            direct_boot: None,
            config_drive: None,
            device: None,
        });
        // Twice, as a command that is sent again.
        for _ in 0..2 {
            let facts = ok(driver.reboot(&rescued, Reboot::Hard).await, "rescue");
            assert_eq!(facts.power_state, PowerState::Running);
        }
        let kept = ok(driver.spec(&spec.id).await, "spec").expect("it is here");
        assert_eq!(
            kept.rescue, rescued.rescue,
            "the next start is one of the rescue"
        );
        let needed = ok(driver.files_in_use().await, "files_in_use");
        assert!(
            image.iter().all(|image| needed.contains(&image.path)),
            "the image of a rescue is in use"
        );
    }
    spec.epoch = 9;
    ok(driver.reboot(&spec, Reboot::Hard).await, "unrescue");
    let kept = ok(driver.spec(&spec.id).await, "spec").expect("it is here");
    assert_eq!(
        (kept.rescue, state(driver, &spec.id).await),
        (None, Some(PowerState::Running))
    );
    remove(driver, &spec).await;
}
