//! What a guest can reach when it has broken out into QEMU. This very program is started in QEMU's place, tries, and
//! tells; and a real QEMU is looked at from outside.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hypervisor::{Driver, DriverError, ImageFormat, ImageRef, Keep, RootDisk, ServerSpec, StopHow};
use hypervisor_qemu::{Confinement, QemuDriver, QemuSettings};

use crate::cloud::{Cloud, qemu_is_here};

/// Before what the program inside tells.
const MARK: &str = "INSIDE ";

/// A driver that can confine everything; None, with a word, elsewhere.
async fn confining(settings: QemuSettings) -> Option<QemuDriver> {
    let gaps = hypervisor_qemu::confinement_gaps(&settings);
    if !gaps.is_empty() {
        skips::skip(format!("this machine cannot confine guests: {gaps:?}"));
        return None;
    }
    Some(QemuDriver::open(settings).await.unwrap())
}

fn server(name: &str, base: &Path) -> ServerSpec {
    let mut spec = ServerSpec::minimal(uuid::Uuid::new_v4().to_string(), name);
    spec.memory_mb = 32;
    let image = ImageRef {
        id: "base".into(),
        path: base.to_owned(),
        format: ImageFormat::Raw,
        virtual_size: 1 << 20,
    };
    spec.root_disk = Some(RootDisk {
        size_gb: 1,
        image: Some(image),
    });
    spec
}

