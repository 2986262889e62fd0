//! What travels: the message contract, where it goes, and what it says about its sender.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// A request from one role to another.
///
/// New optional fields get serde defaults; a changed meaning gets a new name, so that processes of
/// two releases can talk to each other.
pub trait Message: Serialize + DeserializeOwned + Send + 'static {
    /// The name on the wire, unique within the service, for example `"build_server"`.
    const NAME: &'static str;
    /// Running the handler twice is as good as once: a call may be sent again after a lost
    /// connection. Casts need no such mark, their handlers are always idempotent.
    const IDEMPOTENT: bool = false;
    /// What a successful call answers; `()` for messages that are only cast.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

/// Where a message goes: to any one server of a topic, or to the server of a topic on one host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    topic: Cow<'static, str>,
    host: Option<String>,
}

impl Address {
    /// Whoever serves the topic next, for example `conductor`.
    pub fn topic(topic: impl Into<Cow<'static, str>>) -> Address {
        Address {
            topic: topic.into(),
            host: None,
        }
    }

    /// The server of the topic on this host, for example `compute` on `node1`.
    pub fn host(topic: impl Into<Cow<'static, str>>, host: impl Into<String>) -> Address {
        Address {
            topic: topic.into(),
            host: Some(host.into()),
        }
    }

    /// The topic, which is also what a fanout is addressed to.
    pub fn topic_name(&self) -> &str {
        &self.topic
    }

    /// The host, if this address means one host.
    pub fn host_name(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{}@{host}", self.topic),
            None => f.write_str(&self.topic),
        }
    }
}

/// Who asked and until when: travels with every message and is handed to the handler.
///
/// A handler passes it on to its own calls ([`Options::within`]), so a request keeps its id and
/// its deadline through all roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The id of the request that a client sees (`req-<uuid>`).
    pub request_id: String,
    /// The id that the client sent along to join several services' logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_request_id: Option<String>,
    /// Who asked; none for the cloud's own periodic work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The project on whose behalf; none for the cloud's own work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// When the sender loses interest. On the wire: the milliseconds left when it was sent, so the
    /// clocks of two hosts need not agree.
    #[serde(
        default,
        rename = "budget_ms",
        with = "budget",
        skip_serializing_if = "Option::is_none"
    )]
    pub deadline: Option<Instant>,
}

impl Context {
    /// A context that carries only the request id.
    pub fn new(request_id: impl Into<String>) -> Context {
        Context {
            request_id: request_id.into(),
            global_request_id: None,
            user_id: None,
            project_id: None,
            deadline: None,
        }
    }

    /// A context with a fresh request id, for work that no client asked for.
    pub fn fresh() -> Context {
        Context::new(format!("req-{}", uuid::Uuid::new_v4()))
    }

    /// The request that asked.
    pub fn asked(&self) -> telemetry::RequestId {
        telemetry::RequestId {
            local: self.request_id.clone(),
            global: self.global_request_id.clone(),
        }
    }

    /// The same, on behalf of this user and project.
    pub fn on_behalf_of(
        mut self,
        user_id: impl Into<String>,
        project_id: impl Into<String>,
    ) -> Context {
        self.user_id = Some(user_id.into());
        self.project_id = Some(project_id.into());
        self
    }

    /// The time left until the deadline; `None` without one.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// The same context for work that outlives the request, for example a workflow.
    pub fn without_deadline(mut self) -> Context {
        self.deadline = None;
        self
    }
}

/// How a message is sent.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a call waits for its answer, and how long an undelivered message is kept.
    /// Default: 60 s for a call (Nova's `rpc_response_timeout`), 30 min for a cast. A nearer
    /// deadline in the context wins for calls; a cast may outlive the request that caused it.
    pub deadline: Option<Duration>,
    /// What the handler gets to know about the request.
    pub context: Context,
}

impl Options {
    /// The default deadline of a call.
    pub const CALL_DEADLINE: Duration = Duration::from_secs(60);
    /// The default deadline of a cast and a fanout.
    pub const CAST_DEADLINE: Duration = Duration::from_secs(30 * 60);
    /// Nothing waits longer than this, so that deadlines can always be computed with.
    const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

    /// On behalf of this request.
    pub fn within(context: &Context) -> Options {
        Options {
            deadline: None,
            context: context.clone(),
        }
    }

    /// The same with this deadline, counted from the moment of sending.
    pub fn deadline(mut self, deadline: Duration) -> Options {
        self.deadline = Some(deadline);
        self
    }

    pub(crate) fn call_expiry(&self) -> Instant {
        let own = Instant::now()
            + self
                .deadline
                .unwrap_or(Self::CALL_DEADLINE)
                .min(Self::LONGEST);
        self.context
            .deadline
            .map_or(own, |inherited| inherited.min(own))
    }

    pub(crate) fn cast_expiry(&self) -> Instant {
        Instant::now()
            + self
                .deadline
                .unwrap_or(Self::CAST_DEADLINE)
                .min(Self::LONGEST)
    }
}

impl Default for Options {
    /// The cloud's own work: a fresh request id and the default deadline.
    fn default() -> Options {
        Options {
            deadline: None,
            context: Context::fresh(),
        }
    }
}

impl From<&Context> for Options {
    fn from(context: &Context) -> Options {
        Options::within(context)
    }
}

impl From<Context> for Options {
    fn from(context: Context) -> Options {
        Options {
            deadline: None,
            context,
        }
    }
}

mod budget {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;
    use tokio::time::Instant;

    pub fn serialize<S: Serializer>(deadline: &Option<Instant>, to: S) -> Result<S::Ok, S::Error> {
        match deadline {
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now()).as_millis();
                to.serialize_some(&u64::try_from(left).unwrap_or(u64::MAX))
            }
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Instant>, D::Error> {
        let left = Option::<u64>::deserialize(from)?;
        Ok(left.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms))))
    }
}
