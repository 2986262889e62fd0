//! The actions `shelve`, `shelveOffload` and `unshelve`.

use std::sync::Arc;

use compute_control::servers::shelve::{self, Destination};
use microversion::Patch;

use super::actions::UnshelveServer;
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::Name;

pub async fn shelve(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    shelve::shelve(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

pub async fn offload(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    shelve::offload(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

pub async fn unshelve(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let UnshelveServer { unshelve, .. } = call.admit()?;
    let wanted = match unshelve {
        Patch::Absent | Patch::Null => Destination::default(),
        Patch::Value(unshelve) => Destination {
            zone: match (unshelve.zone, unshelve.availability_zone) {
                (Some(Name(zone)), _) => Some(Some(zone)),
                (None, zone) => zone.into_option(),
            },
            host: unshelve.host,
        },
    };
    shelve::unshelve(&api.control, &call.cx, call.path("id"), &wanted).await?;
    Ok(Answer::empty())
}
