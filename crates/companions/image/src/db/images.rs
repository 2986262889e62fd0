//! Images: finding, adding, saving and removing them, and the steps of their life, each a
//! compare-and-set.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use sql::sea_orm::sea_query::Expr;
use sql::sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QuerySelect, UpdateMany,
};

use crate::model::Image;
use crate::tables::{Status, image, property, tag};

/// The image, locked for the transaction where the engine has row locks.
pub async fn locked<C: ConnectionTrait>(db: &C, id: &str) -> Result<Option<Image>, DbErr> {
    let row = image::Entity::find_by_id(id)
        .lock_exclusive()
        .one(db)
        .await?;
    with_belongings(db, row).await
}

/// The image.
pub async fn find<C: ConnectionTrait>(db: &C, id: &str) -> Result<Option<Image>, DbErr> {
    let row = image::Entity::find_by_id(id).one(db).await?;
    with_belongings(db, row).await
}

async fn with_belongings<C: ConnectionTrait>(
    db: &C,
    row: Option<image::Model>,
) -> Result<Option<Image>, DbErr> {
    let Some(row) = row else { return Ok(None) };
    Ok(gather(db, vec![row]).await?.pop())
}

/// Adds properties and tags to rows, in two queries for all.
pub async fn gather<C: ConnectionTrait>(
    db: &C,
    rows: Vec<image::Model>,
) -> Result<Vec<Image>, DbErr> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut properties: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let found = property::Entity::find()
        .filter(property::Column::ImageId.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    for one in found {
        properties
            .entry(one.image_id)
            .or_default()
            .insert(one.name, one.value);
    }
    let mut tags: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let found = tag::Entity::find()
        .filter(tag::Column::ImageId.is_in(ids.iter().copied()))
        .all(db)
        .await?;
    for one in found {
        tags.entry(one.image_id).or_default().insert(one.value);
    }
    let images = rows.into_iter().map(|row| Image {
        properties: properties.remove(&row.id).unwrap_or_default(),
        tags: tags.remove(&row.id).unwrap_or_default(),
        row,
    });
    Ok(images.collect())
}

/// Writes a new image; a duplicate id breaks the primary key.
pub async fn add<C: ConnectionTrait>(db: &C, image: &Image) -> Result<(), DbErr> {
    image::Entity::insert(image.row.clone().into_active_model())
        .exec_without_returning(db)
        .await?;
    add_properties(db, &image.row.id, &image.properties).await?;
    add_tags(db, &image.row.id, &image.tags).await
}

/// Writes what a PATCH may change.
pub async fn save<C: ConnectionTrait>(db: &C, image: &Image) -> Result<(), DbErr> {
    let row = image.row.clone();
    let changed = image::ActiveModel {
        id: sql::sea_orm::ActiveValue::Unchanged(row.id.clone()),
        name: Set(row.name),
        visibility: Set(row.visibility),
        owner: Set(row.owner),
        disk_format: Set(row.disk_format),
        container_format: Set(row.container_format),
        min_disk: Set(row.min_disk),
        min_ram: Set(row.min_ram),
        protected: Set(row.protected),
        os_hidden: Set(row.os_hidden),
        updated_at: Set(row.updated_at),
        ..Default::default()
    };
    changed.update(db).await?;
    property::Entity::delete_many()
        .filter(property::Column::ImageId.eq(&row.id))
        .exec(db)
        .await?;
    add_properties(db, &row.id, &image.properties).await?;
    tag::Entity::delete_many()
        .filter(tag::Column::ImageId.eq(&row.id))
        .exec(db)
        .await?;
    add_tags(db, &row.id, &image.tags).await
}

