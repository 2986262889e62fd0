//! Servers and what hangs below them.

use rest::Access::Rule;
use rest::words::{ACCEPTED, CREATED, DELETE, GET, NO_CONTENT, OK, POST, PUT};

use super::{Route, built, not_built, row};
use crate::{
    consoles, diagnostics, events, instance_actions, interfaces, metadata, migrations, passwords,
    servers, tags, topology, volumes,
};

#[rustfmt::skip]
pub(super) const ROWS: &[Route] = &[
    row(GET, "/servers", Rule("os_compute_api:servers:index"), OK, built!(servers::list::index)),
    row(POST, "/servers", Rule("os_compute_api:servers:create"), ACCEPTED, built!(servers::create::create)),
    row(GET, "/servers/detail", Rule("os_compute_api:servers:detail"), OK, built!(servers::list::detail)),
    // Ours: Nova has no such call. Its rule says so, as those of `/os-kilonova-operations` do.
    row(GET, "/servers/events", Rule("os_compute_api:os-kilonova-events:index"), OK, built!(events::index)),
    row(GET, "/servers/{id}", Rule("os_compute_api:servers:show"), OK, built!(servers::show::show)),
    row(PUT, "/servers/{id}", Rule("os_compute_api:servers:update"), OK, built!(servers::update::update)),
    row(DELETE, "/servers/{id}", Rule("os_compute_api:servers:delete"), NO_CONTENT, built!(servers::delete::delete)),
    row(GET, "/servers/{server_id}/diagnostics", Rule("os_compute_api:os-server-diagnostics"), OK, built!(diagnostics::show)),
    row(GET, "/servers/{server_id}/ips", Rule("os_compute_api:ips:index"), OK, built!(servers::addresses::index)),
    row(GET, "/servers/{server_id}/ips/{id}", Rule("os_compute_api:ips:show"), OK, built!(servers::addresses::show)),
    row(GET, "/servers/{server_id}/metadata", Rule("os_compute_api:server-metadata:index"), OK, built!(metadata::index)),
    row(POST, "/servers/{server_id}/metadata", Rule("os_compute_api:server-metadata:create"), OK, built!(metadata::create)),
    row(PUT, "/servers/{server_id}/metadata", Rule("os_compute_api:server-metadata:update_all"), OK, built!(metadata::update_all)),
    row(GET, "/servers/{server_id}/metadata/{id}", Rule("os_compute_api:server-metadata:show"), OK, built!(metadata::show)),
    row(PUT, "/servers/{server_id}/metadata/{id}", Rule("os_compute_api:server-metadata:update"), OK, built!(metadata::update)),
    row(DELETE, "/servers/{server_id}/metadata/{id}", Rule("os_compute_api:server-metadata:delete"), NO_CONTENT, built!(metadata::delete)),
    row(GET, "/servers/{server_id}/migrations", Rule("os_compute_api:servers:migrations:index"), OK, built!(migrations::of_server)).since(23),
    row(GET, "/servers/{server_id}/migrations/{id}", Rule("os_compute_api:servers:migrations:show"), OK, built!(migrations::show_of_server)).since(23),
    row(DELETE, "/servers/{server_id}/migrations/{id}", Rule("os_compute_api:servers:migrations:delete"), ACCEPTED, not_built).since(24),
    row(GET, "/servers/{server_id}/os-instance-actions", Rule("os_compute_api:os-instance-actions:list"), OK, built!(instance_actions::index)),
    row(GET, "/servers/{server_id}/os-instance-actions/{id}", Rule("os_compute_api:os-instance-actions:show"), OK, built!(instance_actions::show)),
    row(GET, "/servers/{server_id}/os-interface", Rule("os_compute_api:os-attach-interfaces:list"), OK, built!(interfaces::index)),
    row(POST, "/servers/{server_id}/os-interface", Rule("os_compute_api:os-attach-interfaces:create"), OK, built!(interfaces::create)),
    row(GET, "/servers/{server_id}/os-interface/{id}", Rule("os_compute_api:os-attach-interfaces:show"), OK, built!(interfaces::show)),
    row(DELETE, "/servers/{server_id}/os-interface/{id}", Rule("os_compute_api:os-attach-interfaces:delete"), ACCEPTED, built!(interfaces::delete)),
    row(GET, "/servers/{server_id}/os-server-password", Rule("os_compute_api:os-server-password:show"), OK, built!(passwords::show)),
    row(DELETE, "/servers/{server_id}/os-server-password", Rule("os_compute_api:os-server-password:clear"), NO_CONTENT, built!(passwords::clear)),
    row(GET, "/servers/{server_id}/os-volume_attachments", Rule("os_compute_api:os-volumes-attachments:index"), OK, built!(volumes::index)),
    row(POST, "/servers/{server_id}/os-volume_attachments", Rule("os_compute_api:os-volumes-attachments:create"), ACCEPTED, built!(volumes::create)).before(101, OK),
    row(GET, "/servers/{server_id}/os-volume_attachments/{id}", Rule("os_compute_api:os-volumes-attachments:show"), OK, built!(volumes::show)),
    row(PUT, "/servers/{server_id}/os-volume_attachments/{id}", Rule("os_compute_api:os-volumes-attachments:update"), ACCEPTED, built!(volumes::update)),
    row(DELETE, "/servers/{server_id}/os-volume_attachments/{id}", Rule("os_compute_api:os-volumes-attachments:delete"), ACCEPTED, built!(volumes::delete)),
    row(POST, "/servers/{server_id}/remote-consoles", Rule("os_compute_api:os-remote-consoles"), OK, built!(consoles::create)).since(6),
    row(GET, "/servers/{server_id}/os-security-groups", Rule("os_compute_api:os-security-groups:list"), OK, built!(servers::security_groups::index)),
    row(GET, "/servers/{server_id}/shares", Rule("os_compute_api:os-server-shares:index"), OK, not_built).since(97),
    row(POST, "/servers/{server_id}/shares", Rule("os_compute_api:os-server-shares:create"), CREATED, not_built).since(97),
    row(GET, "/servers/{server_id}/shares/{id}", Rule("os_compute_api:os-server-shares:show"), OK, not_built).since(97),
    row(DELETE, "/servers/{server_id}/shares/{id}", Rule("os_compute_api:os-server-shares:delete"), OK, not_built).since(97),
    row(GET, "/servers/{server_id}/tags", Rule("os_compute_api:os-server-tags:index"), OK, built!(tags::index)).since(26),
    row(PUT, "/servers/{server_id}/tags", Rule("os_compute_api:os-server-tags:update_all"), OK, built!(tags::update_all)).since(26),
    row(DELETE, "/servers/{server_id}/tags", Rule("os_compute_api:os-server-tags:delete_all"), NO_CONTENT, built!(tags::delete_all)).since(26),
    row(GET, "/servers/{server_id}/tags/{id}", Rule("os_compute_api:os-server-tags:show"), NO_CONTENT, built!(tags::show)).since(26),
    row(PUT, "/servers/{server_id}/tags/{id}", Rule("os_compute_api:os-server-tags:update"), CREATED, built!(tags::update)).since(26),
    row(DELETE, "/servers/{server_id}/tags/{id}", Rule("os_compute_api:os-server-tags:delete"), NO_CONTENT, built!(tags::delete)).since(26),
    row(GET, "/servers/{server_id}/topology", Rule("compute:server:topology:index"), OK, built!(topology::show)).since(78),
];
