//! Tokens bound to access rules: their application credential allows some requests only, each named by service, method
//! and path. Here are the rules as data, their match against a request to this service, and the header by which other
//! services say that they hold requests against them too. Matching is that of keystonemiddleware.

use http::{HeaderMap, Method};
use serde::Deserialize;

use crate::fault::Fault;
use crate::session::Session;

/// Sent by those who validate tokens and know access rules; its value is a version, at least [`KNOWN`].
pub const HEADER: &str = "openstack-identity-access-rules";

/// The first version of access rules.
const KNOWN: f64 = 1.0;

/// The type of this service, as rules name it.
const SERVICE: &str = "identity";

#[derive(Debug, Deserialize)]
struct Rule {
    service: String,
    method: String,
    path: String,
}

/// The rules that bind the session as their credential holds them (a JSON list), or `None`.
fn binding(session: &Session) -> Option<&str> {
    let credential = session.application_credential.as_ref()?;
    let rules = credential.access_rules.as_str();
    (rules != "[]" && rules != "null").then_some(rules)
}

/// Whether the token may only be used for some requests.
pub fn is_narrow(session: &Session) -> bool {
    binding(session).is_some()
}

/// Refuses a request to this service that no rule of the session's credential names. A token may always be shown.
///
/// # Errors
/// [`Fault::Unauthorized`].
pub fn admit(session: &Session, method: &Method, path: &str) -> Result<(), Fault> {
    let Some(rules) = binding(session) else {
        return Ok(());
    };
    if method == Method::GET && path == "/v3/auth/tokens" {
        return Ok(());
    }
    // Rules that cannot be read allow nothing.
    let rules: Vec<Rule> = serde_json::from_str(rules).unwrap_or_default();
    let named = rules.iter().any(|rule| {
        rule.service == SERVICE
            && rule.method == method.as_str()
            && fits(rule.path.as_bytes(), path.as_bytes())
    });
    if named {
        Ok(())
    } else {
        Err(Fault::Unauthorized)
    }
}

/// Whether someone who asks with these headers may be told that the token is good.
pub fn may_validate(session: &Session, headers: &HeaderMap) -> bool {
    let version = headers.get(HEADER).and_then(|value| value.to_str().ok());
    let knows = version
        .and_then(|text| text.trim().parse::<f64>().ok())
        .is_some_and(|version| version >= KNOWN);
    knows || !is_narrow(session)
}

/// Whether a path fits a pattern, in which `*` and `{name}` stand for one part that is not empty, `**` for anything.
///
/// Users write patterns, so the work is bounded: the two lengths multiplied. All ends of what the pattern so far can
/// match are kept at once, and nothing is tried twice.
fn fits(mut pattern: &[u8], path: &[u8]) -> bool {
    let mut ends = vec![false; path.len() + 1];
    ends[0] = true;
    loop {
        let mut next = vec![false; path.len() + 1];
        pattern = match pattern {
            [] => return ends[path.len()],
            [b'*', b'*', rest @ ..] => {
                let first = ends.iter().position(|end| *end).unwrap_or(ends.len());
                next[first..].fill(true);
                rest
            }
            [b'*', rest @ ..] => {
                extend_by_part(&ends, path, &mut next);
                rest
            }
            [b'{', rest @ ..] => {
                let Some(end) = rest.iter().position(|byte| *byte == b'}') else {
                    return false;
                };
                extend_by_part(&ends, path, &mut next);
                &rest[end + 1..]
            }
            [byte, rest @ ..] => {
                for (at, found) in path.iter().enumerate() {
                    next[at + 1] = ends[at] && found == byte;
                }
                rest
            }
        };
        ends = next;
    }
}

/// Moves every end on by one or more bytes of a part.
fn extend_by_part(ends: &[bool], path: &[u8], next: &mut [bool]) {
    for (at, found) in path.iter().enumerate() {
        next[at + 1] = *found != b'/' && (ends[at] || next[at]);
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_is_one_part_of_a_path_and_two_are_any_number() {
        let fits = |pattern: &str, path: &str| fits(pattern.as_bytes(), path.as_bytes());
        assert!(fits("/v3/users", "/v3/users"));
        assert!(!fits("/v3/users", "/v3/users/1") && !fits("/v3/users/1", "/v3/users"));
        assert!(fits("/v3/users/*", "/v3/users/1") && fits("/v3/users/{id}", "/v3/users/1"));
        assert!(!fits("/v3/users/*", "/v3/users/") && !fits("/v3/users/*", "/v3/users/1/groups"));
        assert!(fits("/v3/*/1/{what}", "/v3/users/1/groups"));
        assert!(fits("/v3/**", "/v3/users/1/groups") && fits("**", ""));
        assert!(!fits("/v3/{users", "/v3/{users"));
    }

    #[test]
    fn a_pattern_of_many_stars_costs_no_more_than_its_length() {
        let pattern = "**a".repeat(85);
        assert!(!fits(pattern.as_bytes(), "a".repeat(84).as_bytes()));
        assert!(fits(
            pattern.as_bytes(),
            "ab".repeat(80).repeat(2).trim_end_matches('b').as_bytes()
        ));
    }
}
