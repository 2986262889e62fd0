//! What a handler is given.

use std::net::IpAddr;

use http::HeaderMap;
use microversion::{Mode, Version, Versioned, admit, admit_query, render_bytes, render_under};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use web::{BaseUrl, Query};

use crate::Answer;

/// One request that found its row. `C` is what the service's use cases are told of who asks; `()` for calls that need
/// no token.
#[derive(Debug)]
pub struct Call<C> {
    pub cx: C,
    /// The action of the row, for `…/action`.
    pub action: Option<&'static str>,
    /// The version spoken; the least of all for a service without versions.
    pub version: Version,
    /// Whether it came through an older face: no version headers, unknown keys dropped.
    pub legacy: bool,
    /// How strictly requests are read.
    pub mode: Mode,
    pub base: BaseUrl,
    /// Where the table of rows is mounted below the base, with a slash before it; empty for rows with whole paths.
    pub mount: &'static str,
    /// The path as the service sees it, as it was sent.
    pub whole_path: String,
    /// The project id before the path, where the client wrote one; it then belongs into links too.
    pub url_project: Option<String>,
    /// The open parts of the path, decoded.
    pub captures: Vec<(&'static str, String)>,
    /// The query as it was sent.
    pub query: Option<String>,
    pub headers: HeaderMap,
    /// Where the request came from; none when this process asks itself.
    pub address: Option<IpAddr>,
    /// The JSON body; `null` when there was none, or when the verb has none.
    pub body: Value,
}

/// An answer of ours could not be written as JSON.
#[derive(Debug, thiserror::Error)]
#[error("an answer could not be written as JSON")]
pub struct Unrenderable(#[source] serde_json::Error);

impl<C> Call<C> {
    /// The part of the path that the row names `{name}`; empty when it names none so.
    pub fn path(&self, name: &str) -> &str {
        let part = self.captures.iter().find(|(captured, _)| *captured == name);
        part.map_or("", |(_, text)| text)
    }

    /// The query, parsed.
    pub fn pairs(&self) -> Query {
        Query::parse(self.query.as_deref().unwrap_or_default())
    }

    /// The body as a request type; takes it, since no handler reads it twice.
    ///
    /// # Errors
    /// What the type does not admit.
    pub fn admit<R: Versioned + DeserializeOwned>(&mut self) -> Result<R, microversion::Refusal> {
        admit(self.body.take(), self.mode)
    }

    /// The query string as a request type.
    ///
    /// # Errors
    /// What the type does not admit.
    pub fn admit_query<Q: Versioned + DeserializeOwned>(&self) -> Result<Q, microversion::Refusal> {
        admit_query(self.query.as_deref(), self.mode)
    }

    /// The view at the version spoken.
    ///
    /// # Errors
    /// The view has keys that are no text.
    pub fn render<V, E>(&self, view: &V) -> Result<Answer, E>
    where
        V: Versioned + Serialize + ?Sized,
        E: From<Unrenderable>,
    {
        let text = render_bytes(view, self.version).map_err(Unrenderable)?;
        Ok(Answer::json(text))
    }

    /// `{"<name>": view}` at the version spoken.
    ///
    /// # Errors
    /// The view has keys that are no text.
    pub fn render_under<V, E>(&self, name: &str, view: &V) -> Result<Answer, E>
    where
        V: Versioned + Serialize + ?Sized,
        E: From<Unrenderable>,
    {
        let text = render_under(name, view, self.version).map_err(Unrenderable)?;
        Ok(Answer::json(text))
    }

    /// `{base}{mount}[/{project}]/{path}`: a `self` link.
    pub fn link(&self, path: &str) -> String {
        let Self { base, mount, .. } = self;
        format!("{}{mount}{}/{path}", base.0, self.project_segment())
    }

    /// `{base}[/{project}]/{path}`: a `bookmark` link, which outlives versions.
    pub fn bookmark(&self, path: &str) -> String {
        format!("{}{}/{path}", self.base.0, self.project_segment())
    }

    fn project_segment(&self) -> String {
        let project = self.url_project.as_ref();
        project.map(|id| format!("/{id}")).unwrap_or_default()
    }
}
