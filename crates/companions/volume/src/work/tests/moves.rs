//! Moves between back ends under the harness: whatever dies, the volume is whole on the back end that its row names.

use std::os::unix::fs::FileExt;

use sql::sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use workflow::Status as Ended;

use super::*;
use crate::sink::{EventSink, NotReplaced, SinkError};
use crate::tables::MigrationStatus;
use crate::work::migrate::attached::MigrateAttached;
use crate::work::migrate::{self, Migrate, Why};

/// A type of volumes that several servers may attach.
const SHARED: &str = "shared";

impl Stage {
    /// A volume that begins to move to the other back end.
    async fn moving(&self, why: Why) -> migrate::State {
        self.report().await;
        let state = migrate::State {
            asked: asked(),
            volume_id: String::new(),
            from: FAST.to_owned(),
            to: SLOW.to_owned(),
            why,
            held: None,
        };
        let mut row = self.volume(state.status()).await;
        row.previous = Some(Status::Available);
        row.migration_status = Some(MigrationStatus::Starting);
        let saved = store::save(self.core.db.write(), row.clone()).await;
        saved.expect("saved");
        let part = Part::Volume(row.id.parse().expect("an id"));
        let disk = self.driver(FAST).readable(part).await.expect("a disk");
        let disk = std::fs::OpenOptions::new().write(true).open(disk);
        let written = disk.expect("opens").write_all_at(b"mine", 1 << 20);
        written.expect("written");
        migrate::State {
            volume_id: row.id,
            ..state
        }
    }
}

fn locked() -> Why {
    Why::Moved { locked: true }
}

fn retyped() -> Why {
    let kind = |id: &str, multiattach| migrate::Kind {
        type_id: id.to_owned(),
        multiattach,
    };
    Why::Retyped {
        before: kind("kind", false),
        after: kind(SHARED, true),
    }
}

async fn shared(stage: &Stage) {
    make_kind(&stage.core, SHARED).await;
}

/// What the volume holds where its row says that it is.
async fn held(core: &Core, row: &volume::Model) -> [u8; 4] {
    let at = core.backends.named(row.host.as_deref().expect("a host"));
    let part = Part::Volume(row.id.parse().expect("an id"));
    let at = at.expect("a back end");
    let path = at.driver.readable(part).await.expect("a disk");
    let mut bytes = [0; 4];
    let disk = std::fs::File::open(path).expect("opens");
    disk.read_exact_at(&mut bytes, 1 << 20).expect("read");
    bytes
}

