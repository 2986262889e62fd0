//! The API's table of contents: every call, the rule of policy that guards it, the code of its success, and who
//! answers it. A call that is known but not built answers 501.

use std::sync::LazyLock;

use http::StatusCode;
use rest::words::{CREATED, DELETE, GET, HEAD, NO_CONTENT, OK, PATCH, POST, PUT};
use rest::{Access, Serving, Table, Verb};

use crate::api::*;
use crate::frame;
use crate::simple;
use crate::state::State;

type Row = rest::Row<State>;

const MULTIPLE_CHOICES: StatusCode = StatusCode::MULTIPLE_CHOICES;

static TABLE: LazyLock<Table<State>> = LazyLock::new(|| {
    Table::new(&[
        AUTH,
        PEOPLE,
        ROLES,
        CATALOG,
        SECRETS,
        DOMAIN_CONFIGS,
        NOT_BUILT,
    ])
});

/// All calls.
pub fn table() -> &'static Table<State> {
    &TABLE
}

/// What serves a call of somebody known.
macro_rules! known {
    ($handler:expr) => {
        Serving::Known(|state, call| frame::known(state, call, $handler))
    };
}

/// What serves a call that needs no token.
macro_rules! anybody {
    ($handler:expr) => {
        Serving::Open(|state, call| frame::anybody(state, call, $handler))
    };
}

const fn row(
    verb: Verb,
    path: &'static str,
    rule: &'static str,
    success: StatusCode,
    serving: Serving<State>,
) -> Row {
    Row::new(verb, path, Access::Rule(rule), success, serving)
}

const fn open(verb: Verb, path: &'static str, success: StatusCode, serving: Serving<State>) -> Row {
    Row::new(verb, path, Access::Open, success, serving)
}

const fn later(verb: Verb, path: &'static str) -> Row {
    open(verb, path, OK, Serving::NotBuilt)
}

/// Versions, tokens and what they are good for.
#[rustfmt::skip] // A table reads better with a row on each line.
const AUTH: &[Row] = &[
        open(GET, "/", MULTIPLE_CHOICES, anybody!(versions::all)),
        open(GET, "/v3", OK, anybody!(versions::one)),
        open(POST, "/v3/auth/tokens", CREATED, anybody!(auth::issue)),
        row(GET, "/v3/auth/tokens", "validate_token", OK, known!(auth::show)),
        row(HEAD, "/v3/auth/tokens", "check_token", OK, known!(auth::show)),
        row(DELETE, "/v3/auth/tokens", "revoke_token", NO_CONTENT, known!(auth::revoke)),
        row(GET, "/v3/auth/catalog", "get_auth_catalog", OK, known!(auth::catalog)),
        row(GET, "/v3/auth/projects", "get_auth_projects", OK, known!(auth::projects)),
        row(GET, "/v3/auth/domains", "get_auth_domains", OK, known!(auth::domains)),
        row(GET, "/v3/auth/system", "get_auth_system", OK, known!(auth::system)),
        row(GET, "/v3/OS-REVOKE/events", "list_revoke_events", OK, known!(revocations::list)),
];

