//! Lists read from a table a page at a time: the database filters, sorts and cuts.
//!
//! What it is asked narrows; the exact comparison of [`filter`] follows on the things as shown, so that all engines
//! agree to the letter. Only where that drops rows (endings that ignore case, fields that have no column) is more read
//! than a page, and never more at once than [`MOST`].

use sql::sea_orm::sea_query::LikeExpr;
use sql::sea_orm::{
    ColumnTrait, ColumnType, Condition, ConnectionTrait, EntityTrait, IdenStatic, Iterable,
    ModelTrait, PrimaryKeyToColumn, QueryFilter, QueryOrder, QuerySelect, Select,
};
use web::Query;

use crate::fault::Fault;
use crate::filter::{self, Compare, Page};
use crate::record::Object;

/// Rows that are read at once, where a page is looked for among more than itself.
const MOST: u64 = 1000;

/// What stands before a sign of a pattern that is meant as itself.
const ESCAPE: char = '|';

/// Rows that a list shows, with how it is asked for them.
pub struct Source<E: EntityTrait> {
    rows: Select<E>,
    fields: &'static [&'static str],
    computed: &'static [&'static str],
    order: Vec<E::Column>,
}

impl<E: EntityTrait> Source<E> {
    /// `rows`: all that there is to list. `fields`: what the query may filter by, named as the columns are; those
    /// without a column are looked for in what is shown. `order`: columns that hold something in every row; rows that
    /// are alike in them are sorted by their key.
    pub fn new(rows: Select<E>, fields: &'static [&'static str], order: &[E::Column]) -> Self {
        let key = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
        Self {
            rows,
            fields,
            computed: &[],
            order: order.iter().copied().chain(key).collect(),
        }
    }

    /// The same with fields that are shown otherwise than their columns say.
    pub fn computed(self, computed: &'static [&'static str]) -> Self {
        Self { computed, ..self }
    }
}

/// A list that is being read.
pub struct Listing<'q, E: EntityTrait> {
    query: &'q Query,
    fields: &'static [&'static str],
    order: Vec<E::Column>,
    rows: Select<E>,
    /// What of them is left to read.
    after: Option<Condition>,
    /// How many rows to read next; none for all.
    batch: Option<u64>,
    limit: Option<usize>,
    items: Vec<Object>,
}

impl<'q, E> Listing<'q, E>
where
    E: EntityTrait<Model: ModelTrait<Entity = E>>,
{
    /// Begins behind the marker; a marker that is not in the list is none.
    pub async fn open(
        db: &impl ConnectionTrait,
        source: Source<E>,
        query: &'q Query,
    ) -> Result<Self, Fault> {
        let rows = narrowed(&source, query);
        let order = source.order;
        let marker = match (query.last("marker"), order.last()) {
            (Some(marker), Some(id)) => rows.clone().filter(id.eq(marker)).one(db).await?,
            _ => None,
        };
        let limit = filter::limit(query);
        Ok(Self {
            query,
            fields: source.fields,
            after: marker.map(|row| after(&order, &row)),
            order,
            rows,
            batch: limit.map(|limit| (limit as u64).saturating_add(1).min(MOST)),
            limit,
            items: Vec::new(),
        })
    }

    /// The next rows; none when the page is full or there are no more.
    pub async fn next(&mut self, db: &impl ConnectionTrait) -> Result<Vec<E::Model>, Fault> {
        if self.is_full() || self.batch == Some(0) {
            return Ok(Vec::new());
        }
        let mut rows = self.rows.clone();
        if let Some(after) = self.after.take() {
            rows = rows.filter(after);
        }
        for column in &self.order {
            rows = rows.order_by_asc(*column);
        }
        let rows = rows.limit(self.batch).all(db).await?;
        let is_last = self.batch.is_none_or(|batch| (rows.len() as u64) < batch);
        self.batch = match self.batch {
            Some(batch) if !is_last => Some((batch * 2).min(MOST)),
            _ => Some(0),
        };
        self.after = rows.last().map(|row| after(&self.order, row));
        Ok(rows)
    }

    /// Adds a thing as shown, if it is what the query asks for.
    pub fn add(&mut self, item: Object) {
        if !self.is_full() && filter::fits(&item, self.query, self.fields) {
            self.items.push(item);
        }
    }

    pub fn page(self) -> Page {
        filter::cut(self.items, self.limit)
    }

    /// Whether there is one more than the page shows, which tells that more follow.
    fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.items.len() > limit)
    }
}

/// A page of rows; `show` says how each is shown, if it is.
pub async fn read<E>(
    db: &impl ConnectionTrait,
    source: Source<E>,
    query: &Query,
    mut show: impl FnMut(&E::Model) -> Result<Option<Object>, Fault>,
) -> Result<Page, Fault>
where
    E: EntityTrait<Model: ModelTrait<Entity = E>>,
{
    let mut list = Listing::open(db, source, query).await?;
    loop {
        let rows = list.next(db).await?;
        if rows.is_empty() {
            return Ok(list.page());
        }
        for row in &rows {
            if let Some(item) = show(row)? {
                list.add(item);
            }
        }
    }
}

