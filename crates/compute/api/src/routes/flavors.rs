//! Flavors.

use rest::Access::{Authenticated, Rule};
use rest::words::{ACCEPTED, DELETE, GET, OK, POST, PUT};

use super::{Route, built, row};
use crate::flavors::{self, access, extra_specs};

#[rustfmt::skip]
pub(super) const ROWS: &[Route] = &[
    row(GET, "/flavors", Authenticated, OK, built!(flavors::list)),
    row(POST, "/flavors", Rule("os_compute_api:os-flavor-manage:create"), OK, built!(flavors::create)),
    row(GET, "/flavors/detail", Authenticated, OK, built!(flavors::detail)),
    row(GET, "/flavors/{id}", Authenticated, OK, built!(flavors::show)),
    row(PUT, "/flavors/{id}", Rule("os_compute_api:os-flavor-manage:update"), OK, built!(flavors::update)).since(55),
    row(DELETE, "/flavors/{id}", Rule("os_compute_api:os-flavor-manage:delete"), ACCEPTED, built!(flavors::delete)),
    row(POST, "/flavors/{id}/action", Rule("os_compute_api:os-flavor-access:add_tenant_access"), OK, built!(access::add)).action("addTenantAccess"),
    row(POST, "/flavors/{id}/action", Rule("os_compute_api:os-flavor-access:remove_tenant_access"), OK, built!(access::remove)).action("removeTenantAccess"),
    row(GET, "/flavors/{flavor_id}/os-extra_specs", Rule("os_compute_api:os-flavor-extra-specs:index"), OK, built!(extra_specs::list)),
    row(POST, "/flavors/{flavor_id}/os-extra_specs", Rule("os_compute_api:os-flavor-extra-specs:create"), OK, built!(extra_specs::create)),
    row(GET, "/flavors/{flavor_id}/os-extra_specs/{id}", Rule("os_compute_api:os-flavor-extra-specs:show"), OK, built!(extra_specs::show)),
    row(PUT, "/flavors/{flavor_id}/os-extra_specs/{id}", Rule("os_compute_api:os-flavor-extra-specs:update"), OK, built!(extra_specs::update)),
    row(DELETE, "/flavors/{flavor_id}/os-extra_specs/{id}", Rule("os_compute_api:os-flavor-extra-specs:delete"), OK, built!(extra_specs::delete)),
    row(GET, "/flavors/{flavor_id}/os-flavor-access", Rule("os_compute_api:os-flavor-access"), OK, built!(access::list)),
];
