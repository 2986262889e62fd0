//! The command line: its words, and the runtime that carries a command out.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use settings::Sources;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    Cloud, Config, audit, companions, demo, docs, doctor, down, guests, keys, membership,
    operations,
};

#[derive(Parser)]
#[command(name = "kilonova", version, about = "A compute cloud in one binary")]
struct Line {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    files: Files,
}

#[derive(Args)]
struct Files {
    /// Settings file; may be repeated, later ones win.
    #[arg(long, global = true)]
    config_file: Vec<PathBuf>,
    /// Folder of settings files.
    #[arg(long, global = true)]
    config_dir: Vec<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the cloud in the foreground until a signal ends it; servers go on.
    Up,
    /// End a running cloud, stop its servers, remove its networks. Data stays.
    Down,
    /// Say what this machine lacks and what would be used.
    Doctor,
    /// Look at a cloud, running or not: what belongs to nobody, a line each. Exit code 1 when there
    /// is something.
    Audit,
    /// The keys of the identity service.
    #[command(subcommand)]
    Keys(Keys),
    /// Guests that no row of the database accounts for: list, adopt or remove them.
    #[command(subcommand)]
    Guests(guests::Verb),
    /// Which cloud and nodes the state folder and the database belong to.
    #[command(subcommand)]
    Identity(IdentityVerb),
    /// Look at what the cloud has under way, and help what is stuck. Works beside a running cloud.
    Operations {
        #[command(subcommand)]
        verb: operations::Verb,
    },
    /// Make the first image, network, key and server of a running cloud, and say how to reach it.
    Demo(demo::Wanted),
    /// Print a generated document.
    Docs {
        #[arg(value_parser = ["settings", "routes", "counts", "accepted", "attributes", "lifecycle", "options", "queries"])]
        which: String,
    },
}

#[derive(Subcommand)]
enum Keys {
    /// Use a new key from now on; also beside a running cloud. What older keys encrypted stays
    /// readable.
    Rotate {
        #[arg(value_enum, default_value = "tokens")]
        which: companions::KeySet,
    },
}

#[derive(Subcommand)]
enum IdentityVerb {
    /// What the folder and the database say of themselves.
    Show,
    /// Confirm a difference between folder and database that ended a start. The cloud must not run.
    Confirm { what: membership::confirm::What },
}

/// Reads the command line of this process and does what it says.
pub fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kilonova: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let line = Line::parse();
    if let Command::Docs { which } = &line.command {
        let text = match which.as_str() {
            "settings" => docs::settings(),
            "routes" => docs::routes(),
            "accepted" => docs::accepted(),
            "attributes" => docs::attributes(),
            "lifecycle" => docs::lifecycle(),
            "options" => docs::options(),
            "queries" => docs::queries(),
            _ => docs::counts(),
        };
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::load(&Sources::new(line.files.config_file, line.files.config_dir))?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime")?
        .block_on(command(line.command, &config))
}

async fn command(command: Command, config: &Config) -> Result<ExitCode> {
    match command {
        Command::Up => up(config).await?,
        Command::Down => down::run(config).await?,
        Command::Doctor => {
            if !doctor::run(config).await? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Audit => {
            let findings = audit::run(config).await?;
            for finding in &findings {
                println!("{finding}");
            }
            if !findings.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Keys(Keys::Rotate { which }) => keys::rotate(config, which).await?,
        Command::Guests(verb) => print!("{}", guests::run(config, &verb).await?),
        Command::Identity(IdentityVerb::Show) => {
            print!("{}", membership::confirm::show(config).await?);
        }
        Command::Identity(IdentityVerb::Confirm { what }) => {
            println!(
                "{}",
                membership::confirm::confirm(config, what).await?.trim_end()
            );
        }
        Command::Operations { verb } => operations::run(config, &verb).await?,
        Command::Demo(wanted) => demo::run(config, &wanted).await?,
        Command::Docs { .. } => unreachable!("answered before the runtime starts"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Every connection, guest and console takes file descriptors: as many as the machine allows.
fn open_many_files() {
    let (_, most) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => return tracing::warn!(%error, "the limit of open files is not known"),
    };
    if let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, most, most) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// SIGHUP: a log file that was moved away is let go; certificates and policy files are read
/// again.
fn reload(cloud: &Cloud) {
    if let Err(error) = telemetry::reopen() {
        tracing::error!(
            "the log stays where it was: {:#}",
            anyhow::Error::from(error)
        );
    }
    tracing::info!("reading certificates and policy files again");
    cloud.reload();
}

async fn up(config: &Config) -> Result<()> {
    telemetry::init(&config.telemetry)?;
    open_many_files();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // From now on: who rotates logs must not end a cloud that starts.
    let mut hangup = signal(SignalKind::hangup())?;
    let cloud = Cloud::start(config).await?;
    tokio::spawn(telemetry::upkeep());
    tracing::info!(
        url = cloud.url,
        console = cloud.console_url,
        "the cloud is up"
    );
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&cloud),
        }
    }
    tracing::info!("stopping");
    cloud.stop().await;
    Ok(())
}
