//! Files for people: `clouds.yaml` and `openrc`, with the demo user and the administrator.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::state::{State, write_private};

/// Writes both files for a cloud whose identity service answers at `auth_url`. `trust`: the certificate of its own that
/// clients must be told to trust.
pub fn write(state: &State, auth_url: &str, region: &str, trust: Option<&Path>) -> Result<()> {
    let secrets = &state.secrets;
    let trusted = trust.map_or_else(String::new, |file| {
        format!("    cacert: {}\n", file.display())
    });
    let clouds = format!(
        "clouds:\n{}{}",
        cloud(
            "kilonova",
            auth_url,
            region,
            "demo",
            "demo",
            &secrets.demo_password
        ) + &trusted,
        cloud(
            "kilonova-admin",
            auth_url,
            region,
            "admin",
            "admin",
            &secrets.admin_password
        ) + &trusted,
    );
    keep(&state.path.join("clouds.yaml"), &clouds)?;
    let openrc = format!(
        "# source this file, then use the openstack command as the demo user.\n\
         export OS_AUTH_URL={auth_url}\n\
         export OS_IDENTITY_API_VERSION=3\n\
         export OS_USERNAME=demo\n\
         export OS_PASSWORD={}\n\
         export OS_PROJECT_NAME=demo\n\
         export OS_USER_DOMAIN_NAME=Default\n\
         export OS_PROJECT_DOMAIN_NAME=Default\n\
         export OS_REGION_NAME={region}\n",
        secrets.demo_password
    );
    let openrc = match trust {
        Some(file) => format!("{openrc}export OS_CACERT={}\n", file.display()),
        None => openrc,
    };
    keep(&state.path.join("openrc"), &openrc)
}

/// Writes a file unless it says that already: a write waits for the disk.
fn keep(file: &Path, text: &str) -> Result<()> {
    match fs::read_to_string(file) {
        Ok(kept) if kept == text => Ok(()),
        _ => write_private(file, text),
    }
}

fn cloud(
    name: &str,
    auth_url: &str,
    region: &str,
    user: &str,
    project: &str,
    password: &str,
) -> String {
    format!(
        "  {name}:\n    auth:\n      auth_url: {auth_url}\n      username: {user}\n      \
         password: {password}\n      project_name: {project}\n      user_domain_name: Default\n      \
         project_domain_name: Default\n    region_name: {region}\n    identity_api_version: 3\n"
    )
}