fn base_image(cloud: &Cloud) -> PathBuf {
    let base = cloud.dir.path().join("base.raw");
    std::fs::write(&base, vec![0_u8; 1 << 20]).unwrap();
    // As a strict umask leaves it.
    std::fs::set_permissions(&base, std::fs::Permissions::from_mode(0o400)).unwrap();
    base
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_in_qemus_place_reaches_nothing_but_its_own_server() {
    if !qemu_is_here() {
        return;
    }
    let cloud = Cloud::new();
    let at = cloud.dir.path();
    let base = base_image(&cloud);
    std::fs::create_dir(at.join("keys")).unwrap();
    std::fs::write(at.join("keys/0"), "secret").unwrap();
    let neighbour = server("neighbour", &base);
    let Some(driver) = confining(cloud.settings()).await else {
        return;
    };
    driver.ensure_running(&neighbour).await.unwrap();
    drop(driver);

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let abstract_name = format!("kilonova-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
    let _abstract = UnixListener::bind_addr(&address).unwrap();
    let own = std::env::current_exe().unwrap();
    let task = [
        ("state", at.display().to_string()),
        ("neighbour", neighbour.id.clone()),
        ("base", base.display().to_string()),
        ("port", listener.local_addr().unwrap().port().to_string()),
        ("abstract", abstract_name),
        ("pid", std::process::id().to_string()),
    ];
    let task: Vec<String> = task
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let script = at.join("qemu");
    let text = format!(
        "#!/bin/sh\ncase \" $* \" in *' -uuid '*) ;; *) exec qemu-system-x86_64 \"$@\" ;; esac\n\
         PROBE='{}' exec {} --exact confined::the_program_inside --ignored --nocapture\n",
        task.join(";"),
        own.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut settings = cloud.settings();
    settings.qemu_binary = script;
    // A host without volumes: where limits cannot be raised later, those of others are wide.
    settings.volume_folders.clear();
    settings
        .program_folders
        .push(own.parent().unwrap().to_owned());
    let driver = QemuDriver::open(settings).await.unwrap();
    let failed = driver.ensure_running(&server("inside", &base)).await;
    let Err(DriverError::GuestFailed { stderr }) = failed else {
        panic!("{failed:?}")
    };
    let told = stderr
        .lines()
        .find_map(|line| Some(line.split_once(MARK)?.1));
    let told: BTreeMap<&str, &str> = told
        .unwrap_or_else(|| panic!("{stderr}"))
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let want = [
        ("abstract", "ECONNREFUSED"),
        ("base read", "ok"),
        ("base write", "EACCES"),
        ("capabilities", "0"),
        ("descriptors", "0,1,2,qmp"),
        ("disk write", "ok"),
        ("environment", "LC_ALL,PATH,PROBE,PWD"),
        ("files", "1024"),
        ("interfaces", "lo"),
        ("keys", "ENOENT"),
        ("kill", "ESRCH"),
        ("largest file", "3221225472"),
        ("mount", "EPERM"),
        ("neighbour", "ENOENT"),
        ("new file", "EACCES"),
        ("no new privileges", "1"),
        ("own record", "EACCES"),
        ("process", "1"),
        ("processes", "none"),
        ("program write", "EACCES"),
        ("tcp", "ENETUNREACH"),
        ("udp", "ENETUNREACH"),
        ("user", "own"),
    ];
    for (claim, outcome) in want {
        assert_eq!(told.get(claim), Some(&outcome), "{claim}: {told:?}");
    }
    assert_eq!(told.len(), want.len(), "{told:?}");
    let tree: Vec<_> = std::fs::read_dir(at.join("servers"))
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(tree.len(), 1, "the failed one left nothing: {tree:?}");
    cloud.ends(&driver, &neighbour.id, 1).await;
}

/// Not a test: what runs in QEMU's place.
#[test]
#[ignore = "the part of another test that runs confined"]
fn the_program_inside() {
    let Ok(task) = std::env::var("PROBE") else {
        return;
    };
    let task: BTreeMap<&str, &str> = task
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let state = Path::new(task["state"]);
    let own = std::env::current_dir().unwrap();
    let neighbour = state
        .join("servers")
        .join(task["neighbour"])
        .join("disk.qcow2");
    let read = |path: &Path| outcome(std::fs::File::open(path).map(drop));
    let write = |path: &Path| outcome(std::fs::File::options().write(true).open(path).map(drop));
    let port: u16 = task["port"].parse().unwrap();
    let tcp =
        TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), Duration::from_secs(1));
    let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.send_to(b"x", "192.0.2.1:53"));
    let name = SocketAddr::from_abstract_name(task["abstract"]).unwrap();
    let pid: i32 = task["pid"].parse().unwrap();
    let mut names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    names.sort();
    // `_` and `OLDPWD` are the shell's.
    names.retain(|name| !["_", "OLDPWD", "SHLVL"].contains(&name.as_str()));
    // SAFETY: plain system calls on values that outlive them.
    let (killed, mounted, uid, me, nnp, capabilities) = unsafe {
        let killed = check(libc::kill(pid, 0));
        let nothing = std::ptr::null();
        let mounted = check(libc::mount(
            nothing,
            c"/".as_ptr(),
            c"tmpfs".as_ptr(),
            0,
            nothing.cast(),
        ));
        let mut sets = [0_u32; 6];
        let header = [0x2008_0522_u32, 0];
        libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr());
        let all = sets.iter().fold(0, |all, set| all | set);
        (
            killed,
            mounted,
            libc::getuid(),
            libc::getpid(),
            libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
            all,
        )
    };
    let told = [
        (
            "abstract",
            outcome(UnixStream::connect_addr(&name).map(drop)),
        ),
        ("base read", read(Path::new(task["base"]))),
        ("base write", write(Path::new(task["base"]))),
        ("capabilities", capabilities.to_string()),
        ("descriptors", descriptors()),
        ("disk write", write(&own.join("disk.qcow2"))),
        ("environment", names.join(",")),
        ("files", limit(libc::RLIMIT_NOFILE).to_string()),
        ("interfaces", interfaces()),
        ("keys", read(&state.join("keys/0"))),
        ("kill", killed),
        ("largest file", limit(libc::RLIMIT_FSIZE).to_string()),
        ("mount", mounted),
        ("neighbour", read(&neighbour)),
        ("new file", outcome(std::fs::write(own.join("new"), "x"))),
        ("no new privileges", nnp.to_string()),
        ("own record", read(&own.join("spec.json"))),
        (
            "process",
            if me < 3 {
                "1".to_owned()
            } else {
                me.to_string()
            },
        ),
        (
            "processes",
            if Path::new("/proc/1").exists() {
                "seen"
            } else {
                "none"
            }
            .to_owned(),
        ),
        ("program write", write(Path::new("/usr/bin/env"))),
        ("tcp", outcome(tcp.map(drop))),
        ("udp", outcome(udp.map(drop))),
        (
            "user",
            if uid >= 70_000 {
                "own".to_owned()
            } else {
                uid.to_string()
            },
        ),
    ];
    let told: Vec<String> = told
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let line = format!("\n{MARK}{}\n", told.join(";"));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn outcome(result: std::io::Result<()>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0))
            .to_string()
            .split(':')
            .next()
            .unwrap()
            .to_owned(),
    }
}

fn check(returned: i32) -> String {
    match returned {
        0 => "ok".to_owned(),
        _ => outcome(Err(std::io::Error::last_os_error())),
    }
}

/// Open descriptors, without those that the test's own runner opened: a listening socket is that of QMP.
fn descriptors() -> String {
    let mut open = Vec::new();
    for fd in 0..1024 {
        // SAFETY: integers, and a value that outlives the call.
        let (flags, listens) = unsafe {
            let mut listens = 0_i32;
            let mut length = 4_u32;
            let (level, option) = (libc::SOL_SOCKET, libc::SO_ACCEPTCONN);
            libc::getsockopt(fd, level, option, (&raw mut listens).cast(), &mut length);
            (libc::fcntl(fd, libc::F_GETFD), listens)
        };
        match (flags, listens) {
            (-1, _) => {}
            (_, 1) => open.push("qmp".to_owned()),
            // The shell reads its script by one of 10 and above, closed at exec; the runner opens its own so, too.
            (flags, _) if flags & libc::FD_CLOEXEC == 0 => open.push(fd.to_string()),
            _ => {}
        }
    }
    open.join(",")
}