async fn is_whole(trial: &str, core: &Core, id: &str, pool: &str) -> volume::Model {
    let row = row(core, id).await.expect("a row");
    assert_eq!(row.host.as_deref(), Some(pool), "{trial}");
    let part = Part::Volume(row.id.parse().expect("an id"));
    assert_eq!(places(core, part).await, [pool], "{trial}");
    assert_eq!(&held(core, &row).await, b"mine", "{trial}");
    assert_eq!(
        (row.status, row.previous),
        (Status::Available, None),
        "{trial}"
    );
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_moves_or_stays_whatever_dies() {
    for stage in stages().await {
        let world = async || {
            let state = stage.moving(locked()).await;
            stage.world::<Migrate>(&state.volume_id.clone(), state)
        };
        torture(
            stage.plan("move"),
            world,
            async |trial, core, record: &Record| {
                let (pool, how) = match record.status {
                    Ended::Done => (SLOW, MigrationStatus::Success),
                    _ => (FAST, MigrationStatus::Error),
                };
                let trial = format!("{trial:?}");
                let row = is_whole(&trial, core, &record.subject, pool).await;
                assert_eq!(row.migration_status, Some(how), "{trial}");
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_moves_with_its_new_type_or_keeps_the_old_whatever_dies() {
    for stage in stages().await {
        shared(&stage).await;
        let world = async || {
            let state = stage.moving(retyped()).await;
            stage.world::<Migrate>(&state.volume_id.clone(), state)
        };
        torture(
            stage.plan("retype"),
            world,
            async |trial, core, record: &Record| {
                let (pool, kind) = match record.status {
                    Ended::Done => (SLOW, (SHARED, true)),
                    _ => (FAST, ("kind", false)),
                };
                let trial = format!("{trial:?}");
                let row = is_whole(&trial, core, &record.subject, pool).await;
                assert_eq!((row.type_id.as_str(), row.multiattach), kind, "{trial}");
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_reset_in_the_middle_is_whole_where_its_row_says() {
    for stage in stages().await {
        // Twenty moments, from the first step to the last.
        for delay in 0..20 {
            let state = stage.moving(locked()).await;
            let (core, id) = (stage.core.clone(), state.volume_id.clone());
            let resets = tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_millis(2 * delay)).await;
                reset(&core, &id).await;
            });
            let ended = ends(&stage, &state).await.status;
            resets.await.expect("reset");
            let row = row(&stage.core, &state.volume_id).await.expect("a row");
            assert_eq!(&held(&stage.core, &row).await, b"mine", "{delay} {ended:?}");
            assert_eq!(row.status, Status::Available, "{delay} {ended:?}");
        }
    }
}

/// As `os-reset_status` does.
async fn reset(core: &Core, id: &str) {
    let done = sql::retry(|| async {
        let tx = core.db.begin().await?;
        if let Some(mut row) = store::locked::<volume::Entity>(&tx, id).await? {
            row.reset(Status::Available);
            store::save(&tx, row).await?;
        }
        tx.commit().await?;
        Ok::<_, sql::SqlError>(())
    });
    done.await.expect("reset");
}

/// Runs one move to its end.
async fn ends(stage: &Stage, state: &migrate::State) -> Record {
    run_to_end::<Migrate>(stage, &state.volume_id, state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_way_is_neither_taken_nor_removed() {
    for stage in stages().await {
        let state = stage.moving(locked()).await;
        let id = state.volume_id.parse().expect("an id");
        let stale = stage.driver(SLOW).ensure_volume(id, 1, Source::Blank);
        stale.await.expect("a file of nobody");
        assert_eq!(ends(&stage, &state).await.status, Ended::Undone);
        let row = row(&stage.core, &state.volume_id).await.expect("a row");
        assert_eq!(row.host.as_deref(), Some(FAST));
        assert_eq!(&held(&stage.core, &row).await, b"mine");
        assert_eq!(row.migration_status, Some(MigrationStatus::Error));
        let places = places(&stage.core, Part::Volume(id)).await;
        assert_eq!(places, [FAST, SLOW], "whose it is nobody knows");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_back_end_whose_folder_is_away_gets_nothing() {
    for stage in stages().await {
        let state = stage.moving(locked()).await;
        let folder = &stage.core.settings.backends[1].volume_dir;
        std::fs::remove_dir_all(folder).expect("away");
        assert_eq!(ends(&stage, &state).await.status, Ended::Undone);
        is_whole("away", &stage.core, &state.volume_id, FAST).await;
        assert!(!folder.exists(), "it is not made anew");
    }
}

/// Compute, which replaces a volume at once, or tries and fails.
struct Compute {
    core: std::sync::Weak<Core>,
    fails: std::sync::atomic::AtomicBool,
}

#[async_trait::async_trait]
impl EventSink for Compute {
    async fn send(&self, _: &str, _: &str, _: &str) -> Result<(), SinkError> {
        Ok(())
    }

    async fn replace(&self, server: &str, volume: &str, new: &str) -> Result<(), NotReplaced> {
        let core = self.core.upgrade().expect("a service");
        let fails = self.fails.load(std::sync::atomic::Ordering::SeqCst);
        let twin = row(&core, new).await;
        if twin.is_some_and(|twin| twin.status == Status::Error) {
            return Err(NotReplaced::Refused("it is in error".to_owned()));
        }
        let [server, volume, new] = [server, volume, new].map(str::to_owned);
        // It goes on, whatever becomes of who asked.
        let replaces = async move {
            let part = Part::Volume(volume.parse().expect("an id"));
            let to = core.backends.named(SLOW).expect("a back end");
            if let Ok(path) = to.driver.readable(part).await
                && !fails
            {
                let disk = std::fs::OpenOptions::new().write(true).open(path);
                let written = disk.expect("opens").write_all_at(b"mine", 1 << 20);
                written.expect("written");
            }
            let done = sql::retry(|| async {
                let tx = core.db.begin().await?;
                store::locked::<volume::Entity>(&tx, &volume).await?;
                // It may be asked again for what it did.
                if store::locked::<volume::Entity>(&tx, &new).await?.is_some() {
                    if !fails {
                        store::insert(&tx, of_server(&new, &server)).await?;
                    }
                    migrate::attached::ended(&tx, &volume, &new, fails).await?;
                }
                tx.commit().await?;
                Ok::<_, crate::fault::Fault>(())
            });
            done.await.expect("replaced");
        };
        tokio::spawn(replaces).await.expect("replaced");
        Ok(())
    }
}

fn of_server(volume: &str, server: &str) -> attachment::Model {
    attachment::Model {
        instance_id: Some(server.to_owned()),
        ..attachment::Model::sample(volume, AttachStatus::Attached)
    }
}

impl Stage {
    /// Compute, once for a stage.
    fn compute(&self) -> Arc<Compute> {
        let compute = Arc::new(Compute {
            core: Arc::downgrade(&self.core),
            fails: false.into(),
        });
        assert!(self.core.sink.set(compute.clone()).is_ok());
        compute
    }

    /// A volume of a server that begins to move.
    async fn moving_with_server(&self, why: Why) -> migrate::State {
        let mut state = self.moving(why).await;
        let held = migrate::Held {
            server_id: store::new_id(),
            twin: store::new_id(),
        };
        let one = of_server(&state.volume_id, &held.server_id);
        let made = store::insert(self.core.db.write(), one).await;
        made.expect("an attachment");
        state.held = Some(held);
        let mut row = row(&self.core, &state.volume_id).await.expect("a row");
        (row.status, row.previous) = (state.status(), Some(Status::InUse));
        let saved = store::save(self.core.db.write(), row).await;
        saved.expect("saved");
        state
    }
}

/// The volume is whole where its row says, its server has it, and nothing is left of its twin.
async fn rests_with_server(trial: &str, core: &Core, id: &str) -> volume::Model {
    let row = row(core, id).await.expect("a row");
    let pool = row.host.clone().expect("a host");
    let part = Part::Volume(id.parse().expect("an id"));
    assert_eq!(places(core, part).await, [pool.as_str()], "{trial}");
    assert_eq!(&held(core, &row).await, b"mine", "{trial}");
    assert_eq!((row.status, row.previous), (Status::InUse, None), "{trial}");
    let attached = crate::db::volumes::attachments(core.db.read(), id).await;
    assert_eq!(attached.expect("a list").len(), 1, "{trial}");
    let twins = volume::Entity::find()
        .filter(volume::Column::TargetOf.eq(id))
        .count(core.db.read())
        .await;
    assert_eq!(twins.expect("a count"), 0, "{trial}");
    let how = match pool == SLOW {
        true => MigrationStatus::Success,
        false => MigrationStatus::Error,
    };
    assert_eq!(row.migration_status, Some(how), "{trial}");
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_of_a_server_moves_or_stays_whatever_dies() {
    for stage in stages().await {
        shared(&stage).await;
        stage.compute();
        let world = async || {
            let state = stage.moving_with_server(retyped()).await;
            stage.world::<MigrateAttached>(&state.volume_id.clone(), state)
        };
        torture(
            stage.plan("attached move"),
            world,
            async |trial, core, record: &Record| {
                let trial = format!("{trial:?}");
                let row = rests_with_server(&trial, core, &record.subject).await;
                // Where compute was quicker, what turns round goes forward.
                let is_there = row.host.as_deref() == Some(SLOW);
                assert!(is_there || record.status != Ended::Done, "{trial}");
                assert_eq!(row.type_id == SHARED, is_there, "{trial}");
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_of_a_server_stays_that_compute_does_not_replace() {
    for stage in stages().await {
        let compute = stage.compute();
        compute
            .fails
            .store(true, std::sync::atomic::Ordering::SeqCst);
        let state = stage.moving_with_server(locked()).await;
        let ended = run_to_end::<MigrateAttached>(&stage, &state.volume_id, &state).await;
        assert_eq!(ended.status, Ended::Undone);
        let row = rests_with_server("failed", &stage.core, &state.volume_id).await;
        assert_eq!(row.host.as_deref(), Some(FAST));
    }
}

/// Compute, which works with a new volume that nobody attached yet, for a while.
struct Busy(std::sync::atomic::AtomicU32);

#[async_trait::async_trait]
impl EventSink for Busy {
    async fn send(&self, _: &str, _: &str, _: &str) -> Result<(), SinkError> {
        Ok(())
    }

    async fn replace(&self, _: &str, _: &str, _: &str) -> Result<(), NotReplaced> {
        match self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 | 1 => Ok(()),
            2 => Err(NotReplaced::Away("away".into())),
            _ => Err(NotReplaced::Refused("it ended".to_owned())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_volume_goes_when_compute_does_not_work_with_it_any_more() {
    for stage in stages().await {
        let compute = Arc::new(Busy(0.into()));
        assert!(stage.core.sink.set(compute.clone()).is_ok());
        let state = stage.moving_with_server(locked()).await;
        let lost = async {
            while compute.0.load(std::sync::atomic::Ordering::SeqCst) == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let mut lost = row(&stage.core, &state.volume_id).await.expect("a row");
            lost.reset(Status::InUse);
            let saved = store::save(stage.core.db.write(), lost).await;
            saved.expect("saved");
        };
        let (ended, ()) = tokio::join!(
            run_to_end::<MigrateAttached>(&stage, &state.volume_id, &state),
            lost
        );
        assert_eq!(ended.status, Ended::Undone);
        assert_eq!(compute.0.load(std::sync::atomic::Ordering::SeqCst), 4);
        let row = rests_with_server("busy", &stage.core, &state.volume_id).await;
        assert_eq!(row.host.as_deref(), Some(FAST));
    }
}
