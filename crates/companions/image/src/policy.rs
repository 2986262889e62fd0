//! Who may do what: Glance's default rules as a table ([`RULES`]), and what a thing tells a rule about itself.

mod rules;

use web::Caller;
use web::policy::Target;

use crate::call::Cx;
use crate::fault::Fault;
use crate::model::Viewer;
use crate::service::Images;
use crate::tables::metadefs::namespace;
use crate::tables::{Visibility, Word, image};

pub use rules::RULES;

/// What a rule may ask about an image; `member`: the caller's project is one of its members.
pub fn target<'a>(row: &'a image::Model, caller: &'a Caller, member: bool) -> Target<'a> {
    let project = caller.project_id.as_deref().filter(|_| member);
    owned_by(row.owner.as_deref())
        .with("visibility", row.visibility.word())
        .with_option("member_id", project)
}

/// What a rule may ask about a thing of a project.
pub fn owned_by(owner: Option<&str>) -> Target<'_> {
    Target::new()
        .with_option("project_id", owner)
        .with_option("owner", owner)
}

/// Who looks at images with this token.
pub fn viewer(images: &Images, caller: &Caller) -> Viewer {
    let service = images
        .policy()
        .enforce("service_api", caller, &Target::new());
    Viewer {
        project: caller.project_id.clone(),
        admin: images.policy().is_admin(caller),
        service: service.is_ok(),
    }
}

/// Refuses unless the rule of the call lets the caller.
pub fn allow(images: &Images, cx: &Cx, target: &Target<'_>) -> Result<(), Fault> {
    cx.guard.note();
    allow_rule(images, cx.guard.rule(), &cx.caller, target)
}

/// Refuses unless the rule lets the caller.
pub fn allow_rule(
    images: &Images,
    rule: &str,
    caller: &Caller,
    target: &Target<'_>,
) -> Result<(), Fault> {
    let allowed = images.policy().enforce(rule, caller, target);
    allowed.map_err(|denied| Fault::Forbidden(denied.to_string()))
}

/// Refuses unless the rule lets the caller do it to an image; an image that the caller may not see
/// is not found rather than forbidden.
pub fn enforce(
    images: &Images,
    rule: &str,
    caller: &Caller,
    row: &image::Model,
    member: bool,
) -> Result<(), Fault> {
    let target = target(row, caller, member);
    let seen = viewer(images, caller).sees(row, member)
        && allow_rule(images, "get_image", caller, &target).is_ok();
    if !seen {
        return Err(Fault::no_image(&row.id));
    }
    allow_rule(images, rule, caller, &target)
}

/// What a rule may ask about a namespace of metadata definitions.
fn namespace_target(row: &namespace::Model) -> Target<'_> {
    owned_by(Some(&row.owner)).with("visibility", row.visibility.word())
}

/// Refuses unless the rule lets the caller do it in a namespace; one that the caller may not see is not found rather
/// than forbidden.
pub fn enforce_in_namespace(
    images: &Images,
    rule: &str,
    caller: &Caller,
    row: &namespace::Model,
) -> Result<(), Fault> {
    let target = namespace_target(row);
    let seen = viewer(images, caller).sees_namespace(row)
        && allow_rule(images, "get_metadef_namespace", caller, &target).is_ok();
    if !seen {
        return Err(Fault::no_namespace(&row.namespace));
    }
    allow_rule(images, rule, caller, &target)
}

/// Whether the rule of showing an image lets the caller have it in a list. That it was found means that
/// its project owns it, is its member, or that everybody may see it.
pub fn lists(images: &Images, caller: &Caller, row: &image::Model) -> bool {
    let member = row.visibility == Visibility::Shared && row.owner != caller.project_id;
    let target = target(row, caller, member);
    allow_rule(images, "get_image", caller, &target).is_ok()
}

/// Who may give an image this visibility.
pub fn visibility(
    images: &Images,
    caller: &Caller,
    target: &Target<'_>,
    wanted: Visibility,
) -> Result<(), Fault> {
    match wanted {
        Visibility::Public => allow_rule(images, "publicize_image", caller, target),
        Visibility::Community => allow_rule(images, "communitize_image", caller, target),
        Visibility::Shared | Visibility::Private => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use web::policy::IS_ADMIN;

    use super::*;

    /// The code of this crate, the table of rules left out.
    fn sources(folder: &Path) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                all += &sources(&path);
                continue;
            }
            if !path.ends_with("policy/rules.rs") {
                all += &std::fs::read_to_string(&path).expect("text");
            }
        }
        all
    }

    #[test]
    fn every_rule_is_asked() {
        let code = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
        for rule in RULES.iter().filter(|rule| rule.name != IS_ADMIN) {
            let by_rule = format!("rule:{}", rule.name);
            let asked = code.contains(&format!("\"{}\"", rule.name))
                || RULES.iter().any(|other| other.check == by_rule);
            assert!(asked, "{} is never asked", rule.name);
        }
    }
}
