//! What queries may say. Lists take from here what they are filtered by; what they read beside that stands here too.

use rest::accepted::Fate;
use rest::parameters::{Parameter, Parameters, Unknown};

/// What the queries of some calls may say.
pub struct List {
    calls: &'static [&'static str],
    /// Members of what is shown that the list is filtered by, compared as [`crate::filter`] says.
    pub filters: &'static [&'static str],
    /// What its handler reads itself.
    also: &'static [(&'static str, Fate)],
    paged: bool,
}

impl List {
    /// Of a list with pages.
    const fn new(calls: &'static [&'static str], filters: &'static [&'static str]) -> Self {
        Self {
            calls,
            filters,
            also: &[],
            paged: true,
        }
    }

    const fn also(self, also: &'static [(&'static str, Fate)]) -> Self {
        Self { also, ..self }
    }

    const fn whole(self) -> Self {
        Self {
            paged: false,
            ..self
        }
    }
}

const COMPARED: Fate = Fate::Within(
    "equal; texts also by the endings `__contains`, `__startswith`, `__endswith`, `__iexact`, `__icontains`, \
     `__istartswith`, `__iendswith`",
);
const NOBODY: Fate = Fate::Within("nobody is found: no user is one of an identity provider");
const END_OF_PASSWORD: (&str, Fate) = (
    "password_expires_at",
    Fate::Within("`lt:`, `lte:`, `gt:`, `gte:`, `eq:` or `neq:` before a time"),
);
const ANY_TAGS: Fate = Fate::Within("tags, between commas");

/// Why limits are not shown with the projects above and below.
pub const NO_LIMITS: &str = "limits are not shown with projects; GET /v3/limits lists them";

pub const ACCESS_RULES: List = List::new(
    &["GET /v3/users/{user_id}/access_rules"],
    &["method", "path", "service"],
);
pub const CREDENTIALS: List = List::new(&["GET /v3/credentials"], &["type", "user_id"]);
pub const DOMAINS: List = List::new(
    &["GET /v3/domains", "GET /v3/auth/domains"],
    &["enabled", "name"],
);
pub const ENDPOINTS: List = List::new(
    &[
        "GET /v3/endpoints",
        "GET /v3/OS-EP-FILTER/projects/{project_id}/endpoints",
        "GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints",
    ],
    &["interface", "region_id", "service_id"],
);
pub const EVENTS: List =
    List::new(&["GET /v3/OS-REVOKE/events"], &[]).also(&[("since", Fate::Honoured)]);
pub const GROUPS: List = List::new(&["GET /v3/groups"], &["domain_id", "name"]);
pub const LIMITS: List = List::new(
    &["GET /v3/limits"],
    &[
        "domain_id",
        "project_id",
        "region_id",
        "resource_name",
        "service_id",
    ],
);
pub const MEMBERS: List = List::new(
    &["GET /v3/groups/{group_id}/users"],
    &["domain_id", "enabled", "name"],
)
.also(&[END_OF_PASSWORD]);
/// Lists that are filtered by names alone.
pub const NAMED: List = List::new(
    &[
        "GET /v3/users/{user_id}/groups",
        "GET /v3/users/{user_id}/application_credentials",
        "GET /v3/OS-EP-FILTER/endpoint_groups",
        "GET /v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects",
        "GET /v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects",
        "GET /v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups",
        "GET /v3/projects/{project_id}/users/{user_id}/roles",
        "GET /v3/projects/{project_id}/groups/{group_id}/roles",
        "GET /v3/domains/{domain_id}/users/{user_id}/roles",
        "GET /v3/domains/{domain_id}/groups/{group_id}/roles",
        "GET /v3/system/users/{user_id}/roles",
        "GET /v3/system/groups/{group_id}/roles",
        "GET /v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/inherited_to_projects",
        "GET /v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/inherited_to_projects",
        "GET /v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects",
        "GET /v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects",
    ],
    &["name"],
);
pub const POLICIES: List = List::new(&["GET /v3/policies"], &["type"]);
pub const PROJECTS: List = List::new(
    &["GET /v3/projects"],
    &["domain_id", "enabled", "name", "parent_id"],
)
.also(&[
    (
        "is_domain",
        Fate::Within("projects that are no domains, if it is not set"),
    ),
    ("tags", ANY_TAGS),
    ("tags-any", ANY_TAGS),
    ("not-tags", ANY_TAGS),
    ("not-tags-any", ANY_TAGS),
]);
pub const PROJECTS_OF_USER: List = List::new(
    &["GET /v3/users/{user_id}/projects", "GET /v3/auth/projects"],
    &["domain_id", "enabled", "name"],
);
pub const REGIONS: List = List::new(&["GET /v3/regions"], &["parent_region_id"]);
pub const REGISTERED_LIMITS: List = List::new(
    &["GET /v3/registered_limits"],
    &["region_id", "resource_name", "service_id"],
);
pub const ROLES: List =
    List::new(&["GET /v3/roles"], &["name"]).also(&[("domain_id", Fate::Honoured)]);
