//! What this machine lacks and what would be used.

use std::path::{Path, PathBuf};

use anyhow::Result;
use hypervisor_qemu::{Confinement, QemuSettings};

use crate::companions::network;
use crate::config::{Config, Driver};
use crate::{membership, open, operations};

/// Prints findings; true when a cloud with these settings can work.
pub async fn run(config: &Config) -> Result<bool> {
    let mut good = true;
    let mut say = |fine: bool, what: String| {
        println!("{} {what}", if fine { "ok  " } else { "MISS" });
        good &= fine;
    };
    say(
        true,
        format!("state folder: {}", config.place.state_path.display()),
    );
    say(true, format!("host name: {}", config.place.host));
    if config.place.compute_driver == Driver::Qemu {
        let probe = hypervisor_qemu::probe(&QemuSettings {
            qemu_binary: config.qemu.binary.clone(),
            virt_type: config.qemu.virt_type,
            machine_type: config.qemu.machine_type.clone(),
            ..QemuSettings::default()
        })
        .await;
        let how = format!("{:?}", probe.accel).to_lowercase();
        say(true, format!("guests run by {how}: {}", probe.why));
        say(
            true,
            format!("processor limits by control groups: {}", probe.cgroups),
        );
        for problem in &probe.problems {
            say(false, problem.clone());
        }
        let gaps = hypervisor_qemu::confinement_gaps(&QemuSettings {
            cgroups: config.qemu.cgroups,
            uid_base: config.qemu.uid_base,
            uid_count: config.qemu.uid_count,
            ..QemuSettings::default()
        });
        if gaps.is_empty() {
            let by = "user, file tree, network, process table and control groups of their own";
            say(true, format!("guests are confined: {by}"));
        }
        // A cloud works without, unless the settings require them.
        let required = config.qemu.confinement == Confinement::Require;
        for gap in gaps {
            say(!required, format!("guests are not fully confined: {gap}"));
        }
    }
    match operations::stuck(config).await {
        Ok(None) => {}
        Ok(Some(stuck)) if stuck.is_empty() => say(true, "no operation is stuck".to_owned()),
        Ok(Some(stuck)) => say(
            false,
            format!(
                "{} operations are stuck: look at them with kilonova operations list",
                stuck.len()
            ),
        ),
        Err(error) => say(false, format!("the journal of operations: {error:#}")),
    }
    let root = nix::unistd::geteuid().is_root();
    say(
        root,
        "root rights, for networks of servers ([network] plane = none works without)".to_owned(),
    );
    for (program, package) in [
        ("ip", "iproute2"),
        ("nft", "nftables"),
        ("dnsmasq", "dnsmasq-base"),
        ("qemu-img", "qemu-utils"),
        ("qemu-storage-daemon", "qemu-system-common"),
    ] {
        let found = find(program);
        let what = match &found {
            Some(path) => format!("{program}: {path}"),
            None => format!("{program}: install the Debian package {package}"),
        };
        say(found.is_some(), what);
    }
    for (option, program, package) in config.companions().flat_map(|one| one.programs()) {
        let found = find(program);
        let what = match &found {
            Some(path) => format!("{program}, for {option}: {path}"),
            None => format!("{program}, for {option}: install the Debian package {package}"),
        };
        say(found.is_some(), what);
    }
    let places = network::places(config);
    let range = match config.demo.external_cidr {
        Some(range) => Ok((range, None)),
        None => network::host::Host::here(places, None)?
            .uses()
            .map(|uses| network::host::choose(&uses))?,
    };
    match range {
        Ok((range, None)) => say(true, format!("a new external network would have {range}")),
        Ok((range, Some(part_of))) => say(
            true,
            format!("a new external network would have {range}, a part of {part_of}"),
        ),
        Err(error) => say(false, format!("{error}: set [demo] external_cidr")),
    }
    let tun = Path::new("/dev/net/tun").exists();
    say(tun, "/dev/net/tun, for network cards of servers".to_owned());
    let novnc = config
        .vnc
        .novnc_path
        .clone()
        .unwrap_or_else(|| config.place.state_path.join("novnc"));
    let screen =
        novnc.join("core/rfb.js").exists() || Path::new("/usr/share/novnc/core/rfb.js").exists();
    say(
        screen,
        "noVNC, for screens in the browser (Debian package novnc)".to_owned(),
    );
    for (driver, volumes) in [("iscsi", "iSCSI"), ("rbd", "RBD")] {
        if !has_block_driver(driver) {
            println!(
                "LOOK QEMU's driver of {volumes} volumes is not installed: Debian package qemu-block-extra"
            );
        }
    }
    for finding in of_the_cloud(config).await {
        println!("LOOK {finding}");
    }
    Ok(good)
}

/// What an operator should look at in the cloud of these settings, if one was started before. It does
/// not keep a cloud from working.
async fn of_the_cloud(config: &Config) -> Vec<String> {
    let state = &config.place.state_path;
    if !state.join(membership::FILE).exists() {
        return Vec::new();
    }
    match quarantined(config).await {
        Ok(guests) => guests,
        Err(error) => vec![format!("the cloud's database cannot be read: {error:#}")],
    }
}

async fn quarantined(config: &Config) -> Result<Vec<String>> {
    let db = open::known_compute(config).await?;
    let all = compute_db::quarantine::list(db.read()).await?;
    Ok(all
        .into_iter()
        .map(|guest| {
            format!(
                "a guest of server {} on {} is quarantined: {}; kilonova guests adopts or removes it",
                guest.server_id, guest.host, guest.why
            )
        })
        .collect())
}

/// Whether QEMU has this driver as a module, where Debian and others put modules. A QEMU that was built otherwise may have it
/// in itself.
fn has_block_driver(name: &str) -> bool {
    let libraries = ["/usr/lib", "/usr/lib64"].map(std::fs::read_dir);
    let folders = libraries.into_iter().flatten().flatten().flatten();
    let own = ["/usr/lib/qemu", "/usr/lib64/qemu"].map(PathBuf::from);
    let module = format!("block-{name}.so");
    folders
        .map(|folder| folder.path().join("qemu"))
        .chain(own)
        .any(|folder| folder.join(&module).exists())
}

fn find(program: &str) -> Option<String> {
    const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let mut places = FOLDERS.iter().map(|folder| format!("{folder}/{program}"));
    places.find(|path| Path::new(path).exists())
}
