//! Moves between back ends under the harness: whatever dies, the volume is whole on the back end that its row names.

use std::os::unix::fs::FileExt;

use workflow::Status as Ended;

use super::*;
use crate::tables::MigrationStatus;
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
    let kind = volume_type::Model {
        id: SHARED.to_owned(),
        name: SHARED.to_owned(),
        description: None,
        is_public: true,
        qos_id: None,
        created_at: store::now(),
        updated_at: None,
    };
    let made = store::insert(stage.core.db.write(), kind).await;
    made.expect("a type");
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
