//! `POST /v3/auth/tokens`: who proves to be whom, and for which scope a token is made.
//!
//! Every failure to prove an identity answers the same 401, after the same work.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::fault::Fault;
use crate::payload::{METHODS, Payload, Scope};
use crate::record::{self, Object};
use crate::session::{self, Session};
use crate::state::State;
use crate::tables::{application_credentials, projects, trusts, users};
use crate::tokens;

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
}

/// Reads `{"auth": …}`, and makes the token that it asks for.
pub async fn log_in(state: &State, auth: &Object) -> Result<(String, Session), Fault> {
    let identity = object(auth, "identity", "auth")?;
    let methods = identity
        .get("methods")
        .and_then(Value::as_array)
        .ok_or_else(|| Fault::BadRequest("'methods' is a required property".to_owned()))?;
    let mut proof = Proof::default();
    for method in methods {
        let name = method.as_str().ok_or_else(|| {
            Fault::BadRequest(
                "Invalid input for field 'identity/methods': not of type 'string'".to_owned(),
            )
        })?;
        let bit = METHODS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, bit)| *bit);
        let bit = bit.ok_or_else(|| {
            Fault::Refused("Attempted to authenticate with an unsupported method.".to_owned())
        })?;
        proof.methods |= bit;
        let data = object(identity, name, "identity")?;
        match name {
            "password" => password(state, data, &mut proof).await?,
            "token" => token(state, data, &mut proof).await?,
            "application_credential" => application_credential(state, data, &mut proof).await?,
            _ => {
                return Err(Fault::Refused(
                    "Attempted to authenticate with an unsupported method.".to_owned(),
                ));
            }
        }
    }
    finish(state, proof, auth.get("scope")).await
}

/// Makes a token without a password, for the services of this process.
pub async fn vouched(
    state: &State,
    user: &users::Model,
    project_id: &str,
) -> Result<(String, Session), Fault> {
    let bit = METHODS
        .iter()
        .find(|(name, _)| *name == "password")
        .map_or(0, |(_, bit)| *bit);
    let proof = Proof {
        user_id: Some(user.id.clone()),
        methods: bit,
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
    let user = users::Entity::find_by_id(user_id.clone())
        .one(state.db.read())
        .await?;
    if let Some(project) = user.and_then(|user| user.default_project_id) {
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

async fn password(state: &State, data: &Object, proof: &mut Proof) -> Result<(), Fault> {
    let claim = object(data, "user", "password")?;
    let secret = text(claim, "password", "user")?;
    let user = find_user(state, claim).await?;
    let locked = user.as_ref().is_some_and(|user| is_locked(state, user));
    let hash = user
        .as_ref()
        .filter(|_| !locked)
        .and_then(|user| user.password_hash.as_deref());
    let fits = state.hasher.verify(secret, hash).await?;
    let Some(user) = user else {
        return Err(Fault::Unauthorized);
    };
    count_attempt(state, &user, fits, locked).await?;
    if !fits {
        return Err(Fault::Unauthorized);
    }
    if user
        .password_expires_at
        .is_some_and(|end| end <= Utc::now())
    {
        return Err(Fault::Refused(format!(
            "The password is expired and needs to be changed for user: {}.",
            user.id
        )));
    }
    prove(proof, &user.id)
}

/// Whether so many attempts failed that no password is looked at for a while.
pub fn is_locked(state: &State, user: &users::Model) -> bool {
    let Some(most) = state.settings.lockout_failure_attempts else {
        return false;
    };
    let end = user
        .failed_at
        .map(|at| at + Duration::seconds(state.settings.lockout_duration));
    user.failed_attempts >= most && end.is_some_and(|end| end > Utc::now())
}

/// Keeps count of failures where accounts can be locked; writes nothing otherwise.
pub async fn count_attempt(
    state: &State,
    user: &users::Model,
    fits: bool,
    locked: bool,
) -> Result<(), Fault> {
    if state.settings.lockout_failure_attempts.is_none()
        || locked
        || (fits && user.failed_attempts == 0)
    {
        return Ok(());
    }
    let tx = state.begin().await?;
    // Locked: attempts at the same time count one by one.
    let row = users::Entity::find_by_id(user.id.clone()).lock_exclusive();
    if let Some(mut row) = row.one(&tx).await? {
        let served = row.failed_at.is_some_and(|at| {
            at + Duration::seconds(state.settings.lockout_duration) <= Utc::now()
        });
        row.failed_attempts = match (fits, served) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => row.failed_attempts + 1,
        };
        row.failed_at = (!fits).then(|| sql::micros(Utc::now()));
        record::update::<users::Entity>(&tx, row).await?;
    }
    state.commit(tx).await
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
    let session = session::of_token(state, text(data, "id", "token")?, false).await?;
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
    data: &Object,
    proof: &mut Proof,
) -> Result<(), Fault> {
    let secret = text(data, "secret", "application_credential")?;
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
    if !state.hasher.verify(secret, hash).await? {
        return Err(Fault::Unauthorized);
    }
    let row = row.ok_or(Fault::Unauthorized)?;
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
