//! The ways of servers to another size or host: `GET /os-migrations`.

use std::sync::Arc;

use compute_control::migrations::{self, Wanted};
use compute_control::servers;
use compute_model::migration::Migration;
use microversion::{Version, Versioned, parse_time};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::paging;
use crate::servers::shown::micros;
use crate::words::{Limit, Link, NoQuery};

/// Lists come in pages.
const PAGED: Version = Version::new(2, 59);

/// `GET /os-migrations`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: ListMigrations = call.admit_query()?;
    let since = asked.changes_since.as_deref().and_then(parse_time);
    let before = asked.changes_before.as_deref().and_then(parse_time);
    if since
        .zip(before)
        .is_some_and(|(since, before)| since > before)
    {
        return Err(Fault::bad_request(
            "The value of changes-since must be less than or equal to changes-before.",
        ));
    }
    let paged = call.version.at_least(PAGED);
    let size = paging::size(&api, asked.limit);
    let wanted = Wanted {
        host: asked.host,
        server_id: asked.instance_uuid,
        source_host: asked.source_compute,
        status: asked.status,
        kind: asked.migration_type,
        user_id: asked.user_id,
        project_id: asked.project_id,
        changes_since: since,
        changes_before: before,
        limit: paged.then_some(size),
        marker: asked.marker,
    };
    let mut found = migrations::list(&api.control, &call.cx, &wanted).await?;
    // No migration is hidden: that was of moves between cells.
    if asked
        .hidden
        .as_deref()
        .is_some_and(compute_model::accepted::is_true)
    {
        found.migrations.clear();
    }
    let last = found.migrations.last().map(|one| one.id.as_str());
    let next = paging::next(&call, "os-migrations", size, found.migrations.len(), last);
    let of = |one| view(one, found.with_hosts);
    call.render(&Migrations {
        migrations: found.migrations.iter().map(of).collect(),
        links: next.filter(|_| paged),
    })
}

/// `GET /servers/{id}/migrations`: those of a living guest that are under way. Guests do not migrate alive yet.
pub async fn of_server(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    servers::show(&api.control, &call.cx, call.path("server_id"), false).await?;
    call.render(&LiveMigrations {
        migrations: Vec::new(),
    })
}

/// One of those.
pub async fn show_of_server(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let (server, id) = (call.path("server_id"), call.path("id"));
    servers::show(&api.control, &call.cx, server, false).await?;
    Err(Fault::not_found(format!(
        "In-progress live migration {id} is not found for server {server}."
    )))
}

#[derive(Serialize, Versioned)]
pub struct LiveMigrations {
    pub migrations: Vec<LiveMigrationView>,
}

/// A migration of a living guest, once there are any.
#[derive(Serialize, Versioned)]
pub struct LiveMigrationView {}

fn view(one: &Migration, with_hosts: bool) -> MigrationView<'_> {
    let seen = |text| with_hosts.then_some(text);
    MigrationView {
        created_at: micros(one.created_at),
        dest_compute: seen(one.dest_host.as_str()),
        dest_host: one.dest_ip.as_deref().filter(|_| with_hosts),
        dest_node: seen(one.dest_node.as_str()),
        id: one.seq,
        instance_uuid: &one.server_id,
        migration_type: &one.kind,
        new_instance_type_id: one.new_flavor,
        old_instance_type_id: one.old_flavor,
        source_compute: seen(one.source_host.as_str()),
        source_node: seen(one.source_node.as_str()),
        status: one.status.as_str(),
        updated_at: one.updated_at.map(micros),
        uuid: &one.id,
        user_id: &one.user_id,
        project_id: &one.project_id,
    }
}

/// Filters; an unknown word passes none.
#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.59")]
pub struct ListMigrations {
    pub hidden: Option<String>,
    pub host: Option<String>,
    pub instance_uuid: Option<String>,
    pub source_compute: Option<String>,
    pub status: Option<String>,
    pub migration_type: Option<String>,
    #[mv(since = "2.59")]
    pub limit: Option<Limit>,
    #[mv(since = "2.59")]
    pub marker: Option<String>,
    #[mv(since = "2.59", wire = "changes-since", format = "date_time")]
    pub changes_since: Option<String>,
    #[mv(since = "2.66", wire = "changes-before", format = "date_time")]
    pub changes_before: Option<String>,
    #[mv(since = "2.80")]
    pub user_id: Option<String>,
    #[mv(since = "2.80")]
    pub project_id: Option<String>,
}

#[derive(Serialize, Versioned)]
pub struct Migrations<'v> {
    pub migrations: Vec<MigrationView<'v>>,
    /// Where the next page is, after a full one.
    #[mv(wire = "migrations_links", since = "2.59")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<Link>>,
}

#[derive(Serialize, Versioned)]
pub struct MigrationView<'v> {
    pub created_at: String,
    pub dest_compute: Option<&'v str>,
    /// An address.
    pub dest_host: Option<&'v str>,
    pub dest_node: Option<&'v str>,
    pub id: i64,
    pub instance_uuid: &'v str,
    #[mv(since = "2.23")]
    pub migration_type: &'v str,
    /// Numbers of flavors.
    pub new_instance_type_id: i64,
    pub old_instance_type_id: i64,
    pub source_compute: Option<&'v str>,
    pub source_node: Option<&'v str>,
    pub status: &'v str,
    pub updated_at: Option<String>,
    #[mv(since = "2.59")]
    pub uuid: &'v str,
    #[mv(since = "2.80")]
    pub user_id: &'v str,
    #[mv(since = "2.80")]
    pub project_id: &'v str,
}
