//! `/v3/users/{user_id}/credentials/OS-EC2`: access key and secret pairs, kept among the credentials.

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content, reply};
use crate::parameters;
use crate::record::{self, Object};
use crate::tables::{credentials, projects, users};
use web::policy::Target;

use super::credentials as credential_api;
use crate::blobs;

fn target(user_id: &str) -> Target<'_> {
    Target::new().with("target.credential.user_id", user_id)
}

fn view(ctx: &Ctx, row: &credentials::Model) -> Result<Object, Fault> {
    let blob: Object =
        serde_json::from_str(&blobs::open(&ctx.state, &row.blob)?).unwrap_or_default();
    let part = |key: &str| blob.get(key).cloned().unwrap_or(Value::Null);
    let link = format!(
        "{}/v3/users/{}/credentials/OS-EC2/{}",
        ctx.base,
        row.user_id,
        part("access").as_str().unwrap_or_default()
    );
    let view = json!({
        "access": part("access"),
        "secret": part("secret"),
        "user_id": row.user_id,
        "tenant_id": row.project_id,
        "trust_id": part("trust_id"),
        "links": {"self": link},
    });
    Ok(view.as_object().cloned().unwrap_or_default())
}

async fn check_user(ctx: &Ctx) -> Result<String, Fault> {
    let id = ctx.param("user_id");
    ctx.allow(target(id))?;
    Ok(
        record::find::<users::Entity>(ctx.state.db.read(), "user", id)
            .await?
            .id,
    )
}

pub async fn create(ctx: Ctx) -> Answer {
    let user_id = check_user(&ctx).await?;
    let body = ctx.object()?;
    let project_id = body.get("tenant_id").and_then(Value::as_str);
    let project_id = project_id
        .ok_or_else(|| Fault::BadRequest("'tenant_id' is a required property".to_owned()))?;
    record::find::<projects::Entity>(ctx.state.db.read(), "project", project_id).await?;
    let access = record::new_id();
    let mut blob = Object::new();
    blob.insert("access".to_owned(), access.clone().into());
    blob.insert("secret".to_owned(), record::new_id().into());
    blob.insert("trust_id".to_owned(), Value::Null);
    credential_api::bound(&mut blob, ctx.session()?);
    let row = credentials::Model {
        id: credential_api::ec2_id(&access),
        user_id,
        project_id: Some(project_id.to_owned()),
        kind: "ec2".to_owned(),
        blob: blobs::seal(&ctx.state, &Value::Object(blob).to_string())?,
        extra: "{}".to_owned(),
    };
    let tx = ctx.state.begin().await?;
    record::insert::<credentials::Entity>(&tx, row.clone()).await?;
    ctx.state.commit(tx).await?;
    Ok(reply(json!({"credential": view(&ctx, &row)?})))
}

pub async fn list(ctx: Ctx) -> Answer {
    let user_id = check_user(&ctx).await?;
    let rows = credentials::Entity::find()
        .filter(credentials::Column::UserId.eq(user_id))
        .filter(credentials::Column::Kind.eq("ec2"))
        .all(ctx.state.db.read())
        .await?;
    let items = rows
        .iter()
        .map(|row| view(&ctx, row))
        .collect::<Result<_, _>>()?;
    ctx.list_as_is("credentials", items, parameters::WHOLE.filters)
}

async fn load(ctx: &Ctx) -> Result<credentials::Model, Fault> {
    let user_id = check_user(ctx).await?;
    let access = ctx.param("credential_id");
    let row = credentials::Entity::find_by_id(credential_api::ec2_id(access))
        .one(ctx.state.db.read())
        .await?;
    row.filter(|row| row.user_id == user_id && row.kind == "ec2")
        .ok_or_else(|| Fault::not_found("credential", access))
}

pub async fn show(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    Ok(reply(json!({"credential": view(&ctx, &row)?})))
}

pub async fn delete(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    let tx = ctx.state.begin().await?;
    credentials::Entity::delete_by_id(row.id).exec(&tx).await?;
    ctx.state.commit(tx).await?;
    no_content()
}
