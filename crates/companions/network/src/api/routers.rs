//! Actions on routers: interfaces and routes.

use std::sync::Arc;

use rest::Answer;

use super::{Call, object, one};
use crate::core::Core;
use crate::fault::Result;
use crate::jobs::{self, Job};

/// The action that the last part of the path names, which is also its rule.
pub async fn act(core: Arc<Core>, call: Call) -> Result<Answer> {
    let cx = &call.cx.with(&core);
    let job = Job::RouterAction {
        id: call.path("id"),
        action: call.cx.guard.rule(),
        body: object(&call)?.clone(),
    };
    Ok(Answer::of(&one(jobs::run(cx, &job).await?)?))
}
