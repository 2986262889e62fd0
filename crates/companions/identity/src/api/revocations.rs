//! `GET /v3/OS-REVOKE/events`.

use chrono::{DateTime, Utc};

use crate::fault::{Answer, Fault};
use crate::frame::Ctx;
use crate::listing::{self, Source};
use crate::parameters;
use crate::record::{self, Object};
use crate::revocation;
use crate::tables::revocations::{Column, Model};
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
    let source = Source::new(
        revocation::since(since),
        parameters::EVENTS.filters,
        &[Column::RevokedAt],
    );
    let show = |row: &Model| Ok(Some(view(row)));
    let page = listing::read(ctx.state.db.read(), source, &ctx.query, show).await?;
    ctx.paged("events", page)
}

/// An event as shown: without an id of its own, and only with what it is about.
fn view(row: &Model) -> Object {
    let mut view = record::view(row);
    view.remove("id");
    view.retain(|_, value| !value.is_null());
    if let Some(trust) = view.remove("trust_id") {
        view.insert("OS-TRUST:trust_id".to_owned(), trust);
    }
    for (name, at) in [
        ("issued_before", row.issued_before),
        ("revoked_at", row.revoked_at),
    ] {
        view.insert(name.to_owned(), web::time::micros(at).into());
    }
    view
}
