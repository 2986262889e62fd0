//! What a project sees besides its servers: versions, limits, key pairs, groups, quotas, usage.

use rest::Access::{Authenticated, Rule};
use rest::words::{ACCEPTED, CREATED, DELETE, GET, NO_CONTENT, OK, POST, PUT};

use super::{Route, built, row};
use crate::{
    availability_zones, extensions, keypairs, limits, quota_sets, server_groups, tenant_usages,
    versions,
};

#[rustfmt::skip]
pub(super) const ROWS: &[Route] = &[
    row(GET, "/versions/{id}", Authenticated, OK, built!(versions::show)),
    row(GET, "/extensions", Rule("os_compute_api:extensions"), OK, built!(extensions::list)),
    row(GET, "/extensions/{id}", Rule("os_compute_api:extensions"), OK, built!(extensions::show)),
    row(GET, "/limits", Rule("os_compute_api:limits"), OK, built!(limits::show)),
    row(GET, "/os-availability-zone", Rule("os_compute_api:os-availability-zone:list"), OK, built!(availability_zones::list)),
    row(GET, "/os-availability-zone/detail", Rule("os_compute_api:os-availability-zone:detail"), OK, built!(availability_zones::detail)),
    row(GET, "/os-keypairs", Rule("os_compute_api:os-keypairs:index"), OK, built!(keypairs::list)),
    row(POST, "/os-keypairs", Rule("os_compute_api:os-keypairs:create"), CREATED, built!(keypairs::create)).before(2, OK),
    row(GET, "/os-keypairs/{id}", Rule("os_compute_api:os-keypairs:show"), OK, built!(keypairs::show)),
    row(DELETE, "/os-keypairs/{id}", Rule("os_compute_api:os-keypairs:delete"), NO_CONTENT, built!(keypairs::delete)).before(2, ACCEPTED),
    row(GET, "/os-quota-sets/{id}", Rule("os_compute_api:os-quota-sets:show"), OK, built!(quota_sets::show)),
    row(PUT, "/os-quota-sets/{id}", Rule("os_compute_api:os-quota-sets:update"), OK, built!(quota_sets::update)),
    row(DELETE, "/os-quota-sets/{id}", Rule("os_compute_api:os-quota-sets:delete"), ACCEPTED, built!(quota_sets::delete)),
    row(GET, "/os-quota-sets/{id}/detail", Rule("os_compute_api:os-quota-sets:detail"), OK, built!(quota_sets::detail)),
    row(GET, "/os-quota-sets/{id}/defaults", Rule("os_compute_api:os-quota-sets:defaults"), OK, built!(quota_sets::defaults)),
    row(GET, "/os-server-groups", Rule("os_compute_api:os-server-groups:index"), OK, built!(server_groups::list)),
    row(POST, "/os-server-groups", Rule("os_compute_api:os-server-groups:create"), OK, built!(server_groups::create)),
    row(GET, "/os-server-groups/{id}", Rule("os_compute_api:os-server-groups:show"), OK, built!(server_groups::show)),
    row(DELETE, "/os-server-groups/{id}", Rule("os_compute_api:os-server-groups:delete"), NO_CONTENT, built!(server_groups::delete)),
    row(GET, "/os-simple-tenant-usage", Rule("os_compute_api:os-simple-tenant-usage:list"), OK, built!(tenant_usages::index)),
    row(GET, "/os-simple-tenant-usage/{id}", Rule("os_compute_api:os-simple-tenant-usage:show"), OK, built!(tenant_usages::show)),
];
