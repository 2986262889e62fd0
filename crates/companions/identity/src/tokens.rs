//! The body of a token, and the making of tokens.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::establish;
use crate::fault::Fault;
use crate::payload::Payload;
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::tables::projects;

/// Sixteen random bytes, the id of one token in its chain.
pub fn audit_id() -> [u8; 16] {
    *uuid::Uuid::new_v4().as_bytes()
}

/// Checks the payload against the present and makes the token.
pub async fn issue(state: &State, payload: Payload) -> Result<(String, Session), Fault> {
    let text = state
        .token_keys
        .encrypt(&payload.pack())
        .map_err(|error| Fault::Internal(error.to_string()))?;
    let token = text.trim_end_matches('=').to_owned();
    let session = establish::of_payload(state, payload, &token).await?;
    Ok((token, session))
}

/// What `GET` and `POST /v3/auth/tokens` show of a token.
pub fn body(session: &Session, snapshot: &Snapshot, with_catalog: bool) -> Value {
    let (payload, user) = (&session.payload, &session.user);
    let mut token = json!({
        "methods": payload.method_names(),
        "user": {
            "id": user.id,
            "name": user.name,
            "domain": {"id": user.domain_id, "name": snapshot.domain_name(&user.domain_id)},
            "password_expires_at": user.password_expires_at.map(web::time::naive_micros),
        },
        "audit_ids": payload.audit_names(),
        "expires_at": web::time::micros(payload.expires_at),
        "issued_at": web::time::micros(payload.issued_at),
    });
    if let Some(project) = &session.project {
        token["project"] = json!({
            "id": project.id,
            "name": project.name,
            "domain": domain_of(project, snapshot),
        });
        token["is_domain"] = project.is_domain.into();
    }
    if let Some(domain) = &session.domain {
        token["domain"] = json!({"id": domain.id, "name": domain.name});
    }
    if session.caller.system {
        token["system"] = json!({"all": true});
    }
    if !session.roles.is_empty() {
        token["roles"] = session
            .roles
            .iter()
            .map(|(id, name)| json!({"id": id, "name": name}))
            .collect();
        if with_catalog {
            let project = session.project.as_ref().map(|project| project.id.as_str());
            token["catalog"] = snapshot.catalog(&user.id, project);
        }
    }
    if let Some(trust) = &session.trust {
        token["OS-TRUST:trust"] = json!({
            "id": trust.id,
            "impersonation": trust.impersonation,
            "trustor_user": {"id": trust.trustor_user_id},
            "trustee_user": {"id": trust.trustee_user_id},
        });
    }
    if let Some(credential) = &session.application_credential {
        token["application_credential"] = json!({
            "id": credential.id,
            "name": credential.name,
            "restricted": !credential.unrestricted,
        });
        let rules: Value = serde_json::from_str(&credential.access_rules).unwrap_or(Value::Null);
        if rules.as_array().is_some_and(|rules| !rules.is_empty()) {
            token["application_credential"]["access_rules"] = rules;
        }
    }
    json!({"token": token})
}

fn domain_of(project: &projects::Model, snapshot: &Snapshot) -> Value {
    if project.is_domain {
        return json!({"id": project.id, "name": project.name});
    }
    json!({"id": project.domain_id, "name": snapshot.domain_name(&project.domain_id)})
}

/// When a token that is issued now ends.
pub fn end_of_life(state: &State, now: DateTime<Utc>) -> DateTime<Utc> {
    now + chrono::Duration::seconds(state.settings.token_expiration)
}