/// The rows that may satisfy the filters of the query.
fn narrowed<E: EntityTrait>(source: &Source<E>, query: &Query) -> Select<E> {
    let mut rows = source.rows.clone();
    for (key, want) in &query.0 {
        let (field, compare) = filter::split(key);
        let known = source.fields.contains(&field) && !source.computed.contains(&field);
        let mut columns = E::Column::iter();
        let column = columns.find(|column| known && column.as_str() == field);
        if let Some(condition) = column.and_then(|column| condition(column, compare, want)) {
            rows = rows.filter(condition);
        }
    }
    rows
}

/// What a row must satisfy to pass a filter; none where the database cannot tell.
fn condition(column: impl ColumnTrait, compare: Compare, want: &str) -> Option<Condition> {
    let all = Condition::all();
    match column.def().get_column_type() {
        ColumnType::Boolean if compare == Compare::Equal => {
            return Some(all.add(column.eq(filter::is_true(want))));
        }
        ColumnType::String(_) | ColumnType::Text => {}
        _ => return None,
    }
    let like = |pattern: String| column.like(LikeExpr::new(pattern).escape(ESCAPE));
    let plain = escaped(want);
    Some(match compare {
        Compare::Equal if filter::is_nothing(want) => {
            Condition::any().add(column.eq(want)).add(column.is_null())
        }
        Compare::Equal => all.add(column.eq(want)),
        Compare::Contains => all.add(like(format!("%{plain}%"))),
        Compare::StartsWith => all.add(like(format!("{plain}%"))),
        Compare::EndsWith => all.add(like(format!("%{plain}"))),
        // Not every engine knows the case of all letters.
        Compare::IgnoringCase(_) => return None,
    })
}

/// A text in a pattern, as itself.
pub fn escaped(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | ESCAPE) {
            plain.push(ESCAPE);
        }
        plain.push(letter);
    }
    plain
}

/// Rows whose column holds this text somewhere.
pub fn holding(column: impl ColumnTrait, text: &str) -> Condition {
    let pattern = format!("%{}%", escaped(text));
    Condition::all().add(column.like(LikeExpr::new(pattern).escape(ESCAPE)))
}

/// Rows behind this one: equal in the first columns and beyond it in the next, for each beginning of the order.
fn after<M>(order: &[<M::Entity as EntityTrait>::Column], row: &M) -> Condition
where
    M: ModelTrait,
{
    let mut any = Condition::any();
    for (at, column) in order.iter().enumerate() {
        let mut all = Condition::all();
        for earlier in &order[..at] {
            all = all.add(earlier.eq(row.get(*earlier)));
        }
        any = any.add(all.add(column.gt(row.get(*column))));
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::HISTORY;
    use crate::record;
    use crate::tables::regions;

    #[tokio::test]
    async fn a_page_reads_only_a_page() {
        for db in sql::testing::engines().await {
            db.apply(&HISTORY).await.expect("tables");
            for at in 0..300 {
                let row = regions::Model {
                    id: format!("region{at:03}"),
                    description: if at % 100 == 99 { "Rare" } else { "often" }.to_owned(),
                    parent_region_id: (at % 2 == 1).then(|| "region000".to_owned()),
                    extra: "{}".to_owned(),
                };
                record::insert::<regions::Entity>(db.write(), row)
                    .await
                    .expect("a row");
            }
            // Query, rows read, ids of the page.
            for (query, most, ids) in [
                ("limit=3", 4, &["region000", "region001", "region002"][..]),
                ("limit=2&marker=region100", 3, &["region101", "region102"]),
                (
                    "limit=1&parent_region_id=region000&marker=region201",
                    2,
                    &["region203"],
                ),
                ("limit=1&parent_region_id=", 2, &["region000"]),
                ("limit=1&description=Rare", 2, &["region099"]),
                ("limit=2&marker=nowhere", 3, &["region000", "region001"]),
                // Only the exact comparison knows: more is read, a part at a time.
                ("limit=1&description__iexact=rare", 254, &["region099"]),
            ] {
                let mut read_rows = 0;
                let source = Source::new(
                    regions::Entity::find(),
                    &["parent_region_id", "description"],
                    &[],
                );
                let show = |row: &regions::Model| {
                    read_rows += 1;
                    Ok(Some(record::view(row)))
                };
                let page = read(db.read(), source, &Query::parse(query), show)
                    .await
                    .expect("a page");
                let found: Vec<_> = page.items.iter().map(|item| &item["id"]).collect();
                assert_eq!(found, ids, "{query}");
                assert!(read_rows <= most, "{query}: {read_rows} rows read");
            }
        }
    }
}
