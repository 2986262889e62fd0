//! What others say to a workflow is heard once, and by no message alone.

use super::*;
use crate::signal;

struct Order;

#[derive(Default)]
struct Shop {
    /// A step has looked and found nothing.
    looked: tokio::sync::Notify,
    /// It may give up waiting.
    give_up: tokio::sync::Notify,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Wish {
    /// What was said, in order.
    heard: Vec<(String, Value)>,
    /// Waits in its place until the test says to give up.
    deaf: bool,
    /// Waits in its place.
    stays: bool,
}

impl Workflow for Order {
    const KIND: &'static str = "order";
    type State = Wish;
    type Env = Shop;

    fn steps() -> Vec<Step<Shop, Wish>> {
        vec![
            Step::new("listen", MINUTE, listen)
                .attempts(u32::MAX)
                .undo(forget),
            Step::new("serve", MINUTE, serve),
        ]
    }
}

async fn listen(shop: &Shop, cx: &StepContext, wish: &mut Wish) -> Result<Next, StepError> {
    let names = ["confirm", "revert"];
    let limit = if wish.stays { MINUTE } else { Duration::ZERO };
    let Some(signal) = cx.wait_for_signal(&names, limit).await? else {
        if wish.deaf && cx.attempt() == 0 {
            shop.looked.notify_one();
            shop.give_up.notified().await;
        }
        return Err(StepError::retry(
            Duration::from_secs(3600),
            "nobody said anything",
        ));
    };
    let mut heard = wish.clone();
    heard
        .heard
        .push((signal.name.clone(), signal.payload.clone()));
    let done = sql::retry(|| async {
        let tx = cx.begin().await?;
        assert!(tx.take(&signal).await?, "nobody else takes it");
        tx.finish(&heard).await
    });
    let done = done.await?;
    *wish = heard;
    Ok(done)
}

async fn forget(_: &Shop, _: &StepContext, wish: &mut Wish) -> Result<(), StepError> {
    wish.heard.clear();
    Ok(())
}

async fn serve(_: &Shop, _: &StepContext, _: &mut Wish) -> Result<Next, StepError> {
    tokio::task::yield_now().await;
    Ok(Next::Go)
}

fn open(db: &Database, shop: &Arc<Shop>) -> Runner {
    let options = Options {
        sweep: Duration::from_millis(20),
        ..Options::default()
    };
    Runner::build(db.clone(), "shop", shop.clone())
        .on::<Order>()
        .options(options)
        .start()
}

async fn order(db: &Database, wish: &Wish) -> WorkflowId {
    let id = crate::insert(db.write(), Kind::of::<Order>(), "wish", wish).await;
    id.expect("insert")
}

async fn say(db: &Database, id: WorkflowId, name: &str) -> bool {
    let tx = db.begin().await.expect("begin");
    let heard = signal(&tx, id, name, &json!({ "word": name })).await;
    let heard = heard.expect("said");
    tx.commit().await.expect("commit");
    heard
}

async fn parked(db: &Database, id: WorkflowId) -> bool {
    let record = crate::get(db.read(), id)
        .await
        .expect("read")
        .expect("exists");
    record.attempts > 0 && record.owner.is_empty()
}

#[tokio::test]
async fn a_signal_wakes_a_workflow_that_waits_in_the_journal_without_any_message() {
    for (db, other) in sql::testing::pairs().await {
        let db = fresh(db).await;
        let shop = Arc::new(Shop::default());
        let runner = open(&db, &shop);
        let id = order(&db, &Wish::default()).await;
        until(|| parked(&db, id)).await;
        // What it does not wait for leaves it waiting; what was rolled back was not said.
        assert!(say(&other, id, "sing").await);
        let tx = other.begin().await.expect("begin");
        signal(&tx, id, "confirm", &json!(null))
            .await
            .expect("said");
        tx.rollback().await.expect("rollback");
        // Two at once: the older one counts.
        let tx = other.begin().await.expect("begin");
        for name in ["revert", "confirm"] {
            let heard = signal(&tx, id, name, &json!({ "word": name })).await;
            assert!(heard.expect("said"));
        }
        tx.commit().await.expect("commit");
        let record = wait(&db, id).await;
        assert_eq!(record.status, Status::Done);
        assert_eq!(
            record.state["heard"],
            json!([["revert", { "word": "revert" }]])
        );
        assert!(!say(&other, id, "confirm").await, "nobody would hear it");
        runner.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_signal_that_comes_while_a_step_gives_up_waiting_is_heard_at_once() {
    for (db, other) in sql::testing::pairs().await {
        let db = fresh(db).await;
        let shop = Arc::new(Shop::default());
        let runner = open(&db, &shop);
        let deaf = Wish {
            deaf: true,
            ..Wish::default()
        };
        let id = order(&db, &deaf).await;
        shop.looked.notified().await;
        assert!(say(&other, id, "confirm").await);
        shop.give_up.notify_one();
        // Its next attempt would be an hour later.
        assert_eq!(
            wait(&db, id).await.status,
            Status::Done,
            "{:?}",
            db.engine()
        );
        runner.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn who_waits_for_a_signal_watches_for_a_request_to_cancel() {
    let db = fresh(sql::testing::sqlite().await).await;
    let shop = Arc::new(Shop::default());
    let runner = open(&db, &shop);
    let stays = Wish {
        stays: true,
        ..Wish::default()
    };
    let id = order(&db, &stays).await;
    until(|| async {
        let record = crate::get(db.read(), id)
            .await
            .expect("read")
            .expect("exists");
        record.epoch == 1
    })
    .await;
    let begun = Instant::now();
    crate::request_cancel(db.write(), "wish")
        .await
        .expect("cancel");
    runner.nudge(id);
    assert_eq!(wait(&db, id).await.status, Status::Undone);
    assert!(begun.elapsed() < Duration::from_secs(5));
    runner.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_signal_is_taken_once_whatever_dies() {
    for (db, other) in sql::testing::pairs().await {
        let db = &fresh(db).await;
        let plan = Plan {
            name: Order::KIND,
            points: 4,
            rounds: 8,
        };
        let other = &other;
        torture::<Order>(
            plan,
            async || World {
                db: db.clone(),
                other: other.clone(),
                env: Arc::new(Shop::default()),
                subject: uuid::Uuid::new_v4().to_string(),
                state: Wish {
                    stays: true,
                    ..Wish::default()
                },
                meets: Some(Box::new({
                    let other = other.clone();
                    move |id| {
                        let other = other.clone();
                        Box::pin(async move {
                            // Each life of a step that is made twice takes two, until one saves its end.
                            for _ in 0..8 {
                                say(&other, id, "confirm").await;
                            }
                        })
                    }
                })),
            },
            async |trial, _, record| {
                // Made twice, the step hears the second signal too.
                if record.status == Status::Done && !trial.each_step_twice {
                    let once = json!([["confirm", { "word": "confirm" }]]);
                    assert_eq!(record.state["heard"], once, "{trial:?}");
                }
            },
        )
        .await;
    }
}
