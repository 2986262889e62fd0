//! The tables, one module each. Columns that hold JSON documents are text and are listed in
//! [`crate::record::DOCUMENTS`]; `extra` holds what clients add beyond the known fields.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

/// What every entity needs and none of ours fills: relations are followed by hand-written queries.
macro_rules! plain {
    () => {
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}
        impl ActiveModelBehavior for ActiveModel {}
    };
}

/// Projects and domains: a domain is a project with `is_domain` whose own domain is [`crate::projects::ROOT`].
pub mod projects {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "projects")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub domain_id: String,
        pub name: String,
        pub description: Option<String>,
        pub enabled: bool,
        pub is_domain: bool,
        pub parent_id: Option<String>,
        pub tags: String,
        pub options: String,
        pub extra: String,
    }

    plain!();
}

/// Users and their password (a salted hash; none for users who cannot log in by password).
pub mod users {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub domain_id: String,
        pub name: String,
        pub enabled: bool,
        pub default_project_id: Option<String>,
        pub options: String,
        pub extra: String,
        pub password_hash: Option<String>,
        pub password_created_at: Option<DateTime<Utc>>,
        pub password_expires_at: Option<DateTime<Utc>>,
        pub failed_attempts: i64,
        pub failed_at: Option<DateTime<Utc>>,
        /// The last login, to the day; kept only where idle accounts are disabled.
        pub last_active_at: Option<DateTime<Utc>>,
        /// Whether the user chose the password, rather than an administrator.
        pub password_self_service: bool,
    }

    plain!();
}

/// Hashes of passwords that users had before, as many as a new one must differ from.
pub mod old_passwords {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "old_passwords")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub user_id: String,
        pub password_hash: String,
        pub replaced_at: DateTime<Utc>,
    }

    plain!();
}

/// Groups of users.
pub mod groups {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "groups")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub domain_id: String,
        pub name: String,
        pub description: String,
        pub extra: String,
    }

    plain!();
}

/// Who is in which group.
pub mod memberships {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "memberships")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub group_id: String,
    }

    plain!();
}

/// Roles; `domain_id` is empty for a global role.
pub mod roles {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "roles")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub domain_id: String,
        pub description: Option<String>,
        pub options: String,
        pub extra: String,
    }

    plain!();
}

/// Who has the prior role has the implied one too.
pub mod implied_roles {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "implied_roles")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub prior_role_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub implied_role_id: String,
    }

    plain!();
}

/// Who has which role where. Kinds are `user`, `group` and `project`, `domain`, `system` (target `system`).
pub mod assignments {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "assignments")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub actor_kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub actor_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub target_kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub target_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub role_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub inherited: bool,
    }

    plain!();
}

/// Regions.
pub mod regions {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "regions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub description: String,
        pub parent_region_id: Option<String>,
        pub extra: String,
    }

    plain!();
}

/// Services of the catalog.
pub mod services {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "services")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        #[sea_orm(column_name = "type")]
        #[serde(rename = "type")]
        pub kind: String,
        pub name: Option<String>,
        pub description: Option<String>,
        pub enabled: bool,
        pub extra: String,
    }

    plain!();
}

/// Endpoints of the catalog.
pub mod endpoints {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "endpoints")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub service_id: String,
        pub region_id: Option<String>,
        pub interface: String,
        pub url: String,
        pub enabled: bool,
        pub extra: String,
    }

    plain!();
}

/// Policy documents kept for other services.
pub mod policies {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "policies")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        #[sea_orm(column_name = "type")]
        #[serde(rename = "type")]
        pub kind: String,
        pub blob: String,
        pub extra: String,
    }

    plain!();
}

/// Secrets kept for users; `blob` is encrypted with the credential keys.
pub mod credentials {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "credentials")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub user_id: String,
        pub project_id: Option<String>,
        #[sea_orm(column_name = "type")]
        #[serde(rename = "type")]
        pub kind: String,
        pub blob: String,
        pub extra: String,
    }

    plain!();
}

/// Passwords of programs: a user's delegation of some roles on one project.
pub mod application_credentials {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "application_credentials")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub user_id: String,
        pub project_id: String,
        pub name: String,
        pub description: Option<String>,
        pub secret_hash: String,
        pub expires_at: Option<DateTime<Utc>>,
        pub unrestricted: bool,
        pub roles: String,
        pub access_rules: String,
        pub created_at: DateTime<Utc>,
    }

    plain!();
}

/// What an application credential may call.
pub mod access_rules {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "access_rules")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub user_id: String,
        pub service: String,
        pub path: String,
        pub method: String,
    }

    plain!();
}

/// Default limits of a resource.
pub mod registered_limits {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "registered_limits")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub service_id: String,
        pub region_id: Option<String>,
        pub resource_name: String,
        pub default_limit: i64,
        pub description: Option<String>,
    }

    plain!();
}

/// Limits of one project or domain that override the default.
pub mod limits {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "limits")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub service_id: String,
        pub region_id: Option<String>,
        pub resource_name: String,
        pub resource_limit: i64,
        pub project_id: Option<String>,
        pub domain_id: Option<String>,
        pub description: Option<String>,
    }

    plain!();
}

/// Delegations from user to user; a used up or deleted one keeps its row with `deleted_at`.
pub mod trusts {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "trusts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub trustor_user_id: String,
        pub trustee_user_id: String,
        pub project_id: Option<String>,
        pub impersonation: bool,
        pub expires_at: Option<DateTime<Utc>>,
        pub remaining_uses: Option<i64>,
        pub deleted_at: Option<DateTime<Utc>>,
        pub roles: String,
        pub allow_redelegation: bool,
        pub redelegation_count: i64,
        pub redelegated_trust_id: Option<String>,
        pub extra: String,
    }

    plain!();
}

/// Tokens that ended before their time: all that match the set columns and were issued before.
pub mod revocations {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "revocations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub user_id: Option<String>,
        pub project_id: Option<String>,
        pub domain_id: Option<String>,
        pub trust_id: Option<String>,
        pub audit_id: Option<String>,
        pub issued_before: DateTime<Utc>,
        pub revoked_at: DateTime<Utc>,
    }

    plain!();
}

/// OAuth 1 consumers.
pub mod consumers {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "consumers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub description: Option<String>,
        pub secret: String,
        pub extra: String,
    }

    plain!();
}

/// Options of a domain that override the service's; kept and shown.
pub mod domain_configs {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "domain_configs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub domain_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub config_group: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub option: String,
        pub value: String,
    }

    plain!();
}

/// Endpoints by what they have in common; `filters` is a JSON object.
pub mod endpoint_groups {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "endpoint_groups")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub description: Option<String>,
        pub filters: String,
    }

    plain!();
}

/// Endpoints that the catalog of a project shows.
pub mod project_endpoints {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "project_endpoints")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub endpoint_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub project_id: String,
    }

    plain!();
}

/// Groups of endpoints that the catalog of a project shows.
pub mod project_endpoint_groups {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "project_endpoint_groups")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub endpoint_group_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub project_id: String,
    }

    plain!();
}
