//! Who may do what: Glance's default rules as a table, and what an image tells a rule about itself.

use web::Caller;
use web::policy::{IS_ADMIN, Rule, Scope, Target};

use crate::api::Cx;
use crate::fault::Fault;
use crate::model::Viewer;
use crate::service::Images;
use crate::tables::{Visibility, Word, image};

const ADMIN: &str = "rule:context_is_admin";
const MEMBER: &str = "rule:context_is_admin or (role:member and project_id:%(project_id)s)";
const READER: &str = "rule:context_is_admin or (role:reader and project_id:%(project_id)s)";
const CREATOR: &str = "rule:context_is_admin or \
    (role:member and project_id:%(project_id)s and project_id:%(owner)s)";
const SEES: &str = "rule:context_is_admin or rule:service_api or (role:reader and \
    (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s \
    or 'public':%(visibility)s or 'shared':%(visibility)s))";
const DOWNLOADS: &str = "rule:context_is_admin or rule:service_api or (role:member and \
    (project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s \
    or 'public':%(visibility)s or 'shared':%(visibility)s))";
const SERVICE: &str = "rule:service_api";
const SERVICE_OR_CREATOR: &str = "rule:service_api or \
    (role:member and project_id:%(project_id)s and project_id:%(owner)s)";
const SHARED: &str = "rule:context_is_admin or (role:member and project_id:%(member_id)s)";
const READER_OR_SHARED: &str = "rule:context_is_admin or \
    (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))";

const fn rule(
    name: &'static str,
    check: &'static str,
    description: &'static str,
    operations: &'static [(&'static str, &'static str)],
) -> Rule {
    Rule {
        name,
        check,
        scope_types: &[Scope::Project],
        description,
        operations,
    }
}

const fn part(name: &'static str, check: &'static str, description: &'static str) -> Rule {
    Rule {
        name,
        check,
        scope_types: &[],
        description,
        operations: &[],
    }
}

/// The rules (glance/policies). Where data lies is told to services and administrators only, which
/// is stricter than Glance's `get_image_location`. Services see and download every image: compute
/// fetches those of a server's project as itself, since no user's token outlives a request, where
/// Glance would ask for its user to be an administrator.
pub static RULES: &[Rule] = &[
    part(IS_ADMIN, "role:admin", "Who is an administrator."),
    part(
        "service_api",
        "rule:context_is_admin or role:service",
        "Who is another service.",
    ),
    rule(
        "add_image",
        CREATOR,
        "Create an image.",
        &[("POST", "/v2/images")],
    ),
    rule(
        "delete_image",
        MEMBER,
        "Delete an image.",
        &[("DELETE", "/v2/images/{image_id}")],
    ),
    rule(
        "get_image",
        SEES,
        "Show an image.",
        &[("GET", "/v2/images/{image_id}")],
    ),
    rule(
        "get_images",
        READER,
        "List images.",
        &[("GET", "/v2/images")],
    ),
    rule(
        "modify_image",
        MEMBER,
        "Change an image, stage data for it or import data into it.",
        &[("PATCH", "/v2/images/{image_id}")],
    ),
    rule(
        "publicize_image",
        ADMIN,
        "Make an image public.",
        &[("PATCH", "/v2/images/{image_id}")],
    ),
    rule(
        "communitize_image",
        MEMBER,
        "Make an image a community image.",
        &[("PATCH", "/v2/images/{image_id}")],
    ),
    rule(
        "download_image",
        DOWNLOADS,
        "Download the data of an image.",
        &[("GET", "/v2/images/{image_id}/file")],
    ),
    rule(
        "upload_image",
        MEMBER,
        "Upload the data of an image.",
        &[("PUT", "/v2/images/{image_id}/file")],
    ),
    rule(
        "get_image_location",
        SERVICE,
        "See where the data of an image lies (direct_url).",
        &[("GET", "/v2/images/{image_id}")],
    ),
    rule(
        "add_image_location",
        SERVICE_OR_CREATOR,
        "Add a location to an image.",
        &[("POST", "/v2/images/{image_id}/locations")],
    ),
    rule(
        "fetch_image_location",
        SERVICE,
        "List the locations of an image.",
        &[("GET", "/v2/images/{image_id}/locations")],
    ),
    rule(
        "add_member",
        MEMBER,
        "Share an image with a project.",
        &[("POST", "/v2/images/{image_id}/members")],
    ),
    rule(
        "delete_member",
        MEMBER,
        "Stop sharing an image with a project.",
        &[("DELETE", "/v2/images/{image_id}/members/{member_id}")],
    ),
    rule(
        "get_member",
        READER_OR_SHARED,
        "Show a member of an image.",
        &[("GET", "/v2/images/{image_id}/members/{member_id}")],
    ),
    rule(
        "get_members",
        READER_OR_SHARED,
        "List the members of an image.",
        &[("GET", "/v2/images/{image_id}/members")],
    ),
    rule(
        "modify_member",
        SHARED,
        "Accept or reject a shared image.",
        &[("PUT", "/v2/images/{image_id}/members/{member_id}")],
    ),
    rule(
        "deactivate",
        MEMBER,
        "Deactivate an image.",
        &[("POST", "/v2/images/{image_id}/actions/deactivate")],
    ),
    rule(
        "reactivate",
        MEMBER,
        "Reactivate an image.",
        &[("POST", "/v2/images/{image_id}/actions/reactivate")],
    ),
    rule(
        "stores_info_detail",
        SERVICE,
        "Show the properties of stores.",
        &[("GET", "/v2/info/stores/detail")],
    ),
    rule(
        "tasks_api_access",
        ADMIN,
        "Use the tasks API.",
        &[
            ("GET", "/v2/tasks"),
            ("GET", "/v2/tasks/{task_id}"),
            ("POST", "/v2/tasks"),
        ],
    ),
    rule(
        "delete_from_store",
        ADMIN,
        "Delete the data of an image from one store.",
        &[("DELETE", "/v2/stores/{store_id}/{image_id}")],
    ),
];

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
    let seen = Viewer::of(images, caller).sees(row, member)
        && allow_rule(images, "get_image", caller, &target).is_ok();
    if !seen {
        return Err(Fault::no_image(&row.id));
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
            let text = std::fs::read_to_string(&path).expect("text");
            let (_, after) = text
                .split_once("/// What a rule may ask about an image;")
                .unwrap_or(("", &text));
            all += after;
        }
        all
    }

    #[test]
    fn every_rule_is_asked() {
        let code = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
        for rule in RULES.iter().filter(|rule| rule.name != IS_ADMIN) {
            let asked = code.contains(&format!("\"{}\"", rule.name));
            assert!(asked, "{} is never asked", rule.name);
        }
    }
}
