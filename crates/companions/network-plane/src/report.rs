//! What an apply did, and what it could not do.

use std::fmt;

use crate::PlaneError;

/// The outcome of one [`crate::Plane::apply`]. Objects that are in neither list are as wanted.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Ids of the ports whose tap exists, is on its bridge and is guarded as wanted: a server may be plugged in.
    pub ready_ports: Vec<String>,
    /// What failed, object by object. The others were applied nevertheless; applying again tries again.
    pub failures: Vec<Failure>,
    /// How many changes were made to the host. 0 means that everything was already as wanted.
    pub changes: usize,
}

impl Report {
    /// Notes a failure.
    pub(crate) fn fail(&mut self, object: Object, error: &PlaneError) {
        self.failures.push(Failure {
            object,
            error: chain(error),
        });
    }
}

/// The text of an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Something that could not be brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub object: Object,
    /// The error with its causes, for the log and for the operator.
    pub error: String,
}

/// The wanted object that a change is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// The whole plane: the namespace of the cloud, its firewall.
    Plane,
    Network(String),
    Port(String),
    Router(String),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Plane => f.write_str("the data plane"),
            Object::Network(id) => write!(f, "network {id}"),
            Object::Port(id) => write!(f, "port {id}"),
            Object::Router(id) => write!(f, "router {id}"),
        }
    }
}
