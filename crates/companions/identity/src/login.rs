//! `POST /v3/auth/tokens`: who proves to be whom, and for which scope a token is made.
//!
//! Every failure to prove an identity answers the same 401, after the same work.

mod attempts;
mod totp;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::compliance::Options;
use crate::establish;
use crate::fault::Fault;
use crate::passwords::Fit;
use crate::payload::{METHODS, Payload, Scope};
use crate::queue::Asker;
use crate::record::{self, Object};
use crate::session::Session;
use crate::state::State;
use crate::tables::{application_credentials, projects, trusts, users};
use crate::tokens;

pub use attempts::{check_password, forgive};

/// The bit of a login by password in [`METHODS`].
pub const PASSWORD: u8 = 1;

/// What the methods of one request proved.
#[derive(Default)]
struct Proof {
    user_id: Option<String>,
    methods: u8,
    /// Audit id of the first token of the chain, when a token was presented.
    chain: Option<[u8; 16]>,
    /// A token made from a token ends with it.
    latest_end: Option<DateTime<Utc>>,
    application_credential: Option<application_credentials::Model>,
    /// Who gave a password or a passcode, when all that were given are right.
    guesser: Option<users::Model>,
}

/// Reads `{"auth": …}` that came from `address`, and makes the token that it asks for.
pub async fn log_in(
    state: &State,
    address: Option<IpAddr>,
    auth: &Object,
) -> Result<(String, Session), Fault> {
    let identity = object(auth, "identity", "auth")?;
    let methods = methods(identity, &state.settings.methods)?;
    one_scope(auth.get("scope"))?;
    let mut proof = Proof::default();
    for (name, bit, data) in methods {
        proof.methods |= bit;
        match name {
            "password" => password(state, address, data, &mut proof).await?,
            "token" => token(state, data, &mut proof).await?,
            "application_credential" => {
                application_credential(state, address, data, &mut proof).await?;
            }
            "totp" => passcode(state, address, data, &mut proof).await?,
            _ => return Err(unsupported()),
        }
    }
    finish(state, proof, auth.get("scope")).await
}

/// The methods of a login with their bits and data, each once however often it is named, before any
/// of them costs work.
fn methods<'a>(
    identity: &'a Object,
    enabled: &[String],
) -> Result<Vec<(&'a str, u8, &'a Object)>, Fault> {
    let names = identity
        .get("methods")
        .and_then(Value::as_array)
        .ok_or_else(|| Fault::BadRequest("'methods' is a required property".to_owned()))?;
    let mut found: Vec<(&'a str, u8, &'a Object)> = Vec::new();
    for name in names {
        let name = name.as_str().ok_or_else(|| {
            Fault::BadRequest(
                "Invalid input for field 'identity/methods': not of type 'string'".to_owned(),
            )
        })?;
        if found.iter().any(|(known, ..)| *known == name) {
            continue;
        }
        let mut known = METHODS
            .iter()
            .filter(|_| enabled.iter().any(|on| on == name));
        let known = known.find(|(known, _)| *known == name);
        let (_, bit) = known.ok_or_else(unsupported)?;
        found.push((name, *bit, object(identity, name, "identity")?));
    }
    Ok(found)
}

fn unsupported() -> Fault {
    Fault::Refused("Attempted to authenticate with an unsupported method.".to_owned())
}

/// What a login may be scoped to; one of them at a time.
const SCOPES: [&str; 5] = ["project", "domain", "system", "unscoped", "OS-TRUST:trust"];

/// Refuses a scope that names two things: one of them would be passed over.
fn one_scope(scope: Option<&Value>) -> Result<(), Fault> {
    let Some(Value::Object(scope)) = scope else {
        return Ok(());
    };
    let named = SCOPES.iter().filter(|name| scope.contains_key(**name));
    if named.count() == 1 {
        return Ok(());
    }
    Err(Fault::expecting(
        "project, domain, OS-TRUST:trust or unscoped",
        "scope",
    ))
}

