//! The hardware of a guest beyond its size, as its flavor and image ask for it. The API computes it to refuse what does
//! not fit together, and the host's agent to make it: one function for both.

mod disk_limits;
mod topology;

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::accepted;
use crate::hardware::{DiskBus, InputBus, UsbModel, WatchdogAction};
use crate::{Flavor, image_properties};

pub use disk_limits::{DiskLimits, Rates};
pub use topology::Topology;

/// What a guest has. Everything is optional: files that older versions wrote read as the usual hardware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuestHardware {
    /// The firmware asks at each start what to boot from.
    pub boot_menu: bool,
    /// Where the config drive sits, as a CD; None for the bus of the disks.
    pub cdrom_bus: Option<DiskBus>,
    /// None is a socket for each processor.
    pub topology: Option<Topology>,
    /// The guest is not told what runs it.
    pub hide_hypervisor: bool,
    /// The high precision event timer; None leaves it to the machine type.
    pub hpet: Option<bool>,
    /// Virtio devices use packed rings.
    pub packed_ring: bool,
    /// Counters of processor events; None leaves them to the processor model.
    pub pmu: Option<bool>,
    /// A tablet as pointer, and on virtio a keyboard too.
    pub input: Option<InputBus>,
    pub random: Random,
    /// Beyond the first, which has the console.
    pub more_serial_ports: u32,
    pub usb: Option<UsbModel>,
    /// MiB; None is the screen's own choice.
    pub video_ram_mb: Option<u32>,
    pub watchdog: Option<WatchdogAction>,
    /// The clock shows local time, and the processor what Windows looks for.
    pub windows: bool,
    /// A port by which the host speaks with an agent in the guest.
    pub guest_agent: bool,
    pub disk_limits: DiskLimits,
}

/// The device that gives the guest random numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Random {
    /// As much as the guest takes.
    #[default]
    Free,
    /// So many bytes in each period of so many milliseconds.
    Limited {
        bytes: u64,
        period_ms: u32,
    },
    Off,
}

/// The most serial ports that a PC has.
const SERIAL_PORTS: i64 = 4;
/// Of a limit of random numbers that names none, in milliseconds (libvirt's).
const RANDOM_PERIOD_MS: u32 = 1000;

/// What flavor and image say, each under its own name.
struct Asked<'a> {
    specs: &'a BTreeMap<String, String>,
    properties: &'a BTreeMap<String, String>,
}

impl GuestHardware {
    /// The hardware of a server of this flavor and image.
    ///
    /// # Errors
    /// What does not fit together, in Nova's words where it has some, or a value that was never checked and is none.
    pub fn of(flavor: &Flavor, properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let asked = Asked {
            specs: &flavor.extra_specs,
            properties,
        };
        let hide = ["hw:hide_hypervisor_id", "hide_hypervisor_id"]
            .iter()
            .any(|key| asked.spec_flag(key) == Some(true))
            || asked.flag("img_hide_hypervisor_id") == Some(true);
        let boot_menu = asked.spec_flag("hw:boot_menu");
        let usb = asked.same("usb_model", "hw:usb_model", "hw_usb_model")?;
        Ok(GuestHardware {
            boot_menu: boot_menu.or(asked.flag("hw_boot_menu")).unwrap_or_default(),
            cdrom_bus: asked.typed("hw_cdrom_bus")?,
            topology: topology::of(&asked, flavor.vcpus)?,
            hide_hypervisor: hide,
            hpet: asked.flag("hw_time_hpet"),
            packed_ring: asked
                .same_flag(
                    "virtio_packed_ring",
                    "hw:virtio_packed_ring",
                    "hw_virtio_packed_ring",
                )?
                .unwrap_or_default(),
            pmu: asked.same_flag("pmu", "hw:pmu", "hw_pmu")?,
            input: input(&asked, usb)?,
            random: random(&asked)?,
            more_serial_ports: more_serial_ports(&asked)?,
            usb,
            video_ram_mb: video_ram(&asked)?,
            watchdog: watchdog(&asked)?,
            windows: asked
                .property("os_type")
                .is_some_and(|kind| kind.eq_ignore_ascii_case("windows")),
            guest_agent: asked.flag("hw_qemu_guest_agent").unwrap_or_default(),
            disk_limits: disk_limits::of(&asked)?,
        })
    }
}

/// `hw_input_bus` and `hw_pointer_model`. No pointer sits on a bus that is not there.
fn input(asked: &Asked, usb: Option<UsbModel>) -> Result<Option<InputBus>, String> {
    let bus: Option<InputBus> = asked.typed("hw_input_bus")?;
    let pointer = asked.property("hw_pointer_model");
    let input = bus.or(pointer.map(|_| InputBus::Usb));
    match (input, usb) {
        (Some(InputBus::Usb), Some(UsbModel::None)) => {
            Err("A USB pointer needs a USB controller, and hw_usb_model is none.".to_owned())
        }
        _ => Ok(input),
    }
}

