//! Who gets in, and what a signal reloads.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use nix::sys::signal::Signal;
use testing::{User, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::process::Process;

/// The status and body that the operators' door answers.
async fn operators(process: &Process, path: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(process.state().join("run/operator.sock"))
        .await
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_lets_a_rotated_log_go_and_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("kilonova.log");
    let settings = format!("[DEFAULT]\nlog_file = {}\n", log.display());
    let mut process = Process::start(&settings).await;
    let moved = folder.path().join("kilonova.log.1");
    std::fs::rename(&log, &moved).unwrap();
    process.signal(Signal::SIGHUP);
    until("the log is there again", || async {
        log.exists().then_some(())
    })
    .await;
    until("lines go into it", || async {
        let text = std::fs::read_to_string(&log).unwrap();
        text.contains("reading certificates and policy files again")
            .then_some(())
    })
    .await;
    process.log_in("demo").await;
    assert!(process.lives());
    process.stop().await;
    let old = std::fs::read_to_string(&moved).unwrap();
    assert!(
        !old.contains("stopping"),
        "lines after the signal went into the old file"
    );
}

/// The section of each service, and a rule of it that a member passes unless a file says otherwise.
const RULES: [(&str, &str); 4] = [
    ("oslo_policy", "os_compute_api:os-keypairs:index"),
    ("identity", "identity:list_regions"),
    ("image", "get_images"),
    ("network", "create_network"),
];

/// What the rules of [`RULES`] let this user do, in their order.
async fn allowed(user: &User) -> [bool; 4] {
    let network = serde_json::json!({"network": {"name": "n"}});
    let answers = [
        user.get("/compute/v2.1/os-keypairs").await,
        user.get("/identity/v3/regions").await,
        user.get("/image/v2/images").await,
        user.post("/network/v2.0/networks", &network).await,
    ];
    answers.map(|answer| match answer.status.as_u16() {
        200 | 201 => true,
        403 => false,
        _ => panic!("{}", answer.text),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_brings_new_rules_into_force_and_keeps_the_old_where_a_file_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let file = |section: &str| folder.path().join(format!("{section}.yaml"));
    let write = |section: &str, text: &str| std::fs::write(file(section), text).unwrap();
    let mut settings = String::new();
    for (section, _) in RULES {
        write(section, "# The defaults.\n");
        let file = file(section);
        writeln!(settings, "[{section}]\npolicy_file = {}", file.display()).unwrap();
    }
    let mut process = Process::start(&settings).await;
    let demo = process.log_in("demo").await;
    assert_eq!(allowed(&demo).await, [true; 4]);

    // Each service refuses from now on.
    for (section, rule) in RULES {
        write(section, &format!("\"{rule}\": \"role:admin\"\n"));
    }
    process.signal(Signal::SIGHUP);
    until("the new rules hold", || async {
        (allowed(&demo).await == [false; 4]).then_some(())
    })
    .await;

    // Two files go back to the defaults; one is broken, one is away.
    write("oslo_policy", "\"os_compute_api:os-keypairs:index\": \"@\n");
    write("identity", "# The defaults.\n");
    std::fs::remove_file(file("image")).unwrap();
    write("network", "# The defaults.\n");
    process.signal(Signal::SIGHUP);
    until("the two that can be read hold", || async {
        (allowed(&demo).await == [false, true, false, true]).then_some(())
    })
    .await;
    let log = process.log();
    let complaints: Vec<_> = log
        .lines()
        .filter(|line| line.contains("its policy stays as it was"))
        .collect();
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    for (line, (service, name)) in complaints.iter().zip([
        ("compute", "oslo_policy.yaml: line 1"),
        ("image", "image.yaml: No such file"),
    ]) {
        assert!(line.contains(service) && line.contains(name), "{line}");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_clients_took_all_connections_the_operators_door_still_opens() {
    let limits = "ulimit -Sn 200; ulimit -Hn 200";
    let mut process = Process::limited("", limits, tempfile::tempdir().unwrap()).await;
    let address: SocketAddr = process.url.trim_start_matches("http://").parse().unwrap();
    // One more than a quarter of the files, which is the clients' share.
    let mut crowd = Vec::new();
    let refused = loop {
        assert!(crowd.len() < 200, "nobody is refused");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut first = [0; 12];
        let read = tokio::time::timeout(
            std::time::Duration::from_millis(200),
            stream.read(&mut first),
        );
        match read.await {
            Ok(Ok(count)) if count > 0 => break String::from_utf8_lossy(&first).into_owned(),
            Ok(_) => break String::new(),
            // Taken in, and waited for.
            Err(_) => crowd.push(stream),
        }
    };
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(crowd.len() >= 30, "{} clients", crowd.len());
    let (status, body) = operators(&process, "/healthcheck").await;
    assert_eq!((status, body.as_str()), (200, "OK"));
    let (status, metrics) = operators(&process, "/metrics").await;
    assert_eq!(status, 200);
    assert!(
        metrics.contains("kilonova_connections_refused_total"),
        "{metrics}"
    );
    drop(crowd);
    process.log_in("demo").await;
    process.stop().await;
}

/// A small file system in this folder while it lives.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path, size: &str) -> Self {
        let none: Option<&str> = None;
        let options = format!("size={size}");
        let flags = nix::mount::MsFlags::empty();
        nix::mount::mount(none, at, Some("tmpfs"), flags, Some(options.as_str())).unwrap();
        SmallDisk(at)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_so_while_nothing_can_be_written() {
    if !nix::unistd::geteuid().is_root() {
        skips::skip("mounting needs root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let _disk = SmallDisk::mount(&path, "64m");
    let mut process = Process::limited("", "ulimit -Sn 256", folder).await;
    let http = reqwest::Client::new();
    let health = format!("{}/healthcheck", process.url);
    let ask = async || {
        let answer = http.get(&health).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask().await, (200, "OK".to_owned()));
    let filler = path.join("filler");
    let fill = || {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&filler)
            .unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    };
    // Small holes in files of the databases may take a few more writes.
    until("it is unhealthy", || async {
        fill();
        let (status, text) = ask().await;
        assert!(
            status == 200 || text == "unhealthy",
            "a stranger reads {text}"
        );
        (status == 503).then_some(())
    })
    .await;
    let (status, why) = operators(&process, "/healthcheck").await;
    assert_eq!(status, 503);
    assert!(why.contains("full") || why.contains("No space"), "{why}");
    std::fs::remove_file(&filler).unwrap();
    until("it is well again", || async {
        (ask().await.0 == 200).then_some(())
    })
    .await;
    process.stop().await;
}
