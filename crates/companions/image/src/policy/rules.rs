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

const METADEF_ADMIN: &str = "rule:metadef_admin";
const SEES_NAMESPACE: &str = "rule:context_is_admin or \
    (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))";

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
/// Glance would ask for its user to be an administrator. Glance's `metadef_default` is missing: only rules that Glance
/// has given up refer to it.
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
        "delete_image_location",
        ADMIN,
        "Delete the data of an image from one store.",
        &[("DELETE", "/v2/stores/{store_id}/{image_id}")],
    ),
    part("metadef_admin", ADMIN, "Who writes metadata definitions."),
    rule(
        "get_metadef_namespace",
        SEES_NAMESPACE,
        "Show a namespace of metadata definitions.",
        &[("GET", "/v2/metadefs/namespaces/{namespace_name}")],
    ),
    rule(
        "get_metadef_namespaces",
        READER,
        "List namespaces of metadata definitions.",
        &[("GET", "/v2/metadefs/namespaces")],
    ),
    rule(
        "modify_metadef_namespace",
        METADEF_ADMIN,
        "Change a namespace of metadata definitions.",
        &[("PUT", "/v2/metadefs/namespaces/{namespace_name}")],
    ),
    rule(
        "add_metadef_namespace",
        METADEF_ADMIN,
        "Create a namespace of metadata definitions.",
        &[("POST", "/v2/metadefs/namespaces")],
    ),
    rule(
        "delete_metadef_namespace",
        METADEF_ADMIN,
        "Delete a namespace of metadata definitions, or all its objects, properties or tags.",
        &[
            ("DELETE", "/v2/metadefs/namespaces/{namespace_name}"),
            ("DELETE", "/v2/metadefs/namespaces/{namespace_name}/objects"),
            (
                "DELETE",
                "/v2/metadefs/namespaces/{namespace_name}/properties",
            ),
            ("DELETE", "/v2/metadefs/namespaces/{namespace_name}/tags"),
        ],
    ),
    rule(
        "get_metadef_object",
        SEES_NAMESPACE,
        "Show an object of a namespace.",
        &[(
            "GET",
            "/v2/metadefs/namespaces/{namespace_name}/objects/{object_name}",
        )],
    ),
    rule(
        "get_metadef_objects",
        SEES_NAMESPACE,
        "List the objects of a namespace.",
        &[("GET", "/v2/metadefs/namespaces/{namespace_name}/objects")],
    ),
    rule(
        "modify_metadef_object",
        METADEF_ADMIN,
        "Change an object of a namespace.",
        &[(
            "PUT",
            "/v2/metadefs/namespaces/{namespace_name}/objects/{object_name}",
        )],
    ),
    rule(
        "add_metadef_object",
        METADEF_ADMIN,
        "Create an object in a namespace.",
        &[("POST", "/v2/metadefs/namespaces/{namespace_name}/objects")],
    ),
    rule(
        "delete_metadef_object",
        METADEF_ADMIN,
        "Delete an object of a namespace.",
        &[(
            "DELETE",
            "/v2/metadefs/namespaces/{namespace_name}/objects/{object_name}",
        )],
    ),
    rule(
        "list_metadef_resource_types",
        SEES_NAMESPACE,
        "List types of resources.",
        &[
            ("GET", "/v2/metadefs/resource_types"),
            (
                "GET",
                "/v2/metadefs/namespaces/{namespace_name}/resource_types",
            ),
        ],
    ),
    rule(
        "get_metadef_resource_type",
        SEES_NAMESPACE,
        "See a type of resource that a namespace is for.",
        &[(
            "GET",
            "/v2/metadefs/namespaces/{namespace_name}/resource_types",
        )],
    ),
    rule(
        "add_metadef_resource_type_association",
        METADEF_ADMIN,
        "Associate a type of resource with a namespace.",
        &[(
            "POST",
            "/v2/metadefs/namespaces/{namespace_name}/resource_types",
        )],
    ),
    rule(
        "remove_metadef_resource_type_association",
        METADEF_ADMIN,
        "End the association of a type of resource with a namespace.",
        &[(
            "DELETE",
            "/v2/metadefs/namespaces/{namespace_name}/resource_types/{name}",
        )],
    ),
    rule(
        "get_metadef_property",
        SEES_NAMESPACE,
        "Show a property of a namespace.",
        &[(
            "GET",
            "/v2/metadefs/namespaces/{namespace_name}/properties/{property_name}",
        )],
    ),
    rule(
        "get_metadef_properties",
        SEES_NAMESPACE,
        "List the properties of a namespace.",
        &[("GET", "/v2/metadefs/namespaces/{namespace_name}/properties")],
    ),
    rule(
        "modify_metadef_property",
        METADEF_ADMIN,
        "Change a property of a namespace.",
        &[(
            "PUT",
            "/v2/metadefs/namespaces/{namespace_name}/properties/{property_name}",
        )],
    ),
    rule(
        "add_metadef_property",
        METADEF_ADMIN,
        "Create a property in a namespace.",
        &[(
            "POST",
            "/v2/metadefs/namespaces/{namespace_name}/properties",
        )],
    ),
    rule(
        "remove_metadef_property",
        METADEF_ADMIN,
        "Delete a property of a namespace.",
        &[(
            "DELETE",
            "/v2/metadefs/namespaces/{namespace_name}/properties/{property_name}",
        )],
    ),
    rule(
        "get_metadef_tag",
        SEES_NAMESPACE,
        "Show a tag of a namespace.",
        &[(
            "GET",
            "/v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}",
        )],
    ),
    rule(
        "get_metadef_tags",
        SEES_NAMESPACE,
        "List the tags of a namespace.",
        &[("GET", "/v2/metadefs/namespaces/{namespace_name}/tags")],
    ),
    rule(
        "modify_metadef_tag",
        METADEF_ADMIN,
        "Rename a tag of a namespace.",
        &[(
            "PUT",
            "/v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}",
        )],
    ),
    rule(
        "add_metadef_tag",
        METADEF_ADMIN,
        "Create a tag in a namespace.",
        &[(
            "POST",
            "/v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}",
        )],
    ),
    rule(
        "add_metadef_tags",
        METADEF_ADMIN,
        "Create tags in a namespace.",
        &[("POST", "/v2/metadefs/namespaces/{namespace_name}/tags")],
    ),
    rule(
        "delete_metadef_tag",
        METADEF_ADMIN,
        "Delete a tag of a namespace.",
        &[(
            "DELETE",
            "/v2/metadefs/namespaces/{namespace_name}/tags/{tag_name}",
        )],
    ),
    rule(
        "delete_metadef_tags",
        METADEF_ADMIN,
        "Delete all tags of a namespace.",
        &[("DELETE", "/v2/metadefs/namespaces/{namespace_name}/tags")],
    ),
];
