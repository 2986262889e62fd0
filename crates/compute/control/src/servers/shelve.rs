//! A server is put aside, and comes back.

use compute_db::{hosts, servers};
use compute_model::Server;
use compute_model::image::ServerImage;
use compute_model::lifecycle::{self, Operation};
use compute_model::network::NetworkRequest;
use compute_model::server::BuildPlan;
use compute_model::state::VmState;
use compute_rpc::sealed;
use compute_rpc::workflows::{
    Build, OwnedImage, SHELVE, SHELVE_VERSION, Shelve, Snapshot, UNSHELVE, UNSHELVE_HERE,
    UNSHELVE_VERSION, UnshelveHere,
};
use secrecy::ExposeSecret;
use sql::sea_orm::DatabaseTransaction;
use uuid::Uuid;
use workflow::WorkflowId;

use super::act::not_ready;
use super::create::invalid;
use super::images::{self, NewImage};
use super::{asked, begin_action, load, lock, nudge, plan};
use crate::zones::Zones;
use crate::{Context, Control, ControlError, Result, policy};

/// Begins to put a server aside.
///
/// # Errors
/// 404 for the server; 403 by policy, or when the project may have no more images; 409 when its state or lock forbids it.
pub async fn shelve(control: &Control, cx: &Context, id: &str) -> Result<()> {
    let server = load(control, cx, id).await?;
    let admin = policy::is_admin(control, cx);
    lifecycle::admit_operation(Operation::Shelve, &server, admin)?;
    let made = (!server.boots_from_volume()).then(|| Uuid::new_v4().to_string());
    let record = match &made {
        Some(image_id) => {
            let new = NewImage {
                name: format!("{}-shelved", server.name),
                metadata: Default::default(),
                backup: None,
            };
            Some(images::record(cx, &server, image_id, &new)?)
        }
        None => None,
    };
    let token = sealed_token(control, cx);
    let after = control.settings.shelved_offload_time;
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut server = lock(&tx, control, cx, id).await?;
        let rule = lifecycle::admit_operation(Operation::Shelve, &server, admin)?;
        if server.host.is_none() {
            return Err(not_ready(&server.id));
        }
        let was = server.vm_state;
        claim(&tx, cx, &mut server, &rule).await?;
        let image = made.as_ref().map(|image_id| Snapshot {
            server_id: server.id.clone(),
            asked: asked(cx),
            epoch: server.epoch,
            image_id: image_id.clone(),
            token: token.clone(),
            backup: None,
        });
        let state = Shelve {
            server_id: server.id.clone(),
            asked: asked(cx),
            epoch: server.epoch,
            was,
            offload: image.is_none() || after.is_some_and(|after| after.is_zero()),
            image,
            stopped: false,
        };
        let begun = workflow::insert(&tx, (SHELVE, SHELVE_VERSION), &server.id, &state).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    if let Some(record) = record {
        images::make_record(control, cx, begun, &record).await?;
    }
    nudge(control, cx, &[begun]);
    Ok(())
}

/// Begins to take a shelved server off its host.
///
/// # Errors
/// 404, 403 by policy, 409 when its state or lock forbids it.
pub async fn offload(control: &Control, cx: &Context, id: &str) -> Result<()> {
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut server = lock(&tx, control, cx, id).await?;
        let admin = policy::is_admin(control, cx);
        let rule = lifecycle::admit_operation(Operation::ShelveOffload, &server, admin)?;
        claim(&tx, cx, &mut server, &rule).await?;
        let state = Shelve {
            server_id: server.id.clone(),
            asked: asked(cx),
            epoch: server.epoch,
            was: VmState::Shelved,
            image: None,
            offload: true,
            stopped: false,
        };
        let begun = workflow::insert(&tx, (SHELVE, SHELVE_VERSION), &server.id, &state).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    nudge(control, cx, &[begun]);
    Ok(())
}

/// Where a server is to come back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destination {
    /// The inner absence unpins it.
    pub zone: Option<Option<String>>,
    pub host: Option<String>,
}

/// Begins to bring a server back.
///
/// # Errors
/// 404, 403 by policy; 409 when its state or lock forbids it, also with a destination for one that is still on its host;
/// 400 for a zone or host that is not there; 409 for a host outside the zone.
pub async fn unshelve(
    control: &Control,
    cx: &Context,
    id: &str,
    wanted: &Destination,
) -> Result<()> {
    loop {
        let seen = load(control, cx, id).await?;
        let admin = policy::is_admin(control, cx);
        lifecycle::admit_operation(Operation::Unshelve, &seen, admin)?;
        destination(control, cx, &seen, wanted).await?;
        let image = image(control, cx, &seen).await?;
        if let Some(begun) = begin_to_unshelve(control, cx, &seen, (wanted, &image)).await? {
            nudge(control, cx, &[begun]);
            return Ok(());
        }
    }
}

