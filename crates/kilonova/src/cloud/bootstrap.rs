//! What every cloud has from the start: users, roles, and the catalog.

use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::companions::{self, First, Keystone, ServiceUser};
use crate::config::{Config, may_exist};
use crate::state::State;

/// Compute's own user: it sees networks and images of all projects and works with ports.
const NOVA: ServiceUser = ServiceUser {
    name: "nova",
    roles: &["service"],
};

/// First users, roles and the catalog. Hashing passwords takes long, so it is left out when nothing
/// changed since the last start.
pub async fn run(keystone: &dyn Keystone, config: &Config, state: &State, url: &str) -> Result<()> {
    let mark = state.path.join("run/bootstrap");
    let users = companions::ROWS.iter().filter_map(|row| row.user);
    let users = std::iter::once(NOVA).chain(users);
    let first = First {
        admin_password: SecretString::from(state.secrets.admin_password.clone()),
        demo_password: SecretString::from(state.secrets.demo_password.clone()),
        service_users: users
            .map(|user| (user, state.secrets.service(user.name)))
            .collect(),
        region: config.place.region.clone(),
        endpoints: endpoints(url),
        // With a database that outlived the cloud's folder, the new folder's passwords hold.
        reset_passwords: !mark.exists(),
    };
    let database = config.database_url(&state.path, companions::ROWS[0].name);
    let wanted = digest(&first, &database);
    let done = std::fs::read_to_string(&mark).is_ok_and(|known| known == wanted);
    if done && may_exist(&database) {
        return Ok(());
    }
    keystone.bootstrap(&first).await?;
    std::fs::write(&mark, wanted).with_context(|| format!("cannot write {}", mark.display()))
}

/// What of it may change from one start to the next.
fn digest(first: &First, database: &str) -> String {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    };
    for (kind, name, url) in &first.endpoints {
        add(kind);
        add(name);
        add(url);
    }
    for (user, password) in &first.service_users {
        add(&format!("{user:?}"));
        add(password.expose_secret());
    }
    add(first.admin_password.expose_secret());
    add(first.demo_password.expose_secret());
    add(&first.region);
    add(database);
    hex::encode(digest.finalize())
}

/// The catalog: compute, and the companions behind their names.
fn endpoints(url: &str) -> Vec<(&'static str, &'static str, String)> {
    let compute = ("compute", "nova", format!("{url}/compute/v2.1"));
    let others = companions::ROWS.iter().flat_map(|row| {
        let address = format!("{url}/{}{}", row.name, row.path);
        let entries = row.catalog.iter();
        entries.map(move |(kind, name)| (*kind, *name, address.clone()))
    });
    std::iter::once(compute).chain(others).collect()
}
