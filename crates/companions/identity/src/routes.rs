//! The API's table of contents: every route, the rule of policy that guards it, and who answers it.
//! A route that is known but not built answers 501.

use http::Method;

use crate::api::*;
use crate::fault::Answer;
use crate::http::{Ctx, Handler, built};
use crate::simple::{self, Plain};

const DELETE: Method = Method::DELETE;
const GET: Method = Method::GET;
const HEAD: Method = Method::HEAD;
const PATCH: Method = Method::PATCH;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;

/// A route. `rule` is the policy that guards it; without one no token is needed.
pub struct Row {
    pub verb: Method,
    pub path: &'static str,
    pub rule: Option<&'static str>,
    /// `None`: not built yet.
    pub handler: Option<Handler>,
}

fn open<F, Fut>(verb: Method, path: &'static str, handler: F) -> Row
where
    F: Fn(Ctx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    built(verb, path, None, handler)
}

fn row<F, Fut>(verb: Method, path: &'static str, rule: &'static str, handler: F) -> Row
where
    F: Fn(Ctx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send + 'static,
{
    built(verb, path, Some(rule), handler)
}

fn later(verb: Method, path: &'static str) -> Row {
    Row {
        verb,
        path,
        rule: None,
        handler: None,
    }
}

/// The five routes of a plain resource; `rules` are those of create, list, show, update and delete.
fn plain<P: Plain>(many: &'static str, one: &'static str, rules: [&'static str; 5]) -> Vec<Row> {
    let [create, list, show, update, delete] = rules;
    vec![
        row(POST, many, create, simple::create::<P>),
        row(GET, many, list, simple::list::<P>),
        row(GET, one, show, simple::show::<P>),
        row(PATCH, one, update, simple::update::<P>),
        row(DELETE, one, delete, simple::delete::<P>),
    ]
}

/// All routes.
pub fn table() -> Vec<Row> {
    let parts = [
        auth(),
        people(),
        roles(),
        catalog(),
        secrets(),
        domain_configs(),
        not_built(),
    ];
    parts.into_iter().flatten().collect()
}

/// Versions, tokens and what they are good for.
#[rustfmt::skip] // A table reads better with a row on each line.
fn auth() -> Vec<Row> {
    vec![
        open(GET, "/", versions::all),
        open(GET, "/v3", versions::one),
        open(POST, "/v3/auth/tokens", auth::issue),
        row(GET, "/v3/auth/tokens", "validate_token", auth::show),
        row(HEAD, "/v3/auth/tokens", "check_token", auth::show),
        row(DELETE, "/v3/auth/tokens", "revoke_token", auth::revoke),
        row(GET, "/v3/auth/catalog", "get_auth_catalog", auth::catalog),
        row(GET, "/v3/auth/projects", "get_auth_projects", auth::projects),
        row(GET, "/v3/auth/domains", "get_auth_domains", auth::domains),
        row(GET, "/v3/auth/system", "get_auth_system", auth::system),
        row(GET, "/v3/OS-REVOKE/events", "list_revoke_events", revocations::list),
    ]
}

/// Domains, projects, users and groups.
#[rustfmt::skip] // A table reads better with a row on each line.
fn people() -> Vec<Row> {
    vec![
        row(POST, "/v3/domains", "create_domain", domains::create),
        row(GET, "/v3/domains", "list_domains", domains::list),
        row(GET, "/v3/domains/{domain_id}", "get_domain", domains::show),
        row(PATCH, "/v3/domains/{domain_id}", "update_domain", domains::update),
        row(DELETE, "/v3/domains/{domain_id}", "delete_domain", domains::delete),
        row(POST, "/v3/projects", "create_project", projects::create),
        row(GET, "/v3/projects", "list_projects", projects::list),
        row(GET, "/v3/projects/{project_id}", "get_project", projects::show),
        row(PATCH, "/v3/projects/{project_id}", "update_project", projects::update),
        row(DELETE, "/v3/projects/{project_id}", "delete_project", projects::delete),
        row(GET, "/v3/projects/{project_id}/tags", "list_project_tags", tags::list),
        row(PUT, "/v3/projects/{project_id}/tags", "update_project_tags", tags::replace),
        row(DELETE, "/v3/projects/{project_id}/tags", "delete_project_tags", tags::clear),
        row(GET, "/v3/projects/{project_id}/tags/{tag}", "get_project_tag", tags::check),
        row(PUT, "/v3/projects/{project_id}/tags/{tag}", "create_project_tag", tags::add),
        row(DELETE, "/v3/projects/{project_id}/tags/{tag}", "delete_project_tag", tags::remove),
        row(POST, "/v3/users", "create_user", users::create),
        row(GET, "/v3/users", "list_users", users::list),
        row(GET, "/v3/users/{user_id}", "get_user", users::show),
        row(PATCH, "/v3/users/{user_id}", "update_user", users::update),
        row(DELETE, "/v3/users/{user_id}", "delete_user", users::delete),
        open(POST, "/v3/users/{user_id}/password", users::change_password),
        row(GET, "/v3/users/{user_id}/projects", "list_user_projects", users::projects),
        row(GET, "/v3/users/{user_id}/groups", "list_groups_for_user", users::groups),
        row(POST, "/v3/groups", "create_group", groups::create),
        row(GET, "/v3/groups", "list_groups", groups::list),
        row(GET, "/v3/groups/{group_id}", "get_group", groups::show),
        row(PATCH, "/v3/groups/{group_id}", "update_group", groups::update),
        row(DELETE, "/v3/groups/{group_id}", "delete_group", groups::delete),
        row(GET, "/v3/groups/{group_id}/users", "list_users_in_group", groups::users),
        row(PUT, "/v3/groups/{group_id}/users/{user_id}", "add_user_to_group", groups::add_user),
        row(GET, "/v3/groups/{group_id}/users/{user_id}", "check_user_in_group", groups::has_user),
        row(DELETE, "/v3/groups/{group_id}/users/{user_id}", "remove_user_from_group", groups::remove_user),
    ]
}

/// Roles, what they imply, and who has them where.
#[rustfmt::skip] // A table reads better with a row on each line.
fn roles() -> Vec<Row> {
    vec![
        row(POST, "/v3/roles", "create_role", roles::create),
        row(GET, "/v3/roles", "list_roles", roles::list),
        row(GET, "/v3/roles/{role_id}", "get_role", roles::show),
        row(PATCH, "/v3/roles/{role_id}", "update_role", roles::update),
        row(DELETE, "/v3/roles/{role_id}", "delete_role", roles::delete),
        row(GET, "/v3/roles/{role_id}/implies", "list_implied_roles", implied_roles::list),
        row(PUT, "/v3/roles/{role_id}/implies/{implied_role_id}", "create_implied_role", implied_roles::create),
        row(GET, "/v3/roles/{role_id}/implies/{implied_role_id}", "get_implied_role", implied_roles::show),
        row(HEAD, "/v3/roles/{role_id}/implies/{implied_role_id}", "check_implied_role", implied_roles::check),
        row(DELETE, "/v3/roles/{role_id}/implies/{implied_role_id}", "delete_implied_role", implied_roles::delete),
        row(GET, "/v3/role_inferences", "list_role_inference_rules", implied_roles::list_all),
        row(GET, "/v3/role_assignments", "list_role_assignments", assignments::list),
        row(GET, "/v3/projects/{project_id}/users/{user_id}/roles", "list_grants", grants::list),
        row(PUT, "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}", "create_grant", grants::create),
        row(GET, "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}", "check_grant", grants::check),
        row(DELETE, "/v3/projects/{project_id}/users/{user_id}/roles/{role_id}", "revoke_grant", grants::delete),
        row(GET, "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/inherited_to_projects", "list_grants", grants::list),
        row(PUT, "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "create_grant", grants::create),
        row(GET, "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "check_grant", grants::check),
        row(DELETE, "/v3/OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "revoke_grant", grants::delete),
        row(GET, "/v3/projects/{project_id}/groups/{group_id}/roles", "list_grants", grants::list),
        row(PUT, "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}", "create_grant", grants::create),
        row(GET, "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}", "check_grant", grants::check),
        row(DELETE, "/v3/projects/{project_id}/groups/{group_id}/roles/{role_id}", "revoke_grant", grants::delete),
        row(GET, "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/inherited_to_projects", "list_grants", grants::list),
        row(PUT, "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "create_grant", grants::create),
        row(GET, "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "check_grant", grants::check),
        row(DELETE, "/v3/OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "revoke_grant", grants::delete),
        row(GET, "/v3/domains/{domain_id}/users/{user_id}/roles", "list_grants", grants::list),
        row(PUT, "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}", "create_grant", grants::create),
        row(GET, "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}", "check_grant", grants::check),
        row(DELETE, "/v3/domains/{domain_id}/users/{user_id}/roles/{role_id}", "revoke_grant", grants::delete),
        row(GET, "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects", "list_grants", grants::list),
        row(PUT, "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "create_grant", grants::create),
        row(GET, "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "check_grant", grants::check),
        row(DELETE, "/v3/OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects", "revoke_grant", grants::delete),
        row(GET, "/v3/domains/{domain_id}/groups/{group_id}/roles", "list_grants", grants::list),
        row(PUT, "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}", "create_grant", grants::create),
        row(GET, "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}", "check_grant", grants::check),
        row(DELETE, "/v3/domains/{domain_id}/groups/{group_id}/roles/{role_id}", "revoke_grant", grants::delete),
        row(GET, "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects", "list_grants", grants::list),
        row(PUT, "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "create_grant", grants::create),
        row(GET, "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "check_grant", grants::check),
        row(DELETE, "/v3/OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects", "revoke_grant", grants::delete),
        row(GET, "/v3/system/users/{user_id}/roles", "list_system_grants_for_user", grants::list),
        row(PUT, "/v3/system/users/{user_id}/roles/{role_id}", "create_system_grant_for_user", grants::create),
        row(GET, "/v3/system/users/{user_id}/roles/{role_id}", "check_system_grant_for_user", grants::check),
        row(DELETE, "/v3/system/users/{user_id}/roles/{role_id}", "revoke_system_grant_for_user", grants::delete),
        row(GET, "/v3/system/groups/{group_id}/roles", "list_system_grants_for_group", grants::list),
        row(PUT, "/v3/system/groups/{group_id}/roles/{role_id}", "create_system_grant_for_group", grants::create),
        row(GET, "/v3/system/groups/{group_id}/roles/{role_id}", "check_system_grant_for_group", grants::check),
        row(DELETE, "/v3/system/groups/{group_id}/roles/{role_id}", "revoke_system_grant_for_group", grants::delete),
    ]
}

/// Services, endpoints, regions, policies and limits.
#[rustfmt::skip] // A table reads better with a row on each line.
fn catalog() -> Vec<Row> {
    let mut rows = vec![
        row(POST, "/v3/endpoints", "create_endpoint", endpoints::create),
        row(GET, "/v3/endpoints", "list_endpoints", simple::list::<endpoints::Endpoints>),
        row(GET, "/v3/endpoints/{endpoint_id}", "get_endpoint", simple::show::<endpoints::Endpoints>),
        row(PATCH, "/v3/endpoints/{endpoint_id}", "update_endpoint", endpoints::update),
        row(DELETE, "/v3/endpoints/{endpoint_id}", "delete_endpoint", simple::delete::<endpoints::Endpoints>),
        row(GET, "/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects", "list_projects_for_endpoint", endpoint_filters::projects_of_endpoint),
        row(GET, "/v3/OS-EP-FILTER/projects/{project_id}/endpoints", "list_endpoints_for_project", endpoint_filters::endpoints_of_project),
        row(PUT, "/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}", "add_endpoint_to_project", endpoint_filters::add),
        row(GET, "/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}", "check_endpoint_in_project", endpoint_filters::check),
        row(DELETE, "/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}", "remove_endpoint_from_project", endpoint_filters::remove),
        row(GET, "/v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups", "list_endpoint_groups_for_project", endpoint_filters::groups_of_project),
        row(GET, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects", "list_projects_associated_with_endpoint_group", endpoint_filters::projects_of_group),
        row(GET, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints", "list_endpoints_associated_with_endpoint_group", endpoint_filters::endpoints_of_group),
        row(PUT, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}", "add_endpoint_group_to_project", endpoint_filters::add_group),
        row(GET, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}", "get_endpoint_group_in_project", endpoint_filters::check_group),
        row(DELETE, "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}", "remove_endpoint_group_from_project", endpoint_filters::remove_group),
        row(POST, "/v3/regions", "create_region", regions::create),
        row(GET, "/v3/regions", "list_regions", simple::list::<regions::Regions>),
        row(GET, "/v3/regions/{region_id}", "get_region", simple::show::<regions::Regions>),
        row(PUT, "/v3/regions/{region_id}", "create_region", regions::create),
        row(PATCH, "/v3/regions/{region_id}", "update_region", simple::update::<regions::Regions>),
        row(DELETE, "/v3/regions/{region_id}", "delete_region", simple::delete::<regions::Regions>),
        row(POST, "/v3/registered_limits", "create_registered_limits", limits::create::<limits::RegisteredLimits>),
        row(GET, "/v3/registered_limits", "list_registered_limits", simple::list::<limits::RegisteredLimits>),
        row(GET, "/v3/registered_limits/{registered_limit_id}", "get_registered_limit", simple::show::<limits::RegisteredLimits>),
        row(PATCH, "/v3/registered_limits/{registered_limit_id}", "update_registered_limit", simple::update::<limits::RegisteredLimits>),
        row(DELETE, "/v3/registered_limits/{registered_limit_id}", "delete_registered_limit", simple::delete::<limits::RegisteredLimits>),
        row(GET, "/v3/limits/model", "get_limit_model", limits::model),
        row(POST, "/v3/limits", "create_limits", limits::create::<limits::Limits>),
        row(GET, "/v3/limits", "list_limits", limits::list),
        row(GET, "/v3/limits/{limit_id}", "get_limit", limits::show),
        row(PATCH, "/v3/limits/{limit_id}", "update_limit", limits::update),
        row(DELETE, "/v3/limits/{limit_id}", "delete_limit", simple::delete::<limits::Limits>),
    ];
    rows.extend(plain::<services::Services>(
        "/v3/services",
        "/v3/services/{service_id}",
        [
            "create_service",
            "list_services",
            "get_service",
            "update_service",
            "delete_service",
        ],
    ));
    rows.extend(plain::<endpoint_filters::EndpointGroups>(
        "/v3/OS-EP-FILTER/endpoint_groups",
        "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}",
        [
            "create_endpoint_group",
            "list_endpoint_groups",
            "get_endpoint_group",
            "update_endpoint_group",
            "delete_endpoint_group",
        ],
    ));
    rows.extend(plain::<policies::Policies>(
        "/v3/policies",
        "/v3/policies/{policy_id}",
        [
            "create_policy",
            "list_policies",
            "get_policy",
            "update_policy",
            "delete_policy",
        ],
    ));
    rows
}

/// Credentials and delegations.
#[rustfmt::skip] // A table reads better with a row on each line.
fn secrets() -> Vec<Row> {
    vec![
        row(POST, "/v3/credentials", "create_credential", credentials::create),
        row(GET, "/v3/credentials", "list_credentials", credentials::list),
        row(GET, "/v3/credentials/{credential_id}", "get_credential", credentials::show),
        row(PATCH, "/v3/credentials/{credential_id}", "update_credential", credentials::update),
        row(DELETE, "/v3/credentials/{credential_id}", "delete_credential", credentials::delete),
        row(POST, "/v3/users/{user_id}/credentials/OS-EC2", "ec2_create_credential", ec2::create),
        row(GET, "/v3/users/{user_id}/credentials/OS-EC2", "ec2_list_credentials", ec2::list),
        row(GET, "/v3/users/{user_id}/credentials/OS-EC2/{credential_id}", "ec2_get_credential", ec2::show),
        row(DELETE, "/v3/users/{user_id}/credentials/OS-EC2/{credential_id}", "ec2_delete_credential", ec2::delete),
        row(POST, "/v3/users/{user_id}/application_credentials", "create_application_credential", application_credentials::create),
        row(GET, "/v3/users/{user_id}/application_credentials", "list_application_credentials", application_credentials::list),
        row(GET, "/v3/users/{user_id}/application_credentials/{application_credential_id}", "get_application_credential", application_credentials::show),
        row(DELETE, "/v3/users/{user_id}/application_credentials/{application_credential_id}", "delete_application_credential", application_credentials::delete),
        row(GET, "/v3/users/{user_id}/access_rules", "list_access_rules", access_rules::list),
        row(GET, "/v3/users/{user_id}/access_rules/{access_rule_id}", "get_access_rule", access_rules::show),
        row(DELETE, "/v3/users/{user_id}/access_rules/{access_rule_id}", "delete_access_rule", access_rules::delete),
        row(POST, "/v3/OS-TRUST/trusts", "create_trust", trusts::create),
        row(GET, "/v3/OS-TRUST/trusts", "list_trusts", trusts::list),
        row(GET, "/v3/OS-TRUST/trusts/{trust_id}", "get_trust", trusts::show),
        row(DELETE, "/v3/OS-TRUST/trusts/{trust_id}", "delete_trust", trusts::delete),
        row(GET, "/v3/OS-TRUST/trusts/{trust_id}/roles", "list_roles_for_trust", trusts::roles),
        row(GET, "/v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}", "get_role_for_trust", trusts::role),
        row(POST, "/v3/OS-OAUTH1/consumers", "create_consumer", consumers::create),
        row(GET, "/v3/OS-OAUTH1/consumers", "list_consumers", simple::list::<consumers::Consumers>),
        row(GET, "/v3/OS-OAUTH1/consumers/{consumer_id}", "get_consumer", simple::show::<consumers::Consumers>),
        row(PATCH, "/v3/OS-OAUTH1/consumers/{consumer_id}", "update_consumer", consumers::update),
        row(DELETE, "/v3/OS-OAUTH1/consumers/{consumer_id}", "delete_consumer", simple::delete::<consumers::Consumers>),
    ]
}

/// Options of domains.
#[rustfmt::skip] // A table reads better with a row on each line.
fn domain_configs() -> Vec<Row> {
    vec![
        row(PUT, "/v3/domains/{domain_id}/config", "create_domain_config", domain_config::create),
        row(GET, "/v3/domains/{domain_id}/config", "get_domain_config", domain_config::show),
        row(PATCH, "/v3/domains/{domain_id}/config", "update_domain_config", domain_config::update),
        row(DELETE, "/v3/domains/{domain_id}/config", "delete_domain_config", domain_config::delete),
        row(GET, "/v3/domains/config/default", "get_domain_config_default", domain_config::defaults),
        row(GET, "/v3/domains/{domain_id}/config/{group}", "get_domain_config", domain_config::show),
        row(PATCH, "/v3/domains/{domain_id}/config/{group}", "update_domain_config", domain_config::update),
        row(DELETE, "/v3/domains/{domain_id}/config/{group}", "delete_domain_config", domain_config::delete),
        row(GET, "/v3/domains/config/{group}/default", "get_domain_config_default", domain_config::defaults),
        row(GET, "/v3/domains/{domain_id}/config/{group}/{option}", "get_domain_config", domain_config::show),
        row(PATCH, "/v3/domains/{domain_id}/config/{group}/{option}", "update_domain_config", domain_config::update),
        row(DELETE, "/v3/domains/{domain_id}/config/{group}/{option}", "delete_domain_config", domain_config::delete),
        row(GET, "/v3/domains/config/{group}/{option}/default", "get_domain_config_default", domain_config::defaults),
    ]
}

/// Known and not built: federation, endpoint policies, OAuth 1 tokens, signed EC2 and S3 requests.
#[rustfmt::skip] // A table reads better with a row on each line.
fn not_built() -> Vec<Row> {
    vec![
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
    ]
}
