//! `cargo run -p fuzz`: mutations of the committed inputs for as long as wanted, or one input again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use fuzz::{TARGETS, Target, find, run};

/// Runs fuzz targets without libFuzzer; `make fuzz` runs them with it.
#[derive(Parser)]
struct Arguments {
    /// Targets to run; all when none is named.
    targets: Vec<String>,
    /// List the targets and end.
    #[arg(long)]
    list: bool,
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Random numbers start from this.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run the target on this file alone.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Where inputs that fail are kept.
    #[arg(long, default_value = "target/fuzz-failures")]
    failures: PathBuf,
}

fn main() -> ExitCode {
    match fuzz(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn fuzz(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for target in TARGETS {
            println!("{}", target.name);
        }
        return Ok(());
    }
    for target in chosen(&arguments.targets)? {
        if let Some(input) = &arguments.input {
            let bytes =
                std::fs::read(input).with_context(|| format!("read {}", input.display()))?;
            (target.run)(&bytes);
            println!("{}: {} passes", target.name, input.display());
            continue;
        }
        let limit = Duration::from_secs(arguments.seconds);
        let ran = run::run(target, arguments.seed, limit, &arguments.failures)?;
        println!(
            "{}: seed {}, {} inputs, the slowest took {} ms",
            target.name,
            arguments.seed,
            ran.inputs,
            ran.slowest.as_millis()
        );
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() {
        return Ok(TARGETS.iter().collect());
    }
    let one = |name: &String| find(name).with_context(|| format!("no target {name}: see --list"));
    names.iter().map(one).collect()
}
