//! Which rows a list reads: its filters, order and place as one statement, so that a page is all that is read.

#[cfg(test)]
pub mod tests;

use chrono::{DateTime, Duration, SubsecRound, Utc};
use serde_json::{Value, json};
use sql::sea_orm::sea_query::{
    Alias, Expr, ExprTrait, Func, IntoCondition, Query as Statement, SelectStatement,
};
use sql::sea_orm::{Condition, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select};
use web::Query;

use crate::db::fields::{Field, Listing, Source};
use crate::db::store;
use crate::fault::Result;
use crate::filters;
use crate::list::{self, TAGS};
use crate::tables::agents::DOWN_AFTER_SECONDS;

/// What is looked for, and in which order it is wanted.
pub struct Selection {
    filters: Condition,
    order: Vec<Key>,
    key: &'static str,
}

/// Where reading begins and ends.
#[derive(Clone, Copy, Default)]
pub struct Cut<'a> {
    /// The key of the row before the first.
    pub after: Option<&'a str>,
    pub limit: Option<u64>,
    /// From the end of the order to its beginning.
    pub backwards: bool,
}

/// A column that is sorted by. Nothing sorts as the least, alike on all engines.
#[derive(Clone, Copy)]
struct Key {
    column: &'static str,
    nothing: Nothing,
    descending: bool,
}

/// What stands for null where things are sorted.
#[derive(Clone, Copy)]
enum Nothing {
    Never,
    Text,
    Number,
}

impl Selection {
    /// The one object with this id.
    pub fn of(id: &str) -> Self {
        Selection {
            filters: equal("id", id).into_condition(),
            order: Vec::new(),
            key: "id",
        }
    }

    /// The same, if its key is this.
    pub fn only(&self, id: &str) -> Self {
        Selection {
            filters: self.filters.clone().add(equal(self.key, id)),
            order: Vec::new(),
            key: self.key,
        }
    }

    /// What a request of the project asks for. `hidden` are members that the caller may not see: nothing is found or sorted by them,
    /// since others would learn their values from what they find.
    ///
    /// # Errors
    /// 400 for a filter or an order that makes no sense.
    pub fn read(
        project: &str,
        list: Listing,
        query: &Query,
        hidden: &dyn Fn(&str) -> bool,
    ) -> Result<Self> {
        let (query, fields) = (filters::canonical(query)?, list.fields);
        let mut all = Condition::all();
        for (key, values) in list::wishes(&query) {
            if TAGS.contains(&key) {
                all = all.add(tags(list.tagged, key, &values));
            } else if key == "changed_since" {
                all = all.add(changed_since(fields, &values));
            } else if !hidden(key)
                && let Some(field) = fields.iter().find(|field| field.name == key)
            {
                all = all.add(filter(project, field.source, &values));
            }
        }
        let mut order = Vec::new();
        for (key, descending) in list::order(&query)? {
            let field = fields.iter().find(|field| field.name == key);
            let field = field.filter(|_| !hidden(key));
            match field.and_then(|field| sorting(field.source)) {
                Some(Sorting::By(column, nothing)) => order.push(Key {
                    column,
                    nothing,
                    descending,
                }),
                Some(Sorting::Alike) => {}
                None => return Err(list::no_order(key)),
            }
        }
        Ok(Selection {
            filters: all,
            order,
            key: list.key,
        })
    }

    /// The statement that reads rows of `E` within `scope`.
    pub fn select<E: EntityTrait>(&self, scope: Condition, cut: Cut<'_>) -> Select<E> {
        let mut keys: Vec<Key> = self.order.clone();
        keys.push(Key {
            column: self.key,
            nothing: Nothing::Never,
            descending: false,
        });
        if cut.backwards {
            for key in &mut keys {
                key.descending = !key.descending;
            }
        }
        let mut select = E::find().filter(scope).filter(self.filters.clone());
        if let Some(id) = cut.after {
            select = select.filter(beyond::<E>(&keys, (self.key, id)));
        }
        for key in &keys {
            let order = if key.descending {
                Order::Desc
            } else {
                Order::Asc
            };
            select = select.order_by(key.expression(), order);
        }
        select.limit(cut.limit)
    }
}

impl Key {
    fn expression(self) -> Expr {
        let column = column(self.column);
        match self.nothing {
            Nothing::Never => column,
            Nothing::Text => Func::coalesce([column, Expr::val("")]).into(),
            Nothing::Number => Func::coalesce([column, Expr::val(-1)]).into(),
        }
    }