pub const SERVICES: List = List::new(&["GET /v3/services"], &["name", "type"]);
pub const TRUSTS: List = List::new(
    &["GET /v3/OS-TRUST/trusts"],
    &["trustee_user_id", "trustor_user_id"],
);
pub const USERS: List = List::new(
    &["GET /v3/users"],
    &[
        "default_project_id",
        "domain_id",
        "email",
        "enabled",
        "name",
    ],
)
.also(&[
    END_OF_PASSWORD,
    ("idp_id", NOBODY),
    ("protocol_id", NOBODY),
    ("unique_id", NOBODY),
]);
/// Lists that have pages and nothing else.
pub const WHOLE: List = List::new(
    &[
        "GET /v3/OS-OAUTH1/consumers",
        "GET /v3/users/{user_id}/credentials/OS-EC2",
    ],
    &[],
);

const ASSIGNMENTS: List = List::new(&["GET /v3/role_assignments"], &[])
    .also(&[
        ("effective", Fate::Honoured),
        ("group.id", Fate::Honoured),
        ("include_names", Fate::Honoured),
        ("include_subtree", Fate::Honoured),
        ("limit", Fate::Honoured),
        (
            "marker",
            Fate::Hint("assignments have no ids; in Keystone they have no pages"),
        ),
        ("role.id", Fate::Honoured),
        ("scope.OS-INHERIT:inherited_to", Fate::Honoured),
        ("scope.domain.id", Fate::Honoured),
        ("scope.project.id", Fate::Honoured),
        ("scope.system", Fate::Honoured),
        ("user.id", Fate::Honoured),
    ])
    .whole();
const PROJECT: List = List::new(&["GET /v3/projects/{project_id}"], &[])
    .also(&[
        (
            "include_limits",
            Fate::NotBuilt {
                unless: &["false"],
                why: NO_LIMITS,
            },
        ),
        ("parents_as_ids", Fate::Honoured),
        ("parents_as_list", Fate::Honoured),
        ("subtree_as_ids", Fate::Honoured),
        ("subtree_as_list", Fate::Honoured),
    ])
    .whole();
const TOKEN: List = List::new(&["GET /v3/auth/tokens"], &[])
    .also(&[
        ("allow_expired", Fate::Honoured),
        ("nocatalog", Fate::Honoured),
    ])
    .whole();
const NEW_TOKEN: List = List::new(&["POST /v3/auth/tokens"], &[])
    .also(&[("nocatalog", Fate::Honoured)])
    .whole();

/// Calls whose queries say nothing.
const SILENT: List = List::new(
    &[
        "GET /",
        "GET /v3",
        "GET /v3/auth/catalog",
        "GET /v3/auth/system",
        "GET /v3/domains/config/default",
        "GET /v3/domains/config/{group}/default",
        "GET /v3/domains/config/{group}/{option}/default",
        "GET /v3/domains/{domain_id}/config",
        "GET /v3/limits/model",
        "GET /v3/projects/{project_id}/tags",
        "GET /v3/role_inferences",
        "GET /v3/roles/{role_id}/implies",
        "GET /v3/OS-TRUST/trusts/{trust_id}/roles",
        "GET /v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects",
        "GET /v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects",
        "GET /v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects",
        "GET /v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects",
    ],
    &[],
)
.whole();

const ALL: &[&List] = &[
    &NEW_TOKEN,
    &TOKEN,
    &PROJECTS_OF_USER,
    &DOMAINS,
    &PROJECTS,
    &PROJECT,
    &USERS,
    &GROUPS,
    &MEMBERS,
    &ROLES,
    &ASSIGNMENTS,
    &NAMED,
    &SERVICES,
    &ENDPOINTS,
    &REGIONS,
    &REGISTERED_LIMITS,
    &LIMITS,
    &CREDENTIALS,
    &ACCESS_RULES,
    &TRUSTS,
    &POLICIES,
    &EVENTS,
    &WHOLE,
    &SILENT,
];

/// Of all calls.
pub fn parameters() -> Vec<Parameters> {
    let of = |list: &&'static List| {
        let filters = list.filters.iter();
        let filters = filters.map(|&name| Parameter::new(name, COMPARED));
        let also = list.also.iter();
        let also = also.map(|&(name, fate)| Parameter::new(name, fate));
        let pages: &[&'static str] = if list.paged {
            &["limit", "marker"]
        } else {
            &[]
        };
        let pages = pages.iter().copied().map(Parameter::honoured);
        Parameters {
            calls: list.calls,
            known: filters.chain(also).chain(pages).collect(),
            unknown: Unknown::Ignored("as in Keystone"),
        }
    };
    ALL.iter().map(of).collect()
}
