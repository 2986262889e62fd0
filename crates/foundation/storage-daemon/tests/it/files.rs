//! Files that are served: found, changed, replaced, given up.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use child::Measures;
use storage_daemon::{Error, Listen, Source};

use crate::place::{Place, io, limits};

#[tokio::test]
async fn a_file_is_served_and_its_daemon_left_alone_until_it_is_to_do_something_else() {
    let Some(place) = Place::new() else { return };
    let path = place.volume(8);
    let mut wanted = place.wanted(Source::File { path: path.clone() });
    let first = place.ensure(&wanted).await.unwrap();
    assert_eq!((first.bytes, first.fresh), (8 << 20, true));
    let said = io(&place.client("volume-1"), "write -P 0x5a 4096 4096").await;
    assert!(said.contains("wrote 4096/4096"), "{said}");
    let again = place.ensure(&wanted).await.unwrap();
    assert_eq!((again.process.pid, again.fresh), (first.process.pid, false));
    assert_eq!(std::fs::read(&path).unwrap()[4096], 0x5a);

    // Another work, and the size that the file has by now.
    place.volume(16);
    wanted.read_only = true;
    let other = place.ensure(&wanted).await.unwrap();
    assert_eq!((other.bytes, other.fresh), (16 << 20, true));
    assert!(!first.process.alive());
    let said = io(&place.client("volume-1"), "write 0 4096").await;
    assert!(!said.contains("wrote"), "{said}");
    let said = io(&place.client("volume-2"), "read 0 4096").await;
    assert!(said.contains("volume-2"), "an export of no name: {said}");
    place.end().await;
    place.end().await;
    assert!(!other.process.alive());
}

#[tokio::test]
async fn a_daemon_that_was_killed_or_never_noted_is_replaced() {
    let Some(place) = Place::new() else { return };
    let path = place.volume(8);
    let wanted = place.wanted(Source::File { path });
    let first = place.ensure(&wanted).await.unwrap();
    first.process.kill().await.unwrap();
    assert!(storage_daemon::running(&place.folder()).is_none());
    let second = place.ensure(&wanted).await.unwrap();
    assert!(second.fresh);
    // Its starter died before it wrote anything down.
    for file in ["pid", "served.json"] {
        std::fs::remove_file(place.folder().join(file)).unwrap();
    }
    let third = place.ensure(&wanted).await.unwrap();
    assert!(third.fresh && second.process.exits_within(Duration::from_secs(1)).await);
    // A number that somebody else has by now.
    std::fs::write(place.folder().join("pid"), std::process::id().to_string()).unwrap();
    assert!(!place.ensure(&wanted).await.unwrap().fresh);
    // Notes that make no sense.
    std::fs::write(place.folder().join("served.json"), "{").unwrap();
    assert!(place.ensure(&wanted).await.unwrap().fresh);
    let said = io(&place.client("volume-1"), "read 0 4096").await;
    assert!(said.contains("read 4096/4096"), "{said}");
    assert_eq!(
        storage_daemon::folders(place.dir.path()).unwrap(),
        [place.folder()]
    );
    place.end().await;
}

#[tokio::test]
async fn a_tcp_address_and_a_long_path_are_places_too() {
    let Some(place) = Place::new() else { return };
    let mut wanted = place.wanted(Source::File {
        path: place.volume(8),
    });
    wanted.listen = Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    wanted.connections = 4;
    let running = place.ensure(&wanted).await.unwrap();
    let address = running.address.unwrap();
    let said = io(&format!("nbd://{address}/volume-1"), "read 0 4096").await;
    assert!(said.contains("read 4096/4096"), "{said}");
    assert_eq!(place.ensure(&wanted).await.unwrap().address, Some(address));

    let long = place.dir.path().join("x".repeat(120));
    std::fs::create_dir(&long).unwrap();
    let path = long.join("socket");
    wanted.listen = Listen::Unix {
        path: path.clone(),
        owner: None,
    };
    assert!(place.ensure(&wanted).await.unwrap().fresh);
    std::os::unix::fs::symlink(&path, place.socket()).unwrap();
    let said = io(&place.client("volume-1"), "read 0 4096").await;
    assert!(said.contains("read 4096/4096"), "{said}");
    place.end().await;
}

#[tokio::test]
async fn what_cannot_be_opened_is_said_and_leaves_nothing() {
    let Some(place) = Place::new() else { return };
    let missing = Source::File {
        path: place.dir.path().join("missing"),
    };
    let refused = place.ensure(&place.wanted(missing)).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused { why, .. } if why.contains("No such file")),
        "{refused}"
    );
    let nobody = Source::Nbd {
        host: "127.0.0.1".into(),
        port: 1,
        export: "x".into(),
    };
    let refused = place.ensure(&place.wanted(nobody)).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused { why, .. } if why.contains("Connection refused")),
        "{refused}"
    );
    let wanted = place.wanted(Source::File {
        path: place.volume(8),
    });
    let folder = place.folder();
    let absent = Path::new("/nowhere/qemu-storage-daemon");
    let refused = storage_daemon::ensure(&folder, absent, &wanted, Measures::default(), limits());
    assert!(matches!(refused.await, Err(Error::NotInstalled { .. })));
    // A program that ends at once.
    let ended = Path::new("/bin/false");
    let refused = storage_daemon::ensure(&folder, ended, &wanted, Measures::default(), limits());
    let refused = refused.await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused { what: "start", .. }),
        "{refused}"
    );
    let mut elsewhere = wanted.clone();
    elsewhere.listen = Listen::Unix {
        path: place.dir.path().join("no-folder/socket"),
        owner: None,
    };
    let refused = place.ensure(&elsewhere).await.unwrap_err();
    assert!(matches!(refused, Error::Io { .. }), "{refused}");
    assert!(storage_daemon::running(&folder).is_none());
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for_without_end() {
    let Some(place) = Place::new() else { return };
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let wanted = place.wanted(Source::Nbd {
        host: "127.0.0.1".into(),
        port: silent.local_addr().unwrap().port(),
        export: "x".into(),
    });
    let mut short = limits();
    short.open = Duration::from_millis(300);
    short.end = Duration::from_millis(300);
    let folder = place.folder();
    let late = storage_daemon::ensure(
        &folder,
        Path::new(storage_daemon::PROGRAM),
        &wanted,
        Measures::default(),
        short,
    );
    assert!(matches!(late.await, Err(Error::Late { .. })));
    assert!(storage_daemon::running(&folder).is_none());
}
