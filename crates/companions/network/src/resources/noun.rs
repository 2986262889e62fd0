//! What is particular to a kind of resource, and the calls that are made of it.

use std::future::Future;

use futures::future::BoxFuture;
use serde_json::json;
use sql::sea_orm::{Condition, EntityTrait, IntoActiveModel, PrimaryKeyTrait};

use crate::attributes::Attrs;
use crate::core::Cx;
use crate::db::selection::{Cut, Selection};
use crate::db::store::{self, Reader, Tx, read_json};
use crate::fault::{Fault, Kind, Result, kinds, missing};
use crate::tables::Standard;
use crate::views::View;

/// A kind of resource, by its table. What a noun does not have answers as a path that is not there.
pub trait Noun:
    EntityTrait<Model: Send + Sync, PrimaryKey: PrimaryKeyTrait<ValueType = String>>
{
    /// Which the caller sees.
    fn scope(cx: &Cx<'_>) -> Condition;

    /// As shown to the caller, in the order of the rows.
    fn show(
        cx: &Cx<'_>,
        db: &Reader<'_>,
        rows: Vec<Self::Model>,
    ) -> impl Future<Output = Result<Vec<View>>> + Send;

    /// Refuses a parent that the caller does not see, before policy is asked: it is not found rather than forbidden.
    fn see_parent(_: &Cx<'_>, _: &Tx, _: &Attrs) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Makes one.
    fn create(_: &Cx<'_>, _: &Tx, _: &Attrs) -> impl Future<Output = Result<Self::Model>> + Send {
        async { Err(Fault::NoSuchRoute) }
    }

    /// Changes one.
    fn update(
        _: &Cx<'_>,
        _: &Tx,
        _: Self::Model,
        _: &Attrs,
    ) -> impl Future<Output = Result<Self::Model>> + Send {
        async { Err(Fault::NoSuchRoute) }
    }

    /// Removes one.
    fn delete(cx: &Cx<'_>, tx: &Tx, row: &Self::Model) -> impl Future<Output = Result<()>> + Send;
}

/// What is done to an object's tags.
#[derive(Clone, Debug)]
pub enum Tagging {
    Add(String),
    Remove(String),
    Replace(Vec<String>),
}

type Done<'a, T> = BoxFuture<'a, Result<T>>;
type Read = for<'a> fn(&'a Cx<'a>, Reader<'a>, &'a Selection, Cut<'a>) -> Done<'a, Vec<View>>;
type SeeParent = for<'a> fn(&'a Cx<'a>, &'a Tx, &'a Attrs) -> Done<'a, ()>;
type Create = for<'a> fn(&'a Cx<'a>, &'a Tx, &'a Attrs) -> Done<'a, View>;
type Update = for<'a> fn(&'a Cx<'a>, &'a Tx, One<'a>, &'a Attrs) -> Done<'a, View>;
type Delete = for<'a> fn(&'a Cx<'a>, &'a Tx, One<'a>) -> Done<'a, ()>;
type Tag = for<'a> fn(&'a Tx, One<'a>, &'a Tagging) -> Done<'a, Vec<String>>;

/// An object by its id.
type One<'a> = (&'static Kind, &'a str);

/// The calls of a noun. Boxed: the compiler cannot see through so deep a nest of futures that it may move between threads.
pub struct Logic {
    /// The objects within the caller's scope that are selected, with all their members.
    pub read: Read,
    /// Asked before policy, for each that is to be made.
    pub see_parent: SeeParent,
    pub create: Create,
    pub update: Update,
    pub delete: Delete,
    /// Changes the tags; gives those there are then.
    pub tag: Tag,
}

impl Logic {
    /// Of a noun without tags.
    pub const fn of<N: Noun>() -> Self {
        Logic {
            read: read::<N>,
            see_parent: |cx, tx, attrs| Box::pin(N::see_parent(cx, tx, attrs)),
            create: create::<N>,
            update: update::<N>,
            delete: delete::<N>,
            tag: |_, _, _| Box::pin(async { Err(Fault::NoSuchRoute) }),
        }
    }

    /// Of a noun with tags.
    pub const fn tagged<N: Noun>() -> Self
    where
        N::Model: Standard<Entity = N> + Clone + IntoActiveModel<N::ActiveModel>,
        N::ActiveModel: Send,
    {
        Logic {
            tag: tag::<N>,
            ..Logic::of::<N>()
        }
    }
}

fn read<'a, N: Noun>(
    cx: &'a Cx<'a>,
    db: Reader<'a>,
    wanted: &'a Selection,
    cut: Cut<'a>,
) -> Done<'a, Vec<View>> {
    Box::pin(async move {
        let rows = wanted.select::<N>(N::scope(cx), cut).all(&db).await?;
        N::show(cx, &db, rows).await
    })
}

fn create<'a, N: Noun>(cx: &'a Cx<'a>, tx: &'a Tx, attrs: &'a Attrs) -> Done<'a, View> {
    Box::pin(async move { shown::<N>(cx, tx, N::create(cx, tx, attrs).await?).await })
}

fn update<'a, N: Noun>(
    cx: &'a Cx<'a>,
    tx: &'a Tx,
    (kind, id): One<'a>,
    attrs: &'a Attrs,
) -> Done<'a, View> {
    Box::pin(async move {
        let row = store::get::<N>(tx, kind, id).await?;
        shown::<N>(cx, tx, <N as Noun>::update(cx, tx, row, attrs).await?).await
    })
}

async fn shown<N: Noun>(cx: &Cx<'_>, tx: &Tx, row: N::Model) -> Result<View> {
    let view = N::show(cx, &Reader::Within(tx), vec![row]).await?.pop();
    view.ok_or_else(|| Fault::Broken("an object has no view".to_owned()))
}

fn delete<'a, N: Noun>(cx: &'a Cx<'a>, tx: &'a Tx, (kind, id): One<'a>) -> Done<'a, ()> {
    Box::pin(async move {
        let row = store::get::<N>(tx, kind, id).await?;
        <N as Noun>::delete(cx, tx, &row).await
    })
}

fn tag<'a, N: Noun>(tx: &'a Tx, (kind, id): One<'a>, change: &'a Tagging) -> Done<'a, Vec<String>>
where
    N::Model: Standard<Entity = N> + Clone + IntoActiveModel<N::ActiveModel>,
    N::ActiveModel: Send,
{
    Box::pin(async move {
        let mut row = store::get::<N>(tx, kind, id).await?;
        let mut tags: Vec<String> = read_json(row.tags())?;
        match change {
            Tagging::Add(tag) if tags.contains(tag) => return Ok(tags),
            Tagging::Add(tag) => tags.push(tag.clone()),
            Tagging::Remove(tag) => {
                let before = tags.len();
                tags.retain(|have| have != tag);
                if tags.len() == before {
                    return Err(missing(&kinds::TAG, tag));
                }
            }
            Tagging::Replace(all) => tags = all.clone(),
        }
        row.set_tags(json!(tags).to_string());
        store::save(tx, row).await?;
        Ok(tags)
    })
}
