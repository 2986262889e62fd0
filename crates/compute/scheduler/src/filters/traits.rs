//! Traits that the flavor or the image requires or forbids.

use super::Question;
use crate::Host;

/// `trait:NAME=required|forbidden` in extra specs, `trait:NAME=required` in image properties.
pub fn match_all(host: &Host, question: &Question) -> Result<(), String> {
    let flavor = question.request.flavor.extra_specs.iter();
    let image = question
        .request
        .image
        .iter()
        .flat_map(|image| &image.properties);
    for (key, value) in flavor.chain(image) {
        let Some(name) = key.strip_prefix("trait:") else {
            continue;
        };
        let has = host.node.facts.traits.iter().any(|other| other == name);
        match value.as_str() {
            "required" if !has => return Err(format!("{name} is missing")),
            "forbidden" if has => return Err(format!("{name} is forbidden")),
            _ => {}
        }
    }
    Ok(())
}
