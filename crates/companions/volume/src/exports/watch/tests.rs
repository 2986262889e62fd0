use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use workflow::testing::found;

use super::*;
use crate::backends::Backends;
use crate::driver::Source;
use crate::exports::{self, Whom};
use crate::migrations::HISTORY;
use crate::settings::{BackEnd, Settings};
use crate::tables::Status;
use crate::target::{Grant, Needs, Result as Answer};
use crate::turns::Turns;

/// How long looks and turns of these tests are waited for.
const SHORT: Duration = Duration::from_millis(100);

/// A target that serves nothing.
struct StandIn {
    /// It hangs before it serves this one, until there is a permit.
    stuck: Id,
    permits: Semaphore,
    /// It never tells what it serves.
    silent: bool,
    begun: AtomicUsize,
    done: Mutex<BTreeSet<Id>>,
}

impl StandIn {
    fn new(stuck: Id, silent: bool) -> Self {
        StandIn {
            stuck,
            permits: Semaphore::new(0),
            silent,
            begun: AtomicUsize::new(0),
            done: Mutex::default(),
        }
    }

    fn has(&self, ids: &[Id]) -> bool {
        let done = self.done.lock().expect("unpoisoned");
        ids.iter().all(|id| done.contains(id))
    }
}

#[async_trait]
impl Target for StandIn {
    fn protocol(&self) -> &'static str {
        "none"
    }

    fn needs(&self) -> Needs {
        Needs {
            ports: None,
            login: false,
        }
    }

    async fn ensure(&self, grant: &Grant) -> Answer<Value> {
        if grant.id == self.stuck {
            self.begun.fetch_add(1, Ordering::SeqCst);
            let _permit = self.permits.acquire().await;
        }
        self.done.lock().expect("unpoisoned").insert(grant.id);
        Ok(json!({}))
    }

    async fn ensure_gone(&self, _: Id) -> Answer<()> {
        Ok(())
    }

    async fn served(&self) -> Answer<Vec<Id>> {
        if self.silent {
            std::future::pending::<()>().await;
        }
        Ok(Vec::new())
    }

    async fn alive(&self) -> Answer<Vec<Id>> {
        Ok(Vec::new())
    }
}

/// A service with a back end and a volume on it, which hosts reach.
struct Stage {
    core: Arc<Core>,
    volume: String,
    /// Exports of the volume, more than are worked on at a time.
    exports: Vec<Id>,
    target: Arc<StandIn>,
    watch: Watch,
    _folder: tempfile::TempDir,
}

async fn stage(silent: bool) -> Stage {
    let db = sql::testing::sqlite().await;
    db.apply(&HISTORY).await.expect("tables");
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        back_end: BackEnd::sample("file", folder.path()),
        host: "here".to_owned(),
        keep_free: 0,
        ..Settings::default()
    };
    let backends = Backends::open(&settings).expect("opens");
    let row = volume::Model::sample(Status::InUse);
    let at = backends.of(None).expect("a back end");
    let id = row.id.parse().expect("an id");
    let made = at.driver.ensure_volume(id, 1, Source::Blank).await;
    made.expect("a volume");
    store::insert(db.write(), row.clone()).await.expect("a row");
    let mut exports: Vec<Id> = Vec::new();
    for _ in 0..=2 * PARALLEL {
        let one = export::Model {
            attached: false,
            ..export::Model::sample(&store::new_id(), &row.id)
        };
        exports.push(one.id.parse().expect("an id"));
        store::insert(db.write(), one).await.expect("a row");
    }
    let target = Arc::new(StandIn::new(exports[0], silent));
    let mut core = Core::sample(db, settings, backends.served_by(target.clone()));
    core.turns = Turns::within(SHORT);
    Stage {
        core: Arc::new(core),
        volume: row.id,
        exports,
        target,
        watch: Watch {
            wait: SHORT,
            ..Watch::default()
        },
        _folder: folder,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_holds_up_no_other_and_is_begun_once() {
    let Stage {
        core,
        volume,
        exports: ids,
        target,
        mut watch,
        _folder,
    } = stage(false).await;
    let (stuck, others) = (ids[0], &ids[1..]);
    let stuck_id = stuck.to_string();
    let begun = || target.begun.load(Ordering::SeqCst);
    let looks = async {
        while !target.has(others) || begun() == 0 {
            watch.look(&core).await;
        }
    };
    let all = Duration::from_secs(60);
    timeout(all, looks).await.expect("the others are served");
    watch.wait = WAIT;
    for _ in 0..2 {
        watch.look(&core).await;
    }
    assert!(watch.told.contains_key(&stuck_id));
    assert!(watch.left.contains_key(&stuck_id));
    assert_eq!(begun(), 1, "it is left to itself");
    // Who ends it meanwhile is told, and does not wait for ever.
    let ended = exports::end(&core, &volume, Whom::Attachment(&stuck_id)).await;
    assert!(matches!(ended, Err(ExportError::Busy(_))), "{ended:?}");

    target.permits.add_permits(1);
    found(|| async {
        match watch.left.values().all(JoinHandle::is_finished) {
            true => Ok(()),
            false => Err("a work goes on".to_owned()),
        }
    })
    .await;
    assert!(target.has(&[stuck]));
    watch.look(&core).await;
    assert!(watch.told.is_empty(), "{:?}", watch.told);
    assert!(watch.left.is_empty());
    assert_eq!(begun(), 2, "it is looked at as the others are");
}

#[tokio::test]
async fn a_back_end_that_does_not_answer_is_told() {
    let mut stage = stage(true).await;
    stage.watch.look(&stage.core).await;
    let told = stage.watch.told.get("here@file").map(String::as_str);
    assert_eq!(told, Some("not done within 0.1 s"));
    assert!(!stage.target.has(&stage.exports[..1]));
}

#[tokio::test]
async fn who_waits_for_a_turn_waits_for_no_other_export() {
    let turns = Turns::within(SHORT);
    let held = turns.of("one").await.expect("free");
    let mut others = Vec::new();
    for id in 0..100 {
        others.push(turns.of(&id.to_string()).await.expect("free"));
    }
    let refused = turns.of("one").await.expect_err("taken");
    assert!(refused.to_string().contains("export one"), "{refused}");
    drop(held);
    drop(turns.of("one").await.expect("free again"));
}