fn limit(resource: libc::__rlimit_resource_t) -> u64 {
    // SAFETY: the struct outlives the call.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(resource, &mut limit);
        limit.rlim_max
    }
}

fn interfaces() -> String {
    let mut names: Vec<String> = nix::net::if_::if_nameindex()
        .unwrap()
        .iter()
        .map(|interface| interface.name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.join(",")
}

fn status(pid: u32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn namespace(pid: &str, kind: &str) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_guest_has_a_user_namespaces_limits_and_groups_of_its_own() {
    if !qemu_is_here() {
        return;
    }
    let cloud = Cloud::new();
    let base = base_image(&cloud);
    let Some(driver) = confining(cloud.settings()).await else {
        return;
    };
    let specs = [server("one", &base), server("two", &base)];
    let mut pids = Vec::new();
    for spec in &specs {
        pids.push(driver.ensure_running(spec).await.unwrap().pid.unwrap());
    }
    assert_ne!(
        status(pids[0], "Uid"),
        status(pids[1], "Uid"),
        "a user for each"
    );
    for (pid, spec) in pids.iter().zip(&specs) {
        let numbers = status(*pid, "Uid");
        let numbers: Vec<u32> = numbers
            .split(' ')
            .map(|number| number.parse().unwrap())
            .collect();
        assert!(
            numbers
                .iter()
                .all(|number| *number >= 70_000 && *number == numbers[0]),
            "{numbers:?}"
        );
        assert_eq!(status(*pid, "Groups"), "");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(*pid, set), "0000000000000000", "{set}");
        }
        assert_eq!(status(*pid, "NoNewPrivs"), "1");
        assert_eq!(status(*pid, "Seccomp"), "2", "a filter");
        for kind in ["mnt", "net", "pid", "ipc", "uts"] {
            assert_ne!(
                namespace(&pid.to_string(), kind),
                namespace("self", kind),
                "{kind}"
            );
        }
        let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        assert_eq!(
            environment,
            format!("PATH={}\0LC_ALL=C\0", child_path()),
            "Cargo's is not in it"
        );
        let score = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        assert_eq!(score.trim(), "300");
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core"))
            .unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("1"), "{core}");
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let own = format!("/kilonova/{}", spec.id);
        assert!(groups.matches(&own).count() >= 1, "{groups}");
        let limit = |name: &str, file: &str| {
            let v1 = format!("/sys/fs/cgroup/{name}{own}/{file}");
            let v2 = format!(
                "/sys/fs/cgroup{own}/{}",
                file.replace("limit_in_bytes", "max")
            );
            std::fs::read_to_string(v1)
                .or_else(|_| std::fs::read_to_string(v2))
                .unwrap()
        };
        assert_eq!(limit("pids", "pids.max").trim(), "513");
        let memory: u64 = limit("memory", "memory.limit_in_bytes")
            .trim()
            .parse()
            .unwrap();
        assert!((544 << 20..1 << 30).contains(&memory), "{memory}");
        let dir = cloud.dir.path().join("servers").join(&spec.id);
        let mode = |name: &str| {
            std::fs::metadata(dir.join(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!(
            (mode("spec.json"), mode("disk.qcow2") & 0o077, mode("io")),
            (0o600, 0, 0o700)
        );
    }
    // Stopped and started again, and in another driver's hands, a server keeps its user.
    let user = status(pids[0], "Uid");
    driver
        .ensure_stopped(&specs[0].id, 1, StopHow::Hard)
        .await
        .unwrap();
    drop(driver);
    let driver = cloud.driver().await;
    let again = driver.ensure_running(&specs[0]).await.unwrap().pid.unwrap();
    assert_eq!(status(again, "Uid"), user);
    for spec in &specs {
        driver
            .ensure_gone(&spec.id, 1, Keep::Nothing)
            .await
            .unwrap();
    }
    cloud.assert_empty();
}

/// The whole search path of children.
fn child_path() -> &'static str {
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

#[tokio::test]
async fn a_machine_that_cannot_confine_as_required_starts_no_guest() {
    if !qemu_is_here() {
        return;
    }
    let cloud = Cloud::new();
    let base = base_image(&cloud);
    let settings = QemuSettings {
        confinement: Confinement::Require,
        cgroups: false,
        ..cloud.settings()
    };
    let driver = QemuDriver::open(settings).await.unwrap();
    let refused = driver
        .ensure_running(&server("loose", &base))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("no control groups"),
        "{refused}"
    );
    cloud.assert_empty();
}
