//! The shared suite and what LVM adds, on programs that do what those of LVM do to files. The real ones need a kernel with
//! device-mapper, which few test machines have: what they are told is tested here, not what they do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::driver::suite;

/// The programs: files for devices, tags beside them. Words that they do not know end them, as they end the real ones.
const PROGRAMS_OF_A_TEST: &str = include_str!("tests/lvm.py");

struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    /// A group with this room in bytes; none where the programs cannot run.
    fn new(room: u64) -> Option<Self> {
        if child::find(Path::new("python3")).is_none() {
            skips::skip("python3 is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let programs = folder.path().join("programs");
        for made in [programs.clone(), folder.path().join("devices/group")] {
            fs::create_dir_all(made).expect("made");
        }
        let script = programs.join("lvm.py");
        fs::write(&script, PROGRAMS_OF_A_TEST).expect("written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("set");
        for program in [
            "lvchange", "lvcreate", "lvextend", "lvremove", "lvrename", "lvs", "vgs",
        ] {
            symlink(&script, programs.join(program)).expect("linked");
        }
        fs::write(folder.path().join("room"), room.to_string()).expect("written");
        Some(Stage { folder })
    }

    fn driver(&self, kind: LvmType) -> Lvm {
        Lvm::within("group", kind, self.folder.path())
    }

    fn device(&self, name: &str) -> PathBuf {
        self.folder.path().join("devices/group").join(name)
    }
}

const ROOM: u64 = 64 * GIB;

#[tokio::test]
async fn logical_volumes_keep_the_contract() {
    for kind in [LvmType::Thin, LvmType::Thick] {
        let Some(stage) = Stage::new(ROOM) else {
            return;
        };
        suite::run(&stage.driver(kind), stage.folder.path()).await;
        let left: Vec<_> = fs::read_dir(stage.device("")).expect("listed").collect();
        assert!(left.is_empty(), "{kind:?}: {left:?}");
    }
}

#[tokio::test]
async fn one_listing_tells_where_all_volumes_are() {
    let Some(stage) = Stage::new(ROOM) else {
        return;
    };
    let driver = stage.driver(LvmType::Thin);
    let [volume, other, id] = [suite::id(), suite::id(), suite::id()];
    for id in [volume, other] {
        let made = driver.ensure_volume(id, 1, Source::Blank).await;
        made.expect("made");
    }
    let made = driver.ensure_snapshot(Snapshot { volume, id }).await;
    made.expect("made");
    let paths = driver.paths().await.expect("listed");
    assert_eq!(paths.len(), 2);
    for id in [volume, other] {
        let path = driver.readable(Part::Volume(id)).await.expect("there");
        assert_eq!(paths[&id], path);
    }
}

#[tokio::test]
async fn a_full_group_and_one_that_is_missing_are_told() {
    let Some(stage) = Stage::new(3 * GIB) else {
        return;
    };
    let driver = stage.driver(LvmType::Thick);
    let (one, other) = (suite::id(), suite::id());
    let made = driver.ensure_volume(one, 2, Source::Blank).await;
    made.expect("made");
    let room = driver.capacity().await.expect("told");
    assert_eq!((room.total, room.free), (3 * GIB, GIB));
    let full = driver.ensure_volume(other, 2, Source::Blank).await;
    let full = full.expect_err("no room");
    assert!(matches!(full, DriverError::Full(_)), "{full}");
    let full = driver.ensure_size(one, 4).await.expect_err("no room");
    assert!(matches!(full, DriverError::Full(_)), "{full}");
    assert_eq!(
        driver.inventory().await.expect("listed"),
        [Part::Volume(one)]
    );
    let mut other = stage.driver(LvmType::Thin);
    other.commands.group = "nowhere".to_owned();
    let missing = other.capacity().await.expect_err("no group");
    assert!(missing.to_string().contains("lvs failed"), "{missing}");
    let pool = stage.driver(LvmType::Thin).capacity().await;
    assert_eq!(pool.expect("a pool").total, 3 * GIB);
}

/// LVM gives out what others wrote.
#[tokio::test]
async fn what_others_wrote_is_seen_neither_in_new_volumes_nor_in_what_they_grow_by() {
    let Some(stage) = Stage::new(ROOM) else {
        return;
    };
    fs::write(stage.folder.path().join("dirty"), b"").expect("written");
    let driver = stage.driver(LvmType::Thick);
    let id = suite::id();
    let byte = |at: u64| {
        use std::os::unix::fs::FileExt;
        let mut byte = [9];
        let file = fs::File::open(stage.device(&name(Part::Volume(id)))).expect("opens");
        file.read_exact_at(&mut byte, at).expect("read");
        byte[0]
    };
    let made = driver.ensure_volume(id, 1, Source::Blank).await;
    made.expect("made");
    assert_eq!(byte(0), 0);
    // A run that was killed between growing and overwriting.
    let place = name(Part::Volume(id));
    let tag = format!("{GREW}{GIB}");
    let tagged = driver.commands.tag(&place, "--addtag", &tag).await;
    tagged.expect("noted");
    let grown = driver.commands.extend(&place, 2 * GIB).await;
    grown.expect("grown");
    assert_ne!(byte(GIB), 0);
    driver.ensure_size(id, 2).await.expect("extended");
    assert_eq!(byte(GIB), 0);
    let listed = driver.known(&place).await.expect("there");
    assert_eq!(listed.grew, None);
    driver.ensure_size(id, 3).await.expect("extended");
    assert_eq!(byte(2 * GIB), 0);
}

#[tokio::test]
async fn what_is_half_made_is_no_volume_and_goes_with_the_next_run() {
    let Some(stage) = Stage::new(ROOM) else {
        return;
    };
    let driver = stage.driver(LvmType::Thin);
    let id = suite::id();
    let left = format!("{}0123abcd", half(Part::Volume(id)));
    driver.create(&left, GIB).await.expect("made");
    assert_eq!(driver.inventory().await.expect("listed"), []);
    assert_eq!(driver.strays().await.expect("listed"), []);
    let made = driver.ensure_volume(id, 1, Source::Blank).await;
    made.expect("made");
    assert!(!stage.device(&left).exists());
}

/// A volume group often has the machine's own file systems in it.
#[tokio::test]
async fn what_the_machine_uses_is_not_taken_over() {
    let Some(stage) = Stage::new(ROOM) else {
        return;
    };
    let driver = stage.driver(LvmType::Thick);
    driver.create("root", GIB).await.expect("made");
    let volume = Part::Volume(suite::id());
    let attr = stage.folder.path().join("attr.root");
    for (is, in_use) in [("-wi-ao----", true), ("rwi-a-r---", false)] {
        fs::write(&attr, is).expect("written");
        assert_eq!(driver.strays().await.expect("listed"), [], "{is}");
        let looked = driver.stray("root").await.expect_err("refused");
        let taken = driver.ensure_adopted("root", volume).await;
        for refused in [looked, taken.expect_err("refused")] {
            let is_said = matches!(refused, DriverError::InUse(_));
            assert_eq!(is_said, in_use, "{refused}");
        }
        assert!(stage.device("root").exists());
    }
    fs::remove_file(&attr).expect("closed");
    driver.ensure_adopted("root", volume).await.expect("taken");
}

#[tokio::test]
async fn logical_volumes_are_taken_over_and_let_go() {
    let Some(stage) = Stage::new(ROOM) else {
        return;
    };
    let driver = stage.driver(LvmType::Thin);
    driver.create("old", GIB).await.expect("made");
    let names = |strays: Vec<crate::driver::Stray>| {
        let names = strays.into_iter().map(|one| one.name);
        names.collect::<Vec<_>>()
    };
    let strays = driver.strays().await.expect("listed");
    assert_eq!(names(strays), ["old"]);
    let (volume, other) = (Part::Volume(suite::id()), Part::Volume(suite::id()));
    for _ in 0..2 {
        driver.ensure_adopted("old", volume).await.expect("taken");
    }
    let gone = driver.ensure_adopted("old", other).await.expect_err("gone");
    assert!(matches!(gone, DriverError::NotFound(_)), "{gone}");
    let ours = name(volume);
    for odd in ["--op", "a/b", "", "group-pool", &ours, "snapshot"] {
        let refused = driver.stray(odd).await;
        assert!(refused.is_err(), "{odd}");
    }
    let Part::Volume(id) = volume else {
        unreachable!("it is a volume");
    };
    let snapshot = Snapshot {
        volume: id,
        id: suite::id(),
    };
    driver.ensure_snapshot(snapshot).await.expect("made");
    let part = Part::Snapshot(snapshot);
    let let_go = crate::driver::file::adopt::name_of(part);
    for _ in 0..2 {
        driver.ensure_released(part, &let_go).await.expect("let go");
        driver.ensure_released(volume, "new").await.expect("let go");
    }
    let strays = driver.strays().await.expect("listed");
    assert_eq!(strays[1].of, Some(id));
    assert_eq!(names(strays), ["new".to_owned(), let_go.clone()]);
    assert_eq!(driver.inventory().await.expect("listed"), []);
    driver.ensure_adopted("new", volume).await.expect("taken");
    driver.ensure_adopted(&let_go, part).await.expect("taken");
    assert_eq!(driver.inventory().await.expect("listed"), [volume, part]);
}
