//! Extra specs of flavors.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::flavors;

use super::{CreateExtraSpecs, ExtraSpecs, UpdateExtraSpec};
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::EXTRA_SPECS_CHECKED;
use crate::words::NoQuery;

/// `GET /flavors/{flavor_id}/os-extra_specs`.
pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let cx = call.cx.clone();
    let specs = flavors::show_specs(&api.control, &cx, call.path("flavor_id")).await?;
    call.render_under("extra_specs", &specs)
}

/// `POST /flavors/{flavor_id}/os-extra_specs`. The answer is the request, numbers and all.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let echo = call.body.to_string().into_bytes();
    let CreateExtraSpecs { extra_specs } = call.admit()?;
    set(&api, &call, extra_specs, None).await?;
    Ok(Answer::json(echo))
}

/// `PUT /flavors/{flavor_id}/os-extra_specs/{id}`. The answer is the request.
pub async fn update(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let echo = call.body.to_string().into_bytes();
    let UpdateExtraSpec(specs) = call.admit()?;
    set(&api, &call, specs, Some(call.path("id"))).await?;
    Ok(Answer::json(echo))
}

/// `GET /flavors/{flavor_id}/os-extra_specs/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let (cx, key) = (call.cx.clone(), call.path("id"));
    let value = flavors::show_spec(&api.control, &cx, call.path("flavor_id"), key).await?;
    call.render(&BTreeMap::from([(key.to_owned(), value)]))
}

/// `DELETE /flavors/{flavor_id}/os-extra_specs/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let (cx, id) = (call.cx.clone(), call.path("flavor_id"));
    flavors::delete_spec(&api.control, &cx, id, call.path("id")).await?;
    Ok(Answer::empty())
}

async fn set(api: &Api, call: &Call, specs: ExtraSpecs, only: Option<&str>) -> Result<(), Fault> {
    let specs = specs.0.into_iter().map(|(key, spec)| (key, spec.0));
    let checked = call.version.at_least(EXTRA_SPECS_CHECKED);
    let (cx, id) = (call.cx.clone(), call.path("flavor_id"));
    flavors::set_specs(&api.control, &cx, id, specs.collect(), only, checked).await?;
    Ok(())
}
