//! The first tables.

use sql::sea_orm_migration;
use sql::sea_orm_migration::prelude::*;

use super::spec::Kind::*;
use super::spec::{TableSpec, create, drop};

const TABLES: &[TableSpec] = &[
    TableSpec {
        name: "projects",
        columns: &[
            ("id", Key),
            ("domain_id", Id),
            ("name", Name),
            ("description", OptText),
            ("enabled", Flag),
            ("is_domain", Flag),
            ("parent_id", OptId),
            ("tags", Text),
            ("options", Text),
            ("extra", Text),
        ],
        unique: &["domain_id", "name"],
        indexes: &["parent_id"],
    },
    TableSpec {
        name: "users",
        columns: &[
            ("id", Key),
            ("domain_id", Id),
            ("name", Name),
            ("enabled", Flag),
            ("default_project_id", OptId),
            ("options", Text),
            ("extra", Text),
            ("password_hash", OptName),
            ("password_created_at", OptTime),
            ("password_expires_at", OptTime),
            ("failed_attempts", Number),
            ("failed_at", OptTime),
        ],
        unique: &["domain_id", "name"],
        indexes: &[],
    },
    TableSpec {
        name: "groups",
        columns: &[
            ("id", Key),
            ("domain_id", Id),
            ("name", Name),
            ("description", Text),
            ("extra", Text),
        ],
        unique: &["domain_id", "name"],
        indexes: &[],
    },
    TableSpec {
        name: "memberships",
        columns: &[("user_id", Key), ("group_id", Key)],
        unique: &[],
        indexes: &["group_id"],
    },
    TableSpec {
        name: "roles",
        columns: &[
            ("id", Key),
            ("name", Name),
            ("domain_id", Id),
            ("description", OptText),
            ("options", Text),
            ("extra", Text),
        ],
        unique: &["domain_id", "name"],
        indexes: &[],
    },
    TableSpec {
        name: "implied_roles",
        columns: &[("prior_role_id", Key), ("implied_role_id", Key)],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "assignments",
        columns: &[
            ("actor_kind", Key),
            ("actor_id", Key),
            ("target_kind", Key),
            ("target_id", Key),
            ("role_id", Key),
            ("inherited", KeyFlag),
        ],
        unique: &[],
        indexes: &["target_id"],
    },
    TableSpec {
        name: "regions",
        columns: &[
            ("id", Key),
            ("description", Text),
            ("parent_region_id", OptId),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "services",
        columns: &[
            ("id", Key),
            ("type", Name),
            ("name", OptName),
            ("description", OptText),
            ("enabled", Flag),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "endpoints",
        columns: &[
            ("id", Key),
            ("service_id", Id),
            ("region_id", OptId),
            ("interface", Name),
            ("url", Text),
            ("enabled", Flag),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &["service_id"],
    },
    TableSpec {
        name: "policies",
        columns: &[("id", Key), ("type", Name), ("blob", Text), ("extra", Text)],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "credentials",
        columns: &[
            ("id", Key),
            ("user_id", Id),
            ("project_id", OptId),
            ("type", Name),
            ("blob", Text),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &["user_id"],
    },
    TableSpec {
        name: "application_credentials",
        columns: &[
            ("id", Key),
            ("user_id", Id),
            ("project_id", Id),
            ("name", Name),
            ("description", OptText),
            ("secret_hash", Name),
            ("expires_at", OptTime),
            ("unrestricted", Flag),
            ("roles", Text),
            ("access_rules", Text),
            ("created_at", Time),
        ],
        unique: &["user_id", "name"],
        indexes: &["project_id"],
    },
    TableSpec {
        name: "access_rules",
        columns: &[
            ("id", Key),
            ("user_id", Id),
            ("service", Name),
            ("path", Name),
            ("method", Name),
        ],
        unique: &[],
        indexes: &["user_id"],
    },
    TableSpec {
        name: "registered_limits",
        columns: &[
            ("id", Key),
            ("service_id", Id),
            ("region_id", OptId),
            ("resource_name", Name),
            ("default_limit", Number),
            ("description", OptText),
        ],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "limits",
        columns: &[
            ("id", Key),
            ("service_id", Id),
            ("region_id", OptId),
            ("resource_name", Name),
            ("resource_limit", Number),
            ("project_id", OptId),
            ("domain_id", OptId),
            ("description", OptText),
        ],
        unique: &[],
        indexes: &["project_id"],
    },
    TableSpec {
        name: "trusts",
        columns: &[
            ("id", Key),
            ("trustor_user_id", Id),
            ("trustee_user_id", Id),
            ("project_id", OptId),
            ("impersonation", Flag),
            ("expires_at", OptTime),
            ("remaining_uses", OptNumber),
            ("deleted_at", OptTime),
            ("roles", Text),
            ("allow_redelegation", Flag),
            ("redelegation_count", Number),
            ("redelegated_trust_id", OptId),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &["trustor_user_id", "trustee_user_id"],
    },
    TableSpec {
        name: "revocations",
        columns: &[
            ("id", Key),
            ("user_id", OptId),
            ("project_id", OptId),
            ("domain_id", OptId),
            ("trust_id", OptId),
            ("audit_id", OptId),
            ("issued_before", Time),
            ("revoked_at", Time),
        ],
        unique: &[],
        indexes: &["issued_before"],
    },
    TableSpec {
        name: "consumers",
        columns: &[
            ("id", Key),
            ("description", OptText),
            ("secret", Name),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "domain_configs",
        columns: &[
            ("domain_id", Key),
            ("config_group", Key),
            ("option", Key),
            ("value", Text),
        ],
        unique: &[],
        indexes: &[],
    },
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, TABLES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, TABLES).await
    }
}
