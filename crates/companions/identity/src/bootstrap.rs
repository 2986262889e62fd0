//! What every cloud has from the start: the domain, the roles, the first users, and the catalog.
//!
//! All of it is idempotent: what exists is found by name and left, except that endpoints are moved
//! to the URL asked for. Passwords of users that exist are left unless a reset is asked for, so that
//! a restart neither undoes a change nor pays for hashes.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sql::sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use crate::IssuedToken;
use crate::api::{
    domains, projects as project_api, regions as region_api, services as service_api,
    users as user_api,
};
use crate::api::{endpoints as endpoint_api, grants as grant_api, roles as role_api};
use crate::fault::Fault;
use crate::grants::SYSTEM;
use crate::login;
use crate::record;
use crate::state::State;
use crate::tables::{
    assignments, endpoints, implied_roles, projects, regions, roles, services, users,
};

/// The id and the name of the first domain; clients count on both.
pub const DEFAULT_DOMAIN: (&str, &str) = ("default", "Default");

/// Each role implies the next.
const LADDER: [&str; 4] = ["admin", "manager", "member", "reader"];

/// A role beside the ladder, for services that act for users.
const SERVICE: &str = "service";

/// What to make.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    pub admin_password: SecretString,
    /// Password that all service users share, and their names (`nova`, `neutron`, …). They get the
    /// roles `service` and `admin` on the project `service`.
    pub service_password: SecretString,
    pub service_users: Vec<String>,
    /// Password of the user `demo`, a member of the project `demo`; none: neither is made.
    pub demo_password: Option<SecretString>,
    /// Whether users that exist get these passwords too (`keystone-manage bootstrap` always does so).
    pub reset_passwords: bool,
    pub region: String,
    /// A URL may contain `$(project_id)s` or `%(tenant_id)s`.
    pub endpoints: Vec<Endpoint>,
}

/// An endpoint of the catalog.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `compute`, `image`, …
    pub service_type: String,
    pub service_name: String,
    pub interface: Interface,
    pub url: String,
}

/// Who an endpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    Public,
    Internal,
    Admin,
}

impl Interface {
    /// All three, for services whose endpoints are the same for everybody.
    pub const ALL: [Interface; 3] = [Interface::Public, Interface::Internal, Interface::Admin];

    fn name(self) -> &'static str {
        match self {
            Interface::Public => "public",
            Interface::Internal => "internal",
            Interface::Admin => "admin",
        }
    }
}

/// How often two starts at once may get in each other's way.
const ATTEMPTS: usize = 5;

/// Makes everything in one transaction, after the slow hashing. Of several starts at once one makes
/// it, and the others find it made.
pub(crate) async fn run(state: &State, wanted: &Bootstrap) -> Result<(), Fault> {
    for _ in 1..ATTEMPTS {
        match sql::retry(|| once(state, wanted)).await {
            Err(fault) if fault.is_duplicate() => {}
            ended => return ended,
        }
    }
    once(state, wanted).await
}

async fn once(state: &State, wanted: &Bootstrap) -> Result<(), Fault> {
    let accounts = accounts(state, wanted).await?;
    let tx = state.begin().await?;
    ensure_domain(&tx).await?;
    // From here on the others wait: what they look for is there, or is not made twice.
    record::lock::<projects::Entity>(&tx, "domain", DEFAULT_DOMAIN.0).await?;
    let mut ladder = Vec::new();
    for name in LADDER {
        ladder.push(ensure_role(&tx, name).await?);
    }
    let service_role = ensure_role(&tx, SERVICE).await?;
    for pair in ladder.windows(2) {
        ensure_implied(&tx, &pair[0], &pair[1]).await?;
    }
    for account in accounts {
        let project = ensure_project(&tx, account.project).await?;
        let user = ensure_user(&tx, &account, &project).await?;
        let role = |name: &str| match LADDER.iter().position(|known| *known == name) {
            Some(at) => ladder[at].clone(),
            None => service_role.clone(),
        };
        for name in account.roles {
            give(&tx, &user, "project", &project, &role(name)).await?;
        }
        if account.project == "admin" {
            give(&tx, &user, SYSTEM, SYSTEM, &role("admin")).await?;
        }
    }
    if regions::Entity::find_by_id(wanted.region.clone())
        .one(&tx)
        .await?
        .is_none()
    {
        let row = serde_json::from_value(region_api::columns(&wanted.region))
            .map_err(|error| Fault::Internal(error.to_string()))?;
        record::insert::<regions::Entity>(&tx, row).await?;
    }
    for endpoint in &wanted.endpoints {
        ensure_endpoint(&tx, endpoint, &wanted.region).await?;
    }
    state.commit(tx).await
}