/// For whom a password check counts: whatever names the user in the request, in little space.
fn claimed(claim: &Object) -> String {
    let named = ["id", "name", "domain", "user"].map(|key| claim.get(key).map(Value::to_string));
    hex::encode(Sha256::digest(format!("{named:?}")))
}

/// Makes a token without a password, for the services of this process.
pub async fn vouched(
    state: &State,
    user: &users::Model,
    project_id: &str,
) -> Result<(String, Session), Fault> {
    let proof = Proof {
        user_id: Some(user.id.clone()),
        methods: PASSWORD,
        ..Proof::default()
    };
    let scope = serde_json::json!({"project": {"id": project_id}});
    finish(state, proof, Some(&scope)).await
}

async fn finish(
    state: &State,
    proof: Proof,
    scope: Option<&Value>,
) -> Result<(String, Session), Fault> {
    let user_id = proof.user_id.clone().ok_or(Fault::Unauthorized)?;
    let user = users::Entity::find_by_id(user_id.clone())
        .one(state.db.read())
        .await?
        .ok_or(Fault::Unauthorized)?;
    if !Options::of(&user).satisfied_by(proof.methods) {
        return Err(Fault::Unauthorized);
    }
    // Not before: who knows one of two secrets could guess the other for ever.
    if let Some(guesser) = &proof.guesser {
        attempts::forgive(state, guesser).await?;
    }
    let (wanted, trust_id) = wanted_scope(state, scope, &proof).await?;
    let now = sql::micros(Utc::now());
    let end = tokens::end_of_life(state, now);
    let audit_ids = std::iter::once(tokens::audit_id())
        .chain(proof.chain)
        .collect();
    let payload = |scope| Payload {
        user_id: user_id.clone(),
        methods: proof.methods,
        scope,
        issued_at: now,
        expires_at: proof.latest_end.map_or(end, |latest| latest.min(end)),
        audit_ids,
        trust_id: trust_id.clone(),
        application_credential_id: proof
            .application_credential
            .as_ref()
            .map(|row| row.id.clone()),
    };
    if let Some(scope) = wanted {
        let made = tokens::issue(state, payload(scope)).await?;
        if let Some(id) = &trust_id {
            use_up(state, id).await?;
        }
        return Ok(made);
    }
    // No scope asked for: the user's default project if it is of use, else none.
    let mut unscoped = payload(Scope::Unscoped);
    if let Some(project) = user.default_project_id {
        let scoped = Payload {
            scope: Scope::Project(project),
            ..unscoped.clone()
        };
        match tokens::issue(state, scoped).await {
            Err(Fault::Unauthorized) => {}
            made => return made,
        }
    }
    unscoped.scope = Scope::Unscoped;
    tokens::issue(state, unscoped).await
}

/// Several methods must prove the same user.
fn prove(proof: &mut Proof, user_id: &str) -> Result<(), Fault> {
    match &proof.user_id {
        Some(known) if known != user_id => Err(Fault::Unauthorized),
        _ => {
            proof.user_id = Some(user_id.to_owned());
            Ok(())
        }
    }
}

/// The same by a secret that may be guessed.
fn prove_by_secret(proof: &mut Proof, user: users::Model) -> Result<(), Fault> {
    prove(proof, &user.id)?;
    proof.guesser = Some(user);
    Ok(())
}

async fn password(
    state: &State,
    address: Option<IpAddr>,
    data: &Object,
    proof: &mut Proof,
) -> Result<(), Fault> {
    let claim = object(data, "user", "password")?;
    let secret = text(claim, "password", "user")?;
    let asker = Asker::at(address, claimed(claim));
    let (_turn, user) = check_password(state, asker, secret, || find_user(state, claim)).await?;
    if state.rules.is_expired(&user, Utc::now()) {
        return Err(Fault::Refused(format!(
            "The password is expired and needs to be changed for user: {}.",
            user.id
        )));
    }
    prove_by_secret(proof, user)
}

