//! The first tables.

use sql::schema::Kind::{BigInt, Bool, Text, Time};
use sql::schema::{Migration, Step, Table, Unique, col, index};

use super::{ID, NAME};

pub const MIGRATION: Migration = Migration {
    name: "m0001_first",
    steps: &[Step::Create(TABLES)],
};

const TABLES: &[Table] = &[
    Table::new(
        "projects",
        &["id"],
        &[
            col("id", ID),
            col("domain_id", ID),
            col("name", NAME),
            col("description", Text).null(),
            col("enabled", Bool),
            col("is_domain", Bool),
            col("parent_id", ID).null(),
            col("tags", Text),
            col("options", Text),
            col("extra", Text),
        ],
    )
    .constraints(&[Unique::named("uq_projects", &["domain_id", "name"])])
    .indexes(&[index("ix_projects_parent_id", &["parent_id"])]),
    Table::new(
        "users",
        &["id"],
        &[
            col("id", ID),
            col("domain_id", ID),
            col("name", NAME),
            col("enabled", Bool),
            col("default_project_id", ID).null(),
            col("options", Text),
            col("extra", Text),
            col("password_hash", NAME).null(),
            col("password_created_at", Time).null(),
            col("password_expires_at", Time).null(),
            col("failed_attempts", BigInt),
            col("failed_at", Time).null(),
        ],
    )
    .constraints(&[Unique::named("uq_users", &["domain_id", "name"])]),
    Table::new(
        "groups",
        &["id"],
        &[
            col("id", ID),
            col("domain_id", ID),
            col("name", NAME),
            col("description", Text),
            col("extra", Text),
        ],
    )
    .constraints(&[Unique::named("uq_groups", &["domain_id", "name"])]),
    Table::new(
        "memberships",
        &["user_id", "group_id"],
        &[col("user_id", ID), col("group_id", ID)],
    )
    .indexes(&[index("ix_memberships_group_id", &["group_id"])]),
    Table::new(
        "roles",
        &["id"],
        &[
            col("id", ID),
            col("name", NAME),
            col("domain_id", ID),
            col("description", Text).null(),
            col("options", Text),
            col("extra", Text),
        ],
    )
    .constraints(&[Unique::named("uq_roles", &["domain_id", "name"])]),
    Table::new(
        "implied_roles",
        &["prior_role_id", "implied_role_id"],
        &[col("prior_role_id", ID), col("implied_role_id", ID)],
    ),
    Table::new(
        "assignments",
        &[
            "actor_kind",
            "actor_id",
            "target_kind",
            "target_id",
            "role_id",
            "inherited",
        ],
        &[
            col("actor_kind", ID),
            col("actor_id", ID),
            col("target_kind", ID),
            col("target_id", ID),
            col("role_id", ID),
            col("inherited", Bool),
        ],
    )
    .indexes(&[index("ix_assignments_target_id", &["target_id"])]),
    Table::new(
        "regions",
        &["id"],
        &[
            col("id", ID),
            col("description", Text),
            col("parent_region_id", ID).null(),
            col("extra", Text),
        ],
    ),
    Table::new(
        "services",
        &["id"],
        &[
            col("id", ID),
            col("type", NAME),
            col("name", NAME).null(),
            col("description", Text).null(),
            col("enabled", Bool),
            col("extra", Text),
        ],
    ),
    Table::new(
        "endpoints",
        &["id"],
        &[
            col("id", ID),
            col("service_id", ID),
            col("region_id", ID).null(),
            col("interface", NAME),
            col("url", Text),
            col("enabled", Bool),
            col("extra", Text),
        ],
    )
    .indexes(&[index("ix_endpoints_service_id", &["service_id"])]),
    Table::new(
        "policies",
        &["id"],
        &[
            col("id", ID),
            col("type", NAME),
            col("blob", Text),
            col("extra", Text),
        ],
    ),
    Table::new(
        "credentials",
        &["id"],
        &[
            col("id", ID),
            col("user_id", ID),
            col("project_id", ID).null(),
            col("type", NAME),
            col("blob", Text),
            col("extra", Text),
        ],
    )
    .indexes(&[index("ix_credentials_user_id", &["user_id"])]),
    Table::new(
        "application_credentials",
        &["id"],
        &[
            col("id", ID),
            col("user_id", ID),
            col("project_id", ID),
            col("name", NAME),
            col("description", Text).null(),
            col("secret_hash", NAME),
            col("expires_at", Time).null(),
            col("unrestricted", Bool),
            col("roles", Text),
            col("access_rules", Text),
            col("created_at", Time),
        ],
    )
    .constraints(&[Unique::named(
        "uq_application_credentials",
        &["user_id", "name"],
    )])
    .indexes(&[index(
        "ix_application_credentials_project_id",
        &["project_id"],
    )]),
    Table::new(
        "access_rules",
        &["id"],
        &[
            col("id", ID),
            col("user_id", ID),
            col("service", NAME),
            col("path", NAME),
            col("method", NAME),
        ],
    )
    .indexes(&[index("ix_access_rules_user_id", &["user_id"])]),
    Table::new(
        "registered_limits",
        &["id"],
        &[
            col("id", ID),
            col("service_id", ID),
            col("region_id", ID).null(),
            col("resource_name", NAME),
            col("default_limit", BigInt),
            col("description", Text).null(),
        ],
    ),
    Table::new(
        "limits",
        &["id"],
        &[
            col("id", ID),
            col("service_id", ID),
            col("region_id", ID).null(),
            col("resource_name", NAME),
            col("resource_limit", BigInt),
            col("project_id", ID).null(),
            col("domain_id", ID).null(),
            col("description", Text).null(),
        ],
    )
    .indexes(&[index("ix_limits_project_id", &["project_id"])]),
    Table::new(
        "trusts",
        &["id"],
        &[
            col("id", ID),
            col("trustor_user_id", ID),
            col("trustee_user_id", ID),
            col("project_id", ID).null(),
            col("impersonation", Bool),
            col("expires_at", Time).null(),
            col("remaining_uses", BigInt).null(),
            col("deleted_at", Time).null(),
            col("roles", Text),
            col("allow_redelegation", Bool),
            col("redelegation_count", BigInt),
            col("redelegated_trust_id", ID).null(),
            col("extra", Text),
        ],
    )
    .indexes(&[
        index("ix_trusts_trustor_user_id", &["trustor_user_id"]),
        index("ix_trusts_trustee_user_id", &["trustee_user_id"]),
    ]),
    Table::new(
        "revocations",
        &["id"],
        &[
            col("id", ID),
            col("user_id", ID).null(),
            col("project_id", ID).null(),
            col("domain_id", ID).null(),
            col("trust_id", ID).null(),
            col("audit_id", ID).null(),
            col("issued_before", Time),
            col("revoked_at", Time),
        ],
    )
    .indexes(&[index("ix_revocations_issued_before", &["issued_before"])]),
    Table::new(
        "consumers",
        &["id"],
        &[
            col("id", ID),
            col("description", Text).null(),
            col("secret", NAME),
            col("extra", Text),
        ],
    ),
    Table::new(
        "domain_configs",
        &["domain_id", "config_group", "option"],
        &[
            col("domain_id", ID),
            col("config_group", ID),
            col("option", ID),
            col("value", Text),
        ],
    ),
];
