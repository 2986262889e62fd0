//! Files for people: `clouds.yaml` and `openrc`, with the demo user and the administrator.

use anyhow::Result;

use crate::state::{State, write_private};

/// Writes both files for a cloud whose identity service answers at `auth_url`.
pub fn write(state: &State, auth_url: &str, region: &str) -> Result<()> {
    let secrets = &state.secrets;
    let clouds = format!(
        "clouds:\n{}{}",
        cloud(
            "kilonova",
            auth_url,
            region,
            "demo",
            "demo",
            &secrets.demo_password
        ),
        cloud(
            "kilonova-admin",
            auth_url,
            region,
            "admin",
            "admin",
            &secrets.admin_password
        ),
    );
    write_private(&state.path.join("clouds.yaml"), &clouds)?;
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
    write_private(&state.path.join("openrc"), &openrc)
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
