//! Leases: who has a workflow in hand, and what becomes of it when that one dies, stops or is late.

use super::*;

#[tokio::test]
async fn the_work_of_a_killed_runner_is_continued_by_another_with_a_higher_epoch() {
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let hotel = Arc::new(Hotel::default());
        let first = start(&db, "a", &hotel);
        let id = begin(
            &db,
            &first,
            &Stay {
                patient: true,
                ..stay(&["12"])
            },
        )
        .await;
        until(|| async { position(&db, id).await == "lobby" }).await;
        first.die().await;
        let second = start(&db, "b", &hotel);
        hotel.open.send_replace(true);
        let record = wait(&db, id).await;
        assert_eq!((record.status, record.epoch), (Status::Done, 2));
        second.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_restarted_runner_does_not_wait_for_its_own_old_lease() {
    let db = fresh(sql::testing::sqlite().await).await;
    let hotel = Arc::new(Hotel::default());
    let sole = crate::SoleProcess::holding(uuid::Uuid::new_v4());
    let long = || {
        Runner::build(db.clone(), "a", hotel.clone())
            .on::<CheckIn>()
            .sole(sole.clone())
            .start()
    };
    let first = long();
    let id = begin(
        &db,
        &first,
        &Stay {
            patient: true,
            ..stay(&["12"])
        },
    )
    .await;
    until(|| async { position(&db, id).await == "lobby" }).await;
    first.die().await;
    hotel.open.send_replace(true);
    let begun = Instant::now();
    let _second = long();
    assert_eq!(wait(&db, id).await.status, Status::Done);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_runner_that_lost_its_lease_cannot_save() {
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let id = crate::insert(db.write(), Kind::of::<CheckIn>(), "guest", &stay(&["12"]))
            .await
            .expect("insert");
        let short = Duration::from_millis(1);
        let (old, _) = crate::lease::Lease::take(&db, id, "old", short, &kinds())
            .await
            .expect("db")
            .expect("free");
        tokio::time::sleep(Duration::from_millis(5)).await;
        let (new, _) = crate::lease::Lease::take(&db, id, "new", short, &kinds())
            .await
            .expect("db")
            .expect("ran out");
        assert!(new.epoch() > old.epoch());
        assert!(!old.renew().await.expect("db"));
        assert!(!old.save_state("{}".to_owned()).await.expect("db"));
        assert!(new.save_state("{}".to_owned()).await.expect("db"));
    }
}

#[tokio::test]
async fn a_fence_renews_a_lease_that_is_not_fresh_any_more() {
    use crate::lease::Lease;
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let until = |id| {
            let db = db.clone();
            async move {
                let record = crate::get(db.read(), id).await.expect("read");
                record.expect("there").lease_until
            }
        };
        for (length, renewed) in [
            (Duration::from_secs(600), false),
            (Duration::from_millis(300), true),
        ] {
            let id = crate::insert(db.write(), Kind::of::<CheckIn>(), "guest", &stay(&["12"]))
                .await
                .expect("insert");
            let taken = Lease::take(&db, id, "a", length, &kinds()).await;
            let (lease, _) = taken.expect("db").expect("free");
            let before = until(id).await;
            tokio::time::sleep(Duration::from_millis(60)).await;
            let tx = db.begin().await.expect("begin");
            let written = lease.fence(&tx).await.expect("db").expect("ours");
            tx.commit().await.expect("commit");
            lease.committed(written);
            assert_eq!(
                until(id).await > before,
                renewed,
                "{:?} {length:?}",
                db.engine()
            );
        }
    }
}

#[tokio::test]
async fn a_runner_takes_nothing_from_one_with_a_similar_name() {
    use crate::lease::{Lease, LeaseOwner, free_leases};
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let long = Duration::from_secs(30);
        for owner in ["host_1/a", "hostX1/a"] {
            let guest = stay(&["12"]);
            let id = crate::insert(db.write(), Kind::of::<CheckIn>(), owner, &guest)
                .await
                .expect("insert");
            Lease::take(&db, id, owner, long, &kinds())
                .await
                .expect("db")
                .expect("free");
        }
        let earlier = LeaseOwner::EarlierLivesOf {
            prefix: "host_1/",
            now: "host_1/b",
        };
        assert_eq!(free_leases(&db, earlier).await.expect("db"), 1);
        let other = crate::find(db.read(), "hostX1/a").await.expect("find");
        assert_eq!(other[0].owner, "hostX1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runners_never_have_one_workflow_in_hand_at_once() {
    for db in sql::testing::engines().await {
        let db = fresh(db).await;
        let hotel = Arc::new(Hotel::default());
        // A lease that no load outlasts: what runs out is taken by right.
        let runner = |name| {
            let builder = Runner::build(db.clone(), name, hotel.clone());
            builder.on::<CheckIn>().start()
        };
        let (first, second) = (runner("a"), runner("b"));
        let mut ids = Vec::new();
        for _ in 0..40 {
            let id = begin(&db, &first, &stay(&["12"])).await;
            second.nudge(id);
            ids.push(id);
        }
        for id in ids {
            let record = wait(&db, id).await;
            assert_eq!((record.status, record.epoch), (Status::Done, 1));
            let steps = crate::history(db.read(), id).await.expect("history").len();
            assert_eq!(steps, 7, "each step once");
        }
        first.stop(Duration::from_secs(1)).await;
        second.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn what_a_step_saved_in_the_middle_survives_a_crash() {
    let db = fresh(sql::testing::sqlite().await).await;
    let id = crate::insert(db.write(), Kind::of::<CheckIn>(), "guest", &stay(&["12"]))
        .await
        .expect("insert");
    let long = Duration::from_secs(30);
    let taken = crate::lease::Lease::take(&db, id, "a", long, &kinds()).await;
    let (lease, _) = taken.expect("db").expect("free");
    let cx = StepContext {
        id,
        subject: "guest".to_owned(),
        attempt: 0,
        undoing: false,
        step: "choose",
        deadline: tokio::time::Instant::now(),
        lease,
        cancellable: true,
        cancelled: tokio_util::sync::CancellationToken::new(),
        nudged: Arc::default(),
        marks: crate::context::Marks::default(),
        ending: None,
        meddler: crate::meddle::Meddler::default(),
    };
    cx.save(&stay(&["13"])).await.expect("ours");
    let record = crate::get(db.read(), id)
        .await
        .expect("read")
        .expect("exists");
    assert_eq!(record.state["rooms"], json!(["13"]));
}

#[tokio::test]
async fn a_stopped_runner_leaves_its_work_to_others_at_once() {
    let db = fresh(sql::testing::sqlite().await).await;
    let hotel = Arc::new(Hotel::default());
    let first = Runner::build(db.clone(), "a", hotel.clone())
        .on::<CheckIn>()
        .start();
    let id = begin(
        &db,
        &first,
        &Stay {
            patient: true,
            ..stay(&["12"])
        },
    )
    .await;
    until(|| async { position(&db, id).await == "lobby" }).await;
    first.stop(Duration::from_millis(10)).await;
    let record = crate::get(db.read(), id)
        .await
        .expect("read")
        .expect("exists");
    assert_eq!(
        (record.status, record.owner.as_str()),
        (Status::Running, "")
    );
    hotel.open.send_replace(true);
    let _second = start(&db, "b", &hotel);
    assert_eq!(wait(&db, id).await.status, Status::Done);
}