/// A user to make, with its project and roles there.
struct Account {
    name: String,
    project: &'static str,
    roles: &'static [&'static str],
    /// The row with the new password's hash; none when the user exists and stays as it is.
    fresh: Option<users::Model>,
}

async fn find_user(state: &State, name: &str) -> Result<Option<users::Model>, Fault> {
    let found = users::Entity::find()
        .filter(users::Column::DomainId.eq(DEFAULT_DOMAIN.0))
        .filter(users::Column::Name.eq(name))
        .one(state.db.read())
        .await?;
    Ok(found)
}

/// Finds out which users are missing, and hashes for those, each password once and side by side.
async fn accounts(state: &State, wanted: &Bootstrap) -> Result<Vec<Account>, Fault> {
    let mut kinds = vec![
        (
            vec!["admin".to_owned()],
            "admin",
            &["admin"][..],
            &wanted.admin_password,
        ),
        (
            wanted.service_users.clone(),
            "service",
            &["admin", SERVICE],
            &wanted.service_password,
        ),
    ];
    if let Some(password) = &wanted.demo_password {
        kinds.push((vec!["demo".to_owned()], "demo", &["member"], password));
    }
    let made = kinds
        .into_iter()
        .map(|(names, project, roles, password)| async move {
            let mut accounts = Vec::new();
            let mut hashed: Option<users::Model> = None;
            for name in names {
                let known = find_user(state, &name).await?;
                if known.is_some() && !wanted.reset_passwords {
                    accounts.push(Account {
                        name,
                        project,
                        roles,
                        fresh: None,
                    });
                    continue;
                }
                let mut row = match known {
                    Some(row) => row,
                    None => serde_json::from_value(user_api::new_columns(DEFAULT_DOMAIN.0))
                        .map_err(|error| Fault::Internal(error.to_string()))?,
                };
                row.name.clone_from(&name);
                match &hashed {
                    Some(model) => {
                        row.password_hash.clone_from(&model.password_hash);
                        row.password_created_at = model.password_created_at;
                        row.password_expires_at = model.password_expires_at;
                    }
                    None => {
                        user_api::set_password(state, &mut row, Some(password.expose_secret()))
                            .await?
                    }
                }
                hashed = Some(row.clone());
                accounts.push(Account {
                    name,
                    project,
                    roles,
                    fresh: Some(row),
                });
            }
            Ok::<_, Fault>(accounts)
        });
    Ok(futures::future::try_join_all(made)
        .await?
        .into_iter()
        .flatten()
        .collect())
}

/// See [`crate::Identity::token_for`].
pub(crate) async fn token_for(
    state: &State,
    user: &str,
    project: &str,
) -> Result<IssuedToken, Fault> {
    let row = find_user(state, user)
        .await?
        .ok_or_else(|| Fault::not_found("user", user))?;
    let project = projects::Entity::find()
        .filter(projects::Column::DomainId.eq(DEFAULT_DOMAIN.0))
        .filter(projects::Column::Name.eq(project))
        .one(state.db.read())
        .await?
        .ok_or_else(|| Fault::not_found("project", project))?;
    let (token, session) = login::vouched(state, &row, &project.id).await?;
    Ok(IssuedToken {
        token: SecretString::from(token),
        expires_at: session.payload.expires_at,
    })
}

async fn ensure_domain(tx: &DatabaseTransaction) -> Result<(), Fault> {
    let (id, name) = DEFAULT_DOMAIN;
    if projects::Entity::find_by_id(id.to_owned())
        .one(tx)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let body = json!({"explicit_domain_id": id, "name": name, "description": "The default domain"});
    domains::make(tx, body.as_object().unwrap_or(&record::Object::new())).await?;
    Ok(())
}

async fn ensure_role(tx: &DatabaseTransaction, name: &str) -> Result<String, Fault> {
    let known = roles::Entity::find()
        .filter(roles::Column::DomainId.eq(""))
        .filter(roles::Column::Name.eq(name))
        .one(tx)
        .await?;
    if let Some(row) = known {
        return Ok(row.id);
    }
    let mut row: roles::Model = serde_json::from_value(role_api::new_columns(""))
        .map_err(|error| Fault::Internal(error.to_string()))?;
    row.name = name.to_owned();
    let id = row.id.clone();
    record::insert::<roles::Entity>(tx, row).await?;
    Ok(id)
}

