//! `/v3/projects/{project_id}/tags`.

use axum::response::IntoResponse;
use http::StatusCode;
use serde_json::{Value, json};

use crate::fault::{Answer, Fault};
use crate::http::{Ctx, done, reply};
use crate::record;
use crate::schema::{self, Kind, must};
use crate::tables::projects;

use super::projects as project_api;

fn tags_of(row: &projects::Model) -> Vec<String> {
    serde_json::from_str(&row.tags).unwrap_or_default()
}

async fn store(ctx: &Ctx, mut row: projects::Model, tags: &[String]) -> Result<(), Fault> {
    row.tags = json!(tags).to_string();
    let tx = ctx.state.begin().await?;
    record::update::<projects::Entity>(&tx, row).await?;
    ctx.state.commit(tx).await
}

pub async fn list(ctx: Ctx) -> Answer {
    let row = project_api::load(&ctx, ctx.param("project_id")).await?;
    Ok(reply(
        StatusCode::OK,
        json!({"tags": tags_of(&row), "links": ctx.list_links()}),
    ))
}

pub async fn replace(ctx: Ctx) -> Answer {
    let row = project_api::load(&ctx, ctx.param("project_id")).await?;
    let body = ctx.object()?;
    schema::check_new(&body, &[must("tags", Kind::Tags)])?;
    let wanted = body
        .get("tags")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let tags: Vec<String> = wanted
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    store(&ctx, row, &tags).await?;
    Ok(reply(
        StatusCode::OK,
        json!({"tags": tags, "links": ctx.list_links()}),
    ))
}

pub async fn clear(ctx: Ctx) -> Answer {
    let row = project_api::load(&ctx, ctx.param("project_id")).await?;
    store(&ctx, row, &[]).await?;
    done()
}

pub async fn check(ctx: Ctx) -> Answer {
    let row = project_api::load(&ctx, ctx.param("project_id")).await?;
    let tag = ctx.param("tag");
    if !tags_of(&row).iter().any(|have| have == tag) {
        return Err(Fault::not_found("project tag", tag));
    }
    done()
}

pub async fn add(ctx: Ctx) -> Answer {
    let row = project_api::load(&ctx, ctx.param("project_id")).await?;
    let tag = ctx.param("tag");
    if let Some(why) = schema::tag_complaint(tag) {
        return Err(Fault::BadRequest(format!(
            "Invalid input for field 'tag': {why}"
        )));
    }
    let mut tags = tags_of(&row);
    if !tags.iter().any(|have| have == tag) {
        tags.push(tag.to_owned());
    }
    schema::check_new(
        json!({"tags": tags})
            .as_object()
            .unwrap_or(&record::Object::new()),
        &[must("tags", Kind::Tags)],
    )?;
    store(&ctx, row, &tags).await?;
    Ok(StatusCode::CREATED.into_response())
}

pub async fn remove(ctx: Ctx) -> Answer {
    let row = project_api::load(&ctx, ctx.param("project_id")).await?;
    let tag = ctx.param("tag");
    let mut tags = tags_of(&row);
    let before = tags.len();
    tags.retain(|have| have != tag);
    if tags.len() == before {
        return Err(Fault::not_found("project tag", tag));
    }
    store(&ctx, row, &tags).await?;
    done()
}
