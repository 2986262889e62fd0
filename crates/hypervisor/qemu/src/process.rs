//! QEMU processes: started confined, found again by a later driver, ended for certain. All through
//! pidfds, so that a reused process number is never taken for a guest.

use std::io::{Error, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

pub(crate) use child::Process;
use child::{Confined, Measures, has_option};
use hypervisor::DriverError;

use crate::layout::Layout;

/// Kills a guest's process and waits for its end.
pub(crate) async fn kill(process: &Process) -> hypervisor::Result<()> {
    let killed = process.kill().await;
    killed.map_err(DriverError::io(format!("kill process {}", process.pid)))
}

/// The process of a server, by its pid file; None when there is none, or the number belongs to somebody else now.
pub(crate) fn find(layout: &Layout) -> Option<Process> {
    let pid = std::fs::read_to_string(layout.pid())
        .ok()?
        .trim()
        .parse()
        .ok()?;
    take(pid, layout)
}

/// The same by looking at every process: for a QEMU whose starter died before the pid file was there.
pub(crate) fn search(layout: &Layout) -> Option<Process> {
    Process::search(|cmdline| belongs(cmdline, layout))
}

/// The process of a server, whether or not its pid file is there yet, or still.
pub(crate) fn living(layout: &Layout) -> Option<Process> {
    match layout.pid().exists() {
        true => find(layout),
        false if layout.qmp().exists() => search(layout),
        false => None,
    }
}

fn take(pid: u32, layout: &Layout) -> Option<Process> {
    Process::take(pid, |cmdline| belongs(cmdline, layout))
}

/// Is this the command line of the server's QEMU? The pid file's path tells clouds with equal ids apart.
fn belongs(cmdline: &[u8], layout: &Layout) -> bool {
    let pid_file =
        |path: &Path| has_option(cmdline, "-pidfile", path.as_os_str().as_encoded_bytes());
    // The second is what versions gave that did not confine guests.
    has_option(cmdline, "-uuid", layout.id().as_bytes())
        && (pid_file(&layout.inner_pid()) || pid_file(&layout.pid()))
}

/// Starts QEMU with the given descriptors open at the same numbers. What it says goes to `qemu.log`.
pub(crate) fn start(
    program: &Path,
    args: &[String],
    layout: &Layout,
    fds: &[OwnedFd],
    measures: Measures,
) -> hypervisor::Result<Process> {
    let log = layout.qemu_log();
    let fail = || DriverError::io(format!("open {}", log.display()));
    let _ = std::fs::remove_file(&log);
    let out = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&log)
        .map_err(fail())?;
    let err = out.try_clone().map_err(fail())?;
    let confined = Confined {
        program: program.to_owned(),
        args: args.iter().map(Into::into).collect(),
        folder: layout.dir().to_owned(),
        keep: fds.iter().map(AsRawFd::as_raw_fd).collect(),
        measures,
    };
    let started = confined.start(out.into(), err.into());
    let started = started.map_err(|error| missing(program, error))?;
    let process = started.watched().map_err(DriverError::io("watch QEMU"))?;
    let pid = process.pid;
    // QEMU's own pid file holds the number that it has in its own process table.
    if let Err(error) = crate::durable::replace_soon(&layout.pid(), pid.to_string().as_bytes()) {
        if let Err(alive) = process.send_kill() {
            tracing::error!(pid, error = %alive, "a QEMU that failed to start cannot be killed");
        }
        return Err(DriverError::io("write the pid file")(error));
    }
    Ok(process)
}

fn missing(program: &Path, error: Error) -> DriverError {
    if error.kind() == ErrorKind::NotFound {
        return DriverError::Unsupported {
            what: format!(
                "{} is not installed (package qemu-system-x86)",
                program.display()
            ),
        };
    }
    DriverError::io(format!("start {}", program.display()))(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_a_servers_only_with_its_id_and_its_pid_file() {
        let layout = Layout::new(Path::new("/s"), "0d7b1a2c-6a3e-4f0e-9f41-000000000001").unwrap();
        let line =
            |id: &str, pid: &str| format!("qemu\0-uuid\0{id}\0-pidfile\0{pid}\0").into_bytes();
        let pid = layout.inner_pid().display().to_string();
        let earlier = layout.pid().display().to_string();
        assert!(belongs(&line(layout.id(), &earlier), &layout));
        assert!(belongs(&line(layout.id(), &pid), &layout));
        assert!(!belongs(&line(layout.id(), "/other/pid"), &layout));
        assert!(!belongs(
            &line("0d7b1a2c-6a3e-4f0e-9f41-000000000002", &pid),
            &layout
        ));
        assert!(!belongs(b"", &layout), "a zombie has no command line");
    }

    #[tokio::test]
    async fn a_reused_process_number_is_never_taken_for_a_guest() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), "0d7b1a2c-6a3e-4f0e-9f41-000000000001").unwrap();
        std::fs::create_dir_all(layout.dir()).unwrap();
        std::fs::write(layout.pid(), format!("{}\n", std::process::id())).unwrap();
        assert!(find(&layout).is_none());
        assert!(search(&layout).is_none());
    }
}
