//! The proof that the bearer of a token may act. [`crate::establish`] makes it.

use std::sync::Arc;

use web::Caller;
use web::policy::Subject;

use crate::fault::Fault;
use crate::payload::Payload;
use crate::tables::{application_credentials, projects, trusts, users};

/// A token found good, with all that its body shows.
#[derive(Debug)]
pub struct Session {
    pub payload: Payload,
    pub caller: Arc<Caller>,
    /// In whose name the token acts: the trustor, when a trust says so.
    pub user: users::Model,
    pub project: Option<projects::Model>,
    pub domain: Option<projects::Model>,
    /// `(id, name)`, implied ones included.
    pub roles: Vec<(String, String)>,
    pub trust: Option<trusts::Model>,
    pub application_credential: Option<application_credentials::Model>,
}

/// Keystone's names for what a token says, beside those that every service has.
fn common(name: &str) -> &str {
    match name {
        "token.domain.id" => "domain_id",
        "token.project.domain.id" => "project_domain_id",
        name => name,
    }
}

impl Subject for Session {
    fn attribute(&self, name: &str) -> Option<&str> {
        match name {
            // Nobody is administrator by anything but a role: there is no bootstrap token.
            "is_admin" => Some("False"),
            name => self.caller.attribute(common(name)),
        }
    }

    fn lacks(&self, name: &str) -> bool {
        self.caller.lacks(common(name))
    }

    fn roles(&self) -> &[String] {
        &self.caller.roles
    }

    fn service_roles(&self) -> &[String] {
        &self.caller.service_roles
    }
}

impl Session {
    /// Refuses to make or remove what lets somebody act for the user (`what`), unless the user acts
    /// here without a go-between: what a restricted credential or a trust made would outlive it.
    pub fn may_delegate(&self, what: &str) -> Result<(), Fault> {
        let credential = self.application_credential.as_ref();
        let method = if credential.is_some_and(|credential| !credential.unrestricted) {
            "application_credential"
        } else if self.trust.is_some() {
            "trust"
        } else {
            return Ok(());
        };
        Err(Fault::ForbiddenBecause(format!(
            "Using method '{method}' is not allowed for managing {what}."
        )))
    }
}
