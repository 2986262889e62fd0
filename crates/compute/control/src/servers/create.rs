//! A server is asked for: everything is checked, then servers, records and journal are written in
//! one transaction.

use std::collections::BTreeMap;
use std::net::IpAddr;

use compute_db::{actions, quotas, servers};
use compute_model::Server;
use compute_model::image::ServerImage;
use compute_model::network::NetworkRequest;
use compute_model::quota::Resource;
use compute_model::server::{BuildPlan, DiskConfig, ServerKey, hostname_of};
use compute_model::server_group;
use compute_model::state::{PowerState, TaskState, VmState};
use compute_rpc::sealed;
use compute_rpc::workflows::{BUILD, BUILD_VERSION, Build};
use secrecy::ExposeSecret;
use sql::sea_orm::DatabaseTransaction;

use super::boot::{self, Device};
use super::held::{self, Held};
use super::nics::{self, Networks};
use super::{action_record, asked, local_disks, nudge, plan};
use crate::{Context, Control, ControlError, Result, policy, server_groups};

/// What a new server is asked to be, each part already well-formed.
#[derive(Debug, Clone, PartialEq)]
pub struct NewServer {
    pub name: String,
    /// None for a root on a volume.
    pub image_id: Option<String>,
    pub flavor_id: String,
    /// Generated when absent.
    pub admin_password: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub networks: Networks,
    pub disk_config: DiskConfig,
    pub access_ip_v4: Option<IpAddr>,
    pub access_ip_v6: Option<IpAddr>,
    /// Path and base64 content.
    pub injected_files: Vec<(String, String)>,
    /// A zone, or for operators `zone:host:node`.
    pub availability_zone: Option<String>,
    pub devices: Vec<Device>,
    /// Names of disks of the image that the server is not to have.
    pub without_devices: Vec<String>,
    /// Whether the client knows of volumes of several servers (2.60).
    pub multiattach: bool,
    pub config_drive: bool,
    pub key_name: Option<String>,
    pub min_count: u32,
    pub max_count: u32,
    /// Names or ids.
    pub security_groups: Vec<String>,
    pub user_data: Option<String>,
    pub description: Option<String>,
    pub tags: Vec<String>,
    pub trusted_certificates: Option<Vec<String>>,
    pub host: Option<String>,
    pub hypervisor_hostname: Option<String>,
    pub hostname: Option<String>,
    pub hints: BTreeMap<String, serde_json::Value>,
}

/// What became of a request for servers.
#[derive(Debug, Clone)]
pub struct Created {
    /// At least one.
    pub servers: Vec<Server>,
    pub reservation_id: String,
    /// None when the cloud does not tell passwords.
    pub admin_password: Option<String>,
}

