//! The process's own figures, read from /proc when somebody asks for metrics.

use std::fs;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Clock ticks a second in /proc, the same on every Linux that we run on.
const TICKS: f64 = 100.0;

/// Sets the `process_*` gauges.
pub(crate) fn measure() {
    if let Some(bytes) = resident_bytes() {
        metrics::gauge!("process_resident_memory_bytes").set(bytes);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // One of them is the listing's own.
        metrics::gauge!("process_open_fds").set(entries.count().saturating_sub(1) as f64);
    }
    if let Some(Stat {
        cpu_seconds,
        threads,
    }) = stat()
    {
        metrics::counter!("process_cpu_seconds_total").absolute(cpu_seconds as u64);
        metrics::gauge!("process_threads").set(threads);
    }
    metrics::gauge!("process_start_time_seconds").set(started());
}

/// When the process began to count; the first call is at its start.
pub(crate) fn started() -> f64 {
    static STARTED: OnceLock<f64> = OnceLock::new();
    *STARTED.get_or_init(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.unwrap_or_default().as_secs_f64().floor()
    })
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

struct Stat {
    cpu_seconds: f64,
    threads: f64,
}

/// Fields 14, 15 (user and system time) and 20 (threads); the name before them may hold anything.
fn stat() -> Option<Stat> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let number = |index: usize| fields.get(index - 3)?.parse::<f64>().ok();
    Some(Stat {
        cpu_seconds: (number(14)? + number(15)?) / TICKS,
        threads: number(20)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_threads() {
        assert!(resident_bytes().expect("VmRSS") > 1e6);
        assert!(stat().expect("stat").threads >= 1.0);
    }
}