/// Domains, projects, users and groups.
#[rustfmt::skip] // A table reads better with a row on each line.
const PEOPLE: &[Row] = &[
        row(POST, "/v3/domains", "create_domain", CREATED, known!(domains::create)),
        row(GET, "/v3/domains", "list_domains", OK, known!(domains::list)),
        row(GET, "/v3/domains/{domain_id}", "get_domain", OK, known!(domains::show)),
        row(PATCH, "/v3/domains/{domain_id}", "update_domain", OK, known!(domains::update)),
        row(DELETE, "/v3/domains/{domain_id}", "delete_domain", NO_CONTENT, known!(domains::delete)),
        row(POST, "/v3/projects", "create_project", CREATED, known!(projects::create)),
        row(GET, "/v3/projects", "list_projects", OK, known!(projects::list)),
        row(GET, "/v3/projects/{project_id}", "get_project", OK, known!(projects::show)),
        row(PATCH, "/v3/projects/{project_id}", "update_project", OK, known!(projects::update)),
        row(DELETE, "/v3/projects/{project_id}", "delete_project", NO_CONTENT, known!(projects::delete)),
        row(GET, "/v3/projects/{project_id}/tags", "list_project_tags", OK, known!(tags::list)),
        row(PUT, "/v3/projects/{project_id}/tags", "update_project_tags", OK, known!(tags::replace)),
        row(DELETE, "/v3/projects/{project_id}/tags", "delete_project_tags", NO_CONTENT, known!(tags::clear)),
        row(GET, "/v3/projects/{project_id}/tags/{tag}", "get_project_tag", NO_CONTENT, known!(tags::check)),
        row(PUT, "/v3/projects/{project_id}/tags/{tag}", "create_project_tag", CREATED, known!(tags::add)),
        row(DELETE, "/v3/projects/{project_id}/tags/{tag}", "delete_project_tag", NO_CONTENT, known!(tags::remove)),
        row(POST, "/v3/users", "create_user", CREATED, known!(users::create)),
        row(GET, "/v3/users", "list_users", OK, known!(users::list)),
        row(GET, "/v3/users/{user_id}", "get_user", OK, known!(users::show)),
        row(PATCH, "/v3/users/{user_id}", "update_user", OK, known!(users::update)),
        row(DELETE, "/v3/users/{user_id}", "delete_user", NO_CONTENT, known!(users::delete)),
        open(POST, "/v3/users/{user_id}/password", NO_CONTENT, anybody!(users::change_password)),
        row(GET, "/v3/users/{user_id}/projects", "list_user_projects", OK, known!(users::projects)),
        row(GET, "/v3/users/{user_id}/groups", "list_groups_for_user", OK, known!(users::groups)),
        row(POST, "/v3/groups", "create_group", CREATED, known!(groups::create)),
        row(GET, "/v3/groups", "list_groups", OK, known!(groups::list)),
        row(GET, "/v3/groups/{group_id}", "get_group", OK, known!(groups::show)),
        row(PATCH, "/v3/groups/{group_id}", "update_group", OK, known!(groups::update)),
        row(DELETE, "/v3/groups/{group_id}", "delete_group", NO_CONTENT, known!(groups::delete)),
        row(GET, "/v3/groups/{group_id}/users", "list_users_in_group", OK, known!(groups::users)),
        row(PUT, "/v3/groups/{group_id}/users/{user_id}", "add_user_to_group", NO_CONTENT, known!(groups::add_user)),
        row(GET, "/v3/groups/{group_id}/users/{user_id}", "check_user_in_group", NO_CONTENT, known!(groups::has_user)),
        row(DELETE, "/v3/groups/{group_id}/users/{user_id}", "remove_user_from_group", NO_CONTENT, known!(groups::remove_user)),
];

