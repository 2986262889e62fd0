//! The table of contents of the API: every call, its versions, its policy, its handler.

mod actions;
mod flavors;
mod gone;
mod operators;
mod projects;
mod proxies;
mod servers;

use std::sync::Arc;

use http::{Method, StatusCode};
use microversion::{Range, Version};

use crate::Api;
use crate::call::{Answering, Call, Handler};
use crate::fault::Fault;
use crate::versions::SERVICE;

/// One call of the API.
pub struct Route {
    pub verb: Verb,
    /// Below the mount point; parts in braces are open.
    pub path: &'static str,
    /// For `…/action`: the only key of the body.
    pub action: Option<&'static str>,
    /// Where it exists; elsewhere it answers 404.
    pub range: Range,
    pub access: Access,
    success: StatusCode,
    /// Before this version it succeeded with another code.
    earlier: Option<(Version, StatusCode)>,
    pub handler: Handler,
    pub status: Status,
}

/// The verbs that the API uses; every other one is unknown to every path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    Delete,
    Get,
    Post,
    Put,
}

impl Verb {
    /// The verb of a request, if any route could have it.
    pub fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::DELETE => Some(Verb::Delete),
            Method::GET => Some(Verb::Get),
            Method::POST => Some(Verb::Post),
            Method::PUT => Some(Verb::Put),
            _ => None,
        }
    }
}

/// Who may call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Whoever has a valid token.
    Authenticated,
    /// Whom this policy rule allows.
    Rule(&'static str),
}

/// How far we are with a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Built,
    /// Answers 501.
    NotBuilt,
    /// Answers 410, by design.
    Gone,
}

impl Route {
    /// The code of a success at `version`.
    pub fn success(&self, version: Version) -> StatusCode {
        match self.earlier {
            Some((since, code)) if !version.at_least(since) => code,
            _ => self.success,
        }
    }

    /// The version at which the code of a success changed.
    pub fn code_changed(&self) -> Option<Version> {
        self.earlier.map(|(since, _)| since)
    }

    const fn action(self, name: &'static str) -> Self {
        Self {
            action: Some(name),
            ..self
        }
    }

    const fn since(self, minor: u16) -> Self {
        let range = Range::between(Version::new(2, minor), self.range.max);
        Self { range, ..self }
    }

    const fn until(self, minor: u16) -> Self {
        let range = Range::between(self.range.min, Version::new(2, minor));
        Self { range, ..self }
    }

    const fn before(self, minor: u16, code: StatusCode) -> Self {
        Self {
            earlier: Some((Version::new(2, minor), code)),
            ..self
        }
    }
}

/// Every route, those that are gone included.
pub fn all() -> impl Iterator<Item = &'static Route> {
    let tables = [
        actions::ROWS,
        flavors::ROWS,
        gone::ROWS,
        operators::ROWS,
        projects::ROWS,
        proxies::ROWS,
        servers::ROWS,
    ];
    tables.into_iter().flatten()
}

/// A route that is there at every version, with the handler that serves it.
const fn row(
    verb: Verb,
    path: &'static str,
    access: Access,
    success: StatusCode,
    handler: Serving,
) -> Route {
    let range = Range::between(SERVICE.min, SERVICE.max);
    let Serving { handler, status } = handler;
    Route {
        verb,
        path,
        action: None,
        range,
        access,
        success,
        earlier: None,
        handler,
        status,
    }
}

/// A route that was removed from all versions.
const fn gone(verb: Verb, path: &'static str) -> Route {
    let handler = Serving {
        handler: |_, _| refuse(Fault::gone()),
        status: Status::Gone,
    };
    row(verb, path, Access::Authenticated, StatusCode::GONE, handler)
}

/// A handler and how far it is.
#[derive(Clone, Copy)]
struct Serving {
    handler: Handler,
    status: Status,
}

/// A built handler, in a row of a table: `built!(servers::show)`.
macro_rules! built {
    ($handler:path) => {
        $crate::routes::serving(|api, call| Box::pin($handler(api, call)))
    };
}
use built;

const fn serving(handler: Handler) -> Serving {
    Serving {
        handler,
        status: Status::Built,
    }
}

/// Answers that the call is not built yet.
#[expect(non_upper_case_globals, reason = "reads as a handler in the tables")]
const not_built: Serving = Serving {
    handler: |_, _| refuse(Fault::not_built()),
    status: Status::NotBuilt,
};

/// Calls of which only the refusal is left: 400, with a pointer to what replaced them.
#[expect(non_upper_case_globals, reason = "reads as a handler in the tables")]
const always_refused: Serving = Serving {
    handler: refuse_replaced,
    status: Status::Built,
};

fn refuse_replaced(_: Arc<Api>, call: Call) -> Answering {
    refuse(Fault::bad_request(match call.route.action {
        Some("os-getRDPConsole") => "Guest does not have a console available.",
        _ => "Command Not supported. Please use Ironic command to perform this action.",
    }))
}

fn refuse(fault: Fault) -> Answering {
    Box::pin(std::future::ready(Err(fault)))
}

/// Short names for the tables.
mod methods {
    use super::Verb;

    pub const DELETE: Verb = Verb::Delete;
    pub const GET: Verb = Verb::Get;
    pub const POST: Verb = Verb::Post;
    pub const PUT: Verb = Verb::Put;
}

/// Short names for the tables.
mod codes {
    use http::StatusCode;

    pub const ACCEPTED: StatusCode = StatusCode::ACCEPTED;
    pub const CREATED: StatusCode = StatusCode::CREATED;
    pub const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;
    pub const OK: StatusCode = StatusCode::OK;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_has_every_call_of_the_api() {
        let (gone, served): (Vec<_>, Vec<_>) =
            all().partition(|route| route.status == Status::Gone);
        // Counted in Nova 34, without the version document at the root of a mount point.
        let (ours, served): (Vec<_>, Vec<_>) = served
            .into_iter()
            .partition(|route| route.path.starts_with("/os-kilonova-"));
        assert_eq!((served.len(), gone.len(), ours.len()), (211, 53, 5));
        let latest = served
            .iter()
            .filter(|route| route.range.contains(SERVICE.max));
        assert_eq!(latest.count(), 136);
    }

    #[test]
    fn every_rule_that_guards_a_call_is_in_the_policy() {
        let known: HashSet<&str> = compute_control::policy::TABLES
            .iter()
            .flat_map(|table| table.iter().map(|rule| rule.name))
            .collect();
        for route in all() {
            if let Access::Rule(name) = route.access {
                assert!(known.contains(name), "{name}");
            }
        }
    }

    #[test]
    fn no_call_is_listed_twice() {
        let mut seen = HashSet::new();
        for route in all() {
            let key = (route.verb, route.path, route.action);
            assert!(
                seen.insert(key),
                "{:?} {} {:?}",
                route.verb,
                route.path,
                route.action
            );
        }
    }

    #[test]
    fn a_code_follows_the_version() {
        let import = all()
            .find(|route| route.path == "/os-keypairs" && route.verb == Verb::Post)
            .expect("there");
        assert_eq!(import.success(Version::new(2, 1)), StatusCode::OK);
        assert_eq!(import.success(Version::new(2, 2)), StatusCode::CREATED);
    }
}
