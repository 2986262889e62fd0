//! How large a file a guest's QEMU may write. The limit counts for every file, however it came to be open: so it follows
//! the volumes.

use hypervisor::{DriverError, Result};

use crate::record::Record;
use crate::settings::QemuSettings;

/// Where the limit of a running process cannot be raised, guests to which volumes may be plugged get it as large as
/// volumes get: 64 TiB.
const ANY_VOLUME: u64 = 64 << 40;
/// Of `linux/capability.h`: to change limits of others.
const SYS_RESOURCE: u32 = 24;

/// The limit for a guest that starts, in bytes; `volume` is the length of its largest volume.
pub(crate) fn limit(record: &Record, settings: &QemuSettings, volume: u64) -> u64 {
    let later = match settings.volume_folders.is_empty() || raises() {
        true => 0,
        false => ANY_VOLUME,
    };
    own(record).max(volume).max(later)
}

/// Twice the largest thing that a guest writes, a disk or its saved memory, and 1 GiB: what a qcow2 needs besides its
/// data is below a thousandth.
fn own(record: &Record) -> u64 {
    let spec = &record.spec;
    let root = spec.root_disk.as_ref().map_or(0, |root| {
        let image = root.image.as_ref().map_or(0, |image| image.virtual_size);
        image.max(root.size_gb << 30)
    });
    let extra = spec.ephemeral.iter().map(|disk| disk.size_gb << 30);
    let rescue = spec.rescue.as_ref().map(|rescue| rescue.image.virtual_size);
    let others = [spec.swap_mb << 20, spec.memory_mb << 20];
    let largest = extra.chain(others).chain(rescue).fold(root, u64::max);
    largest.saturating_mul(2).saturating_add(1 << 30)
}

/// Can this process raise the limits of others? Root in a container often cannot.
fn raises() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let effective = lines.find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    effective.is_some_and(|effective| effective >> SYS_RESOURCE & 1 == 1)
}

/// Lets a running process write files of at least this length.
///
/// # Errors
/// `Unsupported`, where its limit is lower and cannot be raised; `Io` when it is gone.
pub(crate) fn allow(pid: u32, bytes: u64) -> Result<()> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits"))
        .map_err(DriverError::io("read the limits of the guest"))?;
    match soft(&limits) {
        Some(now) if now < bytes => {}
        _ => return Ok(()),
    }
    let wanted = libc::rlimit64 {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    let raised = libc::pid_t::try_from(pid).is_ok_and(|pid| {
        // SAFETY: a limit of ours is read, and no old one is wanted.
        let set = unsafe {
            libc::prlimit64(
                pid,
                libc::RLIMIT_FSIZE,
                &raw const wanted,
                std::ptr::null_mut(),
            )
        };
        set == 0
    });
    match raised {
        true => Ok(()),
        false => Err(DriverError::Unsupported {
            what: format!(
                "a volume of {bytes} bytes in a guest that was started with a lower limit of file sizes, before its next start: {}",
                std::io::Error::last_os_error()
            ),
        }),
    }
}

/// The soft limit of file sizes in the text of `/proc/<pid>/limits`; None when there is none.
fn soft(limits: &str) -> Option<u64> {
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max file size"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_as_the_kernel_writes_it() {
        let text = |value| {
            format!(
                "Limit   Soft Limit  Hard Limit  Units\nMax cpu time   unlimited  unlimited  seconds\nMax file size             {value}           7              bytes     \n"
            )
        };
        assert_eq!(soft(&text("4096")), Some(4096));
        assert_eq!(soft(&text("unlimited")), None);
    }
}
