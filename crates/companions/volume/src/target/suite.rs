//! What every target must do, whatever protocol it speaks. Each target's tests run it, with QEMU's tools as a client that
//! is none of ours.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use uuid::Uuid;

use super::{Grant, Login, Target, size_of};
use crate::driver::Id;
use crate::driver::suite::id;

#[path = "../../tests/it/foreign.rs"]
pub mod foreign;

use foreign::{can, seen_size};

/// The initiator as which the client logs in.
pub const INITIATOR: &str = "iqn.2026-01.suite:client";

/// A megabyte.
const MIB: u64 = 1 << 20;

/// What the suite needs of a target that it does not know.
pub struct Client {
    /// What QEMU opens (`--image-opts`), for a `connection_info`.
    pub source: fn(&Value) -> String,
    /// Ends at once what serves an export, as a crash does.
    pub kill: Box<dyn Fn(Id) + Send + Sync>,
}

/// What is to be served of a file.
///
/// # Panics
/// The file is not there.
pub fn grant(path: &Path, port: Option<u16>) -> Grant {
    Grant {
        id: id(),
        volume: id(),
        path: path.to_owned(),
        size: size_of(path).expect("a size"),
        read_only: false,
        token: Uuid::new_v4().simple().to_string(),
        port,
        login: Some(Login {
            initiator: INITIATOR.to_owned(),
            password: "twelve-or-more".to_owned().into(),
        }),
    }
}

/// A file of 8 MiB that begins with `then`.
fn volume(folder: &Path) -> PathBuf {
    let path = folder.join(id().to_string());
    fs::write(&path, b"then").expect("written");
    let file = OpenOptions::new().write(true).open(&path);
    file.and_then(|file| file.set_len(8 * MIB)).expect("grown");
    path
}

async fn alive(target: &dyn Target, id: Id) -> bool {
    target.alive().await.expect("looked").contains(&id)
}

/// Runs all of it with a target that serves nothing yet, a folder for files, and ports that are free.
///
/// # Panics
/// The target breaks its contract.
pub async fn run(target: &dyn Target, client: &Client, folder: &Path, ports: [Option<u16>; 2]) {
    let path = volume(folder);
    let (one, mut other) = (grant(&path, ports[0]), grant(&path, ports[1]));
    other.volume = one.volume;
    for never in [one.id, other.id] {
        target
            .ensure_gone(never)
            .await
            .expect("what never was is gone");
    }
    let info = target.ensure(&one).await.expect("served");
    assert_eq!(info, target.ensure(&one).await.expect("served again"));
    assert!(alive(target, one.id).await);
    let first = (client.source)(&info);
    assert_eq!(seen_size(&first), Some(8 * MIB));
    // `then` in the first bytes, and what a client writes is in the file.
    assert!(can(&first, "read -P 0x74 0 1"));
    assert!(can(&first, "write -P 0x5a 1M 4k"));
    assert!(can(&first, "flush"));
    let mut bytes = [0; 4];
    let file = File::open(&path).expect("a file");
    file.read_exact_at(&mut bytes, MIB).expect("read");
    assert_eq!(bytes, [0x5a; 4]);

    // A second one of the same volume, which ends without the first one.
    let second = target.ensure(&other).await.expect("served twice");
    assert_ne!(info["data"], second["data"], "names are never shared");
    let second = (client.source)(&second);
    assert!(can(&second, "read -P 0x5a 1M 4k"), "both see the same");
    let mut there = target.served().await.expect("listed");
    there.sort();
    let mut both = [one.id, other.id];
    both.sort();
    assert_eq!(there, both);
    for _ in 0..2 {
        target.ensure_gone(other.id).await.expect("gone");
    }
    assert!(!can(&second, "read 0 1"), "what ended opens nothing");
    assert!(!alive(target, other.id).await);
    assert!(can(&first, "read -P 0x5a 1M 4k"), "the other one stays");

    // A crash: it is served again at the same place.
    (client.kill)(one.id);
    assert!(!can(&first, "read 0 1"), "it is dead");
    assert!(!alive(target, one.id).await);
    assert_eq!(info, target.ensure(&one).await.expect("served again"));
    assert!(can(&first, "read -P 0x5a 1M 4k"));

    // A larger file is offered so.
    let file = OpenOptions::new().write(true).open(&path);
    file.and_then(|file| file.set_len(16 * MIB)).expect("grown");
    let one = Grant {
        size: 16 * MIB,
        ..one
    };
    assert_eq!(info, target.ensure(&one).await.expect("served larger"));
    assert_eq!(seen_size(&first), Some(16 * MIB));

    // The same, to be read alone.
    let read_only = Grant {
        read_only: true,
        ..one.clone()
    };
    target.ensure(&read_only).await.expect("served");
    assert!(!can(&first, "write 0 4k"), "nobody writes to it");

    // What is not there is not served.
    let missing = Grant {
        path: folder.join("missing"),
        ..grant(&path, ports[1])
    };
    assert!(target.ensure(&missing).await.is_err());
    for id in [one.id, missing.id] {
        target.ensure_gone(id).await.expect("gone");
    }
    assert!(!can(&first, "read 0 1"));
    assert_eq!(target.served().await.expect("listed"), []);
}
