//! `/v3/OS-OAUTH1/consumers`. Only the consumers: the token dance of OAuth 1 is not built.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fault::{Answer, Fault};
use crate::frame::Ctx;
use crate::parameters;
use crate::record::{self, Object};
use crate::schema::{Field, Kind, may};
use crate::simple::Plain;
use crate::tables::consumers;
use web::policy::Target;

/// The description of the consumers; the secret is shown once, on creation.
pub struct Consumers;

impl Plain for Consumers {
    type Entity = consumers::Entity;
    const ONE: &'static str = "consumer";
    const MANY: &'static str = "consumers";
    const PLACE: &'static str = "OS-OAUTH1/consumers";
    const ID: &'static str = "consumer_id";
    const FIELDS: &'static [Field] = &[may("description", Kind::MaybeText(65_535))];
    const FILTERS: &'static [&'static str] = parameters::WHOLE.filters;

    fn columns(_ctx: &Ctx) -> Value {
        json!({"id": record::new_id(), "description": null, "secret": record::new_id(), "extra": "{}"})
    }

    fn view(row: &consumers::Model) -> Object {
        let mut view = record::view(row);
        view.remove("secret");
        view
    }
}

pub async fn create(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let body = ctx.new_object("consumer", Consumers::FIELDS)?;
    let row: consumers::Model = record::build(Consumers::columns(&ctx), &body, Consumers::FIELDS)?;
    // Nothing asks for the secret again: its hash is kept, which no reader of the database can use.
    let kept = consumers::Model {
        secret: hex::encode(Sha256::digest(&row.secret)),
        ..row.clone()
    };
    let tx = ctx.state.begin().await?;
    record::insert::<consumers::Entity>(&tx, kept).await?;
    ctx.state.commit(tx).await?;
    ctx.shown("consumer", "OS-OAUTH1/consumers", record::view(&row))
}

pub async fn update(ctx: Ctx) -> Answer {
    if ctx.under("consumer")?.contains_key("secret") {
        return Err(Fault::BadRequest(
            "Cannot change consumer secret".to_owned(),
        ));
    }
    crate::simple::update::<Consumers>(ctx).await
}
