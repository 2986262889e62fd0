//! Words about servers to let go, and quarantined guests.

use compute_db::{letting_go, quarantine};
use compute_model::PowerState;
use compute_model::quarantine::Quarantined;

const SERVER: &str = "aaaaaaaa-0000-4000-8000-000000000000";
const OTHER: &str = "bbbbbbbb-0000-4000-8000-000000000000";
const NODE: &str = "11111111-1111-4111-8111-111111111111";
const ELSEWHERE: &str = "22222222-2222-4222-8222-222222222222";

#[tokio::test]
async fn a_word_stays_until_its_own_epoch_is_fulfilled() {
    for db in super::databases().await {
        let tx = db.begin().await.expect("begin");
        for (server, node, epoch) in [(SERVER, NODE, 3), (SERVER, NODE, 5), (OTHER, ELSEWHERE, 1)] {
            letting_go::note_for(&tx, server, "a", node, epoch)
                .await
                .expect("noted");
        }
        letting_go::fulfilled(&tx, SERVER, NODE, 4)
            .await
            .expect("asked");
        let words = letting_go::of_node(&tx, NODE).await.expect("one");
        assert_eq!(words, [(SERVER.to_owned(), 5)].into());
        letting_go::fulfilled(&tx, SERVER, NODE, 5)
            .await
            .expect("asked");
        assert!(
            letting_go::of_node(&tx, NODE)
                .await
                .expect("none")
                .is_empty()
        );
        assert!(
            letting_go::take_back(&tx, OTHER, ELSEWHERE)
                .await
                .expect("one")
        );
        assert!(
            !letting_go::take_back(&tx, OTHER, ELSEWHERE)
                .await
                .expect("none")
        );
        tx.commit().await.expect("commit");
    }
}

#[tokio::test]
async fn a_guest_seen_again_keeps_when_it_was_seen_first() {
    for db in super::databases().await {
        let tx = db.begin().await.expect("begin");
        let now = compute_db::now(&tx).await.expect("a moment");
        let first = Quarantined {
            server_id: SERVER.to_owned(),
            host: "a".to_owned(),
            node_id: NODE.to_owned(),
            epoch: 3,
            power_state: PowerState::Running,
            why: "the database has no such server".to_owned(),
            first_seen: now,
            last_seen: now,
        };
        quarantine::note(&tx, &first).await.expect("noted");
        let later = Quarantined {
            epoch: 4,
            power_state: PowerState::Shutdown,
            first_seen: now + chrono::TimeDelta::seconds(5),
            last_seen: now + chrono::TimeDelta::seconds(5),
            ..first.clone()
        };
        quarantine::note(&tx, &later).await.expect("again");
        let kept = Quarantined {
            first_seen: now,
            ..later
        };
        assert_eq!(
            quarantine::list(&tx).await.expect("one"),
            std::slice::from_ref(&kept)
        );
        assert_eq!(quarantine::of_node(&tx, NODE).await.expect("one"), [kept]);
        assert_eq!(quarantine::of_node(&tx, ELSEWHERE).await.expect("none"), []);
        assert_eq!(quarantine::count(&tx).await.expect("one"), 1);
        quarantine::forget(&tx, SERVER, NODE).await.expect("out");
        assert_eq!(quarantine::count(&tx).await.expect("none"), 0);
        tx.commit().await.expect("commit");
    }
}
