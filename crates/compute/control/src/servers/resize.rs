//! Another size for a server, which its owner confirms or takes back.

use std::collections::BTreeMap;

use compute_db::{claims, flavors, hosts, quotas, server_migrations, servers};
use compute_model::lifecycle::{self, Action};
use compute_model::migration::Migration;
use compute_model::quota::{self, Resource, ServerLimits, ServerUsage};
use compute_model::request::Explanation;
use compute_model::resize::{self, Resize as Sizes};
use compute_model::server::DiskConfig;
use compute_model::state::MigrationStatus;
use compute_model::{Flavor, Server};
use compute_rpc::workflows::{CONFIRM_RESIZE, RESIZE, RESIZE_VERSION, REVERT_RESIZE, Resize};
use sql::sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::act::not_ready;
use super::create::invalid;
use super::{asked, begin_action, load, lock, nudge, plan};
use crate::services::must_be_up;
use crate::{Context, Control, ControlError, Result, policy};

/// Begins to give a server another size.
///
/// # Errors
/// 404 for the server; 403 by policy and quota; 409 when its state or lock forbids it, or its host is down; 400 for a
/// flavor that is not there, is its own, does not fit its image, or has smaller disks.
pub async fn resize(
    control: &Control,
    cx: &Context,
    id: &str,
    flavor_id: &str,
    disk_config: Option<DiskConfig>,
) -> Result<()> {
    let server = load(control, cx, id).await?;
    let admin = policy::is_admin(control, cx);
    lifecycle::admit(Action::Resize, &server, admin)?;
    must_be_up(control, server.host.as_deref()).await?;
    let new = plan::flavor(control, cx, flavor_id).await?;
    fits(control, cx, &server, &new, disk_config)?;
    let address = address_of(control, &server).await?;
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        // Waits for others, so it comes before anything is read.
        quotas::hold(&tx, &server.project_id).await?;
        let mut server = lock(&tx, control, cx, id).await?;
        let rule = lifecycle::admit(Action::Resize, &server, admin)?;
        resize::admit(&server, &new).map_err(|why| invalid(why.to_string()))?;
        if server.host.is_none() {
            return Err(not_ready(&server.id));
        }
        has_room(control, &tx, &server, &new).await?;
        if let Some(left) = server.resize.take() {
            // Of a resize that failed, after which somebody set the server's state.
            claims::release(&tx, &left.migration_id).await?;
        }
        let migration = migration(&tx, cx, &server, &new, address.clone()).await?;
        server_migrations::insert(&tx, &migration).await?;
        server.resize = Some(Sizes {
            migration_id: migration.id,
            old: server.flavor.clone(),
            new: new.clone(),
            was: server.vm_state,
            old_disks: Some(server.local_disks.clone()),
        });
        server.task_state = rule.claims;
        server.disk_config = disk_config.unwrap_or(server.disk_config);
        server.progress = 0;
        let begun = begin(&tx, cx, &mut server, (RESIZE, rule.record)).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    nudge(control, cx, &[begun]);
    Ok(())
}

/// Begins to keep the new size.
///
/// # Errors
/// 404, 403 by policy; 409 when the server's state or lock forbids it, or its host is down; 400 when it was not resized.
pub async fn confirm(control: &Control, cx: &Context, id: &str) -> Result<()> {
    let server = load(control, cx, id).await?;
    lifecycle::admit(
        Action::ConfirmResize,
        &server,
        policy::is_admin(control, cx),
    )?;
    must_be_up(control, server.host.as_deref()).await?;
    end(control, cx, id, Action::ConfirmResize).await
}

/// Begins to take the old size back. The claims and quota for it were kept.
///
/// # Errors
/// As of [`confirm`].
pub async fn revert(control: &Control, cx: &Context, id: &str) -> Result<()> {
    end(control, cx, id, Action::RevertResize).await
}

async fn end(control: &Control, cx: &Context, id: &str, action: Action) -> Result<()> {
    let (kind, status) = match action {
        Action::ConfirmResize => (CONFIRM_RESIZE, MigrationStatus::Confirming),
        _ => (REVERT_RESIZE, MigrationStatus::Reverting),
    };
    let begun = sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut server = lock(&tx, control, cx, id).await?;
        let rule = lifecycle::admit(action, &server, policy::is_admin(control, cx))?;
        let Some(sizes) = &server.resize else {
            return Err(invalid("Instance has not been resized.".to_owned()));
        };
        let now = sql::micros(chrono::Utc::now());
        server_migrations::note(&tx, &sizes.migration_id, status, now).await?;
        server.task_state = rule.claims;
        let begun = begin(&tx, cx, &mut server, (kind, rule.record)).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(begun)
    })
    .await?;
    nudge(control, cx, &[begun]);
    Ok(())
}

