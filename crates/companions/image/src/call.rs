//! What the frame hands to handlers and rules: the service, and who asks.

use std::sync::Arc;

use web::auth::Authenticator;
use web::policy::Guard;
use web::{Caller, RequestId};

use crate::service::Images;

/// What the frame works with.
pub struct Face {
    pub images: Images,
    pub authenticator: Arc<dyn Authenticator>,
}

/// Who asks, in which request, and which rule guards the call.
#[derive(Debug, Clone)]
pub struct Cx {
    pub caller: Arc<Caller>,
    pub request_id: RequestId,
    pub guard: Guard,
}

/// One request that found its row.
pub type Call = rest::Call<Cx>;
