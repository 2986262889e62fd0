//! Keystone's default rules (2026.2) with their check strings.

use web::policy::{Rule, Scope};

const ACCESS_RULE_READER: &str = "(role:reader and system_scope:all) or user_id:%(target.user.id)s";
const ADMIN: &str = "rule:admin_required";
const ADMIN_OR_SYSTEM_READER: &str = "rule:admin_required or (role:reader and system_scope:all)";
const ANYBODY: &str = "";
const CREDENTIAL_MEMBER: &str =
    "(rule:admin_required) or (role:member and user_id:%(target.credential.user_id)s)";
const CREDENTIAL_OWNER: &str = "(rule:admin_required) or user_id:%(target.credential.user_id)s";
const CREDENTIAL_READER: &str = "(rule:admin_required) or (role:reader and system_scope:all) or \
    user_id:%(target.credential.user_id)s";
const DOMAIN_MANAGER_OF_PROJECT: &str = "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and \
    not None:%(target.project.domain_id)s)";
const GRANT_MANAGER: &str = "(rule:admin_required) or ((role:admin and domain_id:%(target.user.domain_id)s and \
    domain_id:%(target.project.domain_id)s) or (role:admin and \
    domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:admin \
    and domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) \
    or (role:admin and domain_id:%(target.group.domain_id)s and \
    domain_id:%(target.domain.id)s)) and (domain_id:%(target.role.domain_id)s or \
    None:%(target.role.domain_id)s) or ((role:manager and \
    domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or \
    (role:manager and domain_id:%(target.user.domain_id)s and \
    domain_id:%(target.domain.id)s) or (role:manager and \
    domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or \
    (role:manager and domain_id:%(target.group.domain_id)s and \
    domain_id:%(target.domain.id)s)) and rule:domain_managed_target_role";
const GROUP_MANAGER: &str =
    "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s)";
const GROUP_READER: &str = "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
    domain_id:%(target.group.domain_id)s)";
const MEMBERSHIP_MANAGER: &str = "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s and \
    domain_id:%(target.user.domain_id)s)";
const PROJECT_READER: &str = "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
    domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) or \
    project_id:%(target.project.id)s";
const READER_OF_DOMAIN: &str = "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
    domain_id:%(target.domain_id)s)";
const READER_OF_ASSIGNMENTS: &str = "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
    domain_id:%(target.domain_id)s and not None:%(target.domain_id)s)";
const READER_OR_OWNER: &str =
    "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner";
const SERVICE_OR_ADMIN: &str = "rule:service_or_admin";
const TRUST_READER: &str = "(rule:admin_required) or (role:reader and system_scope:all or \
    user_id:%(target.trust.trustor_user_id)s or user_id:%(target.trust.trustee_user_id)s)";
const USER_MANAGER: &str =
    "(rule:admin_required) or (role:manager and token.domain.id:%(target.user.domain_id)s)";

/// A row. Tokens of every scope may ask: what their scope is worth, the checks say.
const fn rule(name: &'static str, check: &'static str) -> Rule {
    scoped(name, check, &[])
}

/// A row about what belongs to no domain: a token for a domain is refused, whatever its roles.
const fn system_or_project(name: &'static str, check: &'static str) -> Rule {
    scoped(name, check, &[Scope::System, Scope::Project])
}

/// A row about what a user does within a project.
const fn project(name: &'static str, check: &'static str) -> Rule {
    scoped(name, check, &[Scope::Project])
}

const fn scoped(name: &'static str, check: &'static str, scope_types: &'static [Scope]) -> Rule {
    Rule {
        name,
        check,
        scope_types,
        description: "",
        operations: &[],
    }
}

/// Rules that other rules refer to.
pub static SHARED: &[Rule] = &[
    rule("admin_or_owner", "rule:admin_required or rule:owner"),
    rule(
        "admin_or_token_subject",
        "rule:admin_required or rule:token_subject",
    ),
    rule("admin_required", "role:admin or is_admin:1"),
    rule(
        "domain_managed_target_role",
        "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
    ),
    rule("owner", "user_id:%(user_id)s"),
    rule(
        "service_admin_or_token_subject",
        "rule:service_or_admin or rule:token_subject",
    ),
    rule(
        "service_or_admin",
        "rule:admin_required or rule:service_role",
    ),
    rule("service_role", "role:service"),
    rule("token_subject", "user_id:%(target.token.user_id)s"),
];

