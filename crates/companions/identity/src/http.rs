//! From the table of routes to a router: one dispatcher reads the request, finds the caller, runs the
//! handler and renders its answer or fault.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, OriginalUri, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use web::body::BodyError;
use web::policy::Target;
use web::{BaseUrl, Query};

use crate::fault::{Answer, Fault};
use crate::filter;
use crate::narrow;
use crate::queue::Asker;
use crate::record::{self, Object};
use crate::routes::{self, Row};
use crate::schema::{self, Field};
use crate::session::{self, Session};
use crate::state::State;

/// A handler, as the table of routes holds it.
pub type Handler = Arc<dyn Fn(Ctx) -> BoxFuture<'static, Answer> + Send + Sync>;

/// A request on its way through a handler.
#[derive(Clone)]
pub struct Ctx {
    pub state: Arc<State>,
    pub query: Query,
    pub headers: HeaderMap,
    /// `http://host/prefix` as the client used it.
    pub base: String,
    rule: Option<&'static str>,
    path: String,
    params: HashMap<String, String>,
    body: Bytes,
    session: Option<Arc<Session>>,
    /// Where the request came from; none when this process asks itself.
    pub address: Option<IpAddr>,
    /// Whether policy was asked: a row that names a rule must see to it.
    asked: Arc<AtomicBool>,
}

impl Ctx {
    /// A parameter of the path; the route's own pattern guarantees it.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// Whether the path speaks of roles that are inherited by projects below.
    pub fn is_inherited(&self) -> bool {
        self.path
            .trim_end_matches('/')
            .ends_with("inherited_to_projects")
    }

    /// For whom a password check of this request counts: a user whom it names, at its address.
    pub fn asker(&self, user: impl Into<String>) -> Asker {
        Asker::at(self.address, user)
    }

    /// Who asks.
    pub fn session(&self) -> Result<&Arc<Session>, Fault> {
        self.session.as_ref().ok_or(Fault::Unauthorized)
    }

    /// Whether the caller may see a thing of this domain in a list: a token for a domain shows nothing of
    /// others, even where they are tied to its own people and groups.
    pub fn is_within(&self, domain: &str) -> bool {
        let session = self.session.as_ref();
        let own = session.and_then(|session| session.caller.domain_id.as_deref());
        own.is_none_or(|own| own == domain)
    }

    /// Asks the policy of this route about a target; parameters of the path are part of it.
    pub fn allow(&self, target: Target<'_>) -> Result<(), Fault> {
        self.allow_rule(self.rule.unwrap_or_default(), target)
    }

    /// Asks a policy by name.
    pub fn allow_rule(&self, rule: &str, target: Target<'_>) -> Result<(), Fault> {
        if self.may(rule, target)? {
            return Ok(());
        }
        Err(Fault::Forbidden(format!("identity:{rule}")))
    }

    /// Whether a policy would allow this.
    pub fn may(&self, rule: &str, target: Target<'_>) -> Result<bool, Fault> {
        let session = self.session()?;
        let target = self.params.iter().fold(target, |target, (name, value)| {
            target.with(name.as_str(), value.as_str())
        });
        self.asked.store(true, Ordering::Relaxed);
        let rule = format!("identity:{rule}");
        let asked = self.state.policy.enforce(&rule, session.as_ref(), &target);
        Ok(asked.is_ok())
    }

