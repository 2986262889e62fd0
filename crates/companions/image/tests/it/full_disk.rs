//! Uploads to a file system that is really full.
//!
//! Each test mounts a small one, in a mount namespace of its own: nobody else sees it, and it is gone
//! with the test however that ends.

use std::fs;
use std::path::{Path, PathBuf};

use axum::body::{Body, Bytes};
use futures::stream;
use http::{Method, Request};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;

use super::{ALICE, Answer, Glance};

const MIB: usize = 1 << 20;
const FULL: &str =
    "Image storage media is full: There is not enough disk space on the image storage media.";

/// Runs `test` with a folder that is a file system of `size` bytes. Where mounting is not allowed
/// the test says so and passes.
fn on_a_small_disk<F>(size: usize, test: F)
where
    F: AsyncFnOnce(PathBuf) + Send + 'static,
{
    // Threads inherit the namespace of the thread that starts them: those of the runtime are in it.
    let thread = std::thread::spawn(move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNS) {
            skips::skip(format!("a mount namespace needs root: {error}"));
            return;
        }
        let none: Option<&str> = None;
        let apart = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        if let Err(error) = mount(none, "/", none, apart, none) {
            skips::skip(format!(
                "in a chroot, mounts cannot be kept from the machine: {error}"
            ));
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        let options = format!("size={size}");
        let plain = MsFlags::empty();
        mount(
            none,
            folder.path(),
            Some("tmpfs"),
            plain,
            Some(options.as_str()),
        )
        .expect("mounts");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("runtime");
        runtime.block_on(test(folder.path().to_owned()));
        drop(runtime);
        umount2(folder.path(), MntFlags::MNT_DETACH).expect("unmounts");
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

async fn glance_on(disk: &Path, keep_free: usize) -> Glance {
    Glance::on(sql::testing::sqlite().await, |settings| {
        settings.image_dir = disk.join("images");
        settings.keep_free = keep_free as u64;
    })
    .await
}

/// Data whose length nobody announces.
fn chunked(size: usize) -> Body {
    let piece = |_| Ok::<_, std::io::Error>(Bytes::from(vec![1; MIB / 16]));
    Body::from_stream(stream::iter((0..size / (MIB / 16)).map(piece)))
}

fn free(disk: &Path) -> u64 {
    let stat = nix::sys::statvfs::statvfs(disk).expect("stat");
    stat.blocks_available() * stat.fragment_size()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// The upload was refused as Glance refuses it, and it is as if nobody had tried.
async fn refused(glance: &Glance, id: &str, answer: Answer) {
    assert_eq!(answer.is(413).json()["message"], FULL);
    let image = glance.show(ALICE, id).await;
    assert_eq!(image["status"], "queued");
    assert_eq!(
        (&image["size"], &image["checksum"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(files(&glance.settings.image_dir), Vec::<PathBuf>::new());
    glance.is_clean().await;
}

#[test]
fn an_upload_that_fills_the_disk_leaves_nothing_and_succeeds_when_there_is_room() {
    on_a_small_disk(4 * MIB, async |disk| {
        let glance = glance_on(&disk, 0).await;
        let ballast = disk.join("ballast");
        fs::write(&ballast, vec![0; 2 * MIB]).expect("ballast");
        let before = free(&disk);
        let id = glance.create(ALICE, json!({})).await;
        // Not announced: the disk itself says when it is full.
        let answer = glance.data(ALICE, &id, "file", chunked(3 * MIB)).await;
        refused(&glance, &id, answer).await;
        assert_eq!(free(&disk), before);
        // Staged, for an import: the same.
        let answer = glance.data(ALICE, &id, "stage", chunked(3 * MIB)).await;
        refused(&glance, &id, answer).await;
        fs::remove_file(&ballast).expect("room is made");
        glance
            .data(ALICE, &id, "file", chunked(3 * MIB))
            .await
            .is(204);
        let image = glance.show(ALICE, &id).await;
        assert_eq!(
            (&image["status"], &image["size"]),
            (&json!("active"), &json!(3 * MIB))
        );
        let read = glance.get(ALICE, &format!("/v2/images/{id}/file")).await;
        assert!(read.bytes == vec![1; 3 * MIB]);
        glance.is_clean().await;
    });
}

#[test]
fn an_announced_upload_that_cannot_fit_is_refused_before_it_is_sent() {
    on_a_small_disk(2 * MIB, async |disk| {
        let glance = glance_on(&disk, 0).await;
        let id = glance.create(ALICE, json!({})).await;
        let announced = Request::builder()
            .method(Method::PUT)
            .uri(format!("/v2/images/{id}/file"))
            .header("x-auth-token", ALICE)
            .header("accept", "application/json")
            .header("content-type", "application/octet-stream")
            .header("content-length", (3 * MIB).to_string())
            .body(Body::from_stream(stream::pending::<
                Result<Bytes, std::io::Error>,
            >()))
            .expect("request");
        let answer = glance.send(announced).await;
        refused(&glance, &id, answer).await;
    });
}

#[test]
fn what_must_stay_free_stays_free_also_when_nobody_says_how_much_comes() {
    on_a_small_disk(8 * MIB, async |disk| {
        let glance = glance_on(&disk, 4 * MIB).await;
        let id = glance.create(ALICE, json!({})).await;
        let answer = glance.data(ALICE, &id, "file", chunked(7 * MIB)).await;
        refused(&glance, &id, answer).await;
        glance
            .data(ALICE, &id, "file", chunked(3 * MIB))
            .await
            .is(204);
    });
}

#[test]
fn a_database_on_a_full_disk_refuses_with_a_plain_fault_and_writes_again_when_there_is_room() {
    on_a_small_disk(4 * MIB, async |disk| {
        let url = format!("sqlite:{}", disk.join("image.sqlite").display());
        let db = sql::Database::open(&url).await.expect("opens");
        let glance = Glance::on(db, |settings| settings.keep_free = 0).await;
        let known = glance.create(ALICE, json!({})).await;
        let ballast = disk.join("ballast");
        // Fails at the last byte that fits.
        drop(fs::write(&ballast, vec![0; 4 * MIB]));
        assert!(free(&disk) < 4096);
        let body = json!({"name": "x", "tags": ["a".repeat(255)]});
        let mut refused = None;
        for _ in 0..100 {
            // What room the files themselves have left is used first.
            let answer = glance.post(ALICE, "/v2/images", body.clone()).await;
            if answer.status != 201 {
                refused = Some(answer);
                break;
            }
        }
        let refused = refused.expect("it became full").is(503).json();
        assert_eq!(refused["message"], sql::NO_ROOM);
        assert_eq!(glance.show(ALICE, &known).await["status"], "queued");
        fs::remove_file(&ballast).expect("room is made");
        glance.post(ALICE, "/v2/images", body).await.is(201);
    });
}