/// `hw_rng:allowed`, `hw_rng:rate_bytes` and `hw_rng:rate_period`. The only model of `hw_rng_model` is what every guest
/// has.
fn random(asked: &Asked) -> Result<Random, String> {
    if asked.spec_flag("hw_rng:allowed") == Some(false) {
        return Ok(Random::Off);
    }
    let bytes: u64 = asked.spec("hw_rng:rate_bytes")?.unwrap_or_default();
    let period_ms: u32 = asked.spec("hw_rng:rate_period")?.unwrap_or_default();
    Ok(match bytes {
        0 => Random::Free,
        bytes => Random::Limited {
            bytes,
            period_ms: if period_ms == 0 {
                RANDOM_PERIOD_MS
            } else {
                period_ms
            },
        },
    })
}

/// `hw:serial_port_count` is the most that `hw_serial_port_count` may ask for, and the count where that says nothing.
fn more_serial_ports(asked: &Asked) -> Result<u32, String> {
    let flavor: i64 = asked.spec("hw:serial_port_count")?.unwrap_or_default();
    let image: i64 = asked.typed("hw_serial_port_count")?.unwrap_or_default();
    if flavor != 0 && image > flavor {
        return Err(
            "Forbidden to exceed flavor value of number of serial ports passed in image meta."
                .to_owned(),
        );
    }
    let count = [image, flavor, 1].into_iter().find(|count| *count != 0);
    let count = count.unwrap_or(1);
    match u32::try_from(count) {
        Ok(ports) if count <= SERIAL_PORTS => Ok(ports.saturating_sub(1)),
        _ => Err(format!(
            "{count} serial ports: a server has 1 to {SERIAL_PORTS}."
        )),
    }
}

/// `hw_video_ram`, which `hw_video:ram_max_mb` must allow.
fn video_ram(asked: &Asked) -> Result<Option<u32>, String> {
    let wanted: u32 = asked.typed("hw_video_ram")?.unwrap_or_default();
    let most: u32 = asked.spec("hw_video:ram_max_mb")?.unwrap_or_default();
    if wanted > most {
        return Err(format!(
            "The requested amount of video memory {wanted} is higher than the maximum allowed by flavor {most}."
        ));
    }
    Ok((wanted > 0).then_some(wanted))
}

/// `hw_watchdog_action` before `hw:watchdog_action`.
fn watchdog(asked: &Asked) -> Result<Option<WatchdogAction>, String> {
    let action = match asked.typed("hw_watchdog_action")? {
        Some(action) => Some(action),
        None => asked.spec("hw:watchdog_action")?,
    };
    Ok(action.filter(|action| *action != WatchdogAction::Disabled))
}

impl<'a> Asked<'a> {
    fn property(&self, name: &str) -> Option<&'a str> {
        image_properties::value(self.properties, name)
    }

    fn flag(&self, name: &str) -> Option<bool> {
        image_properties::is_set(self.properties, name)
    }

    fn spec_flag(&self, key: &str) -> Option<bool> {
        self.specs.get(key).map(|value| accepted::is_true(value))
    }

    fn typed<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        image_properties::typed(self.properties, name).map_err(|bad| bad.to_string())
    }

    /// A spec as its type. Those set with microversions below 2.86 were never checked.
    fn spec<T: FromStr>(&self, key: &str) -> Result<Option<T>, String> {
        let Some(value) = self.specs.get(key) else {
            return Ok(None);
        };
        value.trim().parse().map(Some).map_err(|_| {
            let value = crate::hardware::quoted(value);
            format!("Flavor extra spec {key}: {value} is invalid.")
        })
    }

    /// What flavor and image may both say, but not differently.
    fn same<T: FromStr + PartialEq>(
        &self,
        what: &str,
        key: &str,
        name: &str,
    ) -> Result<Option<T>, String> {
        let (flavor, image) = (self.spec(key)?, self.typed(name)?);
        if flavor.is_some() && image.is_some() && flavor != image {
            return Err(self.conflict(what, key, name));
        }
        Ok(flavor.or(image))
    }

    fn same_flag(&self, what: &str, key: &str, name: &str) -> Result<Option<bool>, String> {
        let (flavor, image) = (self.spec_flag(key), self.flag(name));
        if flavor.is_some() && image.is_some() && flavor != image {
            return Err(self.conflict(what, key, name));
        }
        Ok(flavor.or(image))
    }

    fn conflict(&self, what: &str, key: &str, name: &str) -> String {
        let flavor = self.specs.get(key).map_or("", String::as_str);
        let image = self.property(name).unwrap_or_default();
        format!(
            "Conflicting values for {what} found in the flavor ({flavor}) and the image ({image})."
        )
    }
}

#[cfg(test)]
mod tests;
