//! Flavors.

use super::Access::{Authenticated, Rule};
use super::codes::{ACCEPTED, OK};
use super::methods::{DELETE, GET, POST, PUT};
use super::{Route, not_built, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Route] = &[
    row(GET, "/flavors", Authenticated, OK, not_built),
    row(POST, "/flavors", Rule("os_compute_api:os-flavor-manage:create"), OK, not_built),
    row(GET, "/flavors/detail", Authenticated, OK, not_built),
    row(GET, "/flavors/{id}", Authenticated, OK, not_built),
    row(PUT, "/flavors/{id}", Rule("os_compute_api:os-flavor-manage:update"), OK, not_built).since(55),
    row(DELETE, "/flavors/{id}", Rule("os_compute_api:os-flavor-manage:delete"), ACCEPTED, not_built),
    row(POST, "/flavors/{id}/action", Rule("os_compute_api:os-flavor-access:add_tenant_access"), OK, not_built).action("addTenantAccess"),
    row(POST, "/flavors/{id}/action", Rule("os_compute_api:os-flavor-access:remove_tenant_access"), OK, not_built).action("removeTenantAccess"),
    row(GET, "/flavors/{flavor_id}/os-extra_specs", Rule("os_compute_api:os-flavor-extra-specs:index"), OK, not_built),
    row(POST, "/flavors/{flavor_id}/os-extra_specs", Rule("os_compute_api:os-flavor-extra-specs:create"), OK, not_built),
    row(GET, "/flavors/{flavor_id}/os-extra_specs/{id}", Rule("os_compute_api:os-flavor-extra-specs:show"), OK, not_built),
    row(PUT, "/flavors/{flavor_id}/os-extra_specs/{id}", Rule("os_compute_api:os-flavor-extra-specs:update"), OK, not_built),
    row(DELETE, "/flavors/{flavor_id}/os-extra_specs/{id}", Rule("os_compute_api:os-flavor-extra-specs:delete"), OK, not_built),
    row(GET, "/flavors/{flavor_id}/os-flavor-access", Rule("os_compute_api:os-flavor-access"), OK, not_built),
];
