//! What a project sees besides its servers: versions, limits, key pairs, groups, quotas, usage.

use super::Access::{Authenticated, Rule};
use super::codes::{ACCEPTED, CREATED, NO_CONTENT, OK};
use super::methods::{DELETE, GET, POST, PUT};
use super::{Route, built, not_built, row};
use crate::versions;

#[rustfmt::skip]
pub(super) const ROWS: &[Route] = &[
    row(GET, "/versions/{id}", Authenticated, OK, built!(versions::show)),
    row(GET, "/extensions", Rule("os_compute_api:extensions"), OK, not_built),
    row(GET, "/extensions/{id}", Rule("os_compute_api:extensions"), OK, not_built),
    row(GET, "/limits", Rule("os_compute_api:limits"), OK, not_built),
    row(GET, "/os-availability-zone", Rule("os_compute_api:os-availability-zone:list"), OK, not_built),
    row(GET, "/os-availability-zone/detail", Rule("os_compute_api:os-availability-zone:detail"), OK, not_built),
    row(GET, "/os-keypairs", Rule("os_compute_api:os-keypairs:index"), OK, not_built),
    row(POST, "/os-keypairs", Rule("os_compute_api:os-keypairs:create"), CREATED, not_built).before(2, OK),
    row(GET, "/os-keypairs/{id}", Rule("os_compute_api:os-keypairs:show"), OK, not_built),
    row(DELETE, "/os-keypairs/{id}", Rule("os_compute_api:os-keypairs:delete"), NO_CONTENT, not_built).before(2, ACCEPTED),
    row(GET, "/os-quota-sets/{id}", Rule("os_compute_api:os-quota-sets:show"), OK, not_built),
    row(PUT, "/os-quota-sets/{id}", Rule("os_compute_api:os-quota-sets:update"), OK, not_built),
    row(DELETE, "/os-quota-sets/{id}", Rule("os_compute_api:os-quota-sets:delete"), ACCEPTED, not_built),
    row(GET, "/os-quota-sets/{id}/detail", Rule("os_compute_api:os-quota-sets:detail"), OK, not_built),
    row(GET, "/os-quota-sets/{id}/defaults", Rule("os_compute_api:os-quota-sets:defaults"), OK, not_built),
    row(GET, "/os-server-groups", Rule("os_compute_api:os-server-groups:index"), OK, not_built),
    row(POST, "/os-server-groups", Rule("os_compute_api:os-server-groups:create"), OK, not_built),
    row(GET, "/os-server-groups/{id}", Rule("os_compute_api:os-server-groups:show"), OK, not_built),
    row(DELETE, "/os-server-groups/{id}", Rule("os_compute_api:os-server-groups:delete"), NO_CONTENT, not_built),
    row(GET, "/os-simple-tenant-usage", Rule("os_compute_api:os-simple-tenant-usage:list"), OK, not_built),
    row(GET, "/os-simple-tenant-usage/{id}", Rule("os_compute_api:os-simple-tenant-usage:show"), OK, not_built),
];
