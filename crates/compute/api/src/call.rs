//! What a handler is given, and what it gives back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use compute_control::Context;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use microversion::{Mode, Version, Versioned, admit, admit_query, render_bytes, render_under};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use web::{BaseUrl, Caller, RequestId};

use crate::Api;
use crate::fault::Fault;
use crate::routes::Route;

/// One request that found its route.
pub struct Call {
    pub caller: Arc<Caller>,
    pub request_id: RequestId,
    /// The version spoken; 2.1 on the legacy face.
    pub version: Version,
    /// Whether it came through `/v2`: no version headers, unknown keys dropped.
    pub legacy: bool,
    pub base: BaseUrl,
    /// The project id in the URL, where the client wrote one; it then belongs into links too.
    pub url_project: Option<String>,
    /// The named parts of the path.
    pub captures: Vec<(&'static str, String)>,
    pub query: Option<String>,
    /// The body, `null` when there was none.
    pub body: Value,
    pub route: &'static Route,
}

/// The version whose fields and rules the legacy face has: it is older than every microversion.
const LEGACY: Version = Version::new(2, 0);

impl Call {
    /// The part of the path that the route names `{name}`.
    pub fn path(&self, name: &str) -> &str {
        let part = self.captures.iter().find(|(captured, _)| *captured == name);
        part.map_or("", |(_, text)| text)
    }

    /// Who asks, for use cases.
    pub fn context(&self) -> Context {
        Context {
            caller: self.caller.clone(),
            request_id: self.request_id.clone(),
        }
    }

    /// How strictly requests are read.
    pub fn mode(&self) -> Mode {
        if self.legacy {
            Mode::Relaxed(LEGACY)
        } else {
            Mode::Strict(self.version)
        }
    }

    /// The body as a request type; takes it, since no handler reads it twice.
    pub fn admit<R: Versioned + DeserializeOwned>(&mut self) -> Result<R, Fault> {
        Ok(admit(self.body.take(), self.mode())?)
    }

    /// The query string as a request type.
    pub fn admit_query<Q: Versioned + DeserializeOwned>(&self) -> Result<Q, Fault> {
        Ok(admit_query(self.query.as_deref(), self.mode())?)
    }

    /// `{base}/v2.1[/{project}]/{path}`: a `self` link.
    pub fn link(&self, path: &str) -> String {
        let mount = if self.legacy { "v2" } else { "v2.1" };
        format!("{}/{mount}{}/{path}", self.base.0, self.project_segment())
    }

    /// `{base}[/{project}]/{path}`: a `bookmark` link, which outlives versions.
    pub fn bookmark(&self, path: &str) -> String {
        format!("{}{}/{path}", self.base.0, self.project_segment())
    }

    fn project_segment(&self) -> String {
        self.url_project
            .as_ref()
            .map(|project| format!("/{project}"))
            .unwrap_or_default()
    }

    /// The view at the version spoken.
    pub fn render<V: Versioned + Serialize + ?Sized>(&self, view: &V) -> Result<Answer, Fault> {
        Ok(Answer::json(
            render_bytes(view, self.version).map_err(Fault::unrenderable)?,
        ))
    }

    /// `{"<name>": view}` at the version spoken.
    pub fn render_under<V: Versioned + Serialize + ?Sized>(
        &self,
        name: &str,
        view: &V,
    ) -> Result<Answer, Fault> {
        Ok(Answer::json(
            render_under(name, view, self.version).map_err(Fault::unrenderable)?,
        ))
    }
}

/// A successful answer. Its code is the route's, unless it says otherwise.
#[derive(Default)]
pub struct Answer {
    pub code: Option<StatusCode>,
    pub headers: HeaderMap,
    /// JSON text; nothing for an answer without a body.
    pub body: Option<Vec<u8>>,
}

impl Answer {
    /// An answer without a body.
    pub fn empty() -> Self {
        Self::default()
    }

    pub fn json(body: Vec<u8>) -> Self {
        Self {
            body: Some(body),
            ..Self::default()
        }
    }

    pub fn with_code(mut self, code: StatusCode) -> Self {
        self.code = Some(code);
        self
    }

    /// Adds a header; a value that cannot stand in one (a line break in it) is left out.
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub fn with_location(self, url: &str) -> Self {
        self.with_header(header::LOCATION, url)
    }
}

/// What a handler returns.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer, Fault>> + Send>>;
/// A handler: parse, call a use case, render.
pub type Handler = fn(Arc<Api>, Call) -> Answering;
