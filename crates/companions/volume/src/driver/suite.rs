//! What every driver must do, whatever keeps its bytes. Each driver's tests run it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use uuid::Uuid;

use super::{Driver, DriverError, GIB, Id, Part, Snapshot, Source};

/// A new id.
///
/// # Panics
/// Never: a UUID in its usual form is an id.
pub fn id() -> Id {
    Uuid::new_v4().to_string().parse().expect("an id")
}

/// Runs all of it on an empty driver, with a folder for files.
///
/// # Panics
/// The driver breaks its contract.
pub async fn run(driver: &dyn Driver, folder: &Path) {
    volumes(driver).await;
    snapshots(driver).await;
    clones(driver).await;
    contents(driver, folder).await;
    copies(driver, folder).await;
    let left = driver.inventory().await.expect("an inventory");
    assert_eq!(left, [], "the suite leaves nothing");
}

async fn read(driver: &dyn Driver, part: Part, at: u64) -> [u8; 4] {
    let path = driver.readable(part).await.expect("a readable part");
    let mut bytes = [0; 4];
    let file = File::open(path).expect("opens");
    file.read_exact_at(&mut bytes, at).expect("reads");
    bytes
}

/// As a guest would, whom the driver does not see.
async fn write(driver: &dyn Driver, id: Id, at: u64, bytes: &[u8]) {
    let path = driver.readable(Part::Volume(id)).await.expect("a volume");
    let file = OpenOptions::new().write(true).open(path).expect("opens");
    file.write_all_at(bytes, at).expect("writes");
}

async fn size(driver: &dyn Driver, id: Id) -> u64 {
    let path = driver.readable(Part::Volume(id)).await.expect("a volume");
    std::fs::metadata(path).expect("a size").len()
}

async fn volumes(driver: &dyn Driver) {
    let id = id();
    driver
        .ensure_gone(id)
        .await
        .expect("what never was is gone");
    let missing = driver.ensure_size(id, 1).await.expect_err("not there");
    assert!(matches!(missing, DriverError::NotFound(_)), "{missing}");
    driver
        .ensure_volume(id, 1, Source::Blank)
        .await
        .expect("made");
    assert_eq!(size(driver, id).await, GIB);
    assert_eq!(read(driver, Part::Volume(id), 0).await, [0; 4]);
    write(driver, id, 0, b"mine").await;
    driver
        .ensure_volume(id, 1, Source::Blank)
        .await
        .expect("made again");
    assert_eq!(
        &read(driver, Part::Volume(id), 0).await,
        b"mine",
        "a second run destroys nothing"
    );
    for _ in 0..2 {
        driver.ensure_size(id, 3).await.expect("extended");
        assert_eq!(size(driver, id).await, 3 * GIB);
    }
    driver.ensure_size(id, 2).await.expect("nothing to do");
    assert_eq!(size(driver, id).await, 3 * GIB, "no volume shrinks");
    assert_eq!(
        driver.inventory().await.expect("listed"),
        [Part::Volume(id)]
    );
    for _ in 0..2 {
        driver.ensure_gone(id).await.expect("gone");
    }
    assert!(driver.readable(Part::Volume(id)).await.is_err());
}

async fn snapshots(driver: &dyn Driver) {
    let volume = id();
    let snapshot = Snapshot { volume, id: id() };
    let missing = driver
        .ensure_snapshot(snapshot)
        .await
        .expect_err("no volume");
    assert!(matches!(missing, DriverError::NotFound(_)), "{missing}");
    driver
        .ensure_snapshot_gone(snapshot)
        .await
        .expect("what never was is gone");
    driver
        .ensure_volume(volume, 1, Source::Blank)
        .await
        .expect("made");
    write(driver, volume, 4096, b"then").await;
    driver.ensure_snapshot(snapshot).await.expect("made");
    write(driver, volume, 4096, b"now!").await;
    driver.ensure_snapshot(snapshot).await.expect("made again");
    let part = Part::Snapshot(snapshot);
    assert_eq!(
        &read(driver, part, 4096).await,
        b"then",
        "a second run destroys nothing"
    );
    driver.ensure_size(volume, 2).await.expect("extended");
    let copy = id();
    driver
        .ensure_volume(copy, 2, Source::Snapshot(snapshot))
        .await
        .expect("made");
    assert_eq!(&read(driver, Part::Volume(copy), 4096).await, b"then");
    assert_eq!(size(driver, copy).await, 2 * GIB);
    for _ in 0..2 {
        driver
            .ensure_content(volume, Source::Snapshot(snapshot))
            .await
            .expect("reverted");
        assert_eq!(&read(driver, Part::Volume(volume), 4096).await, b"then");
        assert_eq!(size(driver, volume).await, 2 * GIB, "it keeps its size");
    }
    let mut all = driver.inventory().await.expect("listed");
    all.retain(|found| *found != Part::Volume(copy));
    assert_eq!(all, [Part::Volume(volume), part]);
    for _ in 0..2 {
        driver.ensure_snapshot_gone(snapshot).await.expect("gone");
    }
    assert!(driver.readable(part).await.is_err());
    driver.ensure_snapshot(snapshot).await.expect("made");
    driver
        .ensure_gone(volume)
        .await
        .expect("gone with its snapshots");
    assert!(driver.readable(part).await.is_err());
    assert_eq!(
        &read(driver, Part::Volume(copy), 4096).await,
        b"then",
        "a copy depends on nothing"
    );
    driver.ensure_gone(copy).await.expect("gone");
}