/// None when the server left its host, or came back, since it was `seen`: what it is made from was chosen for what it was.
async fn begin_to_unshelve(
    control: &Control,
    cx: &Context,
    seen: &Server,
    (wanted, image): (&Destination, &Option<ServerImage>),
) -> Result<Option<WorkflowId>> {
    let admin = policy::is_admin(control, cx);
    let token = sealed_token(control, cx);
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut server = lock(&tx, control, cx, &seen.id).await?;
        let rule = lifecycle::admit_operation(Operation::Unshelve, &server, admin)?;
        if (server.vm_state, &server.shelved) != (seen.vm_state, &seen.shelved) {
            tx.rollback().await?;
            return Ok(None);
        }
        if let Some(zone) = &wanted.zone {
            server.pinned_zone.clone_from(zone);
        }
        let offloaded = server.vm_state == VmState::ShelvedOffloaded;
        claim(&tx, cx, &mut server, &rule).await?;
        let begun = match offloaded {
            true => build(&tx, cx, &server, (wanted, image, &token)).await?,
            false => {
                let shelved = server.shelved.as_ref();
                let image = shelved.and_then(|shelved| shelved.image_id.clone());
                let state = UnshelveHere {
                    server_id: server.id.clone(),
                    asked: asked(cx),
                    epoch: server.epoch,
                    image: image.map(|id| OwnedImage {
                        id,
                        token: token.clone(),
                    }),
                    power_state: None,
                };
                let kind = (UNSHELVE_HERE, UNSHELVE_VERSION);
                workflow::insert(&tx, kind, &server.id, &state).await?
            }
        };
        tx.commit().await?;
        Ok::<_, ControlError>(Some(begun))
    })
    .await
}

/// A build of a server that has its ports and volumes already.
async fn build(
    tx: &DatabaseTransaction,
    cx: &Context,
    server: &Server,
    (wanted, image, token): (&Destination, &Option<ServerImage>, &str),
) -> Result<WorkflowId> {
    let ports = server.vifs.iter().map(|vif| NetworkRequest::Port {
        id: vif.port_id.clone(),
        tag: vif.tag.clone(),
    });
    let plan = BuildPlan {
        networks: ports.collect(),
        host: wanted.host.clone(),
        token: Some(token.to_owned()),
        ..BuildPlan::default()
    };
    let mut state = Build::new(&server.id, asked(cx), plan);
    state.shelved_image.clone_from(image);
    Ok(workflow::insert(tx, (UNSHELVE, UNSHELVE_VERSION), &server.id, &state).await?)
}

/// Claims the server for an operation.
async fn claim(
    tx: &DatabaseTransaction,
    cx: &Context,
    server: &mut Server,
    rule: &lifecycle::Rule,
) -> Result<()> {
    server.task_state = rule.claims;
    server.epoch += 1;
    servers::save(tx, server).await?;
    begin_action(tx, cx, server, rule.record).await
}

fn sealed_token(control: &Control, cx: &Context) -> String {
    sealed::seal(control.session.secret().expose_secret(), cx.token())
}

/// The image of a shelved server's disk, and who may remove it, for the end of that server.
pub(super) fn left_image(control: &Control, cx: &Context, server: &Server) -> Option<OwnedImage> {
    let id = server.shelved.as_ref()?.image_id.clone()?;
    Some(OwnedImage {
        id,
        token: sealed_token(control, cx),
    })
}

/// The image that a server which left its host is made from.
async fn image(control: &Control, cx: &Context, server: &Server) -> Result<Option<ServerImage>> {
    let shelved = server.shelved.as_ref();
    let image_id = shelved.and_then(|shelved| shelved.image_id.as_deref());
    let offloaded = server.vm_state == VmState::ShelvedOffloaded;
    let (Some(image_id), true) = (image_id, offloaded) else {
        return Ok(None);
    };
    let image = plan::image(control, cx, Some(image_id)).await?;
    // A flavor without a disk of its own takes any image.
    if server.flavor.disk > 0 {
        plan::fits(control, cx, (&image, true), &server.flavor)?;
    }
    Ok(Some(image))
}

/// Whether the server can go where it is wanted.
async fn destination(
    control: &Control,
    cx: &Context,
    server: &Server,
    wanted: &Destination,
) -> Result<()> {
    if *wanted == Destination::default() {
        return Ok(());
    }
    if server.vm_state != VmState::ShelvedOffloaded {
        return Err(ControlError::Conflict {
            why: format!(
                "Specifying an availability zone or a host when unshelving server \"{}\" with status \"{}\" is not \
                 supported. The server status must be SHELVED_OFFLOADED.",
                server.id,
                server.status()
            ),
        });
    }
    let zone = match &wanted.zone {
        Some(Some(zone)) => {
            plan::check_zone(control, zone).await?;
            Some(zone.as_str())
        }
        Some(None) => None,
        None => server.pinned_zone.as_deref(),
    };
    let Some(host) = &wanted.host else {
        return Ok(());
    };
    policy::allow_rule(control, cx, "os_compute_api:os-shelve:unshelve_to_host")?;
    let services = hosts::services(control.db.read()).await?;
    let mut agents = services.iter().filter(|one| one.binary == hosts::COMPUTE);
    let Some(service) = agents.find(|one| one.host == *host) else {
        return Err(invalid(format!("Compute host {host} could not be found.")));
    };
    let zones = Zones::read(control).await?;
    match zone {
        Some(zone) if zones.of(service) != zone => Err(ControlError::Conflict {
            why: format!("Host \"{host}\" is not in the availability zone \"{zone}\"."),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