/// Claims the server for a workflow and writes that into the journal.
async fn begin(
    tx: &DatabaseTransaction,
    cx: &Context,
    server: &mut Server,
    (kind, record): (&'static str, &str),
) -> Result<workflow::WorkflowId> {
    server.epoch += 1;
    servers::save(tx, server).await?;
    begin_action(tx, cx, server, record).await?;
    let state = Resize {
        server_id: server.id.clone(),
        asked: asked(cx),
        epoch: server.epoch,
        explanation: Explanation::default(),
        lost: false,
        power_state: None,
    };
    Ok(workflow::insert(tx, (kind, RESIZE_VERSION), &server.id, &state).await?)
}

/// Whether the server's image allows the flavor.
fn fits(
    control: &Control,
    cx: &Context,
    server: &Server,
    new: &Flavor,
    disk_config: Option<DiskConfig>,
) -> Result<()> {
    let volume_backed = server.boots_from_volume();
    resize::admit(server, new).map_err(|why| invalid(why.to_string()))?;
    let none = compute_model::image::ServerImage::default();
    let image = server.described_by().unwrap_or(&none);
    plan::fits(control, cx, (image, !volume_backed), new)?;
    plan::image_honours(image, new, disk_config.unwrap_or(DiskConfig::Manual))
}

/// Whether the quotas of project and user have room for what the new size takes more.
async fn has_room(
    control: &Control,
    tx: &DatabaseTransaction,
    server: &Server,
    new: &Flavor,
) -> Result<()> {
    let more = |old: u32, new: u32| i64::from(new.saturating_sub(old));
    let cores = more(server.flavor.vcpus, new.vcpus);
    let ram = more(server.flavor.ram, new.ram);
    if cores == 0 && ram == 0 {
        return Ok(());
    }
    let defaults = &control.settings.quotas;
    let (project, user) = (server.project_id.as_str(), server.user_id.as_str());
    let fit = |limits: &BTreeMap<Resource, i64>, used: ServerUsage| {
        let limits = ServerLimits {
            // It is one already.
            instances: -1,
            cores: limits[&Resource::Cores],
            ram: limits[&Resource::Ram],
        };
        quota::fit(limits, used, cores, ram, (1, 1))
    };
    let of_project = quotas::limits(tx, defaults, quotas::Owner::Project(project)).await?;
    fit(&of_project, servers::usage(tx, project, None).await?)?;
    let of_user = quotas::limits(tx, defaults, quotas::Owner::User(project, user)).await?;
    if of_user != of_project {
        fit(&of_user, servers::usage(tx, project, Some(user)).await?)?;
    }
    Ok(())
}

async fn migration(
    tx: &DatabaseTransaction,
    cx: &Context,
    server: &Server,
    new: &Flavor,
    dest_ip: Option<String>,
) -> Result<Migration> {
    let now = sql::micros(chrono::Utc::now());
    let (host, node) = (server.host.clone(), server.node.clone());
    let (host, node) = (host.unwrap_or_default(), node.unwrap_or_default());
    Ok(Migration {
        seq: 0,
        id: Uuid::new_v4().to_string(),
        server_id: server.id.clone(),
        kind: "resize".to_owned(),
        status: MigrationStatus::PreMigrating,
        source_host: host.clone(),
        source_node: node.clone(),
        dest_host: host,
        dest_node: node,
        dest_ip,
        old_flavor: flavors::number(tx, &server.flavor.id).await?,
        new_flavor: flavors::number(tx, &new.id).await?,
        user_id: cx.caller.user_id.clone(),
        project_id: cx.project()?.to_owned(),
        created_at: now,
        updated_at: Some(now),
    })
}

/// The address of the server's host.
async fn address_of(control: &Control, server: &Server) -> Result<Option<String>> {
    let nodes = hosts::nodes(control.db.read(), None).await?;
    let own = nodes
        .into_iter()
        .find(|node| Some(&node.id) == server.node_id.as_ref());
    Ok(own
        .map(|node| node.facts.host_ip)
        .filter(|ip| !ip.is_empty()))
}
