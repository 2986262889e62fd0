//! From a path to the rows on it.

use std::collections::HashMap;

use http::Method;
use http::StatusCode;
use microversion::{Range, Version};
use percent_encoding::percent_decode_str;

use crate::{Access, Refused, Row, Service, Serving, Status, Verb};

/// The dialect of a service's paths.
#[derive(Clone, Copy, Debug)]
pub struct Paths {
    /// Whether a project id may stand before any path.
    pub project_before: bool,
    /// Whether `.json` after a path means nothing.
    pub json_after: bool,
    /// Whether a slash after a path means nothing.
    pub slash_after: bool,
    /// Whether a path without a row for HEAD answers it as GET, without the body.
    pub head_is_get: bool,
}

impl Paths {
    /// Paths are what their rows say.
    pub const PLAIN: Self = Self {
        project_before: false,
        json_after: false,
        slash_after: false,
        head_is_get: false,
    };
}

/// All calls of a service, ready to be found by path.
pub struct Table<S: Service> {
    rows: Vec<&'static Row<S>>,
    /// By the first segment of their path.
    entries: HashMap<&'static str, Vec<Entry<S>>>,
}

/// The rows of one verb and path: one, or the actions.
pub struct Found<S: Service> {
    pub rows: &'static [&'static Row<S>],
    pub captures: Vec<(&'static str, String)>,
    /// The project id that stood before the path.
    pub project: Option<String>,
}

struct Entry<S: Service> {
    verb: Verb,
    segments: Vec<&'static str>,
    rows: Vec<&'static Row<S>>,
}

/// A row without what serves it: for documents, and for tests that walk all rows of all services.
#[derive(Clone, Debug)]
pub struct Line {
    pub verb: Verb,
    pub path: &'static str,
    pub action: Option<&'static str>,
    pub range: Range,
    pub access: Access,
    /// At the newest version that has it.
    pub success: StatusCode,
    pub status: Status,
}

impl<S: Service> Table<S> {
    /// Of the tables of rows that a service has, in the order of its documents.
    ///
    /// # Panics
    /// A row needs no token and its handler wants a caller, or the reverse.
    pub fn new(tables: &[&'static [Row<S>]]) -> Self {
        let rows: Vec<_> = tables.iter().flat_map(|rows| rows.iter()).collect();
        for row in &rows {
            let open = row.access == Access::Open;
            let fits = match row.serving {
                Serving::Open(_) => open,
                Serving::Known(_) | Serving::Streamed(_) => !open,
                Serving::NotBuilt | Serving::Gone => true,
            };
            assert!(fits, "{row}: who may call and who answers do not fit");
        }
        let mut entries: HashMap<&'static str, Vec<Entry<S>>> = HashMap::new();
        for row in &rows {
            let segments: Vec<_> = row.path.trim_start_matches('/').split('/').collect();
            let entries = entries.entry(segments[0]).or_default();
            let known = entries
                .iter_mut()
                .find(|entry| entry.verb == row.verb && same(&entry.segments, &segments));
            match known {
                Some(entry) => entry.rows.push(row),
                None => entries.push(Entry {
                    verb: row.verb,
                    segments,
                    rows: vec![row],
                }),
            }
        }
        // What is written out comes before what is open: `/servers/detail` is no server.
        for entries in entries.values_mut() {
            entries.sort_by_key(|entry| {
                let open = entry.segments.iter().map(|segment| is_open(segment));
                open.collect::<Vec<_>>()
            });
        }
        Self { rows, entries }
    }

    /// Every row, those that are gone included.
    pub fn rows(&self) -> impl Iterator<Item = &'static Row<S>> {
        self.rows.iter().copied()
    }

    /// Every row without what serves it.
    pub fn lines(&self) -> Vec<Line> {
        let line = |row: &'static Row<S>| Line {
            verb: row.verb,
            path: row.path,
            action: row.action,
            range: row.range,
            access: row.access,
            success: row.success(row.range.max),
            status: row.status(),
        };
        self.rows().map(line).collect()
    }

    /// The rows at `path` (what follows the mount point).
    ///
    /// # Errors
    /// [`Refused::NoPath`], or [`Refused::NoVerb`] where only the verb is unknown.
    pub fn find(&'static self, method: &Method, path: &str) -> Result<Found<S>, Refused> {
        let path = path.strip_prefix('/').ok_or(Refused::NoPath)?;
        let path = match S::PATHS.json_after {
            true => path.strip_suffix(".json").unwrap_or(path),
            false => path,
        };
        let path = match S::PATHS.slash_after {
            true => path.strip_suffix('/').unwrap_or(path),
            false => path,
        };
        let segments: Vec<String> = path
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let first = self.within(method, &segments, None);
        let (Err(refused), true) = (&first, S::PATHS.project_before) else {
            return first;
        };
        let below = segments
            .split_first()
            .filter(|(first, _)| is_project(first));
        match (refused, below) {
            (Refused::NoPath, Some((project, rest))) => {
                self.within(method, rest, Some(project.clone()))
            }
            _ => first,
        }
    }

    fn within(
        &'static self,
        method: &Method,
        segments: &[String],
        project: Option<String>,
    ) -> Result<Found<S>, Refused> {
        let first = segments.first().ok_or(Refused::NoPath)?;
        let entries = self.entries.get(first.as_str()).ok_or(Refused::NoPath)?;
        let verb = Verb::of(method);
        let there = entries.iter().filter(|entry| entry.matches(segments));
        let there: Vec<_> = there.collect();
        if there.is_empty() {
            return Err(Refused::NoPath);
        }
        let of = |verb| there.iter().copied().find(|entry| Some(entry.verb) == verb);
        let as_get = S::PATHS.head_is_get && verb == Some(Verb::Head);
        let entry = of(verb)
            .or_else(|| of(as_get.then_some(Verb::Get)))
            .ok_or_else(|| Refused::NoVerb(method.clone()))?;
        let open = entry.segments.iter().zip(segments);
        let captures = open
            .filter(|(pattern, _)| is_open(pattern))
            .map(|(pattern, text)| (pattern.trim_matches(['{', '}']), text.clone()));
        Ok(Found {
            rows: &entry.rows,
            captures: captures.collect(),
            project,
        })
    }
}

impl<S: Service> Entry<S> {
    fn matches(&self, segments: &[String]) -> bool {
        self.segments.len() == segments.len()
            && self
                .segments
                .iter()
                .zip(segments)
                .all(|(pattern, text)| match is_open(pattern) {
                    true => !text.is_empty(),
                    false => pattern == text,
                })
    }
}

impl Line {
    /// Whether the call is there at the newest version that its service speaks.
    pub fn is_current(&self, newest: Version) -> bool {
        self.range.contains(newest)
    }
}

fn is_open(segment: &str) -> bool {
    segment.starts_with('{')
}

fn same(one: &[&str], other: &[&str]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(a, b)| a == b || (is_open(a) && is_open(b)))
}

/// The default of Nova's and Cinder's `project_id_regex`.
fn is_project(segment: &str) -> bool {
    !segment.is_empty()
        && segment
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}
