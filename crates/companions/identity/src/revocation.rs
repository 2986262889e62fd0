//! Tokens that end before their time. An event says which: every token that matches all its set
//! columns and was issued up to a moment. Events live as long as such a token could.

use chrono::{DateTime, Duration, Utc};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, Select,
};

use crate::fault::Fault;
use crate::payload::{Payload, Scope};
use crate::record;
use crate::tables::revocations::{Column, Entity, Model};

/// Seconds by which an event outlives the last token it could match (`[revoke] expiration_buffer`).
const EXPIRATION_BUFFER: i64 = 1800;

/// What an event matches.
#[derive(Debug, Clone, Copy)]
pub enum Reason<'a> {
    /// All tokens of a user: password changed, disabled, deleted.
    User(&'a str),
    /// A user's tokens for a project: a role was taken away there.
    UserOnProject(&'a str, &'a str),
    /// All tokens for a project: disabled, deleted.
    Project(&'a str),
    /// All tokens for a domain.
    Domain(&'a str),
    Trust(&'a str),
    /// One token.
    Audit(&'a str),
}

/// Writes an event, and forgets those that can match no living token.
pub async fn revoke(
    db: &impl ConnectionTrait,
    reason: Reason<'_>,
    token_life: i64,
) -> Result<(), Fault> {
    let now = sql::micros(Utc::now());
    let mut row = Model {
        id: record::new_id(),
        user_id: None,
        project_id: None,
        domain_id: None,
        trust_id: None,
        audit_id: None,
        issued_before: now,
        revoked_at: now,
    };
    match reason {
        Reason::User(id) => row.user_id = Some(id.to_owned()),
        Reason::UserOnProject(user, project) => {
            row.user_id = Some(user.to_owned());
            row.project_id = Some(project.to_owned());
        }
        Reason::Project(id) => row.project_id = Some(id.to_owned()),
        Reason::Domain(id) => row.domain_id = Some(id.to_owned()),
        Reason::Trust(id) => row.trust_id = Some(id.to_owned()),
        Reason::Audit(id) => row.audit_id = Some(id.to_owned()),
    }
    record::insert::<Entity>(db, row).await?;
    let oldest = now - Duration::seconds(token_life + EXPIRATION_BUFFER);
    Entity::delete_many()
        .filter(Column::IssuedBefore.lt(oldest))
        .exec(db)
        .await?;
    Ok(())
}

/// Whether an event matches this token. `also` is the other user of a trust.
pub async fn is_revoked(
    db: &impl ConnectionTrait,
    payload: &Payload,
    also: Option<&str>,
) -> Result<bool, Fault> {
    let (project, domain) = match &payload.scope {
        Scope::Project(id) => (Some(id.as_str()), None),
        Scope::Domain(id) => (None, Some(id.as_str())),
        Scope::Unscoped | Scope::System => (None, None),
    };
    let names = payload.audit_names();
    let users = std::iter::once(payload.user_id.as_str()).chain(also);
    let matching = Condition::all()
        .add(Column::IssuedBefore.gte(payload.issued_at))
        .add(unset_or(Column::UserId, users))
        .add(unset_or(Column::ProjectId, project))
        .add(unset_or(Column::DomainId, domain))
        .add(unset_or(Column::TrustId, payload.trust_id.as_deref()))
        .add(unset_or(Column::AuditId, names.first().map(String::as_str)));
    Ok(Entity::find().filter(matching).count(db).await? > 0)
}

fn unset_or<'a>(column: Column, values: impl IntoIterator<Item = &'a str>) -> Condition {
    let mut either = Condition::any().add(column.is_null());
    for value in values {
        either = either.add(column.eq(value));
    }
    either
}

/// Events since a moment, for services that check tokens themselves.
pub fn since(moment: Option<DateTime<Utc>>) -> Select<Entity> {
    match moment {
        Some(moment) => Entity::find().filter(Column::RevokedAt.gte(moment)),
        None => Entity::find(),
    }
}
