//! From a path to the routes on it.

use std::collections::HashMap;
use std::sync::LazyLock;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::routes::{self, Route, Verb};

/// The routes of one method and path: one, or the actions.
pub(crate) struct Found {
    pub routes: &'static [&'static Route],
    pub captures: Vec<(&'static str, String)>,
    /// The project id that stood before the path.
    pub project: Option<String>,
}

struct Entry {
    verb: Verb,
    segments: Vec<&'static str>,
    routes: Vec<&'static Route>,
}

/// Entries by the first segment of their path.
static TABLE: LazyLock<HashMap<&'static str, Vec<Entry>>> = LazyLock::new(|| {
    let mut table: HashMap<&'static str, Vec<Entry>> = HashMap::new();
    for route in routes::all() {
        let segments: Vec<_> = route.path.trim_start_matches('/').split('/').collect();
        let entries = table.entry(segments[0]).or_default();
        match entries
            .iter_mut()
            .find(|entry| entry.verb == route.verb && same(&entry.segments, &segments))
        {
            Some(entry) => entry.routes.push(route),
            None => entries.push(Entry {
                verb: route.verb,
                segments,
                routes: vec![route],
            }),
        }
    }
    // What is written out comes before what is open: `/servers/detail` is no server.
    for entries in table.values_mut() {
        entries.sort_by_key(|entry| {
            entry
                .segments
                .iter()
                .map(|segment| is_open(segment))
                .collect::<Vec<_>>()
        });
    }
    table
});

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

/// The routes at `path` (what follows the mount point), with or without a project id before it.
pub(crate) fn find(method: &Method, path: &str) -> Option<Found> {
    let verb = Verb::of(method)?;
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix(".json").unwrap_or(path);
    let segments: Vec<&str> = path.split('/').collect();
    let (first, rest) = segments.split_first()?;
    within(verb, &segments).or_else(|| {
        let project = is_project(first).then(|| (*first).to_owned())?;
        Some(Found {
            project: Some(project),
            ..within(verb, rest)?
        })
    })
}

/// Nova's default `project_id_regex`.
fn is_project(segment: &str) -> bool {
    !segment.is_empty()
        && segment
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

fn within(verb: Verb, segments: &[&str]) -> Option<Found> {
    let entries = TABLE.get(*segments.first()?)?;
    let entry = entries
        .iter()
        .find(|entry| entry.verb == verb && matches(entry, segments))?;
    let open = entry
        .segments
        .iter()
        .zip(segments)
        .filter(|(pattern, _)| is_open(pattern));
    let captures = open.map(|(pattern, text)| {
        let name = pattern.trim_matches(['{', '}']);
        (
            name,
            percent_decode_str(text).decode_utf8_lossy().into_owned(),
        )
    });
    Some(Found {
        routes: &entry.routes,
        captures: captures.collect(),
        project: None,
    })
}

fn matches(entry: &Entry, segments: &[&str]) -> bool {
    entry.segments.len() == segments.len()
        && entry.segments.iter().zip(segments).all(|(pattern, text)| {
            if is_open(pattern) {
                !text.is_empty()
            } else {
                pattern == text
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(path: &str) -> Option<&'static str> {
        find(&Method::GET, path).map(|found| found.routes[0].path)
    }

    #[test]
    fn a_written_out_segment_wins_over_an_open_one() {
        assert_eq!(path_of("/servers/detail"), Some("/servers/detail"));
        assert_eq!(path_of("/servers/one"), Some("/servers/{id}"));
        assert_eq!(
            path_of("/servers/one/ips"),
            Some("/servers/{server_id}/ips")
        );
        assert_eq!(path_of("/servers/"), None);
        assert_eq!(path_of("/nothing"), None);
    }

    #[test]
    fn a_project_id_may_stand_before_any_path() {
        let found = find(
            &Method::GET,
            "/6f70656e737461636b20342065766572/servers/one",
        )
        .expect("found");
        assert_eq!(
            found.project.as_deref(),
            Some("6f70656e737461636b20342065766572")
        );
        assert_eq!(found.captures, [("id", "one".to_owned())]);
        assert!(find(&Method::GET, "/my_project/servers/one").is_none());
    }

    #[test]
    fn captured_parts_are_decoded() {
        let found = find(&Method::GET, "/os-keypairs/my%20key").expect("found");
        assert_eq!(found.captures, [("id", "my key".to_owned())]);
    }

    #[test]
    fn all_actions_of_a_resource_share_one_entry() {
        let found = find(&Method::POST, "/servers/one/action").expect("found");
        assert!(found.routes.len() > 40);
        assert!(found.routes.iter().all(|route| route.action.is_some()));
    }
}
