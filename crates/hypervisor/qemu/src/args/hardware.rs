//! What flavor and image ask of a guest beyond its size, as QEMU's options and devices.

use std::os::fd::RawFd;

use hypervisor::{
    DriverError, GuestHardware, InputBus, Random, Result, UsbModel, VideoModel, WatchdogAction,
};
use serde_json::json;

use super::devices::video;
use super::option::{Arguments, Keyed, Word};
use crate::limits;
use crate::machines::Chipset;
use crate::probe::Accel;

/// Name of the USB controller, whose bus is `usb.0`.
pub(super) const USB: &str = "usb";

/// What Windows looks for before it calls a hypervisor's faster ways.
const WINDOWS: &str = ",hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff,hv-time=on";

/// The processor: its model and what is turned on or off of it.
pub(super) fn processor(model: &str, hardware: &GuestHardware, accel: Accel) -> String {
    let mut text = model.to_owned();
    if let Some(pmu) = hardware.pmu {
        text.push_str(if pmu { ",pmu=on" } else { ",pmu=off" });
    }
    // Emulation has no hypervisor's interfaces, but a leaf that names it.
    text.push_str(match (hardware.hide_hypervisor, accel) {
        (false, _) => "",
        (true, Accel::Kvm) => ",kvm=off",
        (true, Accel::Tcg) => ",tcg-cpuid=off",
    });
    if hardware.windows && accel == Accel::Kvm {
        text.push_str(WINDOWS);
    }
    text
}

/// The keys of `-machine` that the hardware adds.
///
/// # Errors
/// `Unsupported` for a machine without that timer.
pub(super) fn machine(
    keyed: Keyed,
    hardware: &GuestHardware,
    chipset: Option<Chipset>,
) -> Result<Keyed> {
    match (hardware.hpet, chipset) {
        (None, _) => Ok(keyed),
        (Some(hpet), Some(_)) => Ok(keyed.set("hpet", if hpet { "on" } else { "off" })),
        (Some(_), None) => Err(DriverError::Unsupported {
            what: "the timer HPET on this machine type".to_owned(),
        }),
    }
}

pub(super) fn clock(hardware: &GuestHardware) -> Word {
    match hardware.windows {
        true => "base=localtime",
        false => "base=utc",
    }
}

pub(super) fn boot(hardware: &GuestHardware) -> Word {
    match hardware.boot_menu {
        true => "menu=on,strict=on",
        false => "strict=on",
    }
}

/// Sockets, cores and threads.
pub(super) fn processors(vcpus: u32, hardware: &GuestHardware) -> Keyed {
    let (sockets, cores, threads) = match hardware.topology {
        Some(topology) => (topology.sockets, topology.cores, topology.threads),
        None => (vcpus, 1, 1),
    };
    Keyed::key("cpus", vcpus)
        .set("sockets", sockets)
        .set("cores", cores)
        .set("threads", threads)
}

/// The graphics device with its memory; None for a server without one.
///
/// # Errors
/// `Unsupported` for a model that this driver does not offer, or one whose memory cannot be chosen.
pub(super) fn screen(model: Option<VideoModel>, hardware: &GuestHardware) -> Result<Option<Keyed>> {
    let device = video(model)?;
    let Some(mb) = hardware.video_ram_mb else {
        return Ok(device.map(Keyed::head));
    };
    match device {
        Some(device @ ("VGA" | "cirrus-vga")) => Ok(Some(Keyed::head(device).set("vgamem_mb", mb))),
        Some(device @ "bochs-display") => {
            Ok(Some(Keyed::head(device).set("vgamem", format!("{mb}M"))))
        }
        _ => Err(DriverError::Unsupported {
            what: "a chosen memory of this video model".to_owned(),
        }),
    }
}

/// Devices that are there by wish, or but for a wish.
///
/// # Errors
/// A value with a control character.
pub(super) fn devices(args: &mut Arguments, hardware: &GuestHardware) -> Result<()> {
    random(args, hardware.random)?;
    for number in 1..=hardware.more_serial_ports {
        let name = format!("serial{number}");
        args.keyed("-chardev", Keyed::head("null").set("id", name.as_str()))?;
        args.keyed("-device", Keyed::head("isa-serial").set("chardev", name))?;
    }
    if let Some(action) = hardware.watchdog {
        args.word("-device", "i6300esb");
        args.word("-action", watchdog(action));
    }
    if let Some(controller) = usb_controller(hardware) {
        args.keyed("-device", Keyed::head(controller).set("id", USB))?;
    }
    match hardware.input {
        None => {}
        Some(InputBus::Usb) => args.word("-device", "usb-tablet,bus=usb.0"),
        Some(InputBus::Virtio) => {
            args.word("-device", "virtio-tablet-pci");
            args.word("-device", "virtio-keyboard-pci");
        }
    }
    Ok(())
}

/// The USB controller that flavor and image, or the pointer, ask for.
pub(super) fn usb_controller(hardware: &GuestHardware) -> Option<Word> {
    match (hardware.usb, hardware.input) {
        (Some(UsbModel::NecXhci), _) => Some("nec-usb-xhci"),
        (Some(UsbModel::QemuXhci), _) | (None, Some(InputBus::Usb)) => Some("qemu-xhci"),
        (Some(UsbModel::None), _) | (None, _) => None,
    }
}

/// The port that qemu-ga looks for, by its own name for it; `fd` listens.
///
/// # Errors
/// None for words of this program.
pub(super) fn agent(args: &mut Arguments, fd: RawFd) -> Result<()> {
    let socket = Keyed::head("socket").set("id", "agent").set("fd", fd);
    args.keyed("-chardev", socket.set("server", "on").set("wait", "off"))?;
    args.word("-device", "virtio-serial-pci,id=ports");
    args.word(
        "-device",
        "virtserialport,bus=ports.0,chardev=agent,name=org.qemu.guest_agent.0",
    );
    Ok(())
}

fn watchdog(action: WatchdogAction) -> Word {
    match action {
        WatchdogAction::Disabled | WatchdogAction::None => "watchdog=none",
        WatchdogAction::Pause => "watchdog=pause",
        WatchdogAction::Poweroff => "watchdog=poweroff",
        WatchdogAction::Reset => "watchdog=reset",
    }
}

fn random(args: &mut Arguments, random: Random) -> Result<()> {
    let device = Keyed::head("virtio-rng-pci").set("rng", "rng0");
    let device = match random {
        Random::Off => return Ok(()),
        Random::Free => device,
        Random::Limited { bytes, period_ms } => {
            device.set("max-bytes", bytes).set("period", period_ms)
        }
    };
    let source = Keyed::head("rng-random")
        .set("id", "rng0")
        .set("filename", "/dev/urandom");
    args.keyed("-object", source)?;
    args.keyed("-device", device)
}

/// Puts the guest's limits over a disk: the name of the node that its device reads.
pub(super) fn limited(args: &mut Arguments, hardware: &GuestHardware, node: &str) -> String {
    if hardware.disk_limits.is_none() {
        return node.to_owned();
    }
    let (group, above) = (format!("limits-{node}"), limited_node(node));
    args.object(&limits::of_disk(&group, &hardware.disk_limits));
    args.blockdev(&json!({
        "driver": "throttle", "node-name": above, "throttle-group": group, "discard": "unmap", "file": node,
    }));
    above
}

/// The node above `node` that holds its limits.
pub(crate) fn limited_node(node: &str) -> String {
    format!("{node}-limited")
}
