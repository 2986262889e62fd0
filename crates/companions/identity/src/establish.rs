//! From a token to the proof that its bearer may act: every condition is checked here, for a token
//! that is being issued and for one that is being used, by the same code.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use chrono::{Duration, Utc};
use secrecy::SecretString;
use sql::sea_orm::EntityTrait;
use web::Caller;

use crate::fault::Fault;
use crate::grants;
use crate::payload::{Payload, Scope};
use crate::revocation;
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::tables::{application_credentials, projects, trusts, users};

/// The token as it was encrypted, with the padding that tokens are given out without. Base 64 can be written in several
/// ways; a token is what was given out, letter by letter, so that who compares texts and who decrypts them agree.
fn sealed(token: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    (URL_SAFE_NO_PAD.encode(&bytes) == token).then(|| URL_SAFE.encode(bytes))
}

/// The session of a token. With `expired_too` a token is also good for a while after its end.
pub async fn of_token(
    state: &State,
    token: &str,
    expired_too: bool,
) -> Result<Arc<Session>, Fault> {
    if let Some(session) = state.remembered(token) {
        return Ok(session);
    }
    let generation = state.generation();
    let payload = sealed(token)
        .and_then(|sealed| state.token_keys.decrypt(&sealed))
        .and_then(|bytes| Payload::unpack(&bytes))
        .ok_or(Fault::Unauthorized)?;
    let grace = if expired_too {
        state.settings.allow_expired_window
    } else {
        0
    };
    let expired = payload.expires_at <= Utc::now();
    if payload.expires_at + Duration::seconds(grace) <= Utc::now() {
        return Err(Fault::Unauthorized);
    }
    let session = Arc::new(of_payload(state, payload, token).await?);
    if !expired {
        state.remember(token, generation, session.clone());
    }
    Ok(session)
}

/// Checks everything that a token depends on but its age.
pub async fn of_payload(state: &State, payload: Payload, token: &str) -> Result<Session, Fault> {
    let snapshot = state.snapshot().await?;
    let logged_in = enabled_user(state, &snapshot, &payload.user_id).await?;
    let trust = match &payload.trust_id {
        Some(id) => Some(living_trust(state, id, &payload.user_id).await?),
        None => None,
    };
    let trustor = trust.as_ref().map(|trust| trust.trustor_user_id.as_str());
    if revocation::is_revoked(state.db.read(), &payload, trustor).await? {
        return Err(Fault::Unauthorized);
    }
    let (user, owner) = match &trust {
        Some(trust) => {
            let trustor = enabled_user(state, &snapshot, &trust.trustor_user_id).await?;
            let owner = trustor.id.clone();
            (
                if trust.impersonation {
                    trustor
                } else {
                    logged_in
                },
                owner,
            )
        }
        None => (logged_in.clone(), logged_in.id),
    };
    let mut session = scoped(state, &snapshot, payload, user, &owner).await?;
    if let Some(trust) = trust {
        limit_roles(&mut session, &trust.roles, &snapshot)?;
        session.trust = Some(trust);
    }
    if let Some(id) = session.payload.application_credential_id.clone() {
        let credential = living_credential(state, &id, &session.user.id).await?;
        limit_roles(&mut session, &credential.roles, &snapshot)?;
        session.application_credential = Some(credential);
    }
    session.caller = Arc::new(caller(&session, &snapshot, token));
    Ok(session)
}

async fn enabled_user(state: &State, snapshot: &Snapshot, id: &str) -> Result<users::Model, Fault> {
    let user = users::Entity::find_by_id(id.to_owned())
        .one(state.db.read())
        .await?;
    let enabled = |user: &users::Model| state.rules.is_enabled(user, Utc::now());
    user.filter(|user| enabled(user) && snapshot.enabled_domain(&user.domain_id).is_some())
        .ok_or(Fault::Unauthorized)
}

async fn living_trust(state: &State, id: &str, trustee: &str) -> Result<trusts::Model, Fault> {
    let trust = trusts::Entity::find_by_id(id.to_owned())
        .one(state.db.read())
        .await?;
    trust
        .filter(|trust| {
            let alive =
                trust.deleted_at.is_none() && trust.expires_at.is_none_or(|end| end > Utc::now());
            alive && trust.trustee_user_id == trustee
        })
        .ok_or(Fault::Unauthorized)
}

