//! What every cloud has from the start: users, roles, and the catalog.

use anyhow::{Context, Result};
use identity::Identity;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::state::State;

/// The users by which services ask each other, with their roles: `service` lets nova see networks and
/// images of all projects and work with ports, glance read limits, and neutron send events to compute.
/// Placement asks nobody: its user has nothing until it does.
const SERVICE_USERS: &[(&str, &[&str])] = &[
    ("nova", &["service"]),
    ("glance", &["service"]),
    ("neutron", &["service"]),
    ("placement", &[]),
];

/// First users, roles and the catalog. Hashing passwords takes long, so it is left out when nothing
/// changed since the last start.
pub async fn run(identity: &Identity, config: &Config, state: &State, url: &str) -> Result<()> {
    let mark = state.path.join("run/bootstrap");
    let wanted = identity::Bootstrap {
        admin_password: SecretString::from(state.secrets.admin_password.clone()),
        service_users: service_users(state),
        demo_password: Some(SecretString::from(state.secrets.demo_password.clone())),
        region: config.place.region.clone(),
        endpoints: endpoints(url),
        // With a database that outlived the cloud's folder, the new folder's passwords hold.
        reset_passwords: !mark.exists(),
    };
    let mut digest = Sha256::new();
    digest.update(format!("{:?}", wanted.endpoints));
    digest.update(format!("{SERVICE_USERS:?}"));
    digest.update(&wanted.region);
    digest.update(config.database_url(&state.path, "identity"));
    digest.update(serde_json::to_string(&state.secrets)?);
    let digest = hex::encode(digest.finalize());
    let database = state.path.join("db/identity.sqlite").exists();
    let done = std::fs::read_to_string(&mark).is_ok_and(|known| known == digest);
    if done && (database || config.identity.connection.is_some()) {
        return Ok(());
    }
    identity.bootstrap(&wanted).await?;
    std::fs::write(&mark, digest).with_context(|| format!("cannot write {}", mark.display()))
}

fn service_users(state: &State) -> Vec<identity::ServiceUser> {
    let user = |(name, roles): &(&str, &'static [&'static str])| identity::ServiceUser {
        name: (*name).to_owned(),
        password: state.secrets.service(name),
        roles,
    };
    SERVICE_USERS.iter().map(user).collect()
}

/// The catalog: type, name, and what comes behind the front door's address.
const CATALOG: &[(&str, &str, &str)] = &[
    ("identity", "keystone", "/identity"),
    ("compute", "nova", "/compute/v2.1"),
    ("image", "glance", "/image"),
    ("network", "neutron", "/network"),
];

fn endpoints(url: &str) -> Vec<identity::Endpoint> {
    let mut endpoints = Vec::new();
    for (service_type, name, path) in CATALOG {
        for interface in identity::Interface::ALL {
            endpoints.push(identity::Endpoint {
                service_type: (*service_type).to_owned(),
                service_name: (*name).to_owned(),
                interface,
                url: format!("{url}{path}"),
            });
        }
    }
    endpoints
}
