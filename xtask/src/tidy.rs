//! Checks of the whole checkout that the compiler cannot make. Each check is a function from the
//! checkout to complaints; `--fix` rewrites what is generated.

mod circles;
mod companions;
mod documents;
mod files;
mod layers;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

/// Runs every check and prints what is wrong.
pub fn run(root: &Path, fix: bool) -> Result<ExitCode> {
    let graph = layers::Graph::of(root)?;
    let mut complaints = layers::check(&graph);
    complaints.extend(companions::check(root, &graph)?);
    complaints.extend(circles::check(root, fix)?);
    complaints.extend(files::check(root)?);
    complaints.extend(documents::check(root, &graph, fix)?);
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    match complaints.len() {
        0 => Ok(ExitCode::SUCCESS),
        count => {
            eprintln!("tidy: {count} complaints");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What a command prints.
fn output(root: &Path, command: &[&str]) -> Result<String> {
    let (program, arguments) = command.split_first().context("no command")?;
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    ensure!(
        output.status.success(),
        "{} failed:\n{}",
        command.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
