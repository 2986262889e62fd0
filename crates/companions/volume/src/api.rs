//! The REST face: a file per resource, and what they share.

pub mod actions;
pub mod attachments;
pub mod backups;
pub mod capabilities;
pub mod clusters;
pub mod default_types;
pub mod encryption;
pub mod extensions;
pub mod group_snapshots;
pub mod group_specs;
pub mod group_types;
pub mod groups;
pub mod hosts;
pub mod limits;
pub mod manage;
pub mod messages;
pub mod metadata;
pub mod pools;
pub mod qos;
pub mod quota_classes;
pub mod quotas;
pub mod resource_filters;
pub mod services;
pub mod snapshot_metadata;
pub mod snapshots;
pub mod transfers;
pub mod type_access;
pub mod type_specs;
pub mod types;
pub mod versions;
pub mod volumes;
pub mod words;
pub mod zones;

use std::sync::Arc;

use microversion::Version;
use web::auth::Authenticator;
use web::policy::Guard;
use web::{Caller, Query, RequestId};

use crate::db::store;
use crate::fault::Fault;
use crate::fields::Noun;
use crate::listing::{self, Asker, Listing};
use crate::policy;
use crate::service::Volumes;
use crate::tables::volume;
use crate::work::Asked;

/// What the frame works with.
pub struct Face {
    pub volumes: Volumes,
    pub authenticator: Arc<dyn Authenticator>,
}

/// Who asks, in which request, and which rule guards the call.
#[derive(Debug, Clone)]
pub struct Cx {
    pub caller: Arc<Caller>,
    pub request_id: RequestId,
    pub guard: Guard,
}

impl Cx {
    /// The project that the caller works in.
    ///
    /// # Errors
    /// 400 for a token without a project: things belong to projects.
    pub fn project(&self) -> Result<&str, Fault> {
        let project = self.caller.project_id.as_deref();
        project.ok_or_else(|| Fault::BadRequest("Malformed request url".to_owned()))
    }

    /// What a workflow is told of the request.
    pub fn asked(&self) -> Asked {
        Asked {
            request_id: self.request_id.local.clone(),
            global_request_id: self.request_id.global.clone(),
            user_id: self.caller.user_id.clone(),
            project_id: self.caller.project_id.clone().unwrap_or_default(),
        }
    }
}

/// One request that found its row.
pub type Call = rest::Call<Cx>;

/// Finds a volume that exists for the caller, and asks whether the rule of the call lets the caller do it.
async fn find(volumes: &Volumes, cx: &Cx, id: &str) -> Result<volume::Model, Fault> {
    let row = find_by(volumes, cx, id).await?;
    volumes.allow(cx, &policy::target(&row.project_id, &row.user_id))?;
    Ok(row)
}

/// Finds a volume that the caller may see, before the rule of the call.
async fn find_by(volumes: &Volumes, cx: &Cx, id: &str) -> Result<volume::Model, Fault> {
    let found = store::find::<volume::Entity>(volumes.db().read(), id).await?;
    let seen = |row: &volume::Model| {
        let target = policy::target(&row.project_id, &row.user_id);
        // What is to take the place of a volume is for those who work at that.
        let known = row.target_of.is_none()
            || volumes.is_admin(&cx.caller)
            || policy::is_service(&cx.caller);
        known
            && volumes.sees(&cx.caller, &row.project_id)
            && volumes.may("volume:get", &cx.caller, &target)
    };
    // Who may not see it learns nothing of it; nor does the debug build take that for a rule that was forgotten.
    cx.guard.note();
    found.filter(seen).ok_or_else(|| Fault::no_volume(id))
}

/// What a list is asked for.
fn listing(volumes: &Volumes, call: &Call, noun: &'static Noun) -> Result<Listing, Fault> {
    let asker = Asker {
        admin: volumes.is_admin(&call.cx.caller),
        version: call.version,
        max_page: volumes.settings().max_page,
    };
    listing::read(&call.pairs(), noun, asker)
}

/// The project whose things a list shows; none for all.
fn listed_project<'a>(cx: &'a Cx, listing: &Listing) -> Option<&'a str> {
    match listing.all_tenants {
        true => None,
        // Nothing belongs to a token without a project.
        false => Some(cx.caller.project_id.as_deref().unwrap_or_default()),
    }
}

/// `…_links` of a list with a full page.
fn next_links(
    call: &Call,
    path: &str,
    limit: u64,
    count: usize,
    last: Option<&str>,
) -> Option<Vec<words::Link>> {
    let query: Query = call.pairs();
    let href = rest::next_page(&call.link(path), &query, limit, count, last)?;
    Some(vec![words::Link { rel: "next", href }])
}

/// Whether the version spoken has it.
fn has(call: &Call, since: Version) -> bool {
    call.version.at_least(since)
}
