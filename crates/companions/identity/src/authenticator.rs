//! The fast path of all embedded services: checks a token in this process, without HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use web::{AuthError, Authenticator, Caller};

use crate::establish;
use crate::fault::Fault;
use crate::narrow;
use crate::state::State;

/// Checks tokens against the identity service in this process.
pub struct Local(pub(crate) Arc<State>);

#[async_trait]
impl Authenticator for Local {
    async fn authenticate(
        &self,
        token: &str,
        service_token: Option<&str>,
    ) -> Result<Arc<Caller>, AuthError> {
        let service = match service_token {
            Some(token) => Some(
                establish::of_token(&self.0, token, false)
                    .await
                    .map_err(as_auth_error)?,
            ),
            None => None,
        };
        let by_service = service
            .as_ref()
            .is_some_and(|session| session.caller.has_role("service"));
        let session = establish::of_token(&self.0, token, by_service)
            .await
            .map_err(as_auth_error)?;
        if narrow::is_narrow(&session) || service.as_deref().is_some_and(narrow::is_narrow) {
            // The rules name paths of services; nobody here can hold the request against them.
            return Err(AuthError::Unauthorized);
        }
        match service {
            None => Ok(session.caller.clone()),
            Some(service) => Ok(Arc::new(Caller {
                service_roles: service.caller.roles.clone(),
                ..Caller::clone(&session.caller)
            })),
        }
    }

    fn identity_url(&self) -> String {
        self.0.settings.public_url.clone()
    }
}

fn as_auth_error(fault: Fault) -> AuthError {
    match fault {
        Fault::Unauthorized | Fault::Refused(_) => AuthError::Unauthorized,
        other => AuthError::Unavailable(other.to_string()),
    }
}
