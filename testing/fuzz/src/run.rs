//! Runs targets without libFuzzer: the committed inputs, then mutations of them for a while.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::Target;
use crate::mutate::{Random, mutated};

/// The longest that one input may take on a busy machine: inputs are short, but the first of some targets, and one of
/// some thousands, starts a cloud.
const LONGEST: Duration = Duration::from_secs(120);

/// The most by which one input may raise the memory that the process has ever had, in KiB. libFuzzer has a bound of its
/// own.
const LARGEST: u64 = 512 * 1024;

/// What a run did.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    /// Inputs tried, those of the corpus included.
    pub inputs: u64,
    /// The longest that one input took.
    pub slowest: Duration,
}

/// The folder of a target's committed inputs.
pub fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name)
}

/// The committed inputs, sorted by file name.
///
/// # Errors
/// The folder is missing or empty, or a file cannot be read.
pub fn inputs(target: &Target) -> Result<Vec<Vec<u8>>> {
    let folder = corpus(target);
    let read = || format!("read {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(read)? {
        files.push(entry.with_context(read)?.path());
    }
    files.sort();
    if files.is_empty() {
        bail!("{} has no inputs", folder.display());
    }
    let read =
        |file: &PathBuf| std::fs::read(file).with_context(|| format!("read {}", file.display()));
    files.iter().map(read).collect()
}

/// Tries the committed inputs, then mutations of them until the time is over. The same seed tries the same inputs in
/// the same order.
///
/// # Errors
/// An input made the target panic, or took too long or too much memory: it is kept in `failures`, and the error names
/// the file and the seed.
pub fn run(target: &Target, seed: u64, limit: Duration, failures: &Path) -> Result<Ran> {
    let inputs = inputs(target)?;
    let began = Instant::now();
    let mut ran = Ran {
        inputs: 0,
        slowest: Duration::ZERO,
    };
    for input in &inputs {
        one(target, input, seed, failures, &mut ran)?;
    }
    let mut random = Random::new(seed);
    while began.elapsed() < limit {
        let input = mutated(&mut random, &inputs, target.words);
        one(target, &input, seed, failures, &mut ran)?;
    }
    Ok(ran)
}

fn one(target: &Target, input: &[u8], seed: u64, failures: &Path, ran: &mut Ran) -> Result<()> {
    let (began, memory) = (Instant::now(), peak()?);
    let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let (took, grew) = (began.elapsed(), peak()?.saturating_sub(memory));
    ran.inputs += 1;
    ran.slowest = ran.slowest.max(took);
    let what = if ended.is_err() {
        "failed".to_owned()
    } else if took > LONGEST {
        format!("took {} s", took.as_secs())
    } else if grew > LARGEST {
        format!("took {grew} KiB of memory")
    } else {
        return Ok(());
    };
    let file = failures.join(format!("{}-{seed}-{}", target.name, ran.inputs));
    std::fs::create_dir_all(failures)
        .and_then(|()| std::fs::write(&file, input))
        .with_context(|| format!("write {}", file.display()))?;
    bail!(
        "target {} {what} at input {} of seed {seed}, kept as {} ({} bytes); \
         again: cargo run -p fuzz -- {0} --input {2}",
        target.name,
        ran.inputs,
        file.display(),
        input.len()
    );
}

/// The most memory that this process has had, in KiB.
fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let peak = status.lines().find_map(|line| {
        let text = line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?;
        text.parse().ok()
    });
    peak.context("/proc/self/status has no VmHWM")
}