/// What guards each action.
pub static RULES: &[Rule] = &[
    system_or_project("identity:add_endpoint_group_to_project", ADMIN),
    system_or_project("identity:add_endpoint_to_project", ADMIN),
    rule("identity:add_user_to_group", MEMBERSHIP_MANAGER),
    project("identity:authorize_request_token", ADMIN),
    system_or_project("identity:check_endpoint_in_project", ADMIN_OR_SYSTEM_READER),
    rule(
        "identity:check_grant",
        "(rule:admin_required) or ((role:reader and system_scope:all) or ((role:reader \
         and domain_id:%(target.user.domain_id)s and \
         domain_id:%(target.project.domain_id)s) or (role:reader and \
         domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or \
         (role:reader and domain_id:%(target.group.domain_id)s and \
         domain_id:%(target.project.domain_id)s) or (role:reader and \
         domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and \
         (domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s))",
    ),
    system_or_project("identity:check_implied_role", ADMIN_OR_SYSTEM_READER),
    system_or_project(
        "identity:check_policy_association_for_endpoint",
        ADMIN_OR_SYSTEM_READER,
    ),
    system_or_project(
        "identity:check_policy_association_for_region_and_service",
        ADMIN_OR_SYSTEM_READER,
    ),
    system_or_project(
        "identity:check_policy_association_for_service",
        ADMIN_OR_SYSTEM_READER,
    ),
    system_or_project(
        "identity:check_system_grant_for_group",
        ADMIN_OR_SYSTEM_READER,
    ),
    system_or_project(
        "identity:check_system_grant_for_user",
        ADMIN_OR_SYSTEM_READER,
    ),
    rule(
        "identity:check_token",
        "rule:admin_required or (role:reader and system_scope:all) or rule:token_subject",
    ),
    rule(
        "identity:check_user_in_group",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
         domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)",
    ),
    project(
        "identity:create_application_credential",
        "user_id:%(user_id)s",
    ),
    system_or_project("identity:create_consumer", ADMIN),
    rule("identity:create_credential", CREDENTIAL_OWNER),
    system_or_project("identity:create_domain", ADMIN),
    system_or_project("identity:create_domain_config", ADMIN),
    system_or_project("identity:create_domain_role", ADMIN),
    system_or_project("identity:create_endpoint", ADMIN),
    system_or_project("identity:create_endpoint_group", ADMIN),
    rule("identity:create_grant", GRANT_MANAGER),
    rule("identity:create_group", GROUP_MANAGER),
    system_or_project("identity:create_identity_provider", ADMIN),
    system_or_project("identity:create_implied_role", ADMIN),
    system_or_project("identity:create_limits", ADMIN),
    system_or_project("identity:create_mapping", ADMIN),
    system_or_project("identity:create_policy", ADMIN),
    system_or_project("identity:create_policy_association_for_endpoint", ADMIN),
    system_or_project(
        "identity:create_policy_association_for_region_and_service",
        ADMIN,
    ),
    system_or_project("identity:create_policy_association_for_service", ADMIN),
    rule("identity:create_project", DOMAIN_MANAGER_OF_PROJECT),
    rule("identity:create_project_tag", DOMAIN_MANAGER_OF_PROJECT),
    system_or_project("identity:create_protocol", ADMIN),
    system_or_project("identity:create_region", ADMIN),
    system_or_project("identity:create_registered_limits", ADMIN),
    system_or_project("identity:create_role", ADMIN),
    system_or_project("identity:create_service", ADMIN),
    system_or_project("identity:create_service_provider", ADMIN),
    system_or_project("identity:create_system_grant_for_group", ADMIN),
    system_or_project("identity:create_system_grant_for_user", ADMIN),
    project(
        "identity:create_trust",
        "user_id:%(target.trust.trustor_user_id)s",
    ),
    rule("identity:create_user", USER_MANAGER),
    system_or_project(
        "identity:delete_access_rule",
        "(role:admin and system_scope:all) or user_id:%(target.user.id)s",
    ),
    project("identity:delete_access_token", ADMIN),
    system_or_project(
        "identity:delete_application_credential",
        "rule:admin_or_owner",
    ),
    system_or_project("identity:delete_consumer", ADMIN),
    rule("identity:delete_credential", CREDENTIAL_OWNER),
    system_or_project("identity:delete_domain", ADMIN),
    system_or_project("identity:delete_domain_config", ADMIN),
    system_or_project("identity:delete_domain_role", ADMIN),
    system_or_project("identity:delete_endpoint", ADMIN),
    system_or_project("identity:delete_endpoint_group", ADMIN),
    rule("identity:delete_group", GROUP_MANAGER),
    system_or_project("identity:delete_identity_provider", ADMIN),
    system_or_project("identity:delete_implied_role", ADMIN),
    system_or_project("identity:delete_limit", ADMIN),
    system_or_project("identity:delete_mapping", ADMIN),
    system_or_project("identity:delete_policy", ADMIN),
    system_or_project("identity:delete_policy_association_for_endpoint", ADMIN),
    system_or_project(
        "identity:delete_policy_association_for_region_and_service",
        ADMIN,
    ),
    system_or_project("identity:delete_policy_association_for_service", ADMIN),
    rule("identity:delete_project", DOMAIN_MANAGER_OF_PROJECT),
    rule("identity:delete_project_tag", DOMAIN_MANAGER_OF_PROJECT),
    rule("identity:delete_project_tags", DOMAIN_MANAGER_OF_PROJECT),
    system_or_project("identity:delete_protocol", ADMIN),
    system_or_project("identity:delete_region", ADMIN),
    system_or_project("identity:delete_registered_limit", ADMIN),
    system_or_project("identity:delete_role", ADMIN),
    system_or_project("identity:delete_service", ADMIN),
    system_or_project("identity:delete_service_provider", ADMIN),
    system_or_project(
        "identity:delete_trust",
        "rule:admin_required or user_id:%(target.trust.trustor_user_id)s",
    ),
    rule("identity:delete_user", USER_MANAGER),
    system_or_project("identity:ec2_create_credential", CREDENTIAL_MEMBER),
    system_or_project("identity:ec2_delete_credential", CREDENTIAL_MEMBER),
    system_or_project("identity:ec2_get_credential", CREDENTIAL_READER),
    system_or_project("identity:ec2_list_credentials", READER_OR_OWNER),
    rule("identity:ec2tokens_validate", SERVICE_OR_ADMIN),
    system_or_project("identity:get_access_rule", ACCESS_RULE_READER),
    project("identity:get_access_token", ADMIN),
    project("identity:get_access_token_role", ADMIN),
    system_or_project("identity:get_application_credential", READER_OR_OWNER),
    rule("identity:get_auth_catalog", ANYBODY),
    rule("identity:get_auth_domains", ANYBODY),
    rule("identity:get_auth_projects", ANYBODY),
    rule("identity:get_auth_system", ANYBODY),
    system_or_project("identity:get_consumer", ADMIN_OR_SYSTEM_READER),
    rule("identity:get_credential", CREDENTIAL_READER),
    rule(
        "identity:get_domain",
        "rule:admin_required or (role:reader and system_scope:all) or \
         token.domain.id:%(target.domain.id)s or \
         token.project.domain.id:%(target.domain.id)s",
    ),
    system_or_project("identity:get_domain_config", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:get_domain_config_default", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:get_domain_role", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:get_endpoint", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:get_endpoint_group", ADMIN_OR_SYSTEM_READER),
    system_or_project(
        "identity:get_endpoint_group_in_project",
        ADMIN_OR_SYSTEM_READER,
    ),
    rule("identity:get_group", GROUP_READER),
    system_or_project("identity:get_identity_provider", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:get_implied_role", ADMIN_OR_SYSTEM_READER),
    rule(
        "identity:get_limit",
        "rule:admin_required or (role:reader and system_scope:all) or \
         (domain_id:%(target.limit.domain.id)s or \
         domain_id:%(target.limit.project.domain_id)s) or \
         (project_id:%(target.limit.project_id)s and not \
         None:%(target.limit.project_id)s)",
    ),
    rule("identity:get_limit_model", ANYBODY),
    system_or_project("identity:get_mapping", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:get_policy", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:get_policy_for_endpoint", ADMIN_OR_SYSTEM_READER),
    rule("identity:get_project", PROJECT_READER),
    rule("identity:get_project_tag", PROJECT_READER),
    system_or_project("identity:get_protocol", ADMIN_OR_SYSTEM_READER),
    rule("identity:get_region", ANYBODY),
    rule("identity:get_registered_limit", ANYBODY),
    rule(
        "identity:get_role",
        "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and \
         rule:domain_managed_target_role)",
    ),
    system_or_project("identity:get_role_for_trust", TRUST_READER),
    rule("identity:get_security_compliance_domain_config", ANYBODY),
    system_or_project("identity:get_service", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:get_service_provider", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:get_trust", TRUST_READER),
    rule(
        "identity:get_user",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
         token.domain.id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
    ),
    system_or_project("identity:list_access_rules", ACCESS_RULE_READER),
    project("identity:list_access_token_roles", ADMIN),
    project("identity:list_access_tokens", ADMIN),
    system_or_project("identity:list_application_credentials", READER_OR_OWNER),
    system_or_project("identity:list_consumers", ADMIN_OR_SYSTEM_READER),
    rule("identity:list_credentials", CREDENTIAL_READER),
    system_or_project("identity:list_domain_roles", ADMIN_OR_SYSTEM_READER),
    rule(
        "identity:list_domains",
        "rule:admin_required or (role:reader and system_scope:all) or (role:reader and \
         domain_id:%(target.domain.id)s)",
    ),
    rule("identity:list_domains_for_user", ANYBODY),
    system_or_project("identity:list_endpoint_groups", ADMIN_OR_SYSTEM_READER),
    system_or_project(
        "identity:list_endpoint_groups_for_project",
        ADMIN_OR_SYSTEM_READER,
    ),
    system_or_project("identity:list_endpoints", ADMIN_OR_SYSTEM_READER),
    system_or_project(
        "identity:list_endpoints_associated_with_endpoint_group",
        ADMIN_OR_SYSTEM_READER,
    ),
    system_or_project("identity:list_endpoints_for_policy", ADMIN_OR_SYSTEM_READER),
    system_or_project(
        "identity:list_endpoints_for_project",
        ADMIN_OR_SYSTEM_READER,
    ),
    rule(
        "identity:list_grants",
        "(rule:admin_required) or ((role:reader and system_scope:all) or (role:reader and \
         domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) \
         or (role:reader and domain_id:%(target.user.domain_id)s and \
         domain_id:%(target.domain.id)s) or (role:reader and \
         domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) \
         or (role:reader and domain_id:%(target.group.domain_id)s and \
         domain_id:%(target.domain.id)s))",
    ),
    rule("identity:list_groups", GROUP_READER),
    rule(
        "identity:list_groups_for_user",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
         domain_id:%(target.user.domain_id)s) or user_id:%(user_id)s",
    ),
    system_or_project("identity:list_identity_providers", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:list_implied_roles", ADMIN_OR_SYSTEM_READER),
    rule("identity:list_limits", ANYBODY),
    system_or_project("identity:list_mappings", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:list_policies", ADMIN_OR_SYSTEM_READER),
    rule("identity:list_project_tags", PROJECT_READER),
    rule("identity:list_projects", READER_OF_DOMAIN),
    system_or_project(
        "identity:list_projects_associated_with_endpoint_group",
        ADMIN_OR_SYSTEM_READER,
    ),
    system_or_project(
        "identity:list_projects_for_endpoint",
        ADMIN_OR_SYSTEM_READER,
    ),
    rule("identity:list_projects_for_user", ANYBODY),
    system_or_project("identity:list_protocols", ADMIN_OR_SYSTEM_READER),
    rule("identity:list_regions", ANYBODY),
    rule("identity:list_registered_limits", ANYBODY),
    system_or_project("identity:list_revoke_events", SERVICE_OR_ADMIN),
    rule("identity:list_role_assignments", READER_OF_ASSIGNMENTS),
    rule(
        "identity:list_role_assignments_for_tree",
        READER_OF_ASSIGNMENTS,
    ),
    system_or_project("identity:list_role_inference_rules", ADMIN_OR_SYSTEM_READER),
    rule(
        "identity:list_roles",
        "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and \
         not domain_id:None)",
    ),
    system_or_project("identity:list_roles_for_trust", TRUST_READER),
    system_or_project("identity:list_service_providers", ADMIN_OR_SYSTEM_READER),
    system_or_project("identity:list_services", ADMIN_OR_SYSTEM_READER),
    system_or_project(
        "identity:list_system_grants_for_group",
        ADMIN_OR_SYSTEM_READER,
    ),
    system_or_project(
        "identity:list_system_grants_for_user",
        ADMIN_OR_SYSTEM_READER,
    ),
    system_or_project("identity:list_trusts", ADMIN_OR_SYSTEM_READER),
    system_or_project(
        "identity:list_trusts_for_trustee",
        "(rule:admin_required) or (role:reader and system_scope:all or \
         user_id:%(target.trust.trustee_user_id)s)",
    ),
    system_or_project(
        "identity:list_trusts_for_trustor",
        "(rule:admin_required) or (role:reader and system_scope:all or \
         user_id:%(target.trust.trustor_user_id)s)",
    ),
    rule(
        "identity:list_user_projects",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
         domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
    ),
    rule("identity:list_users", READER_OF_DOMAIN),
    rule("identity:list_users_in_group", GROUP_READER),
    system_or_project("identity:remove_endpoint_from_project", ADMIN),
    system_or_project("identity:remove_endpoint_group_from_project", ADMIN),
    rule("identity:remove_user_from_group", MEMBERSHIP_MANAGER),
    system_or_project("identity:revocation_list", SERVICE_OR_ADMIN),
    rule("identity:revoke_grant", GRANT_MANAGER),
    system_or_project("identity:revoke_system_grant_for_group", ADMIN),
    system_or_project("identity:revoke_system_grant_for_user", ADMIN),
    rule(
        "identity:revoke_token",
        "rule:admin_required or rule:token_subject",
    ),
    rule("identity:s3tokens_validate", SERVICE_OR_ADMIN),
    system_or_project("identity:update_consumer", ADMIN),
    rule("identity:update_credential", CREDENTIAL_OWNER),
    system_or_project("identity:update_domain", ADMIN),
    system_or_project("identity:update_domain_config", ADMIN),
    system_or_project("identity:update_domain_role", ADMIN),
    system_or_project("identity:update_endpoint", ADMIN),
    system_or_project("identity:update_endpoint_group", ADMIN),
    rule("identity:update_group", GROUP_MANAGER),
    system_or_project("identity:update_identity_provider", ADMIN),
    system_or_project("identity:update_limit", ADMIN),
    system_or_project("identity:update_mapping", ADMIN),
    system_or_project("identity:update_policy", ADMIN),
    rule("identity:update_project", DOMAIN_MANAGER_OF_PROJECT),
    rule("identity:update_project_tags", DOMAIN_MANAGER_OF_PROJECT),
    system_or_project("identity:update_protocol", ADMIN),
    system_or_project("identity:update_region", ADMIN),
    system_or_project("identity:update_registered_limit", ADMIN),
    system_or_project("identity:update_role", ADMIN),
    system_or_project("identity:update_service", ADMIN),
    system_or_project("identity:update_service_provider", ADMIN),
    rule("identity:update_user", USER_MANAGER),
    rule(
        "identity:validate_token",
        "rule:admin_required or (role:reader and system_scope:all) or rule:service_role \
         or rule:token_subject",
    ),
];
