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
use crate::queue::Asker;
use crate::record;
use crate::settings::DEFAULT_DOMAIN;
use crate::state::State;
use crate::tables::{
    assignments, endpoints, implied_roles, projects, regions, roles, services, users,
};

/// Each role implies the next.
const LADDER: [&str; 4] = ["admin", "manager", "member", "reader"];

/// A role beside the ladder, for services that act for users.
const SERVICE: &str = "service";

/// What to make.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    pub admin_password: SecretString,
    pub service_users: Vec<ServiceUser>,
    /// Password of the user `demo`, a member of the project `demo`; none: neither is made.
    pub demo_password: Option<SecretString>,
    /// Whether users that exist get these passwords too (`keystone-manage bootstrap` always does so).
    pub reset_passwords: bool,
    pub region: String,
    /// A URL may contain `$(project_id)s` or `%(tenant_id)s`.
    pub endpoints: Vec<Endpoint>,
}

/// The user by which a service asks others. Whatever roles it had on the project `service` beside
/// these, it loses: an earlier version gave all of them `admin`. Rules about passwords do not bind it,
/// and its password is set anew at each bootstrap.
#[derive(Debug, Clone)]
pub struct ServiceUser {
    /// `nova`, `neutron`, …
    pub name: String,
    /// Made by the cloud with at least 128 bits of chance: it is kept as a fast hash.
    pub password: SecretString,
    /// Roles on the project `service`.
    pub roles: &'static [&'static str],
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
        let held: Vec<String> = account.roles.iter().map(|name| role(name)).collect();
        if account.is_service {
            take_others(&tx, &user, &project, &held).await?;
        }
        for role in &held {
            give(&tx, &user, "project", &project, role).await?;
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
    is_service: bool,
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

/// A user wanted, before it is known whether it exists.
struct Wanted<'a> {
    name: &'a str,
    project: &'static str,
    roles: &'static [&'static str],
    password: &'a SecretString,
    is_service: bool,
}

/// Finds out which users are missing, and hashes for those, side by side.
async fn accounts(state: &State, wanted: &Bootstrap) -> Result<Vec<Account>, Fault> {
    let person = |name, roles, password| Wanted {
        name,
        project: name,
        roles,
        password,
        is_service: false,
    };
    let mut all = vec![person("admin", &["admin"], &wanted.admin_password)];
    all.extend(wanted.service_users.iter().map(|service| Wanted {
        name: &service.name,
        project: "service",
        roles: service.roles,
        password: &service.password,
        is_service: true,
    }));
    if let Some(password) = &wanted.demo_password {
        all.push(person("demo", &["member"], password));
    }
    let reset = wanted.reset_passwords;
    let made = all.into_iter().map(|one| account(state, one, reset));
    futures::future::try_join_all(made).await
}

async fn account(state: &State, wanted: Wanted<'_>, reset: bool) -> Result<Account, Fault> {
    let known = find_user(state, wanted.name).await?;
    let mut account = Account {
        name: wanted.name.to_owned(),
        project: wanted.project,
        roles: wanted.roles,
        is_service: wanted.is_service,
        fresh: None,
    };
    if known.is_some() && !reset && !wanted.is_service {
        return Ok(account);
    }
    let mut row = match known {
        Some(row) => row,
        None => serde_json::from_value(user_api::new_columns(DEFAULT_DOMAIN.0))
            .map_err(|error| Fault::Internal(error.to_string()))?,
    };
    row.name.clone_from(&account.name);
    if wanted.is_service {
        row.options = json!({
            "ignore_change_password_upon_first_use": true,
            "ignore_lockout_failure_attempts": true,
            "ignore_password_expiry": true,
            "ignore_user_inactivity": true,
        })
        .to_string();
    }
    let password = wanted.password.expose_secret();
    if wanted.is_service {
        let hash = state.hasher.hash_made(password)?;
        user_api::keep_password(state, &mut row, Some(hash), true);
    } else {
        let turn = state.hasher.turn(Asker::ourselves()).await?;
        // Nobody need change what the cloud itself made up.
        user_api::set_password(state, &turn, &mut row, Some(password), true).await?;
    }
    row.password_self_service = false;
    account.fresh = Some(row);
    Ok(account)
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

/// Takes from a service's user the roles on its project that are not among `held`.
async fn take_others(
    tx: &DatabaseTransaction,
    user: &str,
    project: &str,
    held: &[String],
) -> Result<(), Fault> {
    assignments::Entity::delete_many()
        .filter(assignments::Column::ActorKind.eq("user"))
        .filter(assignments::Column::ActorId.eq(user))
        .filter(assignments::Column::TargetKind.eq("project"))
        .filter(assignments::Column::TargetId.eq(project))
        .filter(assignments::Column::RoleId.is_not_in(held.to_vec()))
        .exec(tx)
        .await?;
    Ok(())
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
