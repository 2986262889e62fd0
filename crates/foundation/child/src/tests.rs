use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::*;

/// A shell confined by these; its error output. The script says what it finds.
fn shell(script: &str, measures: Measures, keep: Vec<i32>) -> String {
    let confined = Confined {
        program: "sh".into(),
        args: vec!["-c".into(), format!("{{ {script} ; }} >&2").into()],
        folder: "/".into(),
        keep,
        measures,
    };
    confined.output().unwrap().1
}

fn root_is_ours() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skips::skip("namespaces and other users need root");
    }
    root
}

fn system() -> Root {
    let mut root = Root::default();
    root.add_existing(["/usr", "/lib", "/lib64", "/bin", "/sbin"], Access::Run)
        .unwrap();
    root
}

#[test]
fn children_see_a_path_and_a_language_and_nothing_else() {
    // Cargo puts much into the environment of a test.
    let output = command("env").output().unwrap();
    let mut lines: Vec<&str> = std::str::from_utf8(&output.stdout)
        .unwrap()
        .lines()
        .collect();
    lines.sort_unstable();
    let path = format!("PATH={PATH}");
    assert_eq!(lines, ["LC_ALL=C", &path]);
    assert!(
        shell("env", Measures::default(), Vec::new())
            .lines()
            .all(|line| {
                // The shell adds where it is.
                [path.as_str(), "LC_ALL=C", "PWD=/"].contains(&line)
                    || line.starts_with("_=")
                    || line.starts_with("SHLVL=")
                    || line.starts_with("OLDPWD")
            })
    );
}

/// A copy of a descriptor at a number that no program takes by itself, and that a new program would inherit.
fn at(number: i32) -> OwnedFd {
    let file = File::open("/dev/null").unwrap();
    // SAFETY: the new descriptor is nobody else's.
    unsafe { OwnedFd::from_raw_fd(libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, number)) }
}

#[test]
fn only_meant_descriptors_are_open_and_privileges_and_cores_are_off() {
    let (meant, other) = (at(400), at(500));
    let script =
        "ls /proc/self/fd; grep NoNewPrivs /proc/self/status; ulimit -c; ulimit -n; ulimit -f";
    let limits = vec![Limit::Files(600), Limit::FileSize(1 << 20)];
    let measures = Measures {
        limits,
        ..Measures::default()
    };
    let said = shell(script, measures, vec![meant.as_raw_fd()]);
    let (fds, rest) = said.split_once("NoNewPrivs:").unwrap();
    let mut fds: Vec<i32> = fds.lines().map(|fd| fd.parse().unwrap()).collect();
    fds.sort_unstable();
    assert!(other.as_raw_fd() >= 500);
    assert_eq!(
        fds,
        [0, 1, 2, 3, meant.as_raw_fd()],
        "3 is the folder itself"
    );
    let rest: Vec<&str> = rest.split_whitespace().collect();
    assert_eq!(rest, ["1", "0", "600", "2048"], "blocks of 512 bytes");
}

#[test]
fn another_user_has_no_way_back_and_keeps_only_the_named_capabilities() {
    if !root_is_ours() {
        return;
    }
    let script = "id -u; id -g; id -G; grep Cap /proc/self/status | tr -d '\\n'; cat /etc/shadow";
    let user = User {
        uid: 70_000,
        gid: 70_001,
        groups: vec![70_002],
        capabilities: vec![10],
    };
    let said = shell(
        script,
        Measures {
            user: Some(user),
            ..Measures::default()
        },
        Vec::new(),
    );
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(&lines[..3], ["70000", "70001", "70001 70002"], "{said}");
    assert_eq!(
        lines[3].matches("0000000000000400").count(),
        5,
        "all five sets hold NET_BIND_SERVICE: {said}"
    );
    assert!(said.contains("Permission denied"), "{said}");
}

#[test]
fn a_file_tree_holds_what_was_added_with_the_access_given() {
    if !root_is_ours() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["read", "secret"] {
        std::fs::write(path(name), name).unwrap();
    }
    std::fs::create_dir(path("write")).unwrap();
    let mut root = system();
    root.add(path("read"), Access::Read).unwrap();
    root.add(path("write"), Access::Write).unwrap();
    root.add("/dev/null", Access::Device).unwrap();
    let at = folder.path().display();
    let script = format!(
        "ls -A / | tr '\\n' ' '; echo; ls {at} | tr '\\n' ' '; echo; cat {at}/read; echo; echo x > {at}/write/new; \
         echo x > /dev/null; (echo x > {at}/read); (echo x > /new); (echo x > /usr/new)"
    );
    let said = shell(
        &script,
        Measures {
            root: Some(root),
            ..Measures::default()
        },
        Vec::new(),
    );
    let lines: Vec<&str> = said.lines().collect();
    let first = folder.path().iter().nth(1).unwrap().to_str().unwrap();
    assert!(
        lines[0]
            .split(' ')
            .all(|name| ["bin", "dev", "lib", "lib64", "sbin", "usr", first, ""].contains(&name)),
        "{said}"
    );
    assert_eq!(lines[1].trim(), "read write", "{said}");
    assert_eq!(lines[2], "read");
    assert_eq!(said.matches("Read-only file system").count(), 3, "{said}");
    assert_eq!(std::fs::read_to_string(path("write/new")).unwrap(), "x\n");
    assert!(
        path("secret").exists() && Path::new("/proc/self").exists(),
        "ours is as it was"
    );
}

#[test]
fn network_and_process_table_are_its_own() {
    if !root_is_ours() {
        return;
    }
    let measures = Measures {
        network: true,
        processes: true,
        ipc: true,
        oom_score_adj: Some(300),
        ..Measures::default()
    };
    let script = "echo $$; cat /proc/self/oom_score_adj; ip -o link | wc -l; ip route; ping -c1 -W1 127.0.0.1 || echo unreachable";
    let said = shell(script, measures, Vec::new());
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(&lines[..3], ["1", "300", "1"], "{said}");
}

#[test]
fn what_fails_is_named() {
    let measures = || Measures::default();
    let confined = |program: &str, folder: &str| Confined {
        program: program.into(),
        args: Vec::new(),
        folder: folder.into(),
        keep: Vec::new(),
        measures: measures(),
    };
    let missing = confined("no-such-program", "/").output().unwrap_err();
    assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    let nowhere = confined("true", "/no/such/folder").output().unwrap_err();
    assert!(
        nowhere
            .to_string()
            .starts_with("enter the folder: No such file"),
        "{nowhere}"
    );
    assert_eq!(confined("false", "/").output().unwrap().0, Ended::Code(1));
    let killed = Confined {
        args: vec!["-c".into(), "kill -9 $$".into()],
        ..confined("sh", "/")
    };
    assert_eq!(killed.output().unwrap().0, Ended::Signal(9));
}

#[test]
fn a_machine_that_gives_everything_is_seen_to() {
    let found = Abilities::look(70_000);
    if !root_is_ours() {
        assert!(found.user.is_some(), "nobody else may become another user");
        return;
    }
    assert_eq!(found, Abilities::default());
}
