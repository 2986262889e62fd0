//! Glance's default rules, as a table.

use web::policy::{IS_ADMIN, Rule, Scope};

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