async fn add_properties<C: ConnectionTrait>(
    db: &C,
    id: &str,
    properties: &BTreeMap<String, String>,
) -> Result<(), DbErr> {
    if properties.is_empty() {
        return Ok(());
    }
    let rows = properties
        .iter()
        .map(|(name, value)| property::ActiveModel {
            image_id: Set(id.to_owned()),
            name: Set(name.clone()),
            value: Set(value.clone()),
        });
    property::Entity::insert_many(rows)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

async fn add_tags<C: ConnectionTrait>(
    db: &C,
    id: &str,
    tags: &BTreeSet<String>,
) -> Result<(), DbErr> {
    if tags.is_empty() {
        return Ok(());
    }
    let rows = tags.iter().map(|value| tag::ActiveModel {
        image_id: Set(id.to_owned()),
        value: Set(value.clone()),
    });
    tag::Entity::insert_many(rows)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Removes the image with all that belongs to it, for good; whether it was there.
pub async fn remove<C: ConnectionTrait>(db: &C, id: &str) -> Result<bool, DbErr> {
    let gone = image::Entity::delete_many()
        .filter(image::Column::Id.eq(id))
        .filter(image::Column::Protected.eq(false))
        .exec(db)
        .await?;
    if gone.rows_affected == 0 {
        return Ok(false);
    }
    super::gone::add(db, id).await?;
    Ok(true)
}

/// What a finished upload or import writes on the image.
#[derive(Debug, Clone)]
pub struct Filled {
    pub size: i64,
    pub virtual_size: Option<i64>,
    pub md5: String,
    pub sha512: String,
}

/// A change of the image.
fn change(id: &str) -> UpdateMany<image::Entity> {
    image::Entity::update_many().filter(image::Column::Id.eq(id))
}

/// The same, which gives it a status.
fn turns(id: &str, to: Status) -> UpdateMany<image::Entity> {
    let now = sql::micros(Utc::now());
    change(id)
        .col_expr(image::Column::Status, Expr::value(to))
        .col_expr(image::Column::UpdatedAt, Expr::value(now))
}

/// Whether the image was as the change asks for, and is changed.
async fn is_done<C: ConnectionTrait>(
    db: &C,
    change: UpdateMany<image::Entity>,
) -> Result<bool, DbErr> {
    Ok(change.exec(db).await?.rows_affected == 1)
}

/// Starts an upload or import: `from` → `to`, with `data` as the name of the file to come and
/// `reserved` bytes of the quota. False when the image is not in `from` any more.
pub async fn claim<C: ConnectionTrait>(
    db: &C,
    id: &str,
    (from, to): (Status, Status),
    data: &str,
    reserved: u64,
) -> Result<bool, DbErr> {
    let change = turns(id, to)
        .col_expr(image::Column::Data, Expr::value(data))
        .col_expr(image::Column::Reserved, Expr::value(signed(reserved)))
        .filter(image::Column::Status.eq(from));
    is_done(db, change).await
}

/// Sizes in the database are signed.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Notes how many bytes of the quota the upload that holds `data` has reserved by now. False when it
/// does not hold the image any more.
pub async fn reserve<C: ConnectionTrait>(
    db: &C,
    id: &str,
    data: &str,
    reserved: u64,
) -> Result<bool, DbErr> {
    let change = change(id)
        .filter(image::Column::Data.eq(data))
        .col_expr(image::Column::Reserved, Expr::value(signed(reserved)));
    is_done(db, change).await
}

/// Begins the import of the staged data that is called `data`, with `reserved` bytes of the quota.
/// False when the image does not wait with it any more.
pub async fn take_staged<C: ConnectionTrait>(
    db: &C,
    id: &str,
    data: &str,
    reserved: u64,
) -> Result<bool, DbErr> {
    let change = turns(id, Status::Importing)
        .filter(image::Column::Data.eq(data))
        .col_expr(image::Column::Reserved, Expr::value(signed(reserved)))
        .filter(image::Column::Status.eq(Status::Uploading));
    is_done(db, change).await
}

/// Ends the upload or import that holds `data`: the image is active.
pub async fn fill<C: ConnectionTrait>(
    db: &C,
    id: &str,
    data: &str,
    from: Status,
    filled: &Filled,
) -> Result<bool, DbErr> {
    let change = turns(id, Status::Active)
        .filter(image::Column::Data.eq(data))
        .col_expr(image::Column::Reserved, Expr::value(None::<i64>))
        .col_expr(image::Column::Size, Expr::value(filled.size))
        .col_expr(image::Column::VirtualSize, Expr::value(filled.virtual_size))
        .col_expr(image::Column::Checksum, Expr::value(filled.md5.as_str()))
        .col_expr(image::Column::OsHashAlgo, Expr::value(crate::model::HASH))
        .col_expr(
            image::Column::OsHashValue,
            Expr::value(filled.sha512.as_str()),
        )
        .filter(image::Column::Status.eq(from));
    is_done(db, change).await
}

/// Notes the size of staged data.
pub async fn staged<C: ConnectionTrait>(
    db: &C,
    id: &str,
    data: &str,
    size: i64,
) -> Result<bool, DbErr> {
    let change = change(id)
        .filter(image::Column::Data.eq(data))
        .col_expr(image::Column::Reserved, Expr::value(None::<i64>))
        .col_expr(image::Column::Size, Expr::value(size))
        .filter(image::Column::Status.eq(Status::Uploading));
    is_done(db, change).await
}

/// Gives up what holds `data`: the image is queued again, as if nothing had been sent.
pub async fn give_up<C: ConnectionTrait>(db: &C, id: &str, data: &str) -> Result<bool, DbErr> {
    let change = turns(id, Status::Queued)
        .filter(image::Column::Data.eq(data))
        .col_expr(image::Column::Data, Expr::value(None::<String>))
        .col_expr(image::Column::Reserved, Expr::value(None::<i64>))
        .col_expr(image::Column::Size, Expr::value(None::<i64>))
        .col_expr(image::Column::VirtualSize, Expr::value(None::<i64>))
        .filter(image::Column::Status.is_in([
            Status::Saving,
            Status::Uploading,
            Status::Importing,
        ]));
    is_done(db, change).await
}

/// Deactivates or reactivates: whether the image was in `from`.
pub async fn switch<C: ConnectionTrait>(
    db: &C,
    id: &str,
    (from, to): (Status, Status),
) -> Result<bool, DbErr> {
    let change = turns(id, to).filter(image::Column::Status.eq(from));
    is_done(db, change).await
}

/// Writes one custom property, replacing its value.
pub async fn set_property<C: ConnectionTrait>(
    db: &C,
    id: &str,
    name: &str,
    value: &str,
) -> Result<(), DbErr> {
    drop_property(db, id, name).await?;
    let one = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    add_properties(db, id, &one).await
}

/// Removes one custom property.
pub async fn drop_property<C: ConnectionTrait>(db: &C, id: &str, name: &str) -> Result<(), DbErr> {
    property::Entity::delete_by_id((id.to_owned(), name.to_owned()))
        .exec(db)
        .await?;
    Ok(())
}

/// Adds one tag; adding it twice changes nothing.
pub async fn add_tag<C: ConnectionTrait>(db: &C, id: &str, value: &str) -> Result<(), DbErr> {
    drop_tag(db, id, value).await?;
    add_tags(db, id, &BTreeSet::from([value.to_owned()])).await
}

/// Removes one tag; whether it was there.
pub async fn drop_tag<C: ConnectionTrait>(db: &C, id: &str, value: &str) -> Result<bool, DbErr> {
    let gone = tag::Entity::delete_by_id((id.to_owned(), value.to_owned()))
        .exec(db)
        .await?;
    Ok(gone.rows_affected == 1)
}

/// All images that name a data file.
pub async fn with_data<C: ConnectionTrait>(db: &C) -> Result<Vec<image::Model>, DbErr> {
    image::Entity::find()
        .filter(image::Column::Data.is_not_null())
        .all(db)
        .await
}
