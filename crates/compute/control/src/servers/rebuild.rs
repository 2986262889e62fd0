//! A server is made anew from an image: it keeps its id, ports, volumes and place, and loses what its local disks held.

use std::collections::BTreeMap;
use std::net::IpAddr;

use compute_db::quotas;
use compute_model::create_fields;
use compute_model::image::ServerImage;
use compute_model::lifecycle::{self, Action};
use compute_model::quota::Resource;
use compute_model::server::DiskConfig;
use compute_rpc::agent::Given;

use super::create::{self, invalid};
use super::show::{VisibleServer, visible};
use super::{act, load, plan};
use crate::{Context, Control, ControlError, Result, policy};

/// What a server is to be afterwards; what is absent stays, and an inner absence removes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RebuildWanted {
    pub image_id: String,
    pub name: Option<String>,
    pub hostname: Option<String>,
    pub description: Option<Option<String>>,
    pub metadata: Option<BTreeMap<String, String>>,
    pub disk_config: Option<DiskConfig>,
    pub access_ip_v4: Option<IpAddr>,
    pub access_ip_v6: Option<IpAddr>,
    pub key_name: Option<Option<String>>,
    pub user_data: Option<Option<String>>,
    pub trusted_certificates: Option<Option<Vec<String>>>,
    pub preserve_ephemeral: bool,
    /// Generated when absent.
    pub admin_password: Option<String>,
    /// Path and base64 content.
    pub injected_files: Vec<(String, String)>,
    /// Whether the answer shows the state of its host.
    pub with_host: bool,
}

/// Begins to rebuild a server; gives it as it is from now on, with its password unless this cloud does not tell passwords.
///
/// # Errors
/// 404 for the server; 403 by policy and quota; 409 when its state or lock forbids it; 400 for an image or key that is not
/// there or does not fit; 501 for another image in a root volume.
pub async fn rebuild(
    control: &Control,
    cx: &Context,
    id: &str,
    wanted: RebuildWanted,
) -> Result<(VisibleServer, Option<String>)> {
    let server = load(control, cx, id).await?;
    if wanted.trusted_certificates.is_some() {
        policy::allow_rule(control, cx, "os_compute_api:servers:rebuild:trusted_certs")?;
    }
    lifecycle::admit(Action::Rebuild, &server, policy::is_admin(control, cx))?;
    refuse_what_is_not_honoured(&wanted)?;
    quotas_allow(control, cx, &wanted).await?;
    let image = match server.boots_from_volume() {
        false => Some(image(control, cx, &wanted, &server.flavor).await?),
        true => {
            let own = server.described_by().map(|image| image.id.as_str());
            if own != Some(wanted.image_id.as_str()) {
                return Err(ControlError::Unsupported {
                    why: "Another image in the volume that a server boots from is not built yet."
                        .to_owned(),
                });
            }
            None
        }
    };
    let key = match &wanted.key_name {
        Some(name) => Some(plan::key(control, cx, name.as_deref()).await?),
        None => None,
    };
    let password = wanted
        .admin_password
        .clone()
        .unwrap_or_else(|| plan::password(control.settings.password_length));
    let given = Given {
        // Nobody else ever needs it: a password that is stored can be stolen.
        admin_password: server.config_drive.then(|| password.clone()),
        injected_files: wanted.injected_files.clone(),
    };
    act::begin(control, cx, id, (Action::Rebuild, given), |server| {
        if let Some(image) = &image {
            server.image = Some(image.clone());
        }
        if let Some(key) = &key {
            server.key.clone_from(key);
        }
        server.progress = 0;
        take(server, &wanted);
        Ok(())
    })
    .await?;
    let server = load(control, cx, id).await?;
    let told = control.settings.enable_instance_password;
    let seen = visible(control, cx, server, wanted.with_host).await?;
    Ok((seen, told.then_some(password)))
}

/// Takes over what the row alone holds.
fn take(server: &mut compute_model::Server, wanted: &RebuildWanted) {
    if let Some(name) = &wanted.name {
        server.name.clone_from(name);
    }
    if let Some(hostname) = &wanted.hostname {
        server.hostname.clone_from(hostname);
    }
    if let Some(description) = &wanted.description {
        server.description.clone_from(description);
    }
    if let Some(metadata) = &wanted.metadata {
        server.metadata.clone_from(metadata);
    }
    if let Some(user_data) = &wanted.user_data {
        server.user_data.clone_from(user_data);
    }
    if let Some(None) = wanted.trusted_certificates {
        server.trusted_certificates = None;
    }
    server.disk_config = wanted.disk_config.unwrap_or(server.disk_config);
    server.access_ip_v4 = wanted.access_ip_v4.or(server.access_ip_v4);
    server.access_ip_v6 = wanted.access_ip_v6.or(server.access_ip_v6);
}

fn refuse_what_is_not_honoured(wanted: &RebuildWanted) -> Result<()> {
    if wanted.preserve_ephemeral {
        return Err(ControlError::Unsupported {
            why: "A rebuild makes ephemeral disks anew: preserve_ephemeral is not supported."
                .to_owned(),
        });
    }
    if let Some(Some(certificates)) = &wanted.trusted_certificates {
        let said = certificates.join(",");
        if let Some(refusal) = create_fields::refusal("server.trusted_image_certificates", &said) {
            return Err(invalid(refusal.to_string()));
        }
    }
    Ok(())
}

/// The image, if the server can be made of it.
async fn image(
    control: &Control,
    cx: &Context,
    wanted: &RebuildWanted,
    flavor: &compute_model::Flavor,
) -> Result<ServerImage> {
    let image = plan::image(control, cx, Some(&wanted.image_id)).await?;
    plan::one_disk(&image)?;
    plan::fits(control, cx, (&image, true), flavor)?;
    let disk_config = wanted.disk_config.unwrap_or(DiskConfig::Manual);
    plan::image_honours(&image, flavor, disk_config)?;
    Ok(image)
}

/// The quotas of metadata and of files to inject.
async fn quotas_allow(control: &Control, cx: &Context, wanted: &RebuildWanted) -> Result<()> {
    if wanted.metadata.is_none() && wanted.injected_files.is_empty() {
        return Ok(());
    }
    let project = cx.project()?;
    let (db, defaults) = (control.db.read(), &control.settings.quotas);
    let limits = quotas::limits(db, defaults, quotas::Owner::Project(project)).await?;
    let items = limits[&Resource::MetadataItems];
    let asked = wanted.metadata.as_ref().map_or(0, BTreeMap::len);
    create::metadata_fits(asked, items)?;
    create::files_fit(&wanted.injected_files, &limits)
}
