//! Against agents that speak the protocol, and against hostile ones.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixListener;

use super::*;

type Says = fn(&Value) -> Vec<u8>;

/// An agent on a socket that answers each command with what `says` makes of it; keeps what it heard.
fn agent(
    says: Says,
) -> (
    tempfile::TempDir,
    std::path::PathBuf,
    Arc<Mutex<Vec<Value>>>,
) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent");
    let listener = UnixListener::bind(&path).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keeps = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (reader, mut writer) = stream.into_split();
            let mut reader = BufReader::new(reader);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .await
                .is_ok_and(|count| count > 0)
            {
                let text = line.strip_prefix(&[DELIMITER]).unwrap_or(&line);
                let command: Value = serde_json::from_slice(text).unwrap();
                line.clear();
                let said = says(&command);
                keeps.lock().unwrap().push(command);
                if writer.write_all(&said).await.is_err() {
                    break;
                }
            }
        }
    });
    (dir, path, heard)
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

/// As qemu-ga: in step by the delimiter, behind what it still had to say.
fn in_step(command: &Value) -> Option<Vec<u8>> {
    if command["execute"] != "guest-sync-delimited" {
        return None;
    }
    let mut said = b"{\"return\": {}}\n{half a".to_vec();
    said.push(DELIMITER);
    said.extend(line(&json!({"return": 7})));
    said.push(DELIMITER);
    said.extend(line(&json!({"return": command["arguments"]["id"]})));
    Some(said)
}

fn good(command: &Value) -> Vec<u8> {
    in_step(command).unwrap_or_else(|| match command["execute"].as_str() {
        Some("guest-set-user-password") => line(&json!({"return": {}})),
        _ => line(&json!({"return": 2})),
    })
}

#[tokio::test]
async fn a_password_goes_as_base64_and_file_systems_are_counted() {
    let (_dir, path, heard) = agent(good);
    let mut agent = GuestAgent::connect(&path).await.unwrap();
    agent.set_password("root", "sécret\"\n").await.unwrap();
    assert_eq!(agent.freeze().await, Ok(2));
    assert_eq!(agent.thaw().await, Ok(2));
    let heard = heard.lock().unwrap();
    assert_eq!(
        heard[1],
        json!({"execute": "guest-set-user-password", "arguments": {
            "username": "root", "password": "c8OpY3JldCIK", "crypted": false,
        }})
    );
    assert_eq!(heard[2]["execute"], "guest-fsfreeze-freeze");
}

#[tokio::test]
async fn what_it_refuses_is_told_in_a_line_and_never_with_the_password() {
    let (_dir, path, _) = agent(|command| {
        in_step(command).unwrap_or_else(|| {
            let long = format!("no\nsuch user {}", "x".repeat(9000));
            line(&json!({"error": {"class": "GenericError", "desc": long}}))
        })
    });
    let mut agent = GuestAgent::connect(&path).await.unwrap();
    let refused = agent.freeze().await.unwrap_err();
    let said = refused.to_string();
    assert!(
        said.starts_with("it says \"no\\nsuch user") && said.len() < 200,
        "{said}"
    );

    let (_dir, path, _) = self::agent(|command| {
        in_step(command).unwrap_or_else(|| {
            line(&json!({"error": {"class": "GenericError", "desc": "secret is too short"}}))
        })
    });
    let mut agent = GuestAgent::connect(&path).await.unwrap();
    let refused = agent.set_password("root", "secret").await.unwrap_err();
    assert_eq!(refused.to_string(), "it says that it cannot");
}

#[tokio::test]
async fn hostile_answers_end_in_their_own_error() {
    let endless: Says = |command| in_step(command).unwrap_or_else(|| vec![b'x'; LONGEST + 1]);
    let nonsense: Says = |command| in_step(command).unwrap_or_else(|| b"[[[[\n".to_vec());
    let both: Says = |command| {
        in_step(command).unwrap_or_else(|| line(&json!({"return": 1, "error": {"desc": "also"}})))
    };
    let other: Says =
        |command| in_step(command).unwrap_or_else(|| line(&json!({"return": [1, 2]})));
    let deep: Says =
        |command| in_step(command).unwrap_or_else(|| [&vec![b'['; 60_000][..], b"\n"].concat());
    for (says, wanted) in [
        (endless, Trouble::TooLong),
        (nonsense, Trouble::Nonsense),
        (both, Trouble::Nonsense),
        (other, Trouble::Nonsense),
        (deep, Trouble::Nonsense),
    ] {
        let (_dir, path, _) = agent(says);
        let mut agent = GuestAgent::connect(&path).await.unwrap();
        assert_eq!(agent.freeze().await, Err(wanted));
    }
    // Before it is in step: another number for ever, bytes without end, and nothing at all.
    let wrong: Says = |_| [&[DELIMITER][..], &line(&json!({"return": 1}))].concat();
    let flood: Says = |_| vec![b'y'; LONGEST * 2];
    let mute: Says = |_| Vec::new();
    // Short lines for ever, as fast as they are read.
    let chatter: Says = |_| [DELIMITER, b'\n'].repeat(LONGEST);
    for (says, wanted) in [
        (chatter, Trouble::TooLong),
        (wrong, Trouble::Silent),
        (flood, Trouble::TooLong),
        (mute, Trouble::Silent),
    ] {
        let (_dir, path, _) = agent(says);
        assert_eq!(GuestAgent::connect(&path).await.unwrap_err(), wanted);
    }
    let mute_later: Says = |command| in_step(command).unwrap_or_default();
    let (_dir, path, _) = agent(mute_later);
    let mut agent = GuestAgent::connect(&path).await.unwrap();
    assert_eq!(agent.thaw().await, Err(Trouble::Silent));
}

#[tokio::test]
async fn a_guest_without_the_port_or_that_hangs_up_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent");
    assert_eq!(
        GuestAgent::connect(&path).await.unwrap_err(),
        Trouble::NoPort
    );
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    assert_eq!(
        GuestAgent::connect(&path).await.unwrap_err(),
        Trouble::Closed
    );
}