    /// The body as a JSON object.
    pub fn object(&self) -> Result<Object, Fault> {
        let document = serde_json::from_slice(&self.body);
        if let Ok(document) = &document {
            web::text::no_nul(document).map_err(|nul| Fault::BadRequest(nul.to_string()))?;
        }
        match document {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Fault::expecting("a JSON object", "the request body")),
            Err(_) => Err(Fault::BadRequest(
                "Expecting to find valid JSON in request body. The server could not comply with the \
                 request since it is either malformed or otherwise incorrect. The client is assumed \
                 to be in error."
                    .to_owned(),
            )),
        }
    }

    /// The object under `key` of the body.
    pub fn under(&self, key: &str) -> Result<Object, Fault> {
        match self.object()?.remove(key) {
            Some(Value::Object(inner)) => Ok(inner),
            Some(_) => Err(Fault::BadRequest(format!(
                "Invalid input for field '{key}': not of type 'object'"
            ))),
            None => Err(Fault::BadRequest(format!("'{key}' is a required property"))),
        }
    }

    /// The object under `key`, checked for creation.
    pub fn new_object(&self, key: &str, fields: &[Field]) -> Result<Object, Fault> {
        let body = self.under(key)?;
        schema::check_new(&body, fields)?;
        Ok(body)
    }

    /// The object under `key`, checked for update.
    pub fn changes(&self, key: &str, fields: &[Field]) -> Result<Object, Fault> {
        let body = self.under(key)?;
        schema::check_change(&body, fields)?;
        Ok(body)
    }

    /// `view` with a link to itself below `/v3/`.
    pub fn linked(&self, place: &str, mut view: Object) -> Object {
        let id = view.get("id").and_then(Value::as_str).unwrap_or_default();
        let link = format!("{}/v3/{place}/{id}", self.base);
        view.insert("links".to_owned(), json!({"self": link}));
        view
    }

    /// 200 with one thing.
    pub fn shown(&self, key: &str, place: &str, view: Object) -> Answer {
        Ok(reply(
            StatusCode::OK,
            json!({key: self.linked(place, view)}),
        ))
    }

    /// 201 with the thing made.
    pub fn created(&self, key: &str, place: &str, view: Object) -> Answer {
        Ok(reply(
            StatusCode::CREATED,
            json!({key: self.linked(place, view)}),
        ))
    }

    /// 200 with the page of a list that the query asks for; `known` are the fields it may filter by.
    pub fn list(&self, key: &str, place: &str, items: Vec<Object>, known: &[&str]) -> Answer {
        let linked: Vec<Object> = items
            .into_iter()
            .map(|item| self.linked(place, item))
            .collect();
        self.list_as_is(key, linked, known)
    }

    /// [`Ctx::list`] of things that have their links already.
    pub fn list_as_is(&self, key: &str, items: Vec<Object>, known: &[&str]) -> Answer {
        let page = filter::page(filter::keep(items, &self.query, known), &self.query);
        let mut links = self.list_links();
        if page.truncated
            && let Some(last) = page
                .items
                .last()
                .and_then(|item| item.get("id"))
                .and_then(Value::as_str)
        {
            let next = self.query.with("marker", last).encode();
            links["next"] = format!("{}{}?{next}", self.base, self.path).into();
        }
        let mut body = json!({key: page.items, "links": links});
        if page.truncated {
            body["truncated"] = true.into();
        }
        Ok(reply(StatusCode::OK, body))
    }

    /// `links` of a list's body.
    pub fn list_links(&self) -> Value {
        let query = self.query.encode();
        let mark = if query.is_empty() { "" } else { "?" };
        json!({"next": null, "self": format!("{}{}{mark}{query}", self.base, self.path), "previous": null})
    }
}

/// A JSON answer that depends on the token.
pub fn reply(status: StatusCode, body: Value) -> Response {
    let mut response = web::body::json(status, &body);
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("X-Auth-Token"));
    response
}

