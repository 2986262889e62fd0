//! Key pairs.

use std::sync::Arc;

use compute_control::keypairs::{self, NewKeypair as Wanted};
use compute_model::keypair::KeyType;
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::KEYPAIR_PAGES;
use crate::paging;
use crate::words::{Limit, Link};

/// `GET /os-keypairs`.
pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let asked: ListKeypairs = call.admit_query()?;
    let pages = call.version.at_least(KEYPAIR_PAGES);
    let limit = pages.then(|| paging::size(&api, asked.limit));
    let (user, marker) = (asked.user_id.as_deref(), asked.marker.as_deref());
    let cx = call.cx.clone();
    let found = keypairs::list(&api.control, &cx, user, marker, limit).await?;
    let next = limit.and_then(|limit| {
        let last = found.last().map(|pair| pair.name.as_str());
        paging::next(&call, "os-keypairs", limit, found.len(), last)
    });
    let keypairs = found.iter().map(|pair| KeypairItem {
        keypair: KeypairSummary {
            name: &pair.name,
            kind: pair.kind.as_str(),
            fingerprint: &pair.fingerprint,
            public_key: &pair.public_key,
        },
    });
    call.render(&KeypairPage {
        keypairs: keypairs.collect(),
        next,
    })
}

/// `POST /os-keypairs`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let CreateKeypair { keypair: new } = call.admit()?;
    let wanted = Wanted {
        user_id: new.user_id,
        name: new.name.trim().to_owned(),
        kind: match new.kind.as_deref() {
            Some("x509") => KeyType::X509,
            _ => KeyType::Ssh,
        },
        public_key: new.public_key,
    };
    let made = keypairs::create(&api.control, &call.cx, wanted).await?;
    call.render_under(
        "keypair",
        &CreatedKeypair {
            name: &made.pair.name,
            kind: made.pair.kind.as_str(),
            fingerprint: &made.pair.fingerprint,
            public_key: &made.pair.public_key,
            user_id: &made.pair.user_id,
            private_key: made.private_key.as_deref(),
        },
    )
}

/// `GET /os-keypairs/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let OfUser { user_id } = call.admit_query()?;
    let (cx, name) = (call.cx.clone(), call.path("id"));
    let (id, pair) = keypairs::show(&api.control, &cx, user_id.as_deref(), name).await?;
    call.render_under(
        "keypair",
        &KeypairView {
            id,
            name: &pair.name,
            kind: pair.kind.as_str(),
            fingerprint: &pair.fingerprint,
            public_key: &pair.public_key,
            user_id: &pair.user_id,
            created_at: web::time::naive_micros(pair.created_at),
            deleted: false,
            deleted_at: None,
            updated_at: None,
        },
    )
}

/// `DELETE /os-keypairs/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let OfUser { user_id } = call.admit_query()?;
    let (cx, name) = (call.cx.clone(), call.path("id"));
    keypairs::delete(&api.control, &cx, user_id.as_deref(), name).await?;
    Ok(Answer::empty())
}

/// A page of the list.
#[derive(Serialize, Versioned)]
pub struct KeypairPage<'v> {
    pub keypairs: Vec<KeypairItem<'v>>,
    #[mv(wire = "keypairs_links")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<Link>>,
}

/// A key pair by itself.
#[derive(Serialize, Versioned)]
pub struct KeypairView<'v> {
    pub id: i64,
    pub name: &'v str,
    #[mv(wire = "type", since = "2.2")]
    pub kind: &'static str,
    pub fingerprint: &'v str,
    pub public_key: &'v str,
    pub user_id: &'v str,
    pub created_at: String,
    /// Always false: a deleted pair cannot be shown.
    pub deleted: bool,
    /// Always `null`, as are updates: there are none.
    pub deleted_at: Option<String>,
    pub updated_at: Option<String>,
}

/// A key pair just made. The private half is told here and never again.
#[derive(Serialize, Versioned)]
pub struct CreatedKeypair<'v> {
    pub name: &'v str,
    #[mv(wire = "type", since = "2.2")]
    pub kind: &'static str,
    pub fingerprint: &'v str,
    pub public_key: &'v str,
    pub user_id: &'v str,
    #[mv(until = "2.91")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<&'v str>,
}

/// An item of the list: `{"keypair": …}`.
#[derive(Serialize, Versioned)]
pub struct KeypairItem<'v> {
    pub keypair: KeypairSummary<'v>,
}

#[derive(Serialize, Versioned)]
pub struct KeypairSummary<'v> {
    pub name: &'v str,
    #[mv(wire = "type", since = "2.2")]
    pub kind: &'static str,
    pub fingerprint: &'v str,
    pub public_key: &'v str,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateKeypair {
    pub keypair: NewKeypair,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewKeypair {
    #[mv(format = "name", min_length = 1, max_length = 255)]
    #[mv(
        since = "2.1",
        format = "name",
        pattern = "^[_\\- a-zA-Z0-9]+$",
        min_length = 1,
        max_length = 255
    )]
    #[mv(
        since = "2.92",
        format = "name",
        pattern = "^[_\\-\\@\\. a-zA-Z0-9]+$",
        min_length = 1,
        max_length = 255
    )]
    pub name: String,
    #[mv(wire = "type", since = "2.2", one_of("ssh", "x509"))]
    pub kind: Option<String>,
    #[mv(required_since = "2.92")]
    pub public_key: Option<String>,
    #[mv(since = "2.10")]
    pub user_id: Option<String>,
}

/// The parameters of the list.
#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct ListKeypairs {
    #[mv(since = "2.10")]
    pub user_id: Option<String>,
    #[mv(since = "2.35")]
    pub limit: Option<Limit>,
    #[mv(since = "2.35")]
    pub marker: Option<String>,
}

/// Whose key pair is shown or deleted.
#[derive(Debug, Deserialize, Versioned)]
#[mv(unknown_refused_since = "2.75")]
pub struct OfUser {
    #[mv(since = "2.10")]
    pub user_id: Option<String>,
}
