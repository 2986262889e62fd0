//! `/v3/credentials`: secrets of users, encrypted at rest.

use base64::Engine;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sql::sea_orm::sea_query::Expr;
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::blobs::{open, seal};
use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content};
use crate::keys::KeyError;
use crate::listing::Source;
use crate::parameters;
use crate::record::{self, Object};
use crate::schema::{Field, Kind, may, must};
use crate::session::Session;
use crate::state::State;
use crate::tables::credentials;
use web::policy::Target;

pub const NEW: &[Field] = &[
    must("blob", Kind::Text(0, 65_535)),
    must("type", Kind::Text(1, 255))
        .within("ec2 makes keys that log in, totp secrets of passcodes; others are kept for their user, as in Keystone"),
    may("project_id", Kind::MaybeId),
    may("user_id", Kind::Id),
];

fn view(state: &State, row: &credentials::Model) -> Result<Object, Fault> {
    let mut view = record::view(row);
    view.insert("blob".to_owned(), open(state, &row.blob)?.into());
    Ok(view)
}

fn target(user_id: &str) -> Target<'_> {
    Target::new().with("target.credential.user_id", user_id)
}

async fn load(ctx: &Ctx) -> Result<credentials::Model, Fault> {
    let id = ctx.param("credential_id");
    match credentials::Entity::find_by_id(id.to_owned())
        .one(ctx.state.db.read())
        .await?
    {
        Some(row) => ctx.allow(target(&row.user_id)).map(|()| row),
        None => {
            ctx.allow(Target::new())?;
            Err(Fault::not_found("credential", id))
        }
    }
}

/// The id of an EC2 credential is the hash of its access key, so that the key finds it.
pub fn ec2_id(access: &str) -> String {
    hex::encode(Sha256::digest(access.as_bytes()))
}

const EC2: &str = "ec2";

/// What an access key says about the delegation by which it was made: it must never be worth more.
const BONDS: [&str; 2] = ["app_cred_id", "trust_id"];

/// The blob of an access key with the delegation by which the caller acts.
pub fn bound(blob: &mut Object, session: &Session) {
    let payload = &session.payload;
    for (bond, by) in BONDS
        .into_iter()
        .zip([&payload.application_credential_id, &payload.trust_id])
    {
        if by.is_some() {
            blob.insert(bond.to_owned(), by.clone().into());
        }
    }
}

fn access_key(text: &str) -> Result<Object, Fault> {
    serde_json::from_str(text)
        .map_err(|_| Fault::BadRequest("Invalid blob in credential".to_owned()))
}

/// The id and the blob of a new credential.
fn made_of(body: &Object, session: &Session) -> Result<(String, String), Fault> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("type") != EC2 {
        return Ok((record::new_id(), text("blob").to_owned()));
    }
    let mut blob = access_key(text("blob"))?;
    bound(&mut blob, session);
    match blob.get("access").and_then(Value::as_str) {
        Some(access) => Ok((ec2_id(access), Value::Object(blob.clone()).to_string())),
        None => Err(Fault::BadRequest("Invalid blob in credential".to_owned())),
    }
}

/// Refuses a change of what an access key says about its delegation. A key stays a key, and nothing else
/// becomes one: otherwise it could forget on the way.
fn same_bonds(state: &State, old: &credentials::Model, body: &Object) -> Result<(), Fault> {
    let fixed = |what: &str| {
        Err(Fault::BadRequest(format!(
            "{what} can not be updated for credential."
        )))
    };
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let kind = text("type").unwrap_or(&old.kind);
    if kind != EC2 && old.kind != EC2 {
        return Ok(());
    }
    if kind != old.kind {
        return fixed("type");
    }
    let Some(blob) = text("blob") else {
        return Ok(());
    };
    let before = access_key(&open(state, &old.blob)?).unwrap_or_default();
    let after = access_key(blob)?;
    let said = |blob: &Object, bond| blob.get(bond).filter(|bond| !bond.is_null()).cloned();
    match BONDS
        .iter()
        .find(|bond| said(&before, **bond) != said(&after, **bond))
    {
        Some(bond) => fixed(bond),
        None => Ok(()),
    }
}

