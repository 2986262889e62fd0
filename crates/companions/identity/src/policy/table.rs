//! Keystone's default rules (2026.1): the names without `identity:`, and their check strings.

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
const READER_OR_OWNER: &str =
    "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner";
const SERVICE_OR_ADMIN: &str = "rule:service_or_admin";
const TRUST_READER: &str = "(rule:admin_required) or (role:reader and system_scope:all or \
    user_id:%(target.trust.trustor_user_id)s or user_id:%(target.trust.trustee_user_id)s)";
const USER_MANAGER: &str =
    "(rule:admin_required) or (role:manager and token.domain.id:%(target.user.domain_id)s)";

/// Rules that other rules refer to.
pub const SHARED: &[(&str, &str)] = &[
    ("admin_or_owner", "rule:admin_required or rule:owner"),
    (
        "admin_or_token_subject",
        "rule:admin_required or rule:token_subject",
    ),
    ("admin_required", "role:admin or is_admin:1"),
    (
        "domain_managed_target_role",
        "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
    ),
    ("owner", "user_id:%(user_id)s"),
    (
        "service_admin_or_token_subject",
        "rule:service_or_admin or rule:token_subject",
    ),
    (
        "service_or_admin",
        "rule:admin_required or rule:service_role",
    ),
    ("service_role", "role:service"),
    ("token_subject", "user_id:%(target.token.user_id)s"),
];

