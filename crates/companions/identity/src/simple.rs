//! The five verbs of a plain resource: a table with an id, fields, `extra`, and nothing that depends
//! on it but what its `Plain::remove` says. Each resource is one description.

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sql::sea_orm::{
    ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, ModelTrait,
    PrimaryKeyTrait,
};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content};
use crate::listing::Source;
use crate::record::{self, Object};
use crate::schema::{self, Field};
use web::policy::Target;

/// A row of a plain resource.
pub trait Row: Serialize + DeserializeOwned + Clone + Send + Sync {}
impl<T: Serialize + DeserializeOwned + Clone + Send + Sync> Row for T {}

/// The description of a plain resource.
pub trait Plain: Send + Sync + 'static {
    type Entity: EntityTrait<
            Model: Row
                       + IntoActiveModel<<Self::Entity as EntityTrait>::ActiveModel>
                       + ModelTrait<Entity = Self::Entity>,
            ActiveModel: ActiveModelTrait<Entity = Self::Entity> + Send,
            PrimaryKey: PrimaryKeyTrait<ValueType: From<String>>,
        >;
    /// The key of one in bodies, and the kind in messages.
    const ONE: &'static str;
    /// The key of a list.
    const MANY: &'static str;
    /// Where it lies below `/v3/`.
    const PLACE: &'static str = Self::MANY;
    /// The parameter of the path that holds the id.
    const ID: &'static str;
    const FIELDS: &'static [Field];
    /// Whether other names are refused; else they are kept in `extra`.
    const CLOSED: bool = false;
    /// Fields that lists filter by.
    const FILTERS: &'static [&'static str];

    /// Every column with its default.
    fn columns(ctx: &Ctx) -> Value;

    /// Changes what clients see of a row.
    fn view(row: &<Self::Entity as EntityTrait>::Model) -> Object {
        record::view(row)
    }

    /// Whether a row may be stored; references must exist.
    fn check(
        _tx: &DatabaseTransaction,
        _row: &<Self::Entity as EntityTrait>::Model,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Ok(()) }
    }

    /// Removes what depends on a row, or says why it may not go.
    fn release(
        _tx: &DatabaseTransaction,
        _id: &str,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Ok(()) }
    }
}

/// Refuses names that the resource does not have, if it keeps no others.
pub fn closed<P: Plain>(body: &Object) -> Result<(), Fault> {
    match P::CLOSED {
        true => schema::closed(body, P::FIELDS, &[]),
        false => Ok(()),
    }
}

pub async fn create<P: Plain>(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let body = ctx.new_object(P::ONE, P::FIELDS)?;
    closed::<P>(&body)?;
    let row = record::build(P::columns(&ctx), &body, P::FIELDS)?;
    let shown = P::view(&row);
    let tx = ctx.state.begin().await?;
    P::check(&tx, &row).await?;
    let name = shown.get("id").and_then(Value::as_str).unwrap_or_default();
    record::insert::<P::Entity>(&tx, row)
        .await
        .map_err(|fault| fault.or_duplicate(P::ONE, name))?;
    ctx.state.commit(tx).await?;
    ctx.shown(P::ONE, P::PLACE, shown)
}

pub async fn list<P: Plain>(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let source = Source::new(P::Entity::find(), P::FILTERS, &[]);
    ctx.list_rows(P::MANY, P::PLACE, source, |row| Ok(Some(P::view(row))))
        .await
}

pub async fn show<P: Plain>(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let row = record::find::<P::Entity>(ctx.state.db.read(), P::ONE, ctx.param(P::ID)).await?;
    ctx.shown(P::ONE, P::PLACE, P::view(&row))
}

pub async fn update<P: Plain>(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let body = ctx.changes(P::ONE, P::FIELDS)?;
    closed::<P>(&body)?;
    let tx = ctx.state.begin().await?;
    let old = record::lock::<P::Entity>(&tx, P::ONE, ctx.param(P::ID)).await?;
    let row = record::change(&old, &body, P::FIELDS)?;
    P::check(&tx, &row).await?;
    let shown = P::view(&row);
    record::update::<P::Entity>(&tx, row).await?;
    ctx.state.commit(tx).await?;
    ctx.shown(P::ONE, P::PLACE, shown)
}

pub async fn delete<P: Plain>(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let id = ctx.param(P::ID);
    let tx = ctx.state.begin().await?;
    record::find::<P::Entity>(&tx, P::ONE, id).await?;
    P::release(&tx, id).await?;
    P::Entity::delete_by_id(id.to_owned()).exec(&tx).await?;
    ctx.state.commit(tx).await?;
    no_content()
}