/// Accepts a request for servers.
///
/// # Errors
/// 400 for what does not fit together or does not exist, 403 by policy and quota, 409 for ports
/// and networks that are in the way.
pub async fn create(control: &Control, cx: &Context, new: NewServer) -> Result<Created> {
    let project = cx.project()?;
    policies(control, cx, &new)?;
    let place = plan::place(control, cx, &new).await?;
    counts(&new, control.settings.max_servers_per_request)?;
    let asked_for = boot::asked(control, cx, &new).await?;
    boot::check(&asked_for.devices, asked_for.root_image())?;
    let devices = asked_for.devices.clone();
    let counted = (new.max_count, new.multiattach);
    let disks = boot::plan(control, cx, asked_for, counted).await?;
    let local = disks.image.is_some();
    let none = ServerImage::default();
    let image = disks.image.as_ref().or(disks.volume_image.as_ref());
    let image = image.unwrap_or(&none);
    let flavor = plan::flavor(control, cx, &new.flavor_id).await?;
    plan::fits(control, cx, (image, local), &flavor)?;
    boot::root_holds(&devices, image)?;
    plan::honours(&new, image, &flavor)?;
    boot::fits(&devices, &image.properties, &flavor)?;
    let most_local = control.settings.max_local_block_devices;
    let local_disks = local_disks::plan(&devices, &image.properties, &flavor, most_local)?;
    let root_name = boot::shown::root_name(&disks.volumes, &local_disks, &image.properties);
    let key = plan::key(control, cx, new.key_name.as_deref()).await?;
    let nics = nics::plan(control, cx, &new).await?;
    let config_drive = new.config_drive
        || control.settings.force_config_drive
        || image
            .properties
            .get("img_config_drive")
            .is_some_and(|wish| wish == "mandatory");
    let password = new
        .admin_password
        .clone()
        .unwrap_or_else(|| plan::password(control.settings.password_length));
    let reservation_id = plan::reservation_id();
    let mut build = BuildPlan {
        networks: nics.requests,
        security_group_ids: nics.security_group_ids,
        host: new.host.clone(),
        hypervisor_hostname: new.hypervisor_hostname.clone(),
        forced_host: place.forced_host,
        forced_node: place.forced_node,
        // Nobody else ever needs it: a password that is stored can be stolen.
        admin_password: config_drive.then(|| password.clone()),
        token: disks.made().then(|| {
            let secret = control.session.secret().expose_secret();
            sealed::seal(secret, cx.token())
        }),
        volumes: disks.volumes,
        injected_files: new.injected_files.clone(),
    };
    let now = sql::micros(chrono::Utc::now());
    let held = held::reserve(control, cx, &mut build.volumes).await?;
    let held = held.as_ref();
    let first = Server {
        seq: 0,
        // Volumes are reserved for one server only, whose id is known before it is written.
        id: held.map_or_else(String::new, |held| held.server_id.clone()),
        project_id: project.to_owned(),
        user_id: cx.caller.user_id.clone(),
        name: String::new(),
        hostname: String::new(),
        description: new.description.clone(),
        vm_state: VmState::Building,
        task_state: Some(TaskState::Scheduling),
        power_state: PowerState::NoState,
        epoch: 1,
        device_command: 0,
        flavor,
        image: disks.image,
        volume_image: disks.volume_image,
        image_ref: new.image_id.clone().filter(|_| !local),
        host: None,
        node: None,
        node_id: None,
        availability_zone: None,
        pinned_zone: place.zone,
        launch_index: 0,
        reservation_id: reservation_id.clone(),
        vifs: Vec::new(),
        volumes: Vec::new(),
        local_disks,
        disk_places: Vec::new(),
        rescue: None,
        resize: None,
        shelved: None,
        metadata: new.metadata.clone(),
        tags: distinct(&new.tags),
        key,
        user_data: new.user_data.clone(),
        config_drive,
        security_groups: nics.security_group_names,
        access_ip_v4: new.access_ip_v4,
        access_ip_v6: new.access_ip_v6,
        disk_config: new.disk_config,
        hints: new.hints.clone(),
        trusted_certificates: new.trusted_certificates.clone(),
        root_device_name: Some(root_name),
        lock: None,
        progress: 0,
        fault: None,
        created_at: now,
        updated_at: now,
        launched_at: None,
        terminated_at: None,
        soft_deleted_at: None,
        deleted_at: None,
    };
    let written = write(control, cx, &new, (&first, held), &build, nics.ports_left).await;
    if let (Err(_), Some(held)) = (&written, held) {
        held.give_up(control, cx, false).await;
    }
    let (servers, begun) = written?;
    nudge(control, cx, &begun);
    Ok(Created {
        servers,
        reservation_id,
        admin_password: control
            .settings
            .enable_instance_password
            .then_some(password),
    })
}

/// The rules that parts of the request have of their own.
fn policies(control: &Control, cx: &Context, new: &NewServer) -> Result<()> {
    policy::allow(control, cx)?;
    let parts = [
        (
            new.host.is_some() || new.hypervisor_hostname.is_some(),
            "compute:servers:create:requested_destination",
        ),
        (
            new.devices.iter().any(Device::is_volume),
            "os_compute_api:servers:create:attach_volume",
        ),
        (
            matches!(new.networks, Networks::Listed(_)),
            "os_compute_api:servers:create:attach_network",
        ),
        (
            new.trusted_certificates.is_some(),
            "os_compute_api:servers:create:trusted_certs",
        ),
    ];
    for (asked, rule) in parts {
        if asked {
            policy::allow_rule(control, cx, rule)?;
        }
    }
    Ok(())
}

/// How many servers at once: in order, no more than `most`, and none of them with what only one can have.
fn counts(new: &NewServer, most: u32) -> Result<()> {
    if new.min_count > new.max_count {
        return Err(invalid("min_count must be <= max_count".to_owned()));
    }
    if new.max_count > most {
        let asked = new.max_count;
        return Err(invalid(format!(
            "Invalid input for field/attribute max_count. Value: {asked}. {asked} is greater than the maximum of {most}"
        )));
    }
    if new.max_count == 1 {
        return Ok(());
    }
    let nics = match &new.networks {
        Networks::Listed(nics) => nics.as_slice(),
        _ => &[],
    };
    if nics.iter().any(|nic| nic.port.is_some()) {
        return Err(invalid(
            "Unable to launch multiple instances with a single configured port ID. Please launch your instance one \
             by one with different ports."
                .to_owned(),
        ));
    }
    if nics.iter().any(|nic| nic.fixed_ip.is_some()) {
        return Err(invalid(
            "Failed to launch instances: max_count cannot be greater than 1 if an fixed_ip is specified."
                .to_owned(),
        ));
    }
    if new.hostname.is_some() {
        return Err(invalid(
            "Unable to allocate a single hostname to multiple instances".to_owned(),
        ));
    }
    Ok(())
}

