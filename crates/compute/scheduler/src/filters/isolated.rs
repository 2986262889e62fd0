//! `IsolatedHostsFilter`: some images run on some hosts only, and those hosts run nothing else.

use super::Question;
use crate::Host;

/// Isolated images on isolated hosts; with the restriction lifted, isolated hosts take any image.
pub fn isolated(host: &Host, question: &Question) -> Result<(), String> {
    let settings = question.settings;
    let host_is = settings.isolated_hosts.contains(&host.node.host);
    let image_is = question
        .request
        .image
        .as_ref()
        .is_some_and(|image| settings.isolated_images.contains(&image.id));
    match (image_is, host_is) {
        (true, false) => Err("not for isolated images".to_owned()),
        (false, true) if settings.restrict_isolated_hosts_to_isolated_images => {
            Err("for isolated images only".to_owned())
        }
        _ => Ok(()),
    }
}
