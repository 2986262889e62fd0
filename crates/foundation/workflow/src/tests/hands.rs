//! Whose a workflow is: lives of processes, and clocks that are wrong.

use super::*;
use crate::meddle::{Meddler, Orders};

fn patient() -> Stay {
    Stay {
        patient: true,
        ..stay(&["12"])
    }
}

#[tokio::test]
async fn two_processes_of_one_host_take_nothing_from_each_other() {
    for (db, other) in sql::testing::pairs().await {
        let db = fresh(db).await;
        let hotel = Arc::new(Hotel::default());
        let build =
            |db: &Database| Runner::build(db.clone(), "host", hotel.clone()).on::<CheckIn>();
        let first = build(&db).start();
        let id = begin(&db, &first, &patient()).await;
        until(|| async { position(&db, id).await == "lobby" }).await;
        let second = build(&other).start();
        // The second one is awake, and has looked for work more than once.
        let quick = begin(&other, &second, &stay(&["13"])).await;
        assert_eq!(wait(&db, quick).await.status, Status::Done);
        let slept = begin(&other, &second, &stay(&["14"])).await;
        assert_eq!(wait(&db, slept).await.status, Status::Done);
        hotel.open.send_replace(true);
        let record = wait(&db, id).await;
        assert_eq!(
            (record.status, record.epoch),
            (Status::Done, 1),
            "{:?}",
            db.engine()
        );
        first.stop(Duration::from_secs(1)).await;
        second.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_process_that_is_proven_dead_is_succeeded_at_once_and_a_living_one_is_not() {
    for (db, other) in sql::testing::pairs().await {
        let db = fresh(db).await;
        let hotel = Arc::new(Hotel::default());
        let sole = crate::SoleProcess::holding(uuid::Uuid::new_v4());
        let stranger = crate::SoleProcess::holding(uuid::Uuid::new_v4());
        let build = |db: &Database, sole: &crate::SoleProcess| {
            let builder = Runner::build(db.clone(), "host", hotel.clone());
            builder.on::<CheckIn>().sole(sole.clone()).start()
        };
        let first = build(&db, &sole);
        let id = begin(&db, &first, &patient()).await;
        until(|| async { position(&db, id).await == "lobby" }).await;
        let second = build(&other, &stranger);
        let quick = begin(&other, &second, &stay(&["13"])).await;
        assert_eq!(wait(&db, quick).await.status, Status::Done);
        let record = crate::get(db.read(), id)
            .await
            .expect("read")
            .expect("exists");
        assert_eq!((record.epoch, record.owner.as_str()), (1, "host"));
        second.stop(Duration::from_secs(1)).await;
        first.die().await;
        let third = build(&other, &sole);
        hotel.open.send_replace(true);
        assert_eq!(wait(&db, id).await.epoch, 2, "{:?}", db.engine());
        third.stop(Duration::from_secs(1)).await;
    }
}

/// A runner whose clock is off by so many seconds.
fn off(db: &Database, hotel: &Arc<Hotel>, seconds: i64) -> Runner {
    let orders = Orders {
        clock: chrono::TimeDelta::seconds(seconds),
        ..Orders::default()
    };
    let options = Options {
        sweep: Duration::from_millis(20),
        lease: Duration::from_secs(2),
        ..Options::default()
    };
    Runner::build(db.clone(), "host", hotel.clone())
        .on::<CheckIn>()
        .options(options)
        .meddler(Meddler::new(orders))
        .start()
}

#[tokio::test]
async fn clocks_that_differ_by_an_hour_move_no_lease_and_delay_no_work() {
    for (db, other) in sql::testing::pairs().await {
        let db = fresh(db).await;
        let hotel = Arc::new(Hotel::default());
        for (mine, theirs) in [(3600, -3600), (-3600, 3600)] {
            hotel.open.send_replace(false);
            let first = off(&db, &hotel, mine);
            let held = begin(&db, &first, &patient()).await;
            until(|| async { position(&db, held).await == "lobby" }).await;
            let second = off(&other, &hotel, theirs);
            // What the second one does in three looks leaves the first one's lease alone.
            for _ in 0..3 {
                let quick = begin(&other, &second, &stay(&["slow"])).await;
                assert_eq!(wait(&db, quick).await.status, Status::Done);
            }
            let record = crate::get(db.read(), held)
                .await
                .expect("read")
                .expect("exists");
            assert_eq!(record.epoch, 1, "{:?} {mine}", db.engine());
            // When the first one dies, the second one waits for its lease and no hour.
            first.die().await;
            hotel.open.send_replace(true);
            let begun = Instant::now();
            assert_eq!(wait(&db, held).await.epoch, 2, "{:?} {mine}", db.engine());
            assert!(begun.elapsed() < Duration::from_secs(20));
            second.stop(Duration::from_secs(1)).await;
        }
    }
}