pub async fn create(ctx: Ctx) -> Answer {
    let mut body = ctx.new_object("credential", NEW)?;
    let own = ctx.session()?.user.id.clone();
    let user_id = body
        .get("user_id")
        .and_then(Value::as_str)
        .unwrap_or(&own)
        .to_owned();
    ctx.allow(target(&user_id))?;
    if body.get("type").and_then(Value::as_str) == Some("ec2") && !body.contains_key("project_id") {
        return Err(Fault::expecting("project_id", "credential"));
    }
    let (id, blob) = made_of(&body, ctx.session()?.as_ref())?;
    body.insert("user_id".to_owned(), user_id.into());
    body.insert("blob".to_owned(), seal(&ctx.state, &blob)?.into());
    let columns =
        json!({"id": id, "user_id": "", "project_id": null, "type": "", "blob": "", "extra": "{}"});
    let row: credentials::Model = record::build(columns, &body, NEW)?;
    let tx = ctx.state.begin().await?;
    record::insert::<credentials::Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("credential", &id))?;
    ctx.state.commit(tx).await?;
    ctx.shown("credential", "credentials", view(&ctx.state, &row)?)
}

pub async fn list(ctx: Ctx) -> Answer {
    let own = ctx.session()?.user.id.clone();
    ctx.allow(target(&own))?;
    let source = Source::new(
        credentials::Entity::find(),
        parameters::CREDENTIALS.filters,
        &[],
    );
    let show = |row: &credentials::Model| match ctx.may("get_credential", target(&row.user_id))? {
        true => view(&ctx.state, row).map(Some),
        false => Ok(None),
    };
    ctx.list_rows("credentials", "credentials", source, show)
        .await
}

pub async fn show(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    ctx.shown("credential", "credentials", view(&ctx.state, &row)?)
}

pub async fn update(ctx: Ctx) -> Answer {
    let old = load(&ctx).await?;
    let mut body = ctx.changes("credential", NEW)?;
    if let Some(user_id) = body.get("user_id").and_then(Value::as_str) {
        // Nobody gives a credential to somebody for whom they could not make one.
        ctx.allow(target(user_id))?;
    }
    same_bonds(&ctx.state, &old, &body)?;
    if let Some(blob) = body.get("blob").and_then(Value::as_str).map(str::to_owned) {
        body.insert("blob".to_owned(), seal(&ctx.state, &blob)?.into());
    }
    let tx = ctx.state.begin().await?;
    let now = record::lock::<credentials::Entity>(&tx, "credential", &old.id).await?;
    // The policy was asked about this owner, and the bonds were compared with this secret.
    if (&now.user_id, &now.blob) != (&old.user_id, &old.blob) {
        return Err(Fault::Conflict {
            kind: "credential",
            detail: "it was changed meanwhile".to_owned(),
        });
    }
    let row: credentials::Model = record::change(&now, &body, NEW)?;
    record::update::<credentials::Entity>(&tx, row.clone()).await?;
    ctx.state.commit(tx).await?;
    ctx.shown("credential", "credentials", view(&ctx.state, &row)?)
}

pub async fn delete(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    let tx = ctx.state.begin().await?;
    credentials::Entity::delete_by_id(row.id).exec(&tx).await?;
    ctx.state.commit(tx).await?;
    no_content()
}

/// Encrypts with the primary key what an older one encrypted; says how many.
pub async fn renew_all(state: &State) -> Result<u64, Fault> {
    let broken = |error: KeyError| Fault::Internal(error.to_string());
    let rows = credentials::Entity::find().all(state.db.read()).await?;
    let mut renewed = 0;
    for row in rows {
        if state
            .credential_keys
            .is_of_primary(&row.blob)
            .map_err(broken)?
        {
            continue;
        }
        let sealed = seal(state, &open(state, &row.blob)?)?;
        // Who changed it meanwhile used the primary key already.
        let done = credentials::Entity::update_many()
            .col_expr(credentials::Column::Blob, Expr::value(sealed))
            .filter(credentials::Column::Id.eq(row.id))
            .filter(credentials::Column::Blob.eq(row.blob))
            .exec(state.db.write())
            .await?;
        renewed += done.rows_affected;
    }
    Ok(renewed)
}

/// A random secret of `bytes` bytes in URL-safe letters.
pub fn random_secret(bytes: usize) -> String {
    let mut raw = Vec::with_capacity(bytes);
    while raw.len() < bytes {
        raw.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    raw.truncate(bytes);
    // A version-4 UUID has six fixed bits; hashing spreads what is random over all of them.
    let mixed = sha2::Sha512::digest(&raw);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mixed)
}
