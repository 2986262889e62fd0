//! `/v3/projects/{project_id}/tags`.

use serde_json::{Value, json};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content, reply};
use crate::immutable;
use crate::record;
use crate::schema::{self, Kind, must};
use crate::tables::projects;

use super::projects as project_api;

fn tags_of(row: &projects::Model) -> Vec<String> {
    serde_json::from_str(&row.tags).unwrap_or_default()
}

/// Changes the tags of a project as they are now; `verb` says how.
async fn change(
    ctx: &Ctx,
    verb: &str,
    row: &projects::Model,
    edit: impl FnOnce(Vec<String>) -> Result<Vec<String>, Fault>,
) -> Result<(), Fault> {
    let tx = ctx.state.begin().await?;
    let mut row = record::lock::<projects::Entity>(&tx, "project", &row.id).await?;
    if immutable::is(&row.options) {
        return Err(Fault::ForbiddenBecause(format!(
            "Cannot {verb} project tags for {}, project is immutable. Set \"immutable\" option to false before \
             creating project tags.",
            row.id
        )));
    }
    row.tags = json!(edit(tags_of(&row))?).to_string();
    record::update::<projects::Entity>(&tx, row).await?;
    ctx.state.commit(tx).await
}

pub async fn list(ctx: Ctx) -> Answer {
    let row = project_api::load(&ctx, ctx.param("project_id")).await?;
    Ok(reply(
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
    change(&ctx, "update", &row, |_| Ok(tags.clone())).await?;
    Ok(reply(json!({"tags": tags, "links": ctx.list_links()})))
}

pub async fn clear(ctx: Ctx) -> Answer {
    let row = project_api::load(&ctx, ctx.param("project_id")).await?;
    change(&ctx, "update", &row, |_| Ok(Vec::new())).await?;
    no_content()
}

pub async fn check(ctx: Ctx) -> Answer {
    let row = project_api::load(&ctx, ctx.param("project_id")).await?;
    let tag = ctx.param("tag");
    if !tags_of(&row).iter().any(|have| have == tag) {
        return Err(Fault::not_found("project tag", tag));
    }
    no_content()
}

pub async fn add(ctx: Ctx) -> Answer {
    let row = project_api::load(&ctx, ctx.param("project_id")).await?;
    let tag = ctx.param("tag");
    if let Some(why) = schema::tag_complaint(tag) {
        return Err(Fault::BadRequest(format!(
            "Invalid input for field 'tag': {why}"
        )));
    }
    change(&ctx, "create", &row, |mut tags| {
        if !tags.iter().any(|have| have == tag) {
            tags.push(tag.to_owned());
        }
        schema::check_new(
            json!({"tags": tags})
                .as_object()
                .unwrap_or(&record::Object::new()),
            &[must("tags", Kind::Tags)],
        )?;
        Ok(tags)
    })
    .await?;
    no_content()
}

pub async fn remove(ctx: Ctx) -> Answer {
    let row = project_api::load(&ctx, ctx.param("project_id")).await?;
    let tag = ctx.param("tag");
    change(&ctx, "delete", &row, |mut tags| {
        let before = tags.len();
        tags.retain(|have| have != tag);
        match tags.len() == before {
            true => Err(Fault::not_found("project tag", tag)),
            false => Ok(tags),
        }
    })
    .await?;
    no_content()
}
