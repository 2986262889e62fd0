//! Checks of the whole checkout that the compiler cannot make. Each check is a function from the
//! checkout to complaints; `--fix` rewrites what is generated.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

/// Runs every check and prints what is wrong.
pub fn run(_root: &Path, _fix: bool) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
