//! What the frame hands to handlers: the service, and who asks.

use std::sync::Arc;

use web::Caller;
use web::auth::Authenticator;
use web::policy::Guard;

use crate::core::{Core, Cx};

/// What the frame works with.
pub struct Face {
    pub core: Arc<Core>,
    pub authenticator: Arc<dyn Authenticator>,
}

/// Who asks, and which rule guards the call.
#[derive(Debug)]
pub struct Asked {
    pub caller: Arc<Caller>,
    pub guard: Guard,
}

impl Asked {
    /// What use cases are given.
    pub fn with<'a>(&'a self, core: &'a Core) -> Cx<'a> {
        Cx {
            core,
            caller: &self.caller,
            guard: &self.guard,
        }
    }
}

/// One request that found its row.
pub type Call = rest::Call<Asked>;
