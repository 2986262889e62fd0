//! Actions on routers: interfaces and routes.

use std::sync::Arc;

use rest::Answer;

use super::{Call, object, one};
use crate::core::Core;
use crate::fault::Result;
use crate::jobs::{self, Job, RouterAction};

/// Does what the last part of the path says.
pub async fn act(core: Arc<Core>, call: Call, action: &RouterAction) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let job = Job::RouterAction {
        id: call.path("id"),
        action: *action,
        body: object(&call)?.clone(),
    };
    Ok(Answer::of(&one(jobs::run(cx, &job).await?)?))
}