async fn passcode(
    state: &State,
    address: Option<IpAddr>,
    data: &Object,
    proof: &mut Proof,
) -> Result<(), Fault> {
    let claim = object(data, "user", "totp")?;
    let passcode = text(claim, "passcode", "user")?;
    let asker = Asker::at(address, claimed(claim));
    let find = || find_user(state, claim);
    let user = totp::check_passcode(state, asker, passcode, find).await?;
    prove_by_secret(proof, user)
}

/// The user that a body names, by id, or by name and domain. A domain beside an id is no contradiction.
async fn find_user(state: &State, claim: &Object) -> Result<Option<users::Model>, Fault> {
    if let Some(id) = claim.get("id").and_then(Value::as_str) {
        return Ok(users::Entity::find_by_id(id.to_owned())
            .one(state.db.read())
            .await?);
    }
    let name = text(claim, "name", "user")?;
    let Some(domain_id) = find_domain(state, object(claim, "domain", "user")?).await? else {
        return Ok(None);
    };
    let found = users::Entity::find()
        .filter(users::Column::DomainId.eq(domain_id))
        .filter(users::Column::Name.eq(name))
        .one(state.db.read())
        .await?;
    Ok(found)
}

async fn find_domain(state: &State, claim: &Object) -> Result<Option<String>, Fault> {
    let snapshot = state.snapshot().await?;
    if let Some(id) = claim.get("id").and_then(Value::as_str) {
        return Ok(snapshot.domains.get(id).map(|row| row.id.clone()));
    }
    let name = text(claim, "name", "domain")?;
    let found = snapshot.domains.values().find(|row| row.name == name);
    Ok(found.map(|row| row.id.clone()))
}

async fn token(state: &State, data: &Object, proof: &mut Proof) -> Result<(), Fault> {
    let session = establish::of_token(state, text(data, "id", "token")?, false).await?;
    if session.trust.is_some() || session.application_credential.is_some() {
        return Err(Fault::Forbidden("rescope a delegated token".to_owned()));
    }
    if !state.settings.allow_rescope_scoped_token && session.payload.scope != Scope::Unscoped {
        return Err(Fault::Forbidden("rescope a scoped token".to_owned()));
    }
    proof.methods |= session.payload.methods;
    proof.chain = session.payload.audit_ids.last().copied();
    proof.latest_end = Some(session.payload.expires_at);
    prove(proof, &session.payload.user_id)
}

async fn application_credential(
    state: &State,
    address: Option<IpAddr>,
    data: &Object,
    proof: &mut Proof,
) -> Result<(), Fault> {
    let secret = text(data, "secret", "application_credential")?;
    let asker = Asker::at(address, claimed(data));
    let turn = state.hasher.turn(asker).await?;
    let row = match data.get("id").and_then(Value::as_str) {
        Some(id) => {
            application_credentials::Entity::find_by_id(id.to_owned())
                .one(state.db.read())
                .await?
        }
        None => {
            let name = text(data, "name", "application_credential")?;
            match find_user(state, object(data, "user", "application_credential")?).await? {
                None => None,
                Some(user) => {
                    application_credentials::Entity::find()
                        .filter(application_credentials::Column::UserId.eq(user.id))
                        .filter(application_credentials::Column::Name.eq(name))
                        .one(state.db.read())
                        .await?
                }
            }
        }
    };
    let hash = row.as_ref().map(|row| row.secret_hash.as_str());
    let fit = state.hasher.verify(&turn, secret, hash).await?;
    let row = row.filter(|_| fit != Fit::No).ok_or(Fault::Unauthorized)?;
    if fit == Fit::Outdated {
        attempts::renew_credential(state, &turn, &row, secret).await?;
    }
    prove(proof, &row.user_id)?;
    proof.application_credential = Some(row);
    Ok(())
}

