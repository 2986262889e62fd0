//! A server is made anew from an image: it keeps its id, ports, volumes and place, and loses what its local disks held. A
//! volume that it boots from gets the image.

use std::collections::BTreeMap;
use std::net::IpAddr;

use clients::volume as cinder;
use compute_db::quotas;
use compute_model::image::ServerImage;
use compute_model::image_disks::{self, DiskSource};
use compute_model::lifecycle::{self, Action};
use compute_model::quota::Resource;
use compute_model::server::DiskConfig;
use compute_model::{Server, create_fields};
use compute_rpc::agent::Given;
use compute_rpc::sealed;
use compute_rpc::workflows::{REBUILD_VOLUME, REBUILD_VOLUME_VERSION, RebuildVolume};
use secrecy::ExposeSecret;

use super::create::{self, invalid};
use super::show::{VisibleServer, visible};
use super::suits::host_suits;
use super::{act, asked, load, plan};
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
    /// Whether a root volume gets the image; else it stays as it is, and another image is refused.
    pub reimages: bool,
    /// Whether the answer shows the state of its host.
    pub with_host: bool,
}

/// Begins to rebuild a server; gives it as it is from now on, with its password unless this cloud does not tell passwords.
///
/// # Errors
/// 404 for the server; 403 by policy and quota; 409 when its state or lock forbids it; 400 for an image or key that is
/// not there or does not fit, for an image that the server's host does not suit, and for another image in a root volume
/// where that is not to get it; 503 when no scheduler answers.
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
    let on_volume = server.boots_from_volume();
    let image = match (on_volume, wanted.reimages) {
        (false, _) => Some(image(control, cx, &wanted, &server.flavor).await?),
        (true, true) => Some(root_image(control, cx, &wanted, &server).await?),
        (true, false) => {
            same_image(control, cx, &wanted, &server).await?;
            None
        }
    };
    if let Some(image) = &image {
        host_suits(control, cx, &server, image).await?;
    }
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
    let change = |server: &mut Server| {
        if let Some(image) = image.as_ref().filter(|_| !on_volume) {
            server.set_image(image.clone());
        }
        if let Some(key) = &key {
            server.key.clone_from(key);
        }
        server.progress = 0;
        take(server, &wanted);
        Ok(())
    };
    match image.as_ref().filter(|_| on_volume) {
        None => act::begin(control, cx, id, (Action::Rebuild, given), change).await?,
        Some(image) => {
            let token = sealed::seal(control.session.secret().expose_secret(), cx.token());
            let state = |server: &Server| RebuildVolume {
                server_id: server.id.clone(),
                asked: asked(cx),
                epoch: server.epoch,
                was: server.vm_state,
                image: image.clone(),
                token: token.clone(),
                given: given.clone(),
                since: None,
                lost: false,
                power_state: None,
            };
            let workflow = ((REBUILD_VOLUME, REBUILD_VOLUME_VERSION), state);
            act::begin_as(control, cx, id, (Action::Rebuild, change), workflow).await?;
        }
    }
    let server = load(control, cx, id).await?;
    let told = control.settings.enable_instance_password;
    let seen = visible(control, cx, server, wanted.with_host).await?;
    Ok((seen, told.then_some(password)))
}

/// Takes over what the row alone holds.
fn take(server: &mut Server, wanted: &RebuildWanted) {
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

/// The root volume of a server, as the volume service knows it.
async fn root_volume(control: &Control, cx: &Context, server: &Server) -> Result<cinder::Volume> {
    let root = server.volumes.iter().find(|volume| volume.boot);
    let root = root.ok_or_else(|| act::not_ready(&server.id))?;
    Ok(cinder::show(&control.volume, cx.token(), &root.volume_id).await?)
}

/// Refuses another image than the one that the root volume was made of.
async fn same_image(
    control: &Control,
    cx: &Context,
    wanted: &RebuildWanted,
    server: &Server,
) -> Result<()> {
    let volume = root_volume(control, cx, server).await?;
    match volume.volume_image_metadata.get("image_id") == Some(&wanted.image_id) {
        true => Ok(()),
        false => Err(invalid(format!(
            "Image {} is unacceptable: Unable to rebuild with a different image for a volume-backed server.",
            wanted.image_id
        ))),
    }
}

/// Statuses of a root volume that can get an image: that of a running server, and what a rebuild that failed left.
const REIMAGED: &[&str] = &["in-use", "reserved", "error"];

/// The image for a root volume, if that can get it and the server can be what it says.
async fn root_image(
    control: &Control,
    cx: &Context,
    wanted: &RebuildWanted,
    server: &Server,
) -> Result<ServerImage> {
    let mut image = plan::image(control, cx, Some(&wanted.image_id)).await?;
    let disks = image_disks::of(&image.properties).map_err(|bad| invalid(format!("{bad}.")))?;
    let boots = disks.iter().any(|disk| {
        let snapshot = matches!(disk.source, DiskSource::Snapshot(_));
        snapshot && disk.boot_index == Some(0)
    });
    if !disks.is_empty() && !boots {
        return Err(invalid(format!(
            "Image {} is unacceptable: none of the disks that it names is a snapshot to boot from.",
            image.id
        )));
    }
    // The volume service itself takes the snapshot that such an image stands for.
    image.properties = image_disks::without(image.properties);
    plan::fits(control, cx, (&image, false), &server.flavor)?;
    let disk_config = wanted.disk_config.unwrap_or(DiskConfig::Manual);
    plan::image_honours(&image, &server.flavor, disk_config)?;
    let volume = root_volume(control, cx, server).await?;
    if !REIMAGED.contains(&volume.status.as_str()) {
        return Err(invalid(format!(
            "Invalid volume: volume '{}' status must be 'in-use'. Currently in '{}' status",
            volume.id, volume.status
        )));
    }
    let room = u64::from(volume.size) << 30;
    let needed = u64::from(image.min_disk) << 30;
    let needed = needed.max(image.virtual_size.unwrap_or(image.size));
    match needed > room {
        true => Err(invalid(format!(
            "Volume is smaller than the minimum size specified in image metadata. Volume size is {room} bytes, minimum \
             size is {needed} bytes."
        ))),
        false => Ok(image),
    }
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
