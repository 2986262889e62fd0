//! Which devices a caller may name on a port.
//!
//! A port whose owner is `network:…` is part of the service: with owner `network:router_interface` and a router's id it
//! joins that router, whoever's it is (CVE-2014-0056). So callers without special rights neither make such ports by
//! hand nor turn the service's own into others. This holds whatever an operator's policy says.

use crate::core::Cx;
use crate::fault::{Fault, Result};
use crate::owners;
use crate::tables::ports;

/// Checks the device of a port that is made (`before` is `None`) or changed.
///
/// # Errors
/// [`Fault::Forbidden`], naming the rule of the attribute.
pub fn check(cx: &Cx<'_>, before: Option<&ports::Model>, row: &ports::Model) -> Result<()> {
    let (owner, id) = match before {
        Some(before) => (before.device_owner.as_str(), &before.device_id),
        None => ("", &row.device_id),
    };
    let rule = match before {
        None if owner != row.device_owner => "create_port:device_owner",
        Some(_) if owner != row.device_owner => "update_port:device_owner",
        Some(_) if *id != row.device_id => "update_port:device_id",
        _ => return Ok(()),
    };
    let concerns_service = owners::is_service(owner) || owners::is_service(&row.device_owner);
    if !concerns_service || cx.is_admin() || cx.core.access.is_advanced_service(cx.caller) {
        return Ok(());
    }
    Err(Fault::Forbidden(rule.to_owned()))
}
