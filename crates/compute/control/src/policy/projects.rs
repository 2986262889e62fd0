//! What a project has besides servers: flavors, key pairs, limits, groups, usage.

use super::{ADMIN, ANY, MEMBER, OWN_USER, READER, Rule, rule};

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    rule("os_compute_api:extensions", ANY, "list the frozen v2.0-era extension catalogue"),
    rule("os_compute_api:limits", ANY, "absolute limits and usage of the project"),
    rule("os_compute_api:limits:other_project", ADMIN, "limits of another project"),
    rule("os_compute_api:os-availability-zone:detail", ADMIN, "zones with hosts and service state"),
    rule("os_compute_api:os-availability-zone:list", ANY, "list zones with available flag"),
    rule("os_compute_api:os-flavor-access", ADMIN, "projects with access"),
    rule("os_compute_api:os-flavor-access:add_tenant_access", ADMIN, "give a project access to a private flavor"),
    rule("os_compute_api:os-flavor-access:remove_tenant_access", ADMIN, "take project access away"),
    rule("os_compute_api:os-flavor-extra-specs:create", ADMIN, "set several extra specs"),
    rule("os_compute_api:os-flavor-extra-specs:delete", ADMIN, "remove one extra spec"),
    rule("os_compute_api:os-flavor-extra-specs:index", READER, "list extra specs"),
    rule("os_compute_api:os-flavor-extra-specs:show", READER, "show one extra spec"),
    rule("os_compute_api:os-flavor-extra-specs:update", ADMIN, "set one extra spec; body key must equal path key"),
    rule("os_compute_api:os-flavor-manage:create", ADMIN, "create a flavor"),
    rule("os_compute_api:os-flavor-manage:delete", ADMIN, "delete a flavor"),
    rule("os_compute_api:os-flavor-manage:update", ADMIN, "change only the description"),
    rule("os_compute_api:os-keypairs:create", OWN_USER, "import a key pair"),
    rule("os_compute_api:os-keypairs:delete", OWN_USER, "delete by name"),
    rule("os_compute_api:os-keypairs:index", OWN_USER, "list key pairs"),
    rule("os_compute_api:os-keypairs:show", OWN_USER, "show by name"),
    rule("os_compute_api:os-quota-sets:defaults", ANY, "default limits"),
    rule("os_compute_api:os-quota-sets:delete", ADMIN, "drop overrides, back to defaults"),
    rule("os_compute_api:os-quota-sets:detail", READER, "limit, in_use, reserved per resource"),
    rule("os_compute_api:os-quota-sets:show", READER, "project limits"),
    rule("os_compute_api:os-quota-sets:update", ADMIN, "set limits; force skips the usage check"),
    rule("os_compute_api:os-server-groups:create", MEMBER, "create a server group"),
    rule("os_compute_api:os-server-groups:delete", MEMBER, "delete"),
    rule("os_compute_api:os-server-groups:index", READER, "list server groups of the project"),
    rule("os_compute_api:os-server-groups:index:all_projects", ADMIN, "list server groups of all projects"),
    rule("os_compute_api:os-server-groups:show", READER, "show with live members"),
    rule("os_compute_api:os-simple-tenant-usage:list", ADMIN, "usage of every project"),
    rule("os_compute_api:os-simple-tenant-usage:show", READER, "usage of one project"),
];
