//! Rows as JSON objects and back: one way for every resource to show itself, to be made from a body
//! and to be changed by one. Known fields live in columns, all others in the column `extra`.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sql::sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel,
    PrimaryKeyTrait, QuerySelect,
};

use crate::fault::Fault;
use crate::schema::Field;

/// A JSON object.
pub type Object = Map<String, Value>;

/// Columns whose text is a JSON document.
pub const DOCUMENTS: &[&str] = &[
    "access_rules",
    "extra",
    "filters",
    "options",
    "roles",
    "tags",
];

/// Shows a row: columns as they are, documents opened, `extra` spread out.
pub fn view<M: Serialize>(row: &M) -> Object {
    let mut columns = columns_of(row);
    for name in DOCUMENTS {
        if let Some(Value::String(text)) = columns.get(*name) {
            let opened = serde_json::from_str(text).unwrap_or(Value::Null);
            columns.insert((*name).to_owned(), opened);
        }
    }
    if let Some(Value::Object(extra)) = columns.remove("extra") {
        for (key, value) in extra {
            columns.entry(key).or_insert(value);
        }
    }
    columns
}

/// Makes a row from `columns` (every column with its default) and a checked body, of which only
/// the fields of `known` may fill columns.
pub fn build<M: DeserializeOwned>(
    columns: Value,
    body: &Object,
    known: &[Field],
) -> Result<M, Fault> {
    match columns {
        Value::Object(columns) => merge(columns, body, known),
        _ => Err(Fault::Internal("columns are an object".to_owned())),
    }
}

/// The row with the fields of a checked body changed.
pub fn change<M: Serialize + DeserializeOwned>(
    row: &M,
    body: &Object,
    known: &[Field],
) -> Result<M, Fault> {
    merge(columns_of(row), body, known)
}

fn merge<M: DeserializeOwned>(
    mut columns: Object,
    body: &Object,
    known: &[Field],
) -> Result<M, Fault> {
    let mut extra: Object = match columns.get("extra") {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        _ => Object::new(),
    };
    for (key, value) in body {
        let is_column = columns.contains_key(key);
        let settable = known.iter().any(|field| field.name == key);
        if is_column && settable && key != "extra" {
            let document = DOCUMENTS.contains(&key.as_str());
            let value = if document {
                Value::String(value.to_string())
            } else {
                value.clone()
            };
            columns.insert(key.clone(), value);
        } else if !is_column && key != "links" {
            extra.insert(key.clone(), value.clone());
        }
    }
    if columns.contains_key("extra") {
        columns.insert("extra".to_owned(), Value::Object(extra).to_string().into());
    }
    serde_json::from_value(Value::Object(columns))
        .map_err(|error| Fault::BadRequest(format!("Invalid input: {error}")))
}

fn columns_of<M: Serialize>(row: &M) -> Object {
    match serde_json::to_value(row) {
        Ok(Value::Object(columns)) => columns,
        _ => Object::new(),
    }
}

/// The row with this id, or 404.
pub async fn find<E>(
    db: &impl ConnectionTrait,
    kind: &'static str,
    id: &str,
) -> Result<E::Model, Fault>
where
    E: EntityTrait,
    <E::PrimaryKey as PrimaryKeyTrait>::ValueType: From<String>,
{
    E::find_by_id(id.to_owned())
        .one(db)
        .await?
        .ok_or_else(|| Fault::not_found(kind, id))
}

/// [`find`] with the row locked until the transaction ends, for those who change it: nobody else's
/// change is lost. (On SQLite the transaction itself is the lock.)
pub async fn lock<E>(
    tx: &DatabaseTransaction,
    kind: &'static str,
    id: &str,
) -> Result<E::Model, Fault>
where
    E: EntityTrait,
    <E::PrimaryKey as PrimaryKeyTrait>::ValueType: From<String>,
{
    E::find_by_id(id.to_owned())
        .lock_exclusive()
        .one(tx)
        .await?
        .ok_or_else(|| Fault::not_found(kind, id))
}

/// Adds a row.
pub async fn insert<E>(db: &impl ConnectionTrait, row: E::Model) -> Result<(), Fault>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
{
    E::insert(row.into_active_model())
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Writes all columns of a row that exists.
pub async fn update<E>(db: &impl ConnectionTrait, row: E::Model) -> Result<(), Fault>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
{
    E::update(row.into_active_model().reset_all())
        .exec(db)
        .await?;
    Ok(())
}

/// A new identifier: 32 hexadecimal digits, as Keystone makes them.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Kind, may};
    use crate::tables::regions;
    use serde_json::json;

    #[test]
    fn unknown_fields_are_kept_and_columns_are_safe_from_clients() {
        let body = json!({"description": "d", "id": "stolen", "colour": "red", "extra": {"a": 1}});
        let row: regions::Model = build(
            json!({"id": "r", "description": "", "parent_region_id": null, "extra": "{}"}),
            body.as_object().expect("object"),
            &[may("description", Kind::Text(0, 9))],
        )
        .expect("row");
        assert_eq!(row.id, "r");
        assert_eq!(
            Value::Object(view(&row)),
            json!({"id": "r", "description": "d", "parent_region_id": null, "colour": "red"})
        );
    }
}
