//! Who reported when, and under which name.

use chrono::TimeDelta;
use compute_db::{DbError, hosts};
use compute_model::host::NodeFacts;
use sql::sea_orm::ConnectionTrait;

const ONE: &str = "11111111-1111-4111-8111-111111111111";
const TWO: &str = "22222222-2222-4222-8222-222222222222";

#[tokio::test]
async fn only_agents_count_for_who_is_heard() {
    for db in super::databases().await {
        assert_eq!(hosts::silences(db.read()).await.expect("none"), []);
        for (host, binary) in [("b", "nova-scheduler"), ("a", hosts::COMPUTE)] {
            let tx = db.begin().await.expect("begin");
            hosts::note_service(&tx, host, binary).await.expect("seen");
            tx.commit().await.expect("commit");
        }
        let silences = hosts::silences(db.read()).await.expect("one");
        assert_eq!(silences.len(), 1, "{silences:?}");
        let (host, silence) = &silences[0];
        assert_eq!(host, "a");
        assert!(
            (TimeDelta::zero()..TimeDelta::seconds(30)).contains(silence),
            "{silence}"
        );
        assert_eq!(hosts::agent(db.read(), "b").await.expect("no agent"), None);
    }
}

/// The clock of one database server can be set for a session: an hour off ours.
#[tokio::test]
async fn a_report_is_stamped_by_the_databases_clock_and_judged_by_it() {
    for db in super::databases().await {
        let off = db.engine() == sql::Engine::MariaDb;
        let tx = db.begin().await.expect("begin");
        if off {
            let hour_back = "SET SESSION timestamp = UNIX_TIMESTAMP() - 3600";
            tx.execute_unprepared(hour_back)
                .await
                .expect("an hour back");
        }
        hosts::note_service(&tx, "a", hosts::COMPUTE)
            .await
            .expect("seen");
        let agent = hosts::agent(&tx, "a").await.expect("asked").expect("there");
        let now = compute_db::now(&tx).await.expect("a moment");
        assert!(agent.is_up(now, TimeDelta::seconds(30)));
        let ours = chrono::Utc::now();
        assert_eq!(agent.is_up(ours, TimeDelta::seconds(30)), !off);
        assert!(!agent.is_up(now + TimeDelta::seconds(61), TimeDelta::seconds(60)));
        let silences = hosts::silences(&tx).await.expect("one");
        assert!(silences[0].1 < TimeDelta::seconds(30), "{silences:?}");
        if off {
            let usual = "SET SESSION timestamp = DEFAULT";
            tx.execute_unprepared(usual).await.expect("as before");
        }
        tx.rollback().await.expect("rollback");
    }
}

#[tokio::test]
async fn a_node_keeps_its_name_and_a_name_its_node() {
    for db in super::databases().await {
        let facts = NodeFacts::default();
        let now = compute_db::now(db.read()).await.expect("a moment");
        let tx = db.begin().await.expect("begin");
        hosts::note_service(&tx, "a", hosts::COMPUTE)
            .await
            .expect("seen");
        hosts::report(&tx, "a", "a", ONE, &facts, now)
            .await
            .expect("new");
        hosts::report(&tx, "a", "a", ONE, &facts, now)
            .await
            .expect("again");
        let renamed = hosts::report(&tx, "b", "b", ONE, &facts, now).await;
        assert!(
            matches!(&renamed, Err(DbError::NodeRenamed { known, .. }) if known == "a"),
            "{renamed:?}"
        );
        let taken = hosts::report(&tx, "a", "a", TWO, &facts, now).await;
        assert!(
            matches!(&taken, Err(DbError::NameTaken { node_id, .. }) if node_id == ONE),
            "{taken:?}"
        );
        // An operator may rename it.
        hosts::report(&tx, "c", "c", TWO, &facts, now)
            .await
            .expect("another");
        let taken = hosts::rename(&tx, ONE, "c").await;
        assert!(matches!(taken, Err(DbError::NameTaken { .. })), "{taken:?}");
        let before = hosts::rename(&tx, ONE, "b").await.expect("renamed");
        assert_eq!(before.as_deref(), Some("a"));
        hosts::report(&tx, "b", "b", ONE, &facts, now)
            .await
            .expect("known");
        assert_eq!(hosts::agent(&tx, "a").await.expect("asked"), None);
        assert!(hosts::agent(&tx, "b").await.expect("asked").is_some());
        assert_eq!(
            hosts::rename(&tx, ONE, "b")
                .await
                .expect("as it is")
                .as_deref(),
            Some("b")
        );
        tx.commit().await.expect("commit");
    }
}
