use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

use super::*;

#[test]
fn every_kind_of_line_is_understood() {
    assert_eq!(
        parse(r#"{"QMP": {"version": {}, "capabilities": ["oob"]}}"#),
        Some(Line::Greeting)
    );
    assert_eq!(
        parse(r#"{"return": {}, "id": 3}"#),
        Some(Line::Answer {
            id: 3,
            result: Ok(json!({}))
        })
    );
    let error = r#"{"id": 4, "error": {"class": "GenericError", "desc": "no"}}"#;
    let result = Err(("GenericError".to_owned(), "no".to_owned()));
    assert_eq!(parse(error), Some(Line::Answer { id: 4, result }));
    let event = r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}"#;
    assert_eq!(
        parse(event),
        Some(Line::Event {
            name: "STOP".into(),
            data: Value::Null
        })
    );
    assert_eq!(parse("HTTP/1.1 400"), None);
    let long = json!({"id": 5, "error": {"class": "GenericError", "desc": "ä".repeat(9000)}});
    let result = Err(("GenericError".to_owned(), "ä".repeat(WORDS)));
    assert_eq!(
        parse(&long.to_string()),
        Some(Line::Answer { id: 5, result })
    );
}

/// A server that lets a client in. It gives the connection, on which it answered one command.
async fn serve(path: &Path) -> tokio::task::JoinHandle<UnixStream> {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"{\"QMP\": {}}\n").await.unwrap();
        let mut last = [0_u8];
        while last != [b'\n'] {
            stream.read_exact(&mut last).await.unwrap();
        }
        let answer = b"{\"return\": {}, \"id\": 1}\n";
        stream.write_all(answer).await.unwrap();
        stream
    })
}

#[tokio::test]
async fn a_line_that_is_no_message_ends_the_connection() {
    let long = vec![b'x'; LINE + 1];
    for odd in [
        &b"no message\n"[..],
        &b"{}\n"[..],
        &b"\xff\n"[..],
        &long[..],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmp");
        let server = serve(&path).await;
        let (qmp, mut events) = Qmp::connect(&path).await.unwrap();
        let mut stream = server.await.unwrap();
        // The end of a long one may find nobody who reads it.
        let _ = stream.write_all(odd).await;
        assert!(events.recv().await.is_err(), "the events end");
        let lost = qmp.execute("query-status", json!({})).await;
        assert!(
            matches!(lost, Err(QmpError::Closed | QmpError::Io(_))),
            "{lost:?}"
        );
        let mut rest = Vec::new();
        // A reset, where something was left unread.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "nothing was sent, and it ended");
    }
}

#[tokio::test]
async fn a_greeting_that_is_none_is_shown_in_part() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qmp");
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut line = vec![b'x'; 3 * SHOWN];
        line.push(b'\n');
        stream.write_all(&line).await.unwrap();
    });
    let refused = Qmp::connect(&path).await.unwrap_err();
    let shown = "x".repeat(SHOWN);
    assert!(matches!(&refused, QmpError::Protocol(line) if *line == shown));
    server.await.unwrap();
}

#[tokio::test]
async fn a_command_that_is_sent_in_part_ends_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qmp");
    let server = serve(&path).await;
    let (qmp, mut events) = Qmp::connect(&path).await.unwrap();
    let mut stream = server.await.unwrap();
    // More than the socket holds, and nobody reads.
    let long = json!({"text": "x".repeat(8 << 20)});
    let limit = Duration::from_millis(100);
    let late = qmp.execute_within("long", long, limit).await;
    assert!(matches!(late, Err(QmpError::Timeout(_))), "{late:?}");
    assert!(events.recv().await.is_err(), "the events end");
    let lost = qmp.execute("query-status", json!({})).await;
    assert!(
        matches!(lost, Err(QmpError::Closed | QmpError::Io(_))),
        "{lost:?}"
    );
    let mut sent = Vec::new();
    stream.read_to_end(&mut sent).await.unwrap();
    assert!(
        !sent.is_empty() && !sent.contains(&b'\n'),
        "a part was sent"
    );
}

#[tokio::test]
async fn answers_find_their_commands_and_a_lost_connection_ends_the_wait() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("qmp");
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"{\"QMP\": {}}\n").await.unwrap();
        let mut lines = String::new();
        let mut buffer = [0; 1024];
        while lines.lines().count() < 2 {
            let count = stream.read(&mut buffer).await.unwrap();
            lines.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            if lines.lines().count() == 1 {
                stream
                    .write_all(b"{\"event\": \"STOP\"}\n{\"return\": {}, \"id\": 1}\n")
                    .await
                    .unwrap();
            }
        }
    });
    let (qmp, mut events) = Qmp::connect(&path).await.unwrap();
    assert_eq!(events.recv().await.unwrap().name, "STOP");
    let lost = qmp.execute("query-status", json!({})).await;
    assert!(matches!(lost, Err(QmpError::Closed)), "{lost:?}");
    assert!(
        events.recv().await.is_err(),
        "the event stream ends with the connection"
    );
    assert!(qmp.execute("again", json!({})).await.is_err());
    server.await.unwrap();
}
