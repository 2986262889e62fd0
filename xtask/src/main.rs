//! Chores of the project: `cargo xtask tidy` checks what the compiler cannot, `cargo xtask services
//! -- CMD` runs a command with real database servers and a real message broker beside it.

#![allow(clippy::disallowed_methods)] // chores run programs as people do

mod services;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check import rules, sizes, headers and generated documents.
    Tidy {
        /// Rewrite generated documents and the golden list of imports.
        #[arg(long)]
        fix: bool,
    },
    /// Run a command with PostgreSQL, MariaDB and RabbitMQ on loopback, in a temporary folder. It
    /// finds them in KILONOVA_TEST_POSTGRES, KILONOVA_TEST_MARIADB and KILONOVA_TEST_RABBITMQ.
    Services {
        /// Only these; all when absent.
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<services::Which>,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    let ended = match Arguments::parse().chore {
        Chore::Tidy { fix } => tidy::run(&root(), fix),
        Chore::Services { only, command } => services::run(&only, &command),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the checkout.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the root").to_owned()
}