async fn ensure_implied(tx: &DatabaseTransaction, prior: &str, implied: &str) -> Result<(), Fault> {
    let key = (prior.to_owned(), implied.to_owned());
    if implied_roles::Entity::find_by_id(key.clone())
        .one(tx)
        .await?
        .is_none()
    {
        let row = implied_roles::Model {
            prior_role_id: key.0,
            implied_role_id: key.1,
        };
        record::insert::<implied_roles::Entity>(tx, row).await?;
    }
    Ok(())
}

async fn ensure_project(tx: &DatabaseTransaction, name: &str) -> Result<String, Fault> {
    let known = projects::Entity::find()
        .filter(projects::Column::DomainId.eq(DEFAULT_DOMAIN.0))
        .filter(projects::Column::Name.eq(name))
        .one(tx)
        .await?;
    if let Some(row) = known {
        return Ok(row.id);
    }
    let mut row: projects::Model = serde_json::from_value(project_api::new_columns())
        .map_err(|error| Fault::Internal(error.to_string()))?;
    row.name = name.to_owned();
    row.domain_id = DEFAULT_DOMAIN.0.to_owned();
    row.parent_id = Some(DEFAULT_DOMAIN.0.to_owned());
    let id = row.id.clone();
    record::insert::<projects::Entity>(tx, row).await?;
    Ok(id)
}

async fn ensure_user(
    tx: &DatabaseTransaction,
    account: &Account,
    project: &str,
) -> Result<String, Fault> {
    let known = users::Entity::find()
        .filter(users::Column::DomainId.eq(DEFAULT_DOMAIN.0))
        .filter(users::Column::Name.eq(account.name.as_str()))
        .one(tx)
        .await?;
    match (known, &account.fresh) {
        (Some(row), None) => Ok(row.id),
        (Some(row), Some(fresh)) => {
            let fresh = users::Model {
                id: row.id.clone(),
                ..fresh.clone()
            };
            record::update::<users::Entity>(tx, fresh).await?;
            Ok(row.id)
        }
        (None, Some(fresh)) => {
            let row = users::Model {
                default_project_id: Some(project.to_owned()),
                ..fresh.clone()
            };
            record::insert::<users::Entity>(tx, row).await?;
            Ok(fresh.id.clone())
        }
        (None, None) => Err(Fault::Internal(format!(
            "the user {} vanished",
            account.name
        ))),
    }
}

async fn give(
    tx: &DatabaseTransaction,
    user: &str,
    kind: &str,
    target: &str,
    role: &str,
) -> Result<(), Fault> {
    let row = assignments::Model {
        actor_kind: "user".to_owned(),
        actor_id: user.to_owned(),
        target_kind: kind.to_owned(),
        target_id: target.to_owned(),
        role_id: role.to_owned(),
        inherited: false,
    };
    grant_api::give(tx, row).await
}

async fn ensure_endpoint(
    tx: &DatabaseTransaction,
    wanted: &Endpoint,
    region: &str,
) -> Result<(), Fault> {
    let known = services::Entity::find()
        .filter(services::Column::Kind.eq(wanted.service_type.as_str()))
        .filter(services::Column::Name.eq(wanted.service_name.as_str()))
        .one(tx)
        .await?;
    let service_id = match known {
        Some(row) => row.id,
        None => {
            let mut row: services::Model = serde_json::from_value(service_api::columns())
                .map_err(|error| Fault::Internal(error.to_string()))?;
            row.kind.clone_from(&wanted.service_type);
            row.name = Some(wanted.service_name.clone());
            let id = row.id.clone();
            record::insert::<services::Entity>(tx, row).await?;
            id
        }
    };
    let known = endpoints::Entity::find()
        .filter(endpoints::Column::ServiceId.eq(service_id.as_str()))
        .filter(endpoints::Column::Interface.eq(wanted.interface.name()))
        .filter(endpoints::Column::RegionId.eq(region))
        .one(tx)
        .await?;
    match known {
        Some(row) if row.url == wanted.url => Ok(()),
        Some(mut row) => {
            row.url.clone_from(&wanted.url);
            record::update::<endpoints::Entity>(tx, row).await
        }
        None => {
            let mut row: endpoints::Model = serde_json::from_value(endpoint_api::columns())
                .map_err(|error| Fault::Internal(error.to_string()))?;
            row.service_id = service_id;
            row.interface = wanted.interface.name().to_owned();
            row.region_id = Some(region.to_owned());
            row.url.clone_from(&wanted.url);
            record::insert::<endpoints::Entity>(tx, row).await
        }
    }
}
