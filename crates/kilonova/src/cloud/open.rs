//! Opening the four services on their databases.

use std::path::Path;

use anyhow::{Context, Result};
use compute_db::Database;
use identity::Identity;
use image::Images;
use network::host::Places;
use network::{Networks, PlaneKind};
use secrecy::SecretString;

use crate::config::{Config, Driver, Plane};
use crate::state::State;

/// The database of a service, within the operator's limits; no table is touched.
pub async fn database(config: &Config, state: &State, service: &str) -> Result<Database> {
    database_at(config, &state.path, service).await
}

async fn database_at(config: &Config, folder: &Path, service: &str) -> Result<Database> {
    let url = config.database_url(folder, service);
    Ok(Database::open_with(&url, &config.database.options).await?)
}

/// The compute database of a cloud that was started before, also of one that runs: nothing is made and no table is
/// changed. None where it is a file that does not exist.
///
/// # Errors
/// It does not answer.
pub async fn existing_compute(config: &Config) -> Result<Option<Database>> {
    let folder = &config.place.state_path;
    let url = config.database_url(folder, "compute");
    if let Some(file) = url.strip_prefix("sqlite:") {
        let file = file.trim_start_matches("//");
        let file = file.split('?').next().unwrap_or_default();
        if !Path::new(file).exists() {
            return Ok(None);
        }
    }
    let db = database_at(config, folder, "compute").await;
    db.context("the compute database").map(Some)
}

pub async fn identity(config: &Config, state: &State, db: Database, url: &str) -> Result<Identity> {
    identity_on(config, db, &state.path, url).await
}

/// The identity service of the cloud in a folder, whether or not this process works in it.
pub async fn identity_at(config: &Config, folder: &Path, url: &str) -> Result<Identity> {
    let db = database_at(config, folder, "identity").await?;
    identity_on(config, db, folder, url).await
}

async fn identity_on(config: &Config, db: Database, folder: &Path, url: &str) -> Result<Identity> {
    let settings = identity::Settings {
        token_expiration: config.identity.token_expiration,
        password_hash_rounds: config.identity.password_hash_rounds,
        max_active_keys: config.fernet.max_active_keys,
        rotation_interval: config.fernet.rotation_interval,
        password_queue: config.identity.password_queue,
        compliance: config.compliance.0.clone(),
        fernet_keys: folder.join("keys/fernet"),
        credential_keys: folder.join("keys/credential"),
        public_url: format!("{url}/identity"),
        policy_file: config.identity.policy_file.clone(),
        ..identity::Settings::default()
    };
    Ok(Identity::open(db, settings).await?)
}

pub async fn images(config: &Config, state: &State, db: Database) -> Result<Images> {
    let image = &config.image;
    let folder = image.image_dir.clone();
    let settings = image::Settings {
        image_dir: folder.unwrap_or_else(|| state.path.join("images")),
        size_cap: image.image_size_cap,
        keep_free: config.place.disk_reserve,
        limits: image.limits,
        transfers: image.transfers,
        transfers_per_project: image.transfers_per_project,
        downloads_per_project: image.downloads_per_project,
        min_rate: image.min_rate,
        min_rate_window: image.min_rate_window,
        web_download: image.web_download.clone(),
        policy_file: image.policy_file.clone(),
        ..image::Settings::default()
    };
    Ok(Images::open(db, settings).await?)
}

pub async fn networks(config: &Config, state: &State, db: Database) -> Result<Networks> {
    let settings = network::Settings {
        host: config.place.host.to_string(),
        plane: plane(config),
        cloud_id: state.cloud_id.clone(),
        state_dir: state.path.join("network"),
        places: places(config),
        owner: state.network_owner(),
        gateway_services: config.network.gateway_services.clone(),
        connections_per_port: config.network.connections_per_port,
        metadata_secret: SecretString::from(state.secrets.metadata_secret.clone()),
        mtu: config.network.mtu,
        dns_domain: config.network.dns_domain.clone(),
        dhcp_uid: config.network.dhcp_uid,
        policy_file: config.network.policy_file.clone(),
        ..network::Settings::default()
    };
    Ok(Networks::open(db, settings).await?)
}

/// Where name servers, proxies and package mirrors of this machine are named.
pub fn places(config: &Config) -> Places {
    Places::of_machine(config.outside.home.as_deref(), &config.outside.variables)
}

/// What makes networks real here.
pub fn plane(config: &Config) -> PlaneKind {
    let root = nix::unistd::geteuid().is_root();
    match config.network.plane {
        Plane::Linux => PlaneKind::Linux,
        Plane::None => PlaneKind::None,
        Plane::Auto => match (config.place.compute_driver, root) {
            (Driver::Fake, _) => PlaneKind::None,
            (Driver::Qemu, true) => PlaneKind::Linux,
            (Driver::Qemu, false) => {
                tracing::warn!("not root: servers get no real network ([network] plane)");
                PlaneKind::None
            }
        },
    }
}

pub async fn compute(config: &Config, state: &State) -> Result<Database> {
    let db = database(config, state, "compute").await?;
    db.migrate::<compute_db::Migrator>().await?;
    Ok(db)
}
