//! Key pairs of users.

mod generators;
mod keys;

use compute_db::quotas::Owner;
use compute_db::{DbError, keypairs, quotas};
use compute_model::Server;
use compute_model::keypair::{KeyType, Keypair};
use compute_model::quota::Resource;

use crate::{Context, Control, ControlError, Result, policy};

pub use generators::Generators;

/// A key pair to be kept. `user_id` is the caller unless an operator acts for another.
#[derive(Debug, Clone)]
pub struct NewKeypair {
    pub user_id: Option<String>,
    pub name: String,
    pub kind: KeyType,
    /// A pair is generated where there is none.
    pub public_key: Option<String>,
}

/// A key pair that is kept now. The private half exists nowhere else.
#[derive(Debug)]
pub struct Made {
    pub pair: Keypair,
    pub private_key: Option<String>,
}

/// Keeps the public half of a key pair, generating the pair if need be.
///
/// # Errors
/// 400 for what is no public key, 403 when the user has too many, 409 when the name is taken.
pub async fn create(control: &Control, cx: &Context, new: NewKeypair) -> Result<Made> {
    let user_id = whose(cx, new.user_id.as_deref()).to_owned();
    allow(control, cx, &user_id)?;
    must_have_room(control, cx, control.db.read(), &user_id).await?;
    let (public_key, private_key) = match (new.public_key, new.kind) {
        (Some(key), _) => (key, None),
        (None, kind) => {
            let owner = user_id.clone();
            let generate = move || match kind {
                KeyType::Ssh => keys::generate(),
                KeyType::X509 => keys::generate_certificate(&owner),
            };
            let by = &cx.caller.user_id;
            let (public, private) = control.generators.run(by, generate).await??;
            (public, Some(private))
        }
    };
    let fingerprint = keys::fingerprint(new.kind, &public_key)?;
    let pair = Keypair {
        user_id,
        name: new.name,
        kind: new.kind,
        fingerprint,
        public_key,
        created_at: sql::micros(chrono::Utc::now()),
    };
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        quotas::hold_user(&tx, &pair.user_id).await?;
        must_have_room(control, cx, &tx, &pair.user_id).await?;
        keypairs::insert(&tx, &pair)
            .await
            .map_err(|error| taken(error, &pair.name))?;
        tx.commit().await.map_err(DbError::from)?;
        Ok::<_, ControlError>(())
    })
    .await?;
    Ok(Made { pair, private_key })
}

/// One key pair, with the number that the API shows.
///
/// # Errors
/// 404.
pub async fn show(
    control: &Control,
    cx: &Context,
    user_id: Option<&str>,
    name: &str,
) -> Result<(i64, Keypair)> {
    let user_id = whose(cx, user_id);
    allow(control, cx, user_id)?;
    keypairs::find(control.db.read(), user_id, name)
        .await
        .map_err(|error| missing(error, user_id, name))
}

/// A user's key pairs by name, after `marker`.
///
/// # Errors
/// 400 for a marker that is no key pair of the user.
pub async fn list(
    control: &Control,
    cx: &Context,
    user_id: Option<&str>,
    marker: Option<&str>,
    limit: Option<u64>,
) -> Result<Vec<Keypair>> {
    let user_id = whose(cx, user_id);
    allow(control, cx, user_id)?;
    let found = keypairs::list(control.db.read(), user_id, marker, limit).await;
    found.map_err(|error| match error {
        DbError::Marker(marker) => ControlError::Invalid {
            why: format!("Marker {marker} could not be found."),
        },
        other => other.into(),
    })
}

/// Forgets a key pair. Servers keep the key they were given.
///
/// # Errors
/// 404.
pub async fn delete(
    control: &Control,
    cx: &Context,
    user_id: Option<&str>,
    name: &str,
) -> Result<()> {
    let user_id = whose(cx, user_id);
    allow(control, cx, user_id)?;
    keypairs::delete(control.db.write(), user_id, name)
        .await
        .map_err(|error| missing(error, user_id, name))
}

fn whose<'a>(cx: &'a Context, user_id: Option<&'a str>) -> &'a str {
    user_id.unwrap_or(&cx.caller.user_id)
}

fn allow(control: &Control, cx: &Context, user_id: &str) -> Result<()> {
    policy::allow_on(control, cx, cx.caller.project_id.as_deref(), user_id)
}

/// Refuses a user who has as many key pairs as allowed.
async fn must_have_room(
    control: &Control,
    cx: &Context,
    conn: &impl sql::sea_orm::ConnectionTrait,
    user_id: &str,
) -> Result<()> {
    let project = cx.caller.project_id.as_deref().unwrap_or_default();
    let owner = Owner::User(project, user_id);
    let limits = quotas::limits(conn, &control.settings.quotas, owner).await?;
    let limit = limits.get(&Resource::KeyPairs).copied().unwrap_or(-1);
    let count = keypairs::count(conn, user_id).await?;
    if limit >= 0 && count >= limit.unsigned_abs() {
        return Err(ControlError::Forbidden {
            why: "Quota exceeded, too many key pairs.".to_owned(),
        });
    }
    Ok(())
}

fn not_generated() -> ControlError {
    ControlError::Unavailable {
        why: "A key pair could not be generated.".to_owned(),
    }
}

fn taken(error: DbError, name: &str) -> ControlError {
    match error {
        DbError::Duplicate(_) => ControlError::Conflict {
            why: format!("Key pair '{name}' already exists."),
        },
        other => other.into(),
    }
}

fn missing(error: DbError, user_id: &str, name: &str) -> ControlError {
    match error {
        DbError::NotFound(_) => ControlError::NotFound {
            why: format!("Keypair {name} not found for user {user_id}"),
        },
        other => other.into(),
    }
}

/// What `os-server-password` tells once a guest has this new password: that, for whoever has the server's private key,
/// as with Nova. None leaves it as it is: only an SSH key of RSA can encrypt.
pub(crate) fn for_owner(server: &Server, password: &str) -> Option<String> {
    let key = server.key.as_ref();
    let key = key.filter(|key| key.kind == KeyType::Ssh.as_str())?;
    keys::encrypted(&key.data, password)
}
