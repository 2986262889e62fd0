//! Which users a list is asked for, beside the filters on what is shown of them.

use sql::sea_orm::{ColumnTrait, QueryFilter, Select};
use web::Query;

use crate::api::application_credentials::parse_time;
use crate::fault::Fault;
use crate::tables::users::{Column, Entity};

/// What only users of identity providers have.
const FEDERATED: [&str; 3] = ["idp_id", "protocol_id", "unique_id"];

/// Of these users those of an identity provider that the query names: none, as no user is of one.
pub fn federated(rows: Select<Entity>, query: &Query) -> Select<Entity> {
    match FEDERATED.iter().any(|key| query.has(key)) {
        true => rows.filter(Column::Id.is_null()),
        false => rows,
    }
}

/// Of these users those whose passwords end as the query says: `lt:2026-01-02T03:04:05Z`. Passwords that never end are
/// in no relation to a time, as in Keystone.
///
/// # Errors
/// 400 for an operator or a time that is none.
pub fn expiring(mut rows: Select<Entity>, query: &Query) -> Result<Select<Entity>, Fault> {
    let end = Column::PasswordExpiresAt;
    for text in query.all("password_expires_at") {
        // An operator has two or three letters; a time has digits there.
        let split = text.split_once(':');
        let split = split.filter(|(operator, _)| matches!(operator.len(), 2 | 3));
        let (operator, time) = split.unwrap_or(("eq", text));
        let at = parse_time(time)?;
        rows = rows.filter(match operator {
            "eq" => end.eq(at),
            "gt" => end.gt(at),
            "gte" => end.gte(at),
            "lt" => end.lt(at),
            "lte" => end.lte(at),
            "neq" => end.ne(at),
            _ => {
                return Err(Fault::BadRequest(format!(
                    "The given operator {operator} is not valid. It must be one of the following: 'eq', 'neq', 'lt', \
                     'lte', 'gt', or 'gte'."
                )));
            }
        });
    }
    Ok(rows)
}
