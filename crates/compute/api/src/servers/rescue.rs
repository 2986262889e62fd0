//! The action `rescue`.

use std::sync::Arc;

use compute_control::servers::rescue::{self, RescueWanted};
use microversion::{Patch, Version};

use super::actions::{NewPasswordShown, RescueServer};
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::Id;

/// The version in which servers that boot from a volume can be rescued.
const FROM_VOLUME: Version = Version::new(2, 87);

pub async fn rescue(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let RescueServer { rescue } = call.admit()?;
    let (image, password) = match rescue {
        Patch::Value(rescue) => (rescue.rescue_image_ref, rescue.admin_pass),
        Patch::Absent | Patch::Null => (None, None),
    };
    let wanted = RescueWanted {
        image_id: image.map(|Id(id)| id),
        admin_password: password,
        from_volume: call.version.at_least(FROM_VOLUME),
    };
    let password = rescue::rescue(&api.control, &call.cx, call.path("id"), wanted).await?;
    call.render(&NewPasswordShown {
        admin_pass: password.as_deref(),
    })
}
