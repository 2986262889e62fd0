//! `kilonova`: a compute cloud in one binary. All of it is in the library, so that it is compiled once.

use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kilonova::commands::main()
}
