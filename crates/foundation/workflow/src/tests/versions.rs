//! Programs of different versions at one journal.

use super::*;

/// Knows states of version 1.
struct Old;
/// Knows those, and writes version 2.
struct New;

#[derive(Default)]
struct Garden {
    open: tokio::sync::watch::Sender<bool>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seed {
    /// Waits until the garden opens.
    waits: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Plant {
    waits: bool,
    height: u32,
}

impl Workflow for Old {
    const KIND: &'static str = "grow";
    type State = Seed;
    type Env = Garden;

    fn steps() -> Vec<Step<Garden, Seed>> {
        vec![Step::new("water", MINUTE, water).undo(no_water)]
    }
}

async fn water(_: &Garden, _: &StepContext, _: &mut Seed) -> Result<Next, StepError> {
    tokio::task::yield_now().await;
    Ok(Next::Go)
}

async fn no_water(_: &Garden, _: &StepContext, _: &mut Seed) -> Result<(), StepError> {
    tokio::task::yield_now().await;
    Ok(())
}

impl Workflow for New {
    const KIND: &'static str = "grow";
    const VERSION: u16 = 2;
    type State = Plant;
    type Env = Garden;

    fn steps() -> Vec<Step<Garden, Plant>> {
        vec![
            Step::new("water", MINUTE, shower),
            Step::new("sun", MINUTE, sun),
        ]
    }

    fn upgrade(_: u16, state: Value) -> Result<Plant, serde_json::Error> {
        let seed: Seed = serde_json::from_value(state)?;
        Ok(Plant {
            waits: seed.waits,
            height: 1,
        })
    }
}

async fn shower(_: &Garden, _: &StepContext, plant: &mut Plant) -> Result<Next, StepError> {
    plant.height += 1;
    Ok(Next::Go)
}

async fn sun(garden: &Garden, _: &StepContext, plant: &mut Plant) -> Result<Next, StepError> {
    if plant.waits {
        let mut open = garden.open.subscribe();
        let opened = open.wait_for(|open| *open).await;
        opened.map_err(|_| StepError::fail("closed for good"))?;
    }
    Ok(Next::Go)
}

fn runner<W: Workflow<Env = Garden>>(db: &Database, garden: &Arc<Garden>) -> Runner {
    let options = Options {
        sweep: Duration::from_millis(20),
        lease: Duration::from_millis(300),
        ..Options::default()
    };
    Runner::build(db.clone(), "host", garden.clone())
        .on::<W>()
        .options(options)
        .start()
}

async fn grow(db: &Database, version: u16, state: &impl Serialize) -> WorkflowId {
    let id = crate::insert(db.write(), (Old::KIND, version), "bean", state).await;
    id.expect("insert")
}

async fn get(db: &Database, id: WorkflowId) -> crate::Record {
    crate::get(db.read(), id)
        .await
        .expect("read")
        .expect("exists")
}

#[tokio::test]
async fn what_a_newer_program_wrote_is_left_to_it_neither_stuck_nor_undone() {
    for (db, other) in sql::testing::pairs().await {
        let db = fresh(db).await;
        let garden = Arc::new(Garden::default());
        let old = runner::<Old>(&db, &garden);
        let plant = Plant {
            waits: false,
            height: 5,
        };
        let newer = grow(&db, 2, &plant).await;
        old.nudge(newer);
        crate::request_cancel(db.write(), "bean")
            .await
            .expect("cancel");
        // The old one is at work, and leaves it alone at nudges and at sweeps.
        for _ in 0..3 {
            let own = grow(&db, 1, &Seed { waits: false }).await;
            assert_eq!(wait(&db, own).await.status, Status::Done);
        }
        let left = get(&db, newer).await;
        assert_eq!(
            (left.status, left.epoch, left.version),
            (Status::Running, 0, 2)
        );
        let new = runner::<New>(&other, &garden);
        // It was asked to cancel: the new one, which can, undoes it.
        assert_eq!(wait(&db, newer).await.status, Status::Undone);
        old.stop(Duration::from_secs(1)).await;
        new.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn what_a_newer_program_took_up_it_saves_in_its_own_version() {
    for (db, other) in sql::testing::pairs().await {
        let db = fresh(db).await;
        let garden = Arc::new(Garden::default());
        let new = runner::<New>(&other, &garden);
        let id = grow(&db, 1, &Seed { waits: true }).await;
        until(|| async { get(&db, id).await.position == "sun" }).await;
        let taken = get(&db, id).await;
        assert_eq!((taken.version, &taken.state["height"]), (2, &json!(2)));
        // The new one dies; the old one does not know what it wrote, and waits for another new one.
        new.die().await;
        let old = runner::<Old>(&db, &garden);
        until(|| async {
            get(&db, id).await.lease_until < sql::now(db.read()).await.expect("now")
        })
        .await;
        for _ in 0..3 {
            let own = grow(&db, 1, &Seed { waits: false }).await;
            assert_eq!(wait(&db, own).await.status, Status::Done);
        }
        let left = get(&db, id).await;
        assert_eq!((left.status, left.epoch), (Status::Running, taken.epoch));
        garden.open.send_replace(true);
        let new = runner::<New>(&other, &garden);
        assert_eq!(wait(&db, id).await.status, Status::Done);
        old.stop(Duration::from_secs(1)).await;
        new.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_step_that_this_program_does_not_have_is_left_to_another_one() {
    let db = fresh(sql::testing::sqlite().await).await;
    let garden = Arc::new(Garden::default());
    let id = grow(&db, 1, &Seed { waits: false }).await;
    let text = format!("UPDATE workflow SET position = 'sun' WHERE id = '{id}'");
    sql::sea_orm::ConnectionTrait::execute_unprepared(db.write(), &text)
        .await
        .expect("as another program of this version would");
    let old = runner::<Old>(&db, &garden);
    until(|| async { get(&db, id).await.epoch == 1 && get(&db, id).await.owner.is_empty() }).await;
    assert_eq!(get(&db, id).await.status, Status::Running);
    old.stop(Duration::from_secs(1)).await;
}