/// The scope asked for, `None` for no preference; and the trust, when the scope is one.
async fn wanted_scope(
    state: &State,
    scope: Option<&Value>,
    proof: &Proof,
) -> Result<(Option<Scope>, Option<String>), Fault> {
    if let Some(credential) = &proof.application_credential {
        if scope.is_some() {
            return Err(Fault::Refused(
                "Application credentials cannot request a scope.".to_owned(),
            ));
        }
        return Ok((Some(Scope::Project(credential.project_id.clone())), None));
    }
    let scope = match scope {
        None => return Ok((None, None)),
        Some(Value::String(word)) if word == "unscoped" => {
            return Ok((Some(Scope::Unscoped), None));
        }
        Some(Value::Object(scope)) => scope,
        Some(_) => {
            return Err(Fault::BadRequest(
                "Invalid input for field 'scope': not of type 'object'".to_owned(),
            ));
        }
    };
    if let Some(Value::Object(project)) = scope.get("project") {
        return Ok((
            Some(Scope::Project(find_project(state, project).await?)),
            None,
        ));
    }
    if let Some(Value::Object(domain)) = scope.get("domain") {
        let id = find_domain(state, domain)
            .await?
            .ok_or(Fault::Unauthorized)?;
        return Ok((Some(Scope::Domain(id)), None));
    }
    if let Some(Value::Object(system)) = scope.get("system") {
        let all = system.get("all").and_then(Value::as_bool) == Some(true);
        return if all {
            Ok((Some(Scope::System), None))
        } else {
            Err(Fault::expecting("all", "system"))
        };
    }
    if let Some(Value::Object(trust)) = scope.get("OS-TRUST:trust") {
        let id = text(trust, "id", "OS-TRUST:trust")?;
        let row = trusts::Entity::find_by_id(id.to_owned())
            .one(state.db.read())
            .await?;
        let row = row.ok_or(Fault::Unauthorized)?;
        let scope = row.project_id.map_or(Scope::Unscoped, Scope::Project);
        return Ok((Some(scope), Some(row.id)));
    }
    if scope.contains_key("unscoped") {
        return Ok((Some(Scope::Unscoped), None));
    }
    Err(Fault::expecting(
        "project, domain, system or OS-TRUST:trust",
        "scope",
    ))
}

async fn find_project(state: &State, claim: &Object) -> Result<String, Fault> {
    if let Some(id) = claim.get("id").and_then(Value::as_str) {
        return Ok(id.to_owned());
    }
    let name = text(claim, "name", "project")?;
    let domain = find_domain(state, object(claim, "domain", "project")?).await?;
    let found = projects::Entity::find()
        .filter(projects::Column::DomainId.eq(domain.ok_or(Fault::Unauthorized)?))
        .filter(projects::Column::Name.eq(name))
        .one(state.db.read())
        .await?;
    Ok(found.ok_or(Fault::Unauthorized)?.id)
}

/// Counts one use of a trust that has only so many.
async fn use_up(state: &State, id: &str) -> Result<(), Fault> {
    let tx = state.begin().await?;
    // Locked: a use that is left is used once.
    let row = trusts::Entity::find_by_id(id.to_owned()).lock_exclusive();
    let Some(mut row) = row.one(&tx).await? else {
        return Err(Fault::Unauthorized);
    };
    match row.remaining_uses {
        None => return Ok(tx.rollback().await?),
        Some(left) if left < 1 => return Err(Fault::Unauthorized),
        Some(left) => row.remaining_uses = Some(left - 1),
    }
    record::update::<trusts::Entity>(&tx, row).await?;
    state.commit(tx).await
}

fn object<'a>(of: &'a Object, name: &str, place: &str) -> Result<&'a Object, Fault> {
    of.get(name)
        .and_then(Value::as_object)
        .ok_or_else(|| Fault::expecting(name, place))
}

fn text<'a>(of: &'a Object, name: &str, place: &str) -> Result<&'a str, Fault> {
    of.get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| Fault::expecting(name, place))
}