/// What guards each action.
pub const RULES: &[(&str, &str)] = &[
    ("add_endpoint_group_to_project", ADMIN),
    ("add_endpoint_to_project", ADMIN),
    ("add_user_to_group", MEMBERSHIP_MANAGER),
    ("authorize_request_token", ADMIN),
    ("check_endpoint_in_project", ADMIN_OR_SYSTEM_READER),
    (
        "check_grant",
        "(rule:admin_required) or ((role:reader and system_scope:all) or ((role:reader \
         and domain_id:%(target.user.domain_id)s and \
         domain_id:%(target.project.domain_id)s) or (role:reader and \
         domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or \
         (role:reader and domain_id:%(target.group.domain_id)s and \
         domain_id:%(target.project.domain_id)s) or (role:reader and \
         domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and \
         (domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s))",
    ),
    ("check_implied_role", ADMIN_OR_SYSTEM_READER),
    (
        "check_policy_association_for_endpoint",
        ADMIN_OR_SYSTEM_READER,
    ),
    (
        "check_policy_association_for_region_and_service",
        ADMIN_OR_SYSTEM_READER,
    ),
    (
        "check_policy_association_for_service",
        ADMIN_OR_SYSTEM_READER,
    ),
    ("check_system_grant_for_group", ADMIN_OR_SYSTEM_READER),
    ("check_system_grant_for_user", ADMIN_OR_SYSTEM_READER),
    (
        "check_token",
        "rule:admin_required or (role:reader and system_scope:all) or rule:token_subject",
    ),
    (
        "check_user_in_group",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
         domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)",
    ),
    ("create_application_credential", "user_id:%(user_id)s"),
    ("create_consumer", ADMIN),
    ("create_credential", CREDENTIAL_OWNER),
    ("create_domain", ADMIN),
    ("create_domain_config", ADMIN),
    ("create_domain_role", ADMIN),
    ("create_endpoint", ADMIN),
    ("create_endpoint_group", ADMIN),
    ("create_grant", GRANT_MANAGER),
    ("create_group", GROUP_MANAGER),
    ("create_identity_provider", ADMIN),
    ("create_implied_role", ADMIN),
    ("create_limits", ADMIN),
    ("create_mapping", ADMIN),
    ("create_policy", ADMIN),
    ("create_policy_association_for_endpoint", ADMIN),
    ("create_policy_association_for_region_and_service", ADMIN),
    ("create_policy_association_for_service", ADMIN),
    ("create_project", DOMAIN_MANAGER_OF_PROJECT),
    ("create_project_tag", DOMAIN_MANAGER_OF_PROJECT),
    ("create_protocol", ADMIN),
    ("create_region", ADMIN),
    ("create_registered_limits", ADMIN),
    ("create_role", ADMIN),
    ("create_service", ADMIN),
    ("create_service_provider", ADMIN),
    ("create_system_grant_for_group", ADMIN),
    ("create_system_grant_for_user", ADMIN),
    ("create_trust", "user_id:%(target.trust.trustor_user_id)s"),
    ("create_user", USER_MANAGER),
    (
        "delete_access_rule",
        "(role:admin and system_scope:all) or user_id:%(target.user.id)s",
    ),
    ("delete_access_token", ADMIN),
    ("delete_application_credential", "rule:admin_or_owner"),
    ("delete_consumer", ADMIN),
    ("delete_credential", CREDENTIAL_OWNER),
    ("delete_domain", ADMIN),
    ("delete_domain_config", ADMIN),
    ("delete_domain_role", ADMIN),
    ("delete_endpoint", ADMIN),
    ("delete_endpoint_group", ADMIN),
    ("delete_group", GROUP_MANAGER),
    ("delete_identity_provider", ADMIN),
    ("delete_implied_role", ADMIN),
    ("delete_limit", ADMIN),
    ("delete_mapping", ADMIN),
    ("delete_policy", ADMIN),
    ("delete_policy_association_for_endpoint", ADMIN),
    ("delete_policy_association_for_region_and_service", ADMIN),
    ("delete_policy_association_for_service", ADMIN),
    ("delete_project", DOMAIN_MANAGER_OF_PROJECT),
    ("delete_project_tag", DOMAIN_MANAGER_OF_PROJECT),
    ("delete_project_tags", DOMAIN_MANAGER_OF_PROJECT),
    ("delete_protocol", ADMIN),
    ("delete_region", ADMIN),
    ("delete_registered_limit", ADMIN),
    ("delete_role", ADMIN),
    ("delete_service", ADMIN),
    ("delete_service_provider", ADMIN),
    (
        "delete_trust",
        "rule:admin_required or user_id:%(target.trust.trustor_user_id)s",
    ),
    ("delete_user", USER_MANAGER),
    ("ec2_create_credential", CREDENTIAL_MEMBER),
    ("ec2_delete_credential", CREDENTIAL_MEMBER),
    ("ec2_get_credential", CREDENTIAL_READER),
    ("ec2_list_credentials", READER_OR_OWNER),
    ("ec2tokens_validate", SERVICE_OR_ADMIN),
    ("get_access_rule", ACCESS_RULE_READER),
    ("get_access_token", ADMIN),
    ("get_access_token_role", ADMIN),
    ("get_application_credential", READER_OR_OWNER),
    ("get_auth_catalog", ANYBODY),
    ("get_auth_domains", ANYBODY),
    ("get_auth_projects", ANYBODY),
    ("get_auth_system", ANYBODY),
    ("get_consumer", ADMIN_OR_SYSTEM_READER),
    ("get_credential", CREDENTIAL_READER),
    (
        "get_domain",
        "rule:admin_required or (role:reader and system_scope:all) or \
         token.domain.id:%(target.domain.id)s or \
         token.project.domain.id:%(target.domain.id)s",
    ),
    ("get_domain_config", ADMIN_OR_SYSTEM_READER),
    ("get_domain_config_default", ADMIN_OR_SYSTEM_READER),
    ("get_domain_role", ADMIN_OR_SYSTEM_READER),
    ("get_endpoint", ADMIN_OR_SYSTEM_READER),
    ("get_endpoint_group", ADMIN_OR_SYSTEM_READER),
    ("get_endpoint_group_in_project", ADMIN_OR_SYSTEM_READER),
    ("get_group", GROUP_READER),
    ("get_identity_provider", ADMIN_OR_SYSTEM_READER),
    ("get_implied_role", ADMIN_OR_SYSTEM_READER),
    (
        "get_limit",
        "rule:admin_required or (role:reader and system_scope:all) or \
         (domain_id:%(target.limit.domain.id)s or \
         domain_id:%(target.limit.project.domain_id)s) or \
         (project_id:%(target.limit.project_id)s and not \
         None:%(target.limit.project_id)s)",
    ),
    ("get_limit_model", ANYBODY),
    ("get_mapping", ADMIN_OR_SYSTEM_READER),
    ("get_policy", ADMIN_OR_SYSTEM_READER),
    ("get_policy_for_endpoint", ADMIN_OR_SYSTEM_READER),
    ("get_project", PROJECT_READER),
    ("get_project_tag", PROJECT_READER),
    ("get_protocol", ADMIN_OR_SYSTEM_READER),
    ("get_region", ANYBODY),
    ("get_registered_limit", ANYBODY),
    (
        "get_role",
        "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and \
         rule:domain_managed_target_role)",
    ),
    ("get_role_for_trust", TRUST_READER),
    ("get_security_compliance_domain_config", ANYBODY),
    ("get_service", ADMIN_OR_SYSTEM_READER),
    ("get_service_provider", ADMIN_OR_SYSTEM_READER),
    ("get_trust", TRUST_READER),
    (
        "get_user",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
         token.domain.id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
    ),
    ("list_access_rules", ACCESS_RULE_READER),
    ("list_access_token_roles", ADMIN),
    ("list_access_tokens", ADMIN),
    ("list_application_credentials", READER_OR_OWNER),
    ("list_consumers", ADMIN_OR_SYSTEM_READER),
    ("list_credentials", CREDENTIAL_READER),
    ("list_domain_roles", ADMIN_OR_SYSTEM_READER),
    (
        "list_domains",
        "rule:admin_required or (role:reader and system_scope:all) or (role:reader and \
         domain_id:%(target.domain.id)s)",
    ),
    ("list_domains_for_user", ANYBODY),
    ("list_endpoint_groups", ADMIN_OR_SYSTEM_READER),
    ("list_endpoint_groups_for_project", ADMIN_OR_SYSTEM_READER),
    ("list_endpoints", ADMIN_OR_SYSTEM_READER),
    (
        "list_endpoints_associated_with_endpoint_group",
        ADMIN_OR_SYSTEM_READER,
    ),
    ("list_endpoints_for_policy", ADMIN_OR_SYSTEM_READER),
    ("list_endpoints_for_project", ADMIN_OR_SYSTEM_READER),
    (
        "list_grants",
        "(rule:admin_required) or ((role:reader and system_scope:all) or (role:reader and \
         domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) \
         or (role:reader and domain_id:%(target.user.domain_id)s and \
         domain_id:%(target.domain.id)s) or (role:reader and \
         domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) \
         or (role:reader and domain_id:%(target.group.domain_id)s and \
         domain_id:%(target.domain.id)s))",
    ),
    ("list_groups", GROUP_READER),
    (
        "list_groups_for_user",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
         domain_id:%(target.user.domain_id)s) or user_id:%(user_id)s",
    ),
    ("list_identity_providers", ADMIN_OR_SYSTEM_READER),
    ("list_implied_roles", ADMIN_OR_SYSTEM_READER),
    ("list_limits", ANYBODY),
    ("list_mappings", ADMIN_OR_SYSTEM_READER),
    ("list_policies", ADMIN_OR_SYSTEM_READER),
    ("list_project_tags", PROJECT_READER),
    ("list_projects", READER_OF_DOMAIN),
    (
        "list_projects_associated_with_endpoint_group",
        ADMIN_OR_SYSTEM_READER,
    ),
    ("list_projects_for_endpoint", ADMIN_OR_SYSTEM_READER),
    ("list_projects_for_user", ANYBODY),
    ("list_protocols", ADMIN_OR_SYSTEM_READER),
    ("list_regions", ANYBODY),
    ("list_registered_limits", ANYBODY),
    ("list_revoke_events", SERVICE_OR_ADMIN),
    ("list_role_assignments", READER_OF_DOMAIN),
    ("list_role_assignments_for_tree", READER_OF_DOMAIN),
    ("list_role_inference_rules", ADMIN_OR_SYSTEM_READER),
    (
        "list_roles",
        "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and \
         not domain_id:None)",
    ),
    ("list_roles_for_trust", TRUST_READER),
    ("list_service_providers", ADMIN_OR_SYSTEM_READER),
    ("list_services", ADMIN_OR_SYSTEM_READER),
    ("list_system_grants_for_group", ADMIN_OR_SYSTEM_READER),
    ("list_system_grants_for_user", ADMIN_OR_SYSTEM_READER),
    ("list_trusts", ADMIN_OR_SYSTEM_READER),
    (
        "list_trusts_for_trustee",
        "(rule:admin_required) or (role:reader and system_scope:all or \
         user_id:%(target.trust.trustee_user_id)s)",
    ),
    (
        "list_trusts_for_trustor",
        "(rule:admin_required) or (role:reader and system_scope:all or \
         user_id:%(target.trust.trustor_user_id)s)",
    ),
    (
        "list_user_projects",
        "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and \
         domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
    ),
    ("list_users", READER_OF_DOMAIN),
    ("list_users_in_group", GROUP_READER),
    ("remove_endpoint_from_project", ADMIN),
    ("remove_endpoint_group_from_project", ADMIN),
    ("remove_user_from_group", MEMBERSHIP_MANAGER),
    ("revocation_list", SERVICE_OR_ADMIN),
    ("revoke_grant", GRANT_MANAGER),
    ("revoke_system_grant_for_group", ADMIN),
    ("revoke_system_grant_for_user", ADMIN),
    ("revoke_token", "rule:admin_required or rule:token_subject"),
    ("s3tokens_validate", SERVICE_OR_ADMIN),
    ("update_consumer", ADMIN),
    ("update_credential", CREDENTIAL_OWNER),
    ("update_domain", ADMIN),
    ("update_domain_config", ADMIN),
    ("update_domain_role", ADMIN),
    ("update_endpoint", ADMIN),
    ("update_endpoint_group", ADMIN),
    ("update_group", GROUP_MANAGER),
    ("update_identity_provider", ADMIN),
    ("update_limit", ADMIN),
    ("update_mapping", ADMIN),
    ("update_policy", ADMIN),
    ("update_project", DOMAIN_MANAGER_OF_PROJECT),
    ("update_project_tags", DOMAIN_MANAGER_OF_PROJECT),
    ("update_protocol", ADMIN),
    ("update_region", ADMIN),
    ("update_registered_limit", ADMIN),
    ("update_role", ADMIN),
    ("update_service", ADMIN),
    ("update_service_provider", ADMIN),
    ("update_user", USER_MANAGER),
    (
        "validate_token",
        "rule:admin_required or (role:reader and system_scope:all) or rule:service_role \
         or rule:token_subject",
    ),
];
