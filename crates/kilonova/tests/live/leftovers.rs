//! What a cloud may not leave on a machine.

use std::path::Path;
use std::process::Command;

use kilonova::state::cloud_id;

/// Processes that name the cloud's folder, its namespaces, and devices in the machine's own.
pub fn leftovers(state: &Path) -> Vec<String> {
    let mut found: Vec<String> = processes(state)
        .into_iter()
        .map(|(pid, line)| format!("process {pid}: {line}"))
        .collect();
    found.extend(
        namespaces(state)
            .into_iter()
            .map(|name| format!("namespace {name}")),
    );
    let links = Command::new("ip").args(["-o", "link"]).output().unwrap();
    let links = String::from_utf8_lossy(&links.stdout).into_owned();
    found.extend(
        links
            .lines()
            .filter(|line| !line.contains(": lo:"))
            .map(|line| format!("device {line}")),
    );
    let rules = Command::new("nft")
        .args(["list", "ruleset"])
        .output()
        .unwrap();
    found.extend(
        String::from_utf8_lossy(&rules.stdout)
            .lines()
            .map(|line| format!("rule {line}")),
    );
    found
}

/// Takes away what a failed test left; the machine's own devices go with its namespace.
pub fn remove(state: &Path) {
    for (pid, _) in processes(state) {
        let pid = nix::unistd::Pid::from_raw(pid);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    for name in namespaces(state) {
        let _ = Command::new("ip").args(["netns", "del", &name]).status();
    }
}

/// Processes whose command line names the folder, but for this one.
pub fn processes(state: &Path) -> Vec<(i32, String)> {
    let folder = state.display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| pid.cast_unsigned() != std::process::id())
        .filter_map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(&folder).then_some((pid, line))
        })
        .collect()
}

/// The QEMU of a server, when it runs.
pub fn qemu(state: &Path, server: &str) -> Option<i32> {
    let all = processes(state).into_iter();
    all.filter(|(_, line)| line.contains("qemu") && line.contains(server))
        .map(|(pid, _)| pid)
        .next()
}

/// The namespaces of the cloud's networks.
pub fn namespaces(state: &Path) -> Vec<String> {
    let prefix = format!("kn-{}", cloud_id(state));
    let entries = std::fs::read_dir("/run/netns")
        .into_iter()
        .flatten()
        .flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(&prefix)).collect()
}