    /// The value that the row with this key has.
    fn of_row<E: EntityTrait>(self, (key, id): (&'static str, &str)) -> Expr {
        if self.column == key {
            return Expr::val(id);
        }
        let mut row = Statement::select();
        row.expr(self.expression())
            .from(E::default().table_ref())
            .and_where(equal(key, id));
        Expr::SubQuery(None, Box::new(row.into()))
    }
}

/// Rows behind the one with this key: equal to it in the first keys and beyond it in the next, for each prefix.
fn beyond<E: EntityTrait>(keys: &[Key], row: (&'static str, &str)) -> Condition {
    let mut any = Condition::any();
    for (at, key) in keys.iter().enumerate() {
        let mut all = Condition::all();
        for earlier in &keys[..at] {
            all = all.add(earlier.expression().eq(earlier.of_row::<E>(row)));
        }
        let value = key.of_row::<E>(row);
        any = any.add(all.add(if key.descending {
            key.expression().lt(value)
        } else {
            key.expression().gt(value)
        }));
    }
    any
}

fn column(name: &'static str) -> Expr {
    Expr::col(Alias::new(name))
}

fn equal(name: &'static str, value: &str) -> Expr {
    column(name).eq(value)
}

fn nothing() -> Condition {
    Expr::cust("1 = 0").into_condition()
}

enum Sorting {
    By(&'static str, Nothing),
    /// All objects are alike.
    Alike,
}

fn sorting(source: Source) -> Option<Sorting> {
    match source {
        Source::Text(name)
        | Source::Flag(name)
        | Source::Int(name)
        | Source::Time(name)
        | Source::Texts(name)
        | Source::Objects(name) => Some(Sorting::By(name, Nothing::Never)),
        Source::TextOrNull(name) => Some(Sorting::By(name, Nothing::Text)),
        Source::IntOrNull(name) => Some(Sorting::By(name, Nothing::Number)),
        Source::Always(_) | Source::Null => Some(Sorting::Alike),
        Source::Link { .. }
        | Source::LinkInt { .. }
        | Source::Addresses
        | Source::Holds(_)
        | Source::Alive(_)
        | Source::Range { .. } => None,
    }
}

/// Objects with one of these values, which are in the form that objects show.
fn filter(project: &str, source: Source, values: &[&str]) -> Condition {
    let texts = || values.iter().copied();
    let either = |test: &dyn Fn(&str) -> Condition| {
        let tests = values.iter().map(|value| test(value));
        tests.fold(Condition::any(), Condition::add)
    };
    match source {
        Source::Text(name) => column(name).is_in(texts()).into_condition(),
        Source::TextOrNull(name) => {
            let one = Condition::any().add(column(name).is_in(texts()));
            match texts().any(means_null) {
                true => one.add(column(name).is_null()),
                false => one,
            }
        }
        Source::Flag(name) => flags(values, column(name).into_condition()),
        Source::Int(name) | Source::IntOrNull(name) => {
            let numbers = texts().filter_map(|text| text.parse::<i32>().ok());
            column(name).is_in(numbers).into_condition()
        }
        Source::Time(name) => either(&|text| second(name, text)),
        Source::Texts(name) => either(&|text| holds_text(name, text)),
        Source::Objects(name) => either(&|text| holds_member(name, text)),
        Source::Link {
            table,
            object,
            column: name,
        } => {
            let mut rows = linked(table, object);
            rows.and_where(column(name).is_in(texts()));
            column("id").in_subquery(rows).into_condition()
        }
        Source::LinkInt {
            table,
            object,
            column: name,
        } => {
            let numbers = texts().filter_map(|text| text.parse::<i32>().ok());
            let mut rows = linked(table, object);
            rows.and_where(column(name).is_in(numbers));
            column("id").in_subquery(rows).into_condition()
        }
        Source::Addresses => addresses(values),
        Source::Holds(test) => flags(values, test(project)),
        Source::Alive(name) => {
            let last = store::now() - Duration::seconds(DOWN_AFTER_SECONDS);
            flags(values, column(name).gt(last).into_condition())
        }
        Source::Range { prefix, spelled } => either(&|text| match means_null(text) {
            true => column(prefix).is_null().into_condition(),
            false => contains(spelled, format!("|{text}|")).into_condition(),
        }),
        Source::Always(flag) => match texts().any(|text| text == flag.to_string()) {
            true => Condition::all(),
            false => nothing(),
        },
        Source::Null => match texts().any(means_null) {
            true => Condition::all(),
            false => nothing(),
        },
    }
}

/// How clients write that there is no value.
fn means_null(text: &str) -> bool {
    text.is_empty() || text.eq_ignore_ascii_case("null") || text == "None"
}

fn flags(values: &[&str], holds: Condition) -> Condition {
    match (values.contains(&"true"), values.contains(&"false")) {
        (true, true) => Condition::all(),
        (true, false) => holds,
        (false, true) => holds.not(),
        (false, false) => nothing(),
    }
}

/// Moments that are shown as this text.
fn second(name: &'static str, text: &str) -> Condition {
    let at = DateTime::parse_from_rfc3339(text).map(DateTime::<Utc>::from);
    match at.ok().filter(|at| web::time::seconds(*at) == text) {
        Some(at) => Condition::all()
            .add(column(name).gte(at))
            .add(column(name).lt(at + Duration::seconds(1))),
        None => nothing(),
    }
}

/// Objects that changed since the last of these moments. They show whole seconds, and these are compared.
fn changed_since(fields: &[Field], values: &[&str]) -> Condition {
    let time = fields.iter().find(|field| field.name == "updated_at");
    let Some(Source::Time(name)) = time.map(|field| field.source) else {
        return nothing();
    };
    let moments = values.iter().filter_map(|text| filters::moment(text));
    let tests = moments.map(|since| {
        let begun = since.trunc_subsecs(0);
        let whole = if begun < since {
            begun + Duration::seconds(1)
        } else {
            begun
        };
        column(name).gte(whole)
    });
    tests.fold(Condition::all(), Condition::add)
}

/// Whether a column has this text in it, letter by letter on all engines: `LIKE` knows no case on SQLite.
fn contains(name: &'static str, part: String) -> Expr {
    Expr::from(
        Func::cust(Alias::new("REPLACE"))
            .arg(column(name))
            .arg(part)
            .arg(""),
    )
    .ne(column(name))
}

/// Whether a JSON list of texts has this one. A quote within a text stands behind a backslash, so that a comma and a quote
/// only ever stand before a whole text.
fn holds_text(name: &'static str, text: &str) -> Condition {
    let text = json!(text).to_string();
    let first = format!("[{text}");
    let length = i32::try_from(first.chars().count()).unwrap_or(i32::MAX);
    let head: Expr = Func::cust(Alias::new("SUBSTR"))
        .arg(column(name))
        .arg(1)
        .arg(length)
        .into();
    Condition::any()
        .add(head.eq(first))
        .add(contains(name, format!(",{text}")))
}

/// Whether a JSON object, or one of a list, has `member=value`; the empty text is the empty object.
fn holds_member(name: &'static str, wish: &str) -> Condition {
    let Some((member, value)) = wish.split_once('=') else {
        return match wish.is_empty() {
            true => equal(name, "{}").into_condition(),
            false => nothing(),
        };
    };
    let member = json!(member).to_string();
    let mut any = Condition::any().add(contains(name, format!("{member}:{}", json!(value))));
    for bare in bare_values(value) {
        for end in [',', '}'] {
            any = any.add(contains(name, format!("{member}:{bare}{end}")));
        }
    }
    any
}

/// The JSON values beside texts that a filter's value may mean.
fn bare_values(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    if let Ok(Value::Number(number)) = serde_json::from_str(text)
        && number.to_string() == text
    {
        all.push(text.to_owned());
    }
    match text.to_lowercase().as_str() {
        "true" | "1" => all.push("true".to_owned()),
        "false" | "0" => all.push("false".to_owned()),
        _ if means_null(text) => all.push("null".to_owned()),
        _ => {}
    }
    all
}

fn linked(table: &'static str, object: &'static str) -> SelectStatement {
    let mut rows = Statement::select();
    rows.column(Alias::new(object)).from(Alias::new(table));
    rows
}

/// Ports with an address that passes all wishes; those by the same name are alternatives.
fn addresses(values: &[&str]) -> Condition {
    let wishes: Vec<(&str, &str)> = values.iter().filter_map(|v| v.split_once('=')).collect();
    if wishes.is_empty() {
        return Condition::all();
    }
    let mut one = Condition::all();
    for (at, (name, _)) in wishes.iter().enumerate() {
        if wishes[..at].iter().any(|(earlier, _)| earlier == name) {
            continue;
        }
        let same = wishes.iter().filter(|(other, _)| other == name);
        let tests = same.map(|(_, wanted)| match *name {
            "ip_address_substr" if wanted.is_empty() => Condition::all(),
            "ip_address_substr" => contains("ip_address", (*wanted).to_owned()).into_condition(),
            "ip_address" => equal("ip_address", wanted).into_condition(),
            "subnet_id" => equal("subnet_id", wanted).into_condition(),
            _ => nothing(),
        });
        one = one.add(tests.fold(Condition::any(), Condition::add));
    }
    let mut rows = linked("net_allocations", "port_id");
    rows.cond_where(one);
    column("id").in_subquery(rows).into_condition()
}

/// Objects with all of the tags, with any, not with all, or with none.
fn tags(tagged: bool, key: &str, values: &[&str]) -> Condition {
    let wanted = values
        .iter()
        .flat_map(|value| value.split(','))
        .filter(|tag| !tag.is_empty());
    let has = wanted.map(|tag| match tagged {
        true => holds_text("tags", tag),
        false => nothing(),
    });
    let has: Vec<Condition> = has.collect();
    let all = || has.iter().cloned().fold(Condition::all(), Condition::add);
    let any = || match has.is_empty() {
        true => nothing(),
        false => has.iter().cloned().fold(Condition::any(), Condition::add),
    };
    let none = |condition: Condition| match has.is_empty() {
        true => nothing(),
        false => condition.not(),
    };
    match key {
        "tags" => all(),
        "tags-any" => any(),
        "not-tags" => none(all()),
        _ => match has.is_empty() {
            true => Condition::all(),
            false => any().not(),
        },
    }
}