/// 204.
pub fn done() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Builds the router from the table of routes.
pub fn router(state: Arc<State>) -> Router {
    let mut by_path: Vec<(&'static str, MethodRouter)> = Vec::new();
    for row in routes::table() {
        let path = row.path;
        let verb = MethodFilter::try_from(row.verb.clone()).expect("the table uses plain verbs");
        let (state, row) = (state.clone(), Arc::new(row));
        let handler = move |request: Request| dispatch(state.clone(), row.clone(), request);
        match by_path.iter_mut().find(|(known, _)| *known == path) {
            Some((_, methods)) => *methods = std::mem::take(methods).on(verb, handler),
            None => by_path.push((path, MethodRouter::new().on(verb, handler))),
        }
    }
    let mut router = Router::new();
    for (path, methods) in by_path {
        // Clients write some paths with a slash at the end (`OS-TRUST/trusts/?…`).
        if path != "/" {
            router = router.route(&format!("{path}/"), methods.clone());
        }
        router = router.route(path, methods);
    }
    let db = state.db.clone();
    let durable = web::Durable::by(move || {
        let db = db.clone();
        async move { db.durable().await }
    });
    router
        .method_not_allowed_fallback(|| async { Fault::NoSuchVerb })
        .fallback(|| async { Fault::NoSuchPath })
        .layer(axum::middleware::from_fn_with_state(
            durable,
            web::durable::layer,
        ))
        .layer(axum::middleware::from_fn(|request, next| {
            web::request_id::layer(None, request, next)
        }))
}

async fn dispatch(state: Arc<State>, row: Arc<Row>, request: Request) -> Response {
    let url = state.settings.public_url.clone();
    let mut response = match answer(state, &row, request).await {
        Ok(response) => response,
        Err(fault) => fault.into_response(),
    };
    if response.status() == StatusCode::UNAUTHORIZED
        && let Ok(value) = HeaderValue::from_str(&format!("Keystone uri=\"{url}\""))
    {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

async fn answer(state: Arc<State>, row: &Row, request: Request) -> Answer {
    let (mut parts, body) = request.into_parts();
    let Some(handler) = &row.handler else {
        return Err(Fault::NotBuilt);
    };
    web::text::no_nul_in_uri(&parts.uri).map_err(|nul| Fault::BadRequest(nul.to_string()))?;
    let raw = RawPathParams::from_request_parts(&mut parts, &()).await;
    let params = raw.map(|raw| {
        raw.iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    });
    let original = parts
        .extensions
        .get::<OriginalUri>()
        .map_or_else(|| parts.uri.clone(), |uri| uri.0.clone());
    let session = match (&row.rule, token(&parts.headers)) {
        (None, _) => None,
        (Some(_), None) => return Err(Fault::Unauthorized),
        (Some(_), Some(token)) => {
            let session = session::of_token(&state, token, false).await?;
            narrow::admit(&session, &parts.method, parts.uri.path())?;
            Some(session)
        }
    };
    let body = web::body::read(body, web::body::MAX_REQUEST_BODY)
        .await
        .map_err(|error| match error {
            BodyError::TooLarge => Fault::TooLarge,
            BodyError::Broken(why) => Fault::BadRequest(why),
        })?;
    let ctx = Ctx {
        state,
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        base: BaseUrl::of(&original, &parts.uri, &parts.headers).0,
        headers: parts.headers,
        rule: row.rule,
        path: parts.uri.path().to_owned(),
        params: params.unwrap_or_default(),
        body,
        session,
        address: web::client::address(&parts.extensions),
        asked: Arc::default(),
    };
    // A handler is one transaction at most, so a lost race is healed by running it again.
    let response = sql::retry(|| handler(ctx.clone())).await?;
    let asked = row.rule.is_none() || ctx.asked.load(Ordering::Relaxed);
    debug_assert!(
        asked,
        "{} {} answered without asking policy",
        row.verb, row.path
    );
    Ok(response)
}

fn token(headers: &HeaderMap) -> Option<&str> {
    headers
        .get("x-auth-token")
        .and_then(|value| value.to_str().ok())
        .filter(|token| !token.is_empty())
}

/// A row of the table of routes whose handler is built. `rule` guards it; none: no token is needed.
pub fn built<F, Fut>(
    verb: Method,
    path: &'static str,
    rule: Option<&'static str>,
    handler: F,
) -> Row
where
    F: Fn(Ctx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    let handler: Handler = Arc::new(move |ctx| Box::pin(handler(ctx)));
    Row {
        verb,
        path,
        rule,
        handler: Some(handler),
    }
}

/// Shows rows in order, each as it is.
pub fn views<M: serde::Serialize>(rows: &[M]) -> Vec<Object> {
    rows.iter().map(record::view).collect()
}