async fn living_credential(
    state: &State,
    id: &str,
    user_id: &str,
) -> Result<application_credentials::Model, Fault> {
    let row = application_credentials::Entity::find_by_id(id.to_owned())
        .one(state.db.read())
        .await?;
    row.filter(|row| row.user_id == user_id && row.expires_at.is_none_or(|end| end > Utc::now()))
        .ok_or(Fault::Unauthorized)
}

/// Finds the scope and the roles that `owner` has there; a scope without roles is refused.
async fn scoped(
    state: &State,
    snapshot: &Snapshot,
    payload: Payload,
    user: users::Model,
    owner: &str,
) -> Result<Session, Fault> {
    let db = state.db.read();
    let (mut project, mut domain, mut roles) = (None, None, Vec::new());
    if payload.scope != Scope::Unscoped {
        let held = grants::held_by(db, owner).await?;
        roles = match &payload.scope {
            Scope::Unscoped => Vec::new(),
            Scope::System => grants::shown(snapshot, held.on_system()),
            Scope::Domain(id) => {
                domain = Some(
                    snapshot
                        .enabled_domain(id)
                        .ok_or(Fault::Unauthorized)?
                        .clone(),
                );
                grants::shown(snapshot, held.on_domain(id))
            }
            Scope::Project(id) => {
                let row = enabled_project(state, snapshot, id).await?;
                let above = grants::ancestors(db, &row).await?;
                let mut found = held.on_project(&row, &above);
                if row.is_domain {
                    found.extend(held.on_domain(id));
                }
                let shown = grants::shown(snapshot, found);
                project = Some(row);
                shown
            }
        };
        if roles.is_empty() {
            return Err(Fault::Unauthorized);
        }
    }
    let caller = Arc::new(empty_caller(&user, &payload));
    Ok(Session {
        payload,
        caller,
        user,
        project,
        domain,
        roles,
        trust: None,
        application_credential: None,
    })
}

async fn enabled_project(
    state: &State,
    snapshot: &Snapshot,
    id: &str,
) -> Result<projects::Model, Fault> {
    let row = projects::Entity::find_by_id(id.to_owned())
        .one(state.db.read())
        .await?;
    row.filter(|row| {
        row.enabled && (row.is_domain || snapshot.enabled_domain(&row.domain_id).is_some())
    })
    .ok_or(Fault::Unauthorized)
}

/// Keeps only the roles that a delegation names (a JSON list of ids), with what they imply. All of
/// them must still be held by who delegated.
fn limit_roles(session: &mut Session, delegated: &str, snapshot: &Snapshot) -> Result<(), Fault> {
    let ids: Vec<String> = serde_json::from_str(delegated).unwrap_or_default();
    if session.payload.scope == Scope::Unscoped {
        return Ok(());
    }
    let still_held = ids
        .iter()
        .all(|id| session.roles.iter().any(|(have, _)| have == id));
    if ids.is_empty() || !still_held {
        return Err(Fault::Unauthorized);
    }
    session.roles = grants::shown(snapshot, ids.iter().map(String::as_str));
    Ok(())
}

fn empty_caller(user: &users::Model, payload: &Payload) -> Caller {
    Caller {
        user_id: user.id.clone(),
        user_name: user.name.clone(),
        user_domain_id: user.domain_id.clone(),
        user_domain_name: String::new(),
        project_id: None,
        project_name: None,
        project_domain_id: None,
        project_domain_name: None,
        domain_id: None,
        system: false,
        roles: Vec::new(),
        service_roles: Vec::new(),
        expires_at: payload.expires_at,
        token: SecretString::from(String::new()),
    }
}

fn caller(session: &Session, snapshot: &Snapshot, token: &str) -> Caller {
    let project = session.project.as_ref();
    let project_domain = project.map(|project| {
        if project.is_domain {
            project.id.clone()
        } else {
            project.domain_id.clone()
        }
    });
    Caller {
        user_domain_name: snapshot.domain_name(&session.user.domain_id).to_owned(),
        project_id: project.map(|project| project.id.clone()),
        project_name: project.map(|project| project.name.clone()),
        project_domain_name: project_domain
            .as_deref()
            .map(|id| snapshot.domain_name(id).to_owned()),
        project_domain_id: project_domain,
        domain_id: session.domain.as_ref().map(|domain| domain.id.clone()),
        system: session.payload.scope == Scope::System,
        roles: session.roles.iter().map(|(_, name)| name.clone()).collect(),
        token: SecretString::from(token.to_owned()),
        ..empty_caller(&session.user, &session.payload)
    }
}
