//! The action `rescue`.

use std::sync::Arc;

use compute_control::servers::rescue::{self, RescueWanted};
use microversion::Patch;

use super::actions::{NewPasswordShown, RescueServer};
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::RESCUE_FROM_VOLUME;
use crate::words::Id;

pub async fn rescue(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let RescueServer { rescue } = call.admit()?;
    let (image, password) = match rescue {
        Patch::Value(rescue) => (rescue.rescue_image_ref, rescue.admin_pass),
        Patch::Absent | Patch::Null => (None, None),
    };
    let wanted = RescueWanted {
        image_id: image.map(|Id(id)| id),
        admin_password: password,
        from_volume: call.version.at_least(RESCUE_FROM_VOLUME),
    };
    let password = rescue::rescue(&api.control, &call.cx, call.path("id"), wanted).await?;
    call.render(&NewPasswordShown {
        admin_pass: password.as_deref(),
    })
}
