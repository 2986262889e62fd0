//! What operators and other services use: hosts, aggregates, hypervisors, migrations, events.

use rest::Access::Rule;
use rest::words::{ACCEPTED, DELETE, GET, NO_CONTENT, OK, POST, PUT};

use super::{Route, built, not_built, row};
use crate::{aggregates, consoles, servers, usage_audit_log};
use crate::{hosts, hypervisors, migrations, operations, quota_class_sets, services};

#[rustfmt::skip]
pub(super) const ROWS: &[Route] = &[
    row(GET, "/os-aggregates", Rule("os_compute_api:os-aggregates:index"), OK, built!(aggregates::list)),
    row(POST, "/os-aggregates", Rule("os_compute_api:os-aggregates:create"), OK, built!(aggregates::create)),
    row(GET, "/os-aggregates/{id}", Rule("os_compute_api:os-aggregates:show"), OK, built!(aggregates::show)),
    row(PUT, "/os-aggregates/{id}", Rule("os_compute_api:os-aggregates:update"), OK, built!(aggregates::update)),
    row(DELETE, "/os-aggregates/{id}", Rule("os_compute_api:os-aggregates:delete"), OK, built!(aggregates::delete)),
    row(POST, "/os-aggregates/{id}/action", Rule("os_compute_api:os-aggregates:add_host"), OK, built!(aggregates::add_host)).action("add_host"),
    row(POST, "/os-aggregates/{id}/action", Rule("os_compute_api:os-aggregates:remove_host"), OK, built!(aggregates::remove_host)).action("remove_host"),
    row(POST, "/os-aggregates/{id}/action", Rule("os_compute_api:os-aggregates:set_metadata"), OK, built!(aggregates::set_metadata)).action("set_metadata"),
    row(POST, "/os-aggregates/{id}/images", Rule("compute:aggregates:images"), ACCEPTED, built!(aggregates::cache_images)).since(81),
    row(POST, "/os-assisted-volume-snapshots", Rule("os_compute_api:os-assisted-volume-snapshots:create"), OK, not_built),
    row(DELETE, "/os-assisted-volume-snapshots/{id}", Rule("os_compute_api:os-assisted-volume-snapshots:delete"), NO_CONTENT, not_built),
    row(GET, "/os-console-auth-tokens/{id}", Rule("os_compute_api:os-console-auth-tokens"), OK, built!(consoles::resolve)),
    row(GET, "/os-hosts", Rule("os_compute_api:os-hosts:list"), OK, built!(hosts::index)).until(42),
    row(GET, "/os-hosts/{id}", Rule("os_compute_api:os-hosts:show"), OK, built!(hosts::show)).until(42),
    row(PUT, "/os-hosts/{id}", Rule("os_compute_api:os-hosts:update"), OK, built!(hosts::update)).until(42),
    row(GET, "/os-hosts/{id}/reboot", Rule("os_compute_api:os-hosts:reboot"), OK, built!(hosts::power)).until(42),
    row(GET, "/os-hosts/{id}/shutdown", Rule("os_compute_api:os-hosts:shutdown"), OK, built!(hosts::power)).until(42),
    row(GET, "/os-hosts/{id}/startup", Rule("os_compute_api:os-hosts:start"), OK, built!(hosts::power)).until(42),
    row(GET, "/os-hypervisors", Rule("os_compute_api:os-hypervisors:list"), OK, built!(hypervisors::list)),
    row(GET, "/os-hypervisors/detail", Rule("os_compute_api:os-hypervisors:list-detail"), OK, built!(hypervisors::detail)),
    row(GET, "/os-hypervisors/statistics", Rule("os_compute_api:os-hypervisors:statistics"), OK, built!(hypervisors::statistics)).until(87),
    row(GET, "/os-hypervisors/{id}", Rule("os_compute_api:os-hypervisors:show"), OK, built!(hypervisors::show)),
    row(GET, "/os-hypervisors/{id}/search", Rule("os_compute_api:os-hypervisors:search"), OK, built!(hypervisors::search)).until(52),
    row(GET, "/os-hypervisors/{id}/servers", Rule("os_compute_api:os-hypervisors:servers"), OK, built!(hypervisors::servers)).until(52),
    row(GET, "/os-hypervisors/{id}/uptime", Rule("os_compute_api:os-hypervisors:uptime"), OK, built!(hypervisors::uptime)).until(87),
    row(GET, "/os-instance_usage_audit_log", Rule("os_compute_api:os-instance-usage-audit-log:list"), OK, built!(usage_audit_log::index)),
    row(GET, "/os-instance_usage_audit_log/{id}", Rule("os_compute_api:os-instance-usage-audit-log:show"), OK, built!(usage_audit_log::show)),
    row(GET, "/os-kilonova-operations", Rule("os_compute_api:os-kilonova-operations:list"), OK, built!(operations::list)),
    row(GET, "/os-kilonova-operations/{id}", Rule("os_compute_api:os-kilonova-operations:show"), OK, built!(operations::show)),
    row(POST, "/os-kilonova-operations/{id}/action", Rule("os_compute_api:os-kilonova-operations:abandon"), OK, built!(operations::abandon)).action("abandon"),
    row(POST, "/os-kilonova-operations/{id}/action", Rule("os_compute_api:os-kilonova-operations:retry"), ACCEPTED, built!(operations::retry)).action("retry"),
    row(POST, "/os-kilonova-operations/{id}/action", Rule("os_compute_api:os-kilonova-operations:undo"), ACCEPTED, built!(operations::undo)).action("undo"),
    row(GET, "/os-migrations", Rule("os_compute_api:os-migrations:index"), OK, built!(migrations::index)),
    row(GET, "/os-quota-class-sets/{id}", Rule("os_compute_api:os-quota-class-sets:show"), OK, built!(quota_class_sets::show)),
    row(PUT, "/os-quota-class-sets/{id}", Rule("os_compute_api:os-quota-class-sets:update"), OK, built!(quota_class_sets::update)),
    row(POST, "/os-server-external-events", Rule("os_compute_api:os-server-external-events:create"), OK, built!(servers::events::create)),
    row(GET, "/os-services", Rule("os_compute_api:os-services:list"), OK, built!(services::list)),
    row(PUT, "/os-services/{id}", Rule("os_compute_api:os-services:update"), OK, built!(services::update)),
    row(DELETE, "/os-services/{id}", Rule("os_compute_api:os-services:delete"), NO_CONTENT, built!(services::delete)),
];
