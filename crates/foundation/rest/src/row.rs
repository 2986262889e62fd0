//! A row of a service's table of calls.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use http::{Method, StatusCode};
use microversion::{Range, Version};

use crate::{Answer, Call, Service};

/// What a handler returns.
pub type Answering<S> = Pin<Box<dyn Future<Output = Result<Answer, <S as Service>::Fault>> + Send>>;
/// Serves a caller: parse, call a use case, render.
pub type Handler<S> = fn(Arc<S>, Call<<S as Service>::Context>) -> Answering<S>;
/// Serves a caller, and reads the body as it comes.
pub type Streamed<S> = fn(Arc<S>, Call<<S as Service>::Context>, Body) -> Answering<S>;
/// Serves anybody, without a token.
pub type Open<S> = fn(Arc<S>, Call<()>) -> Answering<S>;

/// One call.
pub struct Row<S: Service> {
    pub verb: Verb,
    /// Below the mount point; parts in braces are open.
    pub path: &'static str,
    /// For `…/action`: the only key of the body.
    pub action: Option<&'static str>,
    /// Where it exists; elsewhere it answers 404.
    pub range: Range,
    pub access: Access,
    pub serving: Serving<S>,
    success: StatusCode,
    /// Before this version it succeeded with another code.
    earlier: Option<(Version, StatusCode)>,
}

/// The verbs that rows have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verb {
    Delete,
    Get,
    Head,
    Patch,
    Post,
    Put,
}

impl Verb {
    /// The verb of a request, if any row could have it.
    pub fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::DELETE => Some(Self::Delete),
            Method::GET => Some(Self::Get),
            Method::HEAD => Some(Self::Head),
            Method::PATCH => Some(Self::Patch),
            Method::POST => Some(Self::Post),
            Method::PUT => Some(Self::Put),
            _ => None,
        }
    }

    /// Whether a body of such a request means anything.
    pub fn has_body(self) -> bool {
        matches!(self, Self::Patch | Self::Post | Self::Put)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        })
    }
}

/// Who may call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Anybody, without a token.
    Open,
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

/// Who answers.
pub enum Serving<S: Service> {
    /// A call that needs no token.
    Open(Open<S>),
    /// A call of somebody known.
    Known(Handler<S>),
    /// The same, by a handler that reads the body as it comes.
    Streamed(Streamed<S>),
    NotBuilt,
    Gone,
}

impl<S: Service> Clone for Serving<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Service> Copy for Serving<S> {}

impl<S: Service> Row<S> {
    /// A call that is known and not built: whoever has a token is told so.
    pub const fn later(verb: Verb, path: &'static str) -> Self {
        let access = Access::Authenticated;
        Self::new(verb, path, access, StatusCode::OK, Serving::NotBuilt)
    }

    /// A call that is there at every version.
    pub const fn new(
        verb: Verb,
        path: &'static str,
        access: Access,
        success: StatusCode,
        serving: Serving<S>,
    ) -> Self {
        let range = match S::VERSIONS {
            Some(versions) => Range::between(versions.min, versions.max),
            None => Range::ALWAYS,
        };
        Self {
            verb,
            path,
            action: None,
            range,
            access,
            serving,
            success,
            earlier: None,
        }
    }

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

    /// How far we are with it.
    pub fn status(&self) -> Status {
        match self.serving {
            Serving::Open(_) | Serving::Known(_) | Serving::Streamed(_) => Status::Built,
            Serving::NotBuilt => Status::NotBuilt,
            Serving::Gone => Status::Gone,
        }
    }

    /// The rule that guards it.
    pub fn rule(&self) -> Option<&'static str> {
        match self.access {
            Access::Rule(rule) => Some(rule),
            Access::Open | Access::Authenticated => None,
        }
    }

    /// One of the actions that share the path, told apart by the only key of the body.
    #[must_use]
    pub const fn action(self, name: &'static str) -> Self {
        Self {
            action: Some(name),
            ..self
        }
    }

    /// It came with this version (of the service's one major version).
    #[must_use]
    pub const fn since(self, minor: u16) -> Self {
        let range = Range::between(version::<S>(minor), self.range.max);
        Self { range, ..self }
    }

    /// It went after this version.
    #[must_use]
    pub const fn until(self, minor: u16) -> Self {
        let range = Range::between(self.range.min, version::<S>(minor));
        Self { range, ..self }
    }

    /// Before this version it succeeded with another code.
    #[must_use]
    pub const fn before(self, minor: u16, code: StatusCode) -> Self {
        Self {
            earlier: Some((version::<S>(minor), code)),
            ..self
        }
    }
}

const fn version<S: Service>(minor: u16) -> Version {
    match S::VERSIONS {
        Some(versions) => Version::new(versions.min.major, minor),
        None => Version::MIN,
    }
}

impl<S: Service> fmt::Display for Row<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.path)?;
        match self.action {
            Some(action) => write!(f, " {action}"),
            None => Ok(()),
        }
    }
}

/// Short names for tables of rows.
pub mod words {
    use http::StatusCode;

    use super::Verb;

    pub const DELETE: Verb = Verb::Delete;
    pub const GET: Verb = Verb::Get;
    pub const HEAD: Verb = Verb::Head;
    pub const PATCH: Verb = Verb::Patch;
    pub const POST: Verb = Verb::Post;
    pub const PUT: Verb = Verb::Put;

    pub const ACCEPTED: StatusCode = StatusCode::ACCEPTED;
    pub const CREATED: StatusCode = StatusCode::CREATED;
    pub const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;
    pub const OK: StatusCode = StatusCode::OK;
}
