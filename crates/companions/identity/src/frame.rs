//! What a handler is given: who asks, and how answers look.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;
use rest::Call;
use serde_json::{Value, json};
use sql::sea_orm::{EntityTrait, ModelTrait};
use web::Query;
use web::policy::{Guard, Target};

use crate::fault::{Answer, Fault};
use crate::filter::{self, Page};
use crate::listing::{self, Source};
use crate::queue::Asker;
use crate::record::Object;
use crate::schema::{self, Field};
use crate::session::Session;
use crate::state::State;

/// A request on its way through a handler.
#[derive(Clone)]
pub struct Ctx {
    pub state: Arc<State>,
    pub query: Query,
    pub headers: HeaderMap,
    /// `http://host/prefix` as the client used it.
    pub base: String,
    path: String,
    params: Vec<(&'static str, String)>,
    body: Value,
    /// Who asks, and the rule of the row; none for a row that needs no token.
    who: Option<Who>,
    /// Where the request came from; none when this process asks itself.
    pub address: Option<IpAddr>,
}

/// Who asks, and the rule that guards the call.
#[derive(Clone)]
pub struct Who {
    pub session: Arc<Session>,
    pub guard: Guard,
}

impl Ctx {
    /// A parameter of the path; the route's own pattern guarantees it.
    pub fn param(&self, name: &str) -> &str {
        let part = self.params.iter().find(|(known, _)| *known == name);
        part.map_or("", |(_, text)| text)
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
        Ok(&self.who.as_ref().ok_or(Fault::Unauthorized)?.session)
    }

    /// Whether the caller may see a thing of this domain in a list: a token for a domain shows nothing of
    /// others, even where they are tied to its own people and groups.
    pub fn is_within(&self, domain: &str) -> bool {
        self.own_domain().is_none_or(|own| own == domain)
    }

    /// The domain that the token is for; see [`Ctx::is_within`].
    pub fn own_domain(&self) -> Option<&str> {
        let session = self.session().ok()?;
        session.caller.domain_id.as_deref()
    }

    /// Asks the policy of this route about a target; parameters of the path are part of it.
    pub fn allow(&self, target: Target<'_>) -> Result<(), Fault> {
        let who = self.who.as_ref().ok_or(Fault::Unauthorized)?;
        self.allow_rule(who.guard.rule(), target)
    }

    /// Asks a policy by name, which decides in place of that of the route.
    pub fn allow_rule(&self, rule: &str, target: Target<'_>) -> Result<(), Fault> {
        if let Some(who) = &self.who {
            who.guard.note();
        }
        match self.may(rule, target)? {
            true => Ok(()),
            false => Err(Fault::Forbidden(format!("identity:{rule}"))),
        }
    }

    /// Whether a policy would allow this. Where it is not that of the route, it decides nothing about the call.
    pub fn may(&self, rule: &str, target: Target<'_>) -> Result<bool, Fault> {
        let who = self.who.as_ref().ok_or(Fault::Unauthorized)?;
        if rule == who.guard.rule() {
            who.guard.note();
        }
        let target = self.params.iter().fold(target, |target, (name, value)| {
            target.with(*name, value.as_str())
        });
        let rule = format!("identity:{rule}");
        let asked = self
            .state
            .policy
            .enforce(&rule, who.session.as_ref(), &target);
        Ok(asked.is_ok())
    }

    /// The body as a JSON object.
    pub fn object(&self) -> Result<Object, Fault> {
        match &self.body {
            Value::Object(object) => Ok(object.clone()),
            Value::Null => Err(Fault::expecting("valid JSON", "request body")),
            _ => Err(Fault::expecting("a JSON object", "the request body")),
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

    /// One thing, shown or made.
    pub fn shown(&self, key: &str, place: &str, view: Object) -> Answer {
        Ok(reply(json!({key: self.linked(place, view)})))
    }

    /// The page of a list at hand that the query asks for; `known` are the fields it may filter by.
    pub fn list(&self, key: &str, place: &str, items: Vec<Object>, known: &[&str]) -> Answer {
        let linked: Vec<Object> = items
            .into_iter()
            .map(|item| self.linked(place, item))
            .collect();
        self.list_as_is(key, linked, known)
    }

    /// [`Ctx::list`] of things that have their links already.
    pub fn list_as_is(&self, key: &str, items: Vec<Object>, known: &[&str]) -> Answer {
        self.paged(key, filter::page(items, &self.query, known))
    }

    /// The page of a list that is read from its table; `show` says how each row is shown, if it is.
    pub async fn list_rows<E>(
        &self,
        key: &str,
        place: &str,
        source: Source<E>,
        mut show: impl FnMut(&E::Model) -> Result<Option<Object>, Fault>,
    ) -> Answer
    where
        E: EntityTrait<Model: ModelTrait<Entity = E>>,
    {
        let show = |row: &E::Model| Ok(show(row)?.map(|view| self.linked(place, view)));
        let page = listing::read(self.state.db.read(), source, &self.query, show).await?;
        self.paged(key, page)
    }

    /// A page as it is shown, with its links.
    pub fn paged(&self, key: &str, page: Page) -> Answer {
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
        Ok(reply(body))
    }

    /// `links` of a list's body.
    pub fn list_links(&self) -> Value {
        let query = self.query.encode();
        let mark = if query.is_empty() { "" } else { "?" };
        json!({"next": null, "self": format!("{}{}{mark}{query}", self.base, self.path), "previous": null})
    }
}

/// A JSON answer with the code of its row.
pub fn reply(body: Value) -> rest::Answer {
    rest::Answer::of(&body)
}

/// An answer without a body, with the code of its row.
pub fn no_content() -> Answer {
    Ok(rest::Answer::empty())
}

/// Serves a call of somebody known by a handler of this crate.
pub fn known<Fut>(
    state: Arc<State>,
    mut call: Call<Who>,
    handler: fn(Ctx) -> Fut,
) -> rest::Answering<State>
where
    Fut: Future<Output = Answer> + Send + 'static,
{
    let who = call.cx.clone();
    run(context(state, &mut call, Some(who)), handler)
}

/// Serves a call that needs no token by a handler of this crate.
pub fn anybody<Fut>(
    state: Arc<State>,
    mut call: Call<()>,
    handler: fn(Ctx) -> Fut,
) -> rest::Answering<State>
where
    Fut: Future<Output = Answer> + Send + 'static,
{
    run(context(state, &mut call, None), handler)
}

/// A handler is one transaction at most, so a lost race is healed by running it again.
fn run<Fut>(cx: Ctx, handler: fn(Ctx) -> Fut) -> rest::Answering<State>
where
    Fut: Future<Output = Answer> + Send + 'static,
{
    attempts(cx, Box::new(move |cx| Box::pin(handler(cx))))
}

/// A handler as all handlers are: what calls it is compiled once.
type Handler = Box<dyn Fn(Ctx) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

fn attempts(cx: Ctx, handler: Handler) -> rest::Answering<State> {
    Box::pin(async move { sql::retry(|| handler(cx.clone())).await })
}

fn context<C>(state: Arc<State>, call: &mut Call<C>, who: Option<Who>) -> Ctx {
    Ctx {
        state,
        query: call.pairs(),
        headers: std::mem::take(&mut call.headers),
        base: std::mem::take(&mut call.base.0),
        path: std::mem::take(&mut call.whole_path),
        params: std::mem::take(&mut call.captures),
        body: call.body.take(),
        who,
        address: call.address,
    }
}