/// Roles, what they imply, and who has them where.
#[rustfmt::skip] // A table reads better with a row on each line.
const ROLES: &[Row] = &[
        row(POST, "/v3/roles", "create_role", CREATED, known!(roles::create)),
        row(GET, "/v3/roles", "list_roles", OK, known!(roles::list)),
        row(GET, "/v3/roles/{role_id}", "get_role", OK, known!(roles::show)),
        row(PATCH, "/v3/roles/{role_id}", "update_role", OK, known!(roles::update)),
        row(DELETE, "/v3/roles/{role_id}", "delete_role", NO_CONTENT, known!(roles::delete)),
        row(GET, "/v3/roles/{role_id}/implies", "list_implied_roles", OK, known!(implied_roles::list)),
        row(PUT, "/v3/roles/{role_id}/implies/{implied_role_id}", "create_implied_role", CREATED, known!(implied_roles::create)),
        row(GET, "/v3/roles/{role_id}/implies/{implied_role_id}", "get_implied_role", OK, known!(implied_roles::show)),
        row(HEAD, "/v3/roles/{role_id}/implies/{implied_role_id}", "check_implied_role", NO_CONTENT, known!(implied_roles::check)),
        row(DELETE, "/v3/roles/{role_id}/implies/{implied_role_id}", "delete_implied_role", NO_CONTENT, known!(implied_roles::delete)),
        row(GET, "/v3/role_inferences", "list_role_inference_rules", OK, known!(implied_roles::list_all)),
        row(GET, "/v3/role_assignments", "list_role_assignments", OK, known!(assignments::list)),
        row(GET, "/v3/projects/{project_id}/users/{user_id}/roles", "list_grants", OK, known!(grants::list)),
        row(PUT, "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}", "create_grant", NO_CONTENT, known!(grants::create)),
        row(GET, "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}", "check_grant", NO_CONTENT, known!(grants::check)),
        row(DELETE, "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}", "revoke_grant", NO_CONTENT, known!(grants::delete)),
        row(GET, "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/inherited_to_projects", "list_grants", OK, known!(grants::list)),
        row(PUT, "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "create_grant", NO_CONTENT, known!(grants::create)),
        row(GET, "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "check_grant", NO_CONTENT, known!(grants::check)),
        row(DELETE, "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "revoke_grant", NO_CONTENT, known!(grants::delete)),
        row(GET, "/v3/projects/{project_id}/groups/{group_id}/roles", "list_grants", OK, known!(grants::list)),
        row(PUT, "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}", "create_grant", NO_CONTENT, known!(grants::create)),
        row(GET, "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}", "check_grant", NO_CONTENT, known!(grants::check)),
        row(DELETE, "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}", "revoke_grant", NO_CONTENT, known!(grants::delete)),
        row(GET, "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/inherited_to_projects", "list_grants", OK, known!(grants::list)),
        row(PUT, "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "create_grant", NO_CONTENT, known!(grants::create)),
        row(GET, "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "check_grant", NO_CONTENT, known!(grants::check)),
        row(DELETE, "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "revoke_grant", NO_CONTENT, known!(grants::delete)),
        row(GET, "/v3/domains/{domain_id}/users/{user_id}/roles", "list_grants", OK, known!(grants::list)),
        row(PUT, "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}", "create_grant", NO_CONTENT, known!(grants::create)),
        row(GET, "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}", "check_grant", NO_CONTENT, known!(grants::check)),
        row(DELETE, "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}", "revoke_grant", NO_CONTENT, known!(grants::delete)),
        row(GET, "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects", "list_grants", OK, known!(grants::list)),
        row(PUT, "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "create_grant", NO_CONTENT, known!(grants::create)),
        row(GET, "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "check_grant", NO_CONTENT, known!(grants::check)),
        row(DELETE, "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "revoke_grant", NO_CONTENT, known!(grants::delete)),
        row(GET, "/v3/domains/{domain_id}/groups/{group_id}/roles", "list_grants", OK, known!(grants::list)),
        row(PUT, "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}", "create_grant", NO_CONTENT, known!(grants::create)),
        row(GET, "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}", "check_grant", NO_CONTENT, known!(grants::check)),
        row(DELETE, "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}", "revoke_grant", NO_CONTENT, known!(grants::delete)),
        row(GET, "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects", "list_grants", OK, known!(grants::list)),
        row(PUT, "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "create_grant", NO_CONTENT, known!(grants::create)),
        row(GET, "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "check_grant", NO_CONTENT, known!(grants::check)),
        row(DELETE, "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "revoke_grant", NO_CONTENT, known!(grants::delete)),
        row(GET, "/v3/system/users/{user_id}/roles", "list_system_grants_for_user", OK, known!(grants::list)),
        row(PUT, "/v3/system/users/{user_id}/roles/{role_id}", "create_system_grant_for_user", NO_CONTENT, known!(grants::create)),
        row(GET, "/v3/system/users/{user_id}/roles/{role_id}", "check_system_grant_for_user", NO_CONTENT, known!(grants::check)),
        row(DELETE, "/v3/system/users/{user_id}/roles/{role_id}", "revoke_system_grant_for_user", NO_CONTENT, known!(grants::delete)),
        row(GET, "/v3/system/groups/{group_id}/roles", "list_system_grants_for_group", OK, known!(grants::list)),
        row(PUT, "/v3/system/groups/{group_id}/roles/{role_id}", "create_system_grant_for_group", NO_CONTENT, known!(grants::create)),
        row(GET, "/v3/system/groups/{group_id}/roles/{role_id}", "check_system_grant_for_group", NO_CONTENT, known!(grants::check)),
        row(DELETE, "/v3/system/groups/{group_id}/roles/{role_id}", "revoke_system_grant_for_group", NO_CONTENT, known!(grants::delete)),
];

/// Services, endpoints, regions, policies and limits.
#[rustfmt::skip] // A table reads better with a row on each line.
const CATALOG: &[Row] = &[
        row(POST, "/v3/endpoints", "create_endpoint", CREATED, known!(endpoints::create)),
        row(GET, "/v3/endpoints", "list_endpoints", OK, known!(simple::list::<endpoints::Endpoints>)),
        row(GET, "/v3/endpoints/{endpoint_id}", "get_endpoint", OK, known!(simple::show::<endpoints::Endpoints>)),
        row(PATCH, "/v3/endpoints/{endpoint_id}", "update_endpoint", OK, known!(endpoints::update)),
        row(DELETE, "/v3/endpoints/{endpoint_id}", "delete_endpoint", NO_CONTENT, known!(simple::delete::<endpoints::Endpoints>)),
        row(GET, "/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects", "list_projects_for_endpoint", OK, known!(endpoint_filters::projects_of_endpoint)),
        row(GET, "/v3/OS-EP-FILTER/projects/{project_id}/endpoints", "list_endpoints_for_project", OK, known!(endpoint_filters::endpoints_of_project)),
        row(PUT, "/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}", "add_endpoint_to_project", NO_CONTENT, known!(endpoint_filters::add)),
        row(GET, "/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}", "check_endpoint_in_project", NO_CONTENT, known!(endpoint_filters::check)),
        row(DELETE, "/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}", "remove_endpoint_from_project", NO_CONTENT, known!(endpoint_filters::remove)),
        row(GET, "/v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups", "list_endpoint_groups_for_project", OK, known!(endpoint_filters::groups_of_project)),
        row(GET, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects", "list_projects_associated_with_endpoint_group", OK, known!(endpoint_filters::projects_of_group)),
        row(GET, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints", "list_endpoints_associated_with_endpoint_group", OK, known!(endpoint_filters::endpoints_of_group)),
        row(PUT, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}", "add_endpoint_group_to_project", NO_CONTENT, known!(endpoint_filters::add_group)),
        row(GET, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}", "get_endpoint_group_in_project", OK, known!(endpoint_filters::check_group)),
        row(DELETE, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}", "remove_endpoint_group_from_project", NO_CONTENT, known!(endpoint_filters::remove_group)),
        row(POST, "/v3/regions", "create_region", CREATED, known!(regions::create)),
        row(GET, "/v3/regions", "list_regions", OK, known!(simple::list::<regions::Regions>)),
        row(GET, "/v3/regions/{region_id}", "get_region", OK, known!(simple::show::<regions::Regions>)),
        row(PUT, "/v3/regions/{region_id}", "create_region", CREATED, known!(regions::create)),
        row(PATCH, "/v3/regions/{region_id}", "update_region", OK, known!(simple::update::<regions::Regions>)),
        row(DELETE, "/v3/regions/{region_id}", "delete_region", NO_CONTENT, known!(simple::delete::<regions::Regions>)),
        row(POST, "/v3/registered_limits", "create_registered_limits", CREATED, known!(limits::create::<limits::RegisteredLimits>)),
        row(GET, "/v3/registered_limits", "list_registered_limits", OK, known!(simple::list::<limits::RegisteredLimits>)),
        row(GET, "/v3/registered_limits/{registered_limit_id}", "get_registered_limit", OK, known!(simple::show::<limits::RegisteredLimits>)),
        row(PATCH, "/v3/registered_limits/{registered_limit_id}", "update_registered_limit", OK, known!(simple::update::<limits::RegisteredLimits>)),
        row(DELETE, "/v3/registered_limits/{registered_limit_id}", "delete_registered_limit", NO_CONTENT, known!(simple::delete::<limits::RegisteredLimits>)),
        row(GET, "/v3/limits/model", "get_limit_model", OK, known!(limits::model)),
        row(POST, "/v3/limits", "create_limits", CREATED, known!(limits::create::<limits::Limits>)),
        row(GET, "/v3/limits", "list_limits", OK, known!(limits::list)),
        row(GET, "/v3/limits/{limit_id}", "get_limit", OK, known!(limits::show)),
        row(PATCH, "/v3/limits/{limit_id}", "update_limit", OK, known!(limits::update)),
        row(DELETE, "/v3/limits/{limit_id}", "delete_limit", NO_CONTENT, known!(simple::delete::<limits::Limits>)),
        row(POST, "/v3/services", "create_service", CREATED, known!(simple::create::<services::Services>)),
        row(GET, "/v3/services", "list_services", OK, known!(simple::list::<services::Services>)),
        row(GET, "/v3/services/{service_id}", "get_service", OK, known!(simple::show::<services::Services>)),
        row(PATCH, "/v3/services/{service_id}", "update_service", OK, known!(simple::update::<services::Services>)),
        row(DELETE, "/v3/services/{service_id}", "delete_service", NO_CONTENT, known!(simple::delete::<services::Services>)),
        row(POST, "/v3/OS-EP-FILTER/endpoint_groups", "create_endpoint_group", CREATED, known!(simple::create::<endpoint_filters::EndpointGroups>)),
        row(GET, "/v3/OS-EP-FILTER/endpoint_groups", "list_endpoint_groups", OK, known!(simple::list::<endpoint_filters::EndpointGroups>)),
        row(GET, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}", "get_endpoint_group", OK, known!(simple::show::<endpoint_filters::EndpointGroups>)),
        row(PATCH, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}", "update_endpoint_group", OK, known!(simple::update::<endpoint_filters::EndpointGroups>)),
        row(DELETE, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}", "delete_endpoint_group", NO_CONTENT, known!(simple::delete::<endpoint_filters::EndpointGroups>)),
        row(POST, "/v3/policies", "create_policy", CREATED, known!(simple::create::<policies::Policies>)),
        row(GET, "/v3/policies", "list_policies", OK, known!(simple::list::<policies::Policies>)),
        row(GET, "/v3/policies/{policy_id}", "get_policy", OK, known!(simple::show::<policies::Policies>)),
        row(PATCH, "/v3/policies/{policy_id}", "update_policy", OK, known!(simple::update::<policies::Policies>)),
        row(DELETE, "/v3/policies/{policy_id}", "delete_policy", NO_CONTENT, known!(simple::delete::<policies::Policies>)),
];

/// Credentials and delegations.
#[rustfmt::skip] // A table reads better with a row on each line.
const SECRETS: &[Row] = &[
        row(POST, "/v3/credentials", "create_credential", CREATED, known!(credentials::create)),
        row(GET, "/v3/credentials", "list_credentials", OK, known!(credentials::list)),
        row(GET, "/v3/credentials/{credential_id}", "get_credential", OK, known!(credentials::show)),
        row(PATCH, "/v3/credentials/{credential_id}", "update_credential", OK, known!(credentials::update)),
        row(DELETE, "/v3/credentials/{credential_id}", "delete_credential", NO_CONTENT, known!(credentials::delete)),
        row(POST, "/v3/users/{user_id}/credentials/OS-EC2", "ec2_create_credential", CREATED, known!(ec2::create)),
        row(GET, "/v3/users/{user_id}/credentials/OS-EC2", "ec2_list_credentials", OK, known!(ec2::list)),
        row(GET, "/v3/users/{user_id}/credentials/OS-EC2/{credential_id}", "ec2_get_credential", OK, known!(ec2::show)),
        row(DELETE, "/v3/users/{user_id}/credentials/OS-EC2/{credential_id}", "ec2_delete_credential", NO_CONTENT, known!(ec2::delete)),
        row(POST, "/v3/users/{user_id}/application_credentials", "create_application_credential", CREATED, known!(application_credentials::create)),
        row(GET, "/v3/users/{user_id}/application_credentials", "list_application_credentials", OK, known!(application_credentials::list)),
        row(GET, "/v3/users/{user_id}/application_credentials/{application_credential_id}", "get_application_credential", OK, known!(application_credentials::show)),
        row(DELETE, "/v3/users/{user_id}/application_credentials/{application_credential_id}", "delete_application_credential", NO_CONTENT, known!(application_credentials::delete)),
        row(GET, "/v3/users/{user_id}/access_rules", "list_access_rules", OK, known!(access_rules::list)),
        row(GET, "/v3/users/{user_id}/access_rules/{access_rule_id}", "get_access_rule", OK, known!(access_rules::show)),
        row(DELETE, "/v3/users/{user_id}/access_rules/{access_rule_id}", "delete_access_rule", NO_CONTENT, known!(access_rules::delete)),
        row(POST, "/v3/OS-TRUST/trusts", "create_trust", CREATED, known!(trusts::create)),
        row(GET, "/v3/OS-TRUST/trusts", "list_trusts", OK, known!(trusts::list)),
        row(GET, "/v3/OS-TRUST/trusts/{trust_id}", "get_trust", OK, known!(trusts::show)),
        row(DELETE, "/v3/OS-TRUST/trusts/{trust_id}", "delete_trust", NO_CONTENT, known!(trusts::delete)),
        row(GET, "/v3/OS-TRUST/trusts/{trust_id}/roles", "list_roles_for_trust", OK, known!(trusts::roles)),
        row(GET, "/v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}", "get_role_for_trust", OK, known!(trusts::role)),
        row(POST, "/v3/OS-OAUTH1/consumers", "create_consumer", CREATED, known!(consumers::create)),
        row(GET, "/v3/OS-OAUTH1/consumers", "list_consumers", OK, known!(simple::list::<consumers::Consumers>)),
        row(GET, "/v3/OS-OAUTH1/consumers/{consumer_id}", "get_consumer", OK, known!(simple::show::<consumers::Consumers>)),
        row(PATCH, "/v3/OS-OAUTH1/consumers/{consumer_id}", "update_consumer", OK, known!(consumers::update)),
        row(DELETE, "/v3/OS-OAUTH1/consumers/{consumer_id}", "delete_consumer", NO_CONTENT, known!(simple::delete::<consumers::Consumers>)),
];

/// Options of domains.
#[rustfmt::skip] // A table reads better with a row on each line.
const DOMAIN_CONFIGS: &[Row] = &[
        row(PUT, "/v3/domains/{domain_id}/config", "create_domain_config", CREATED, known!(domain_config::create)),
        row(GET, "/v3/domains/{domain_id}/config", "get_domain_config", OK, known!(domain_config::show)),
        row(PATCH, "/v3/domains/{domain_id}/config", "update_domain_config", OK, known!(domain_config::update)),
        row(DELETE, "/v3/domains/{domain_id}/config", "delete_domain_config", NO_CONTENT, known!(domain_config::delete)),
        row(GET, "/v3/domains/config/default", "get_domain_config_default", OK, known!(domain_config::defaults)),
        row(GET, "/v3/domains/{domain_id}/config/{group}", "get_domain_config", OK, known!(domain_config::show)),
        row(PATCH, "/v3/domains/{domain_id}/config/{group}", "update_domain_config", OK, known!(domain_config::update)),
        row(DELETE, "/v3/domains/{domain_id}/config/{group}", "delete_domain_config", NO_CONTENT, known!(domain_config::delete)),
        row(GET, "/v3/domains/config/{group}/default", "get_domain_config_default", OK, known!(domain_config::defaults)),
        row(GET, "/v3/domains/{domain_id}/config/{group}/{option}", "get_domain_config", OK, known!(domain_config::show)),
        row(PATCH, "/v3/domains/{domain_id}/config/{group}/{option}", "update_domain_config", OK, known!(domain_config::update)),
        row(DELETE, "/v3/domains/{domain_id}/config/{group}/{option}", "delete_domain_config", NO_CONTENT, known!(domain_config::delete)),
        row(GET, "/v3/domains/config/{group}/{option}/default", "get_domain_config_default", OK, known!(domain_config::defaults)),
];

/// Known and not built: federation, endpoint policies, OAuth 1 tokens, signed EC2 and S3 requests.
#[rustfmt::skip] // A table reads better with a row on each line.
const NOT_BUILT: &[Row] = &[
        later(GET, "/v3/OS-FEDERATION/identity_providers"),
        later(PUT, "/v3/OS-FEDERATION/identity_providers/{idp_id}"),
        later(GET, "/v3/OS-FEDERATION/identity_providers/{idp_id}"),
        later(PATCH, "/v3/OS-FEDERATION/identity_providers/{idp_id}"),
        later(DELETE, "/v3/OS-FEDERATION/identity_providers/{idp_id}"),
        later(GET, "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols"),
        later(PUT, "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"),
        later(GET, "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"),
        later(PATCH, "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"),
        later(DELETE, "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"),
        later(GET, "/v3/OS-FEDERATION/mappings"),
        later(PUT, "/v3/OS-FEDERATION/mappings/{mapping_id}"),
        later(GET, "/v3/OS-FEDERATION/mappings/{mapping_id}"),
        later(PATCH, "/v3/OS-FEDERATION/mappings/{mapping_id}"),
        later(DELETE, "/v3/OS-FEDERATION/mappings/{mapping_id}"),
        later(GET, "/v3/OS-FEDERATION/service_providers"),
        later(PUT, "/v3/OS-FEDERATION/service_providers/{sp_id}"),
        later(GET, "/v3/OS-FEDERATION/service_providers/{sp_id}"),
        later(PATCH, "/v3/OS-FEDERATION/service_providers/{sp_id}"),
        later(DELETE, "/v3/OS-FEDERATION/service_providers/{sp_id}"),
        later(PUT, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}"),
        later(GET, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}"),
        later(DELETE, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}"),
        later(PUT, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}"),
        later(GET, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}"),
        later(DELETE, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}"),
        later(PUT, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}"),
        later(GET, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}"),
        later(DELETE, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}"),
        later(GET, "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints"),
        later(GET, "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy"),
        later(POST, "/v3/OS-OAUTH1/request_token"),
        later(PUT, "/v3/OS-OAUTH1/authorize/{request_token_id}"),
        later(POST, "/v3/OS-OAUTH1/access_token"),
        later(GET, "/v3/users/{user_id}/OS-OAUTH1/access_tokens"),
        later(GET, "/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}"),
        later(DELETE, "/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}"),
        later(GET, "/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles"),
        later(GET, "/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}"),
        later(POST, "/v3/ec2tokens"),
        later(POST, "/v3/s3tokens"),
        later(GET, "/v3/OS-SIMPLE-CERT/ca"),
        later(GET, "/v3/OS-SIMPLE-CERT/certificates"),
];
