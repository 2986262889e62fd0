//! `kilonova demo`: the first image, network, key and server of a cloud, by its public APIs, with a
//! progress display; and at the end how to reach it. Whatever exists already is taken as it is.

mod api;
mod range;
mod steps;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use ipnet::IpNet;

use crate::companions::network;
use crate::config::Config;
use api::Api;

/// What to make.
#[derive(Debug, Clone, clap::Args)]
pub struct Wanted {
    /// The image of the first server: a qcow2 file.
    #[arg(long)]
    pub image: PathBuf,
    /// Private key of the demo user; made when it does not exist.
    #[arg(long)]
    pub key: Option<PathBuf>,
    /// Name of the server.
    #[arg(long, default_value = "first")]
    pub name: String,
    /// Range of the external network; as `[demo] external_cidr`, and stronger.
    #[arg(long)]
    pub external_cidr: Option<IpNet>,
    /// How long the server may take to answer by SSH, in seconds.
    #[arg(long, default_value_t = 180)]
    pub patience: u64,
}

/// Makes everything and says how to reach it.
///
/// # Errors
/// The first step that failed.
pub async fn run(config: &Config, wanted: &Wanted) -> Result<()> {
    let state = config
        .place
        .state_path
        .canonicalize()
        .context("the cloud's folder (is it running?)")?;
    let key = wanted.key.clone().unwrap_or_else(|| state.join("demo_key"));
    let bar = ProgressBar::new(9);
    let style = ProgressStyle::with_template("{bar:28} {pos}/{len} {msg}")
        .context("the progress display")?;
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(100));
    let step = |text: &str| {
        bar.inc(1);
        bar.set_message(text.to_owned());
        if bar.is_hidden() {
            println!("{text}");
        }
    };

    step("logging in");
    let admin = Api::log_in(&state, "kilonova-admin").await?;
    let demo = Api::log_in(&state, "kilonova").await?;
    step("the image");
    let image = steps::image(&admin, &wanted.image).await?;
    step("flavors");
    let flavor = steps::flavors(&admin).await?;
    step("the external network");
    let wish = wanted.external_cidr.or(config.demo.external_cidr);
    let public = range::public_network(&admin, wish, network::places(config)).await?;
    step("the private network");
    let private = steps::private_network(&demo, &public.id).await?;
    step("key and security group");
    steps::key(&demo, &key).await?;
    steps::security_group(&demo).await?;
    step("the server");
    let server = steps::server(&demo, &wanted.name, &image, &flavor, &private).await?;
    step("its floating address");
    let address = steps::floating_ip(&demo, &server, &public.id).await?;
    step("waiting for SSH");
    let patience = Duration::from_secs(wanted.patience);
    let answers = steps::ssh_answers(&address, patience).await;
    let console = steps::console(&demo, &server).await?;
    bar.finish_and_clear();

    println!("The cloud is up.\n");
    println!("  server    {} at {address}", wanted.name);
    println!(
        "  ssh       ssh -i {} -o StrictHostKeyChecking=no cloud@{address}",
        key.display()
    );
    println!("  console   {console}");
    println!("  outside   floating addresses are of {}", public.range);
    println!(
        "  clouds    {} (clouds kilonova and kilonova-admin)",
        state.join("clouds.yaml").display()
    );
    println!("  openrc    {}", state.join("openrc").display());
    println!("  files     {}", state.display());
    if let Err(error) = answers {
        println!("\nThe server does not answer by SSH yet: {error:#}");
    }
    Ok(())
}
