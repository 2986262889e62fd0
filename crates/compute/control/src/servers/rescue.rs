//! A server boots from the disk of an image, to be repaired.

use compute_model::lifecycle::{self, Action};
use compute_model::rescue::{self, Rescue};
use compute_rpc::agent::Given;

use super::create::invalid;
use super::{act, load, plan};
use crate::{Context, Control, Result, policy};

/// How a server is to be rescued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RescueWanted {
    /// None is the server's own image.
    pub image_id: Option<String>,
    /// Generated when absent.
    pub admin_password: Option<String>,
    /// Whether the client knows of rescues of servers that boot from a volume (2.87).
    pub from_volume: bool,
}

/// Formats that hosts start guests from.
const FORMATS: &[&str] = &["raw", "ami", "qcow2"];

/// Begins a rescue; gives the password that the guest gets, unless this cloud does not tell passwords.
///
/// # Errors
/// 404 for the server; 403 by policy; 409 when its state or lock forbids it; 400 for an image that is not there or that
/// nobody is rescued by, and for a server on a volume whose image does not say how.
pub async fn rescue(
    control: &Control,
    cx: &Context,
    id: &str,
    wanted: RescueWanted,
) -> Result<Option<String>> {
    let server = load(control, cx, id).await?;
    lifecycle::admit(Action::Rescue, &server, policy::is_admin(control, cx))?;
    let own = server.described_by().map(|image| image.id.as_str());
    let image_id = wanted
        .image_id
        .as_deref()
        .or(own.filter(|id| !id.is_empty()));
    let cannot = |why: &str| invalid(format!("Instance {id} cannot be rescued: {why}"));
    if server.boots_from_volume() && !wanted.from_volume {
        return Err(cannot("Cannot rescue a volume-backed instance"));
    }
    let Some(image_id) = image_id else {
        return Err(cannot("it has no image, and rescue_image_ref names none"));
    };
    let image = plan::image(control, cx, Some(image_id)).await?;
    plan::one_disk(&image)?;
    if !FORMATS.contains(&image.disk_format.as_str()) {
        return Err(invalid(format!(
            "Requested rescue image '{image_id}' is not supported"
        )));
    }
    let device = rescue::device(&image.properties).map_err(|why| cannot(&why))?;
    if server.boots_from_volume() && device.is_none() {
        return Err(cannot(
            "Cannot rescue a volume-backed instance: its rescue image names no hw_rescue_device and hw_rescue_bus",
        ));
    }
    let password = wanted
        .admin_password
        .unwrap_or_else(|| plan::password(control.settings.password_length));
    let given = Given {
        // Nobody else ever needs it: a password that is stored can be stolen.
        admin_password: server.config_drive.then(|| password.clone()),
        injected_files: Vec::new(),
    };
    act::begin(control, cx, id, (Action::Rescue, given), |server| {
        server.rescue = Some(Rescue {
            image: image.clone(),
            number: server.epoch,
        });
        Ok(())
    })
    .await?;
    let told = control.settings.enable_instance_password;
    Ok(told.then_some(password))
}
