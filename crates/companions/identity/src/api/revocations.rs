//! `GET /v3/OS-REVOKE/events`.

use chrono::{DateTime, Utc};

use crate::fault::{Answer, Fault};
use crate::frame::Ctx;
use crate::record::{self, Object};
use crate::revocation;
use web::policy::Target;

pub async fn list(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let since = match ctx.query.last("since") {
        Some(text) => Some(
            DateTime::parse_from_rfc3339(text)
                .map(|at| at.with_timezone(&Utc))
                .map_err(|_| Fault::BadRequest(format!("invalid date format {text}")))?,
        ),
        None => None,
    };
    let events = revocation::list(ctx.state.db.read(), since).await?;
    let items: Vec<Object> = events
        .iter()
        .map(|row| {
            let mut view = record::view(row);
            view.remove("id");
            view.retain(|_, value| !value.is_null());
            if let Some(trust) = view.remove("trust_id") {
                view.insert("OS-TRUST:trust_id".to_owned(), trust);
            }
            for time in ["issued_before", "revoked_at"] {
                let at = if time == "revoked_at" {
                    row.revoked_at
                } else {
                    row.issued_before
                };
                view.insert(time.to_owned(), web::time::micros(at).into());
            }
            view
        })
        .collect();
    ctx.list_as_is("events", items, &[])
}
