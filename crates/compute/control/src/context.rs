//! Who asks, in which request.

use std::sync::Arc;

use web::policy::Guard;
use web::{Caller, RequestId};

use crate::{ControlError, Result};

/// The caller and the request of a use case.
#[derive(Debug, Clone)]
pub struct Context {
    pub caller: Arc<Caller>,
    pub request_id: RequestId,
    /// The rule of the call, which the use case asks.
    pub guard: Guard,
}

impl Context {
    /// The project that the caller acts in.
    ///
    /// # Errors
    /// 403 for a token without project scope.
    pub fn project(&self) -> Result<&str> {
        self.caller
            .project_id
            .as_deref()
            .ok_or_else(|| ControlError::Forbidden {
                why: "The token is not scoped to a project.".to_owned(),
            })
    }

    /// The caller's token, for asking companions in the caller's name.
    pub fn token(&self) -> &str {
        self.caller.token()
    }

    /// The same request for messages between roles.
    pub fn for_bus(&self) -> bus::Context {
        let mut context = bus::Context::new(self.request_id.local.clone());
        context.global_request_id = self.request_id.global.clone();
        context.user_id = Some(self.caller.user_id.clone());
        context.project_id = self.caller.project_id.clone();
        context
    }
}
