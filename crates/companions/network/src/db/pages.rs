//! Pages of lists: where one begins, and reading on until it is full.

use serde_json::Value;
use sql::sea_orm::{Condition, ConnectionTrait, EntityTrait};

use super::selection::{Cut, Selection};
use crate::fault::Result;
use crate::list::{self, Paging};
use crate::views::View;

/// Refuses a marker that is no object of the list.
pub async fn check_marker<E: EntityTrait>(
    db: &impl ConnectionTrait,
    wanted: &Selection,
    scope: Condition,
    paging: &Paging,
) -> Result<()> {
    let Some(marker) = &paging.marker else {
        return Ok(());
    };
    let one = wanted.only(marker).select::<E>(scope, Cut::default());
    match one.one(db).await? {
        Some(_) => Ok(()),
        None => Err(list::no_marker(marker)),
    }
}

/// The rows of a page, where all that is read is shown.
///
/// # Errors
/// 400 for a marker that is no object of the list.
pub async fn rows<E: EntityTrait>(
    db: &impl ConnectionTrait,
    wanted: &Selection,
    scope: Condition,
    paging: &Paging,
) -> Result<Vec<E::Model>> {
    check_marker::<E>(db, wanted, scope.clone(), paging).await?;
    let cut = Cut {
        after: paging.marker.as_deref(),
        limit: (paging.size > 0).then_some(paging.size as u64),
        backwards: paging.backwards,
    };
    let mut rows = wanted.select::<E>(scope, cut).all(db).await?;
    if paging.backwards {
        rows.reverse();
    }
    Ok(rows)
}

/// A page that is being read. What is dropped of what was read is made up for by reading on.
pub struct Reading<'a> {
    paging: &'a Paging,
    after: Option<String>,
    is_at_end: bool,
    views: Vec<View>,
}

impl<'a> Reading<'a> {
    /// Begins behind the marker.
    pub fn of(paging: &'a Paging) -> Self {
        Reading {
            paging,
            after: paging.marker.clone(),
            is_at_end: false,
            views: Vec::new(),
        }
    }

    /// How many objects the page has room for; none for all there are.
    fn room(&self) -> Option<u64> {
        (self.paging.size > 0).then(|| (self.paging.size - self.views.len()) as u64)
    }

    /// What to read next, until the page is full or the list ends.
    pub fn next_cut(&self) -> Option<Cut<'_>> {
        let limit = self.room();
        (!self.is_at_end && limit != Some(0)).then_some(Cut {
            after: self.after.as_deref(),
            limit,
            backwards: self.paging.backwards,
        })
    }

    /// Takes what was read, and keeps some of it.
    pub fn take(&mut self, found: Vec<View>, keep: impl Fn(&View) -> bool) {
        let room = self.room();
        self.is_at_end = room.is_none_or(|room| (found.len() as u64) < room);
        let key = |view: &View| {
            view.get(self.paging.key)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        self.after = found.last().and_then(key);
        self.views
            .extend(found.into_iter().filter(|view| keep(view)));
    }

    /// The page.
    pub fn page(mut self) -> Vec<View> {
        if self.paging.backwards {
            self.views.reverse();
        }
        self.views
    }
}