/// The transaction: quota, rows, records and journal, for as many servers as fit.
async fn write(
    control: &Control,
    cx: &Context,
    new: &NewServer,
    (first, held): (&Server, Option<&Held>),
    build: &BuildPlan,
    ports_left: Option<u64>,
) -> Result<(Vec<Server>, Vec<workflow::WorkflowId>)> {
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        // Both wait for others, so they come before anything is read.
        quotas::hold(&tx, &first.project_id).await?;
        let group = match server_group::named_by(&new.hints) {
            Some(id) => Some(server_groups::to_join(control, cx, &tx, id).await?),
            None => None,
        };
        let count = room(control, &tx, new, first).await?;
        let count = ports(count, new.min_count, &build.networks, ports_left)?;
        let mut made = Vec::new();
        let mut begun = Vec::new();
        for index in 0..count {
            let server = named(first, new, index, count);
            let server = servers::insert(&tx, &server).await?;
            actions::start(&tx, &action_record(cx, &server.id, "create")).await?;
            let state = Build::new(&server.id, asked(cx), build.clone());
            begun.push(workflow::insert(&tx, (BUILD, BUILD_VERSION), &server.id, &state).await?);
            made.push(server);
        }
        if let Some(group) = &group {
            server_groups::fill(control, &tx, group, &made).await?;
        }
        if let Some(held) = held {
            held.keep(&tx).await?;
            begun.push(held.workflow);
        }
        tx.commit().await?;
        Ok((made, begun))
    })
    .await
}

/// How many servers the quotas of project and user, which the caller holds, have room for.
async fn room(
    control: &Control,
    tx: &DatabaseTransaction,
    new: &NewServer,
    first: &Server,
) -> Result<u32> {
    let defaults = &control.settings.quotas;
    let owner = quotas::Owner::Project(&first.project_id);
    let of_project = quotas::limits(tx, defaults, owner).await?;
    metadata_fits(new.metadata.len(), of_project[&Resource::MetadataItems])?;
    files_fit(&new.injected_files, &of_project)?;
    let counts = (new.min_count, new.max_count);
    super::room::for_servers(control, tx, first, counts).await
}

/// The quota of items of metadata.
pub(super) fn metadata_fits(items: usize, limit: i64) -> Result<()> {
    match limit != -1 && i64::try_from(items).unwrap_or(i64::MAX) > limit {
        true => Err(ControlError::Forbidden {
            why: format!("Maximum number of metadata items exceeds {limit}"),
        }),
        false => Ok(()),
    }
}

/// The quotas of files to inject.
pub(super) fn files_fit(
    injected: &[(String, String)],
    limits: &BTreeMap<Resource, i64>,
) -> Result<()> {
    let over = |resource: Resource, size: usize| {
        let limit = limits[&resource];
        limit != -1 && i64::try_from(size).unwrap_or(i64::MAX) > limit
    };
    let forbidden = |what: &str| ControlError::Forbidden {
        why: what.to_owned(),
    };
    if injected.is_empty() {
        return Ok(());
    }
    if over(Resource::InjectedFiles, injected.len()) {
        return Err(forbidden("Personality file limit exceeded"));
    }
    for (path, content) in injected {
        if over(Resource::InjectedFilePathBytes, path.len()) {
            return Err(forbidden("Personality file path exceeds maximum length"));
        }
        // Three bytes for every four characters.
        if over(Resource::InjectedFileContentBytes, content.len() / 4 * 3) {
            return Err(forbidden("Personality file content exceeds maximum length"));
        }
    }
    Ok(())
}

/// How many servers the room for ports allows.
fn ports(count: u32, min: u32, wanted: &[NetworkRequest], left: Option<u64>) -> Result<u32> {
    let each = wanted
        .iter()
        .filter(|request| matches!(request, NetworkRequest::Network { .. }))
        .count() as u64;
    let (Some(left), true) = (left, each > 0) else {
        return Ok(count);
    };
    let fits = u32::try_from(left / each).unwrap_or(u32::MAX).min(count);
    match fits < min {
        true => Err(ControlError::Forbidden {
            why: "Maximum number of ports exceeded".to_owned(),
        }),
        false => Ok(fits),
    }
}

/// The `index`th of `count` servers.
fn named(first: &Server, new: &NewServer, index: u32, count: u32) -> Server {
    let mut server = first.clone();
    if server.id.is_empty() {
        server.id = uuid::Uuid::new_v4().to_string();
    }
    server.launch_index = i32::try_from(index).unwrap_or(i32::MAX);
    let suffix = match count {
        1 => String::new(),
        _ => format!("-{}", index + 1),
    };
    server.name = format!("{}{suffix}", new.name);
    server.hostname = match &new.hostname {
        Some(hostname) => hostname.clone(),
        None => hostname_of(&server.name, &server.id),
    };
    server
}

fn distinct(tags: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::with_capacity(tags.len());
    for tag in tags {
        if !seen.contains(tag) {
            seen.push(tag.clone());
        }
    }
    seen
}

pub(super) fn invalid(why: String) -> ControlError {
    ControlError::Invalid { why }
}

/// A key as the server keeps it.
pub(super) fn kept(pair: compute_model::keypair::Keypair) -> ServerKey {
    ServerKey {
        name: pair.name,
        kind: pair.kind.as_str().to_owned(),
        data: pair.public_key,
    }
}
