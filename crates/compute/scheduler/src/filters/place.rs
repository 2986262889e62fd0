//! Filters on which host it is and whether it is there.

use super::Question;
use crate::Host;

/// The host or node that the request names, if it names one.
pub fn requested(host: &Host, question: &Question) -> Result<(), String> {
    let request = question.request;
    let wanted = [
        (&request.forced_host, &host.node.host),
        (&request.forced_node, &host.node.name),
        (&request.host, &host.node.host),
        (&request.hypervisor_hostname, &host.node.name),
    ];
    let other = wanted
        .iter()
        .any(|(wanted, name)| wanted.as_ref().is_some_and(|wanted| wanted != *name));
    match other {
        true => Err("another one was asked for".to_owned()),
        false => Ok(()),
    }
}

/// Not one that was tried already. Nova compares these names without regard to case.
pub fn untried(host: &Host, question: &Question) -> Result<(), String> {
    let tried = &question.request.ignore_hosts;
    match tried
        .iter()
        .any(|name| name.eq_ignore_ascii_case(&host.node.host))
    {
        true => Err("tried already".to_owned()),
        false => Ok(()),
    }
}

/// In the zone asked for.
pub fn zone(host: &Host, question: &Question) -> Result<(), String> {
    match &question.request.availability_zone {
        Some(zone) if zone != host.zone(question.settings) => Err(format!("not in zone {zone}")),
        _ => Ok(()),
    }
}

/// Enabled and heard of lately.
pub fn alive(host: &Host, _question: &Question) -> Result<(), String> {
    match host.up {
        true => Ok(()),
        false => Err(host.why_down.to_owned()),
    }
}