async fn clones(driver: &dyn Driver) {
    let (from, to) = (id(), id());
    driver
        .ensure_volume(from, 1, Source::Blank)
        .await
        .expect("made");
    write(driver, from, GIB - 4, b"last").await;
    driver
        .ensure_volume(to, 2, Source::Volume(from))
        .await
        .expect("cloned");
    write(driver, from, GIB - 4, b"new!").await;
    driver
        .ensure_volume(to, 2, Source::Volume(from))
        .await
        .expect("cloned again");
    assert_eq!(&read(driver, Part::Volume(to), GIB - 4).await, b"last");
    assert_eq!(size(driver, to).await, 2 * GIB);
    driver.ensure_gone(from).await.expect("gone");
    assert_eq!(&read(driver, Part::Volume(to), GIB - 4).await, b"last");
    driver.ensure_gone(to).await.expect("gone");
    let missing = driver
        .ensure_volume(to, 1, Source::Volume(from))
        .await
        .expect_err("no origin");
    assert!(matches!(missing, DriverError::NotFound(_)), "{missing}");
    assert!(
        driver.readable(Part::Volume(to)).await.is_err(),
        "nothing half made is a volume"
    );
    driver.ensure_gone(to).await.expect("gone");
}

async fn contents(driver: &dyn Driver, folder: &Path) {
    let volume = id();
    let file = folder.join("content");
    std::fs::write(&file, b"image").expect("written");
    driver
        .ensure_volume(volume, 1, Source::File(&file))
        .await
        .expect("made");
    assert_eq!(&read(driver, Part::Volume(volume), 0).await, b"imag");
    assert_eq!(size(driver, volume).await, GIB);
    // The file may be taken: a second run has nothing to read, and needs nothing.
    driver
        .ensure_volume(volume, 1, Source::File(&file))
        .await
        .expect("made again");
    write(driver, volume, 8192, b"old!").await;
    std::fs::write(&file, b"other").expect("written");
    driver
        .ensure_content(volume, Source::File(&file))
        .await
        .expect("written");
    assert_eq!(&read(driver, Part::Volume(volume), 0).await, b"othe");
    assert_eq!(
        read(driver, Part::Volume(volume), 8192).await,
        [0; 4],
        "zeros behind it"
    );
    assert_eq!(size(driver, volume).await, GIB);
    driver.ensure_gone(volume).await.expect("gone");
}

/// What another back end has is read, whole and with its holes, and stays.
async fn copies(driver: &dyn Driver, folder: &Path) {
    let volume = id();
    let path = folder.join("elsewhere");
    let file = File::create(&path).expect("made");
    file.set_len(GIB).expect("grown");
    file.write_all_at(b"deep", GIB / 2).expect("written");
    for _ in 0..2 {
        driver
            .ensure_volume(volume, 2, Source::Copy(&path))
            .await
            .expect("copied");
        assert_eq!(&read(driver, Part::Volume(volume), GIB / 2).await, b"deep");
        assert_eq!(size(driver, volume).await, 2 * GIB);
    }
    write(driver, volume, GIB / 2, b"mine").await;
    let mut left = [0; 4];
    let file = File::open(&path).expect("it stays");
    file.read_exact_at(&mut left, GIB / 2).expect("reads");
    assert_eq!(&left, b"deep", "the origin is another's");
    assert_eq!(file.metadata().expect("a size").len(), GIB);
    driver
        .ensure_volume(volume, 2, Source::Copy(&path))
        .await
        .expect("copied again");
    assert_eq!(
        &read(driver, Part::Volume(volume), GIB / 2).await,
        b"mine",
        "what is there is not written again"
    );
    for _ in 0..2 {
        driver
            .ensure_content(volume, Source::Copy(&path))
            .await
            .expect("written");
        assert_eq!(&read(driver, Part::Volume(volume), GIB / 2).await, b"deep");
        assert_eq!(size(driver, volume).await, 2 * GIB);
    }
    driver.ensure_gone(volume).await.expect("gone");
    std::fs::remove_file(&path).expect("removed");
    let missing = driver
        .ensure_volume(volume, 2, Source::Copy(&path))
        .await
        .expect_err("no origin");
    assert!(matches!(missing, DriverError::NotFound(_)), "{missing}");
    assert!(
        driver.readable(Part::Volume(volume)).await.is_err(),
        "nothing half made is a volume"
    );
    driver.ensure_gone(volume).await.expect("gone");
}
