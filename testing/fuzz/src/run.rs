//! Runs targets without libFuzzer: the committed inputs, then mutations of them for a while.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::Target;
use crate::mutate::{Random, mutated};

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
/// An input made the target panic: it is kept in `failures`, and the error names the file and the seed.
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
    let began = Instant::now();
    let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    ran.inputs += 1;
    ran.slowest = ran.slowest.max(began.elapsed());
    if ended.is_err() {
        let file = failures.join(format!("{}-{seed}-{}", target.name, ran.inputs));
        std::fs::create_dir_all(failures)
            .and_then(|()| std::fs::write(&file, input))
            .with_context(|| format!("write {}", file.display()))?;
        bail!(
            "target {} failed at input {} of seed {seed}, kept as {} ({} bytes); \
             again: cargo run -p fuzz -- {0} --input {2}",
            target.name,
            ran.inputs,
            file.display(),
            input.len()
        );
    }
    Ok(())
}
