//! `POST /servers/{id}/action`: one row per action, told apart by the only key of the body.

use rest::Access::{Authenticated, Rule};
use rest::words::{ACCEPTED, NO_CONTENT, OK, POST};

use super::{Route, always_refused, built, not_built, row};
use crate::proxies::{fixed_ips, floating_ips};
use crate::{consoles, servers};

#[rustfmt::skip]
pub(super) const ROWS: &[Route] = &[
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-multinic:add"), ACCEPTED, built!(fixed_ips::add)).action("addFixedIp").until(43),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-floating-ips:add"), ACCEPTED, built!(floating_ips::add)).action("addFloatingIp").until(43),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-security-groups:add"), ACCEPTED, built!(servers::security_groups::change)).action("addSecurityGroup"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-admin-password"), ACCEPTED, built!(servers::act::change_password)).action("changePassword"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:servers:confirm_resize"), NO_CONTENT, built!(servers::resize::confirm)).action("confirmResize"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-create-backup"), ACCEPTED, built!(servers::images::create_backup)).action("createBackup"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:servers:create_image"), ACCEPTED, built!(servers::images::create)).action("createImage"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-evacuate"), OK, not_built).action("evacuate"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-deferred-delete:force"), ACCEPTED, built!(servers::delete::force)).action("forceDelete"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-admin-actions:inject_network_info"), ACCEPTED, built!(servers::network_info::inject)).action("injectNetworkInfo"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-lock-server:lock"), ACCEPTED, built!(servers::lock::lock)).action("lock"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-migrate-server:migrate"), ACCEPTED, not_built).action("migrate"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-console-output"), OK, built!(consoles::output)).action("os-getConsoleOutput"),
    row(POST, "/servers/{id}/action", Authenticated, OK, always_refused).action("os-getRDPConsole").until(5),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-remote-consoles"), OK, built!(consoles::get_spice)).action("os-getSPICEConsole").until(5),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-remote-consoles"), OK, built!(consoles::get_serial)).action("os-getSerialConsole").until(5),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-remote-consoles"), OK, built!(consoles::get_vnc)).action("os-getVNCConsole").until(5),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-migrate-server:migrate_live"), ACCEPTED, not_built).action("os-migrateLive"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-admin-actions:reset_state"), ACCEPTED, built!(servers::state::reset)).action("os-resetState"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:servers:start"), ACCEPTED, built!(servers::act::start)).action("os-start"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:servers:stop"), ACCEPTED, built!(servers::act::stop)).action("os-stop"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-pause-server:pause"), ACCEPTED, built!(servers::act::pause)).action("pause"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:servers:reboot"), ACCEPTED, built!(servers::act::reboot)).action("reboot"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:servers:rebuild"), ACCEPTED, built!(servers::rebuild::rebuild)).action("rebuild"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-multinic:remove"), ACCEPTED, built!(fixed_ips::remove)).action("removeFixedIp").until(43),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-floating-ips:remove"), ACCEPTED, built!(floating_ips::remove)).action("removeFloatingIp").until(43),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-security-groups:remove"), ACCEPTED, built!(servers::security_groups::change)).action("removeSecurityGroup"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-rescue"), OK, built!(servers::rescue::rescue)).action("rescue"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:servers:resize"), ACCEPTED, built!(servers::resize::resize)).action("resize"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-deferred-delete:restore"), ACCEPTED, built!(servers::delete::restore)).action("restore"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-suspend-server:resume"), ACCEPTED, built!(servers::act::resume)).action("resume"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:servers:revert_resize"), ACCEPTED, built!(servers::resize::revert)).action("revertResize"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-shelve:shelve"), ACCEPTED, built!(servers::shelve::shelve)).action("shelve"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-shelve:shelve_offload"), ACCEPTED, built!(servers::shelve::offload)).action("shelveOffload"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-suspend-server:suspend"), ACCEPTED, built!(servers::act::suspend)).action("suspend"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:servers:trigger_crash_dump"), ACCEPTED, built!(servers::act::trigger_crash_dump)).action("trigger_crash_dump").since(17),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-lock-server:unlock"), ACCEPTED, built!(servers::lock::unlock)).action("unlock"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-pause-server:unpause"), ACCEPTED, built!(servers::act::unpause)).action("unpause"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-unrescue"), ACCEPTED, built!(servers::act::unrescue)).action("unrescue"),
    row(POST, "/servers/{id}/action", Rule("os_compute_api:os-shelve:unshelve"), ACCEPTED, built!(servers::shelve::unshelve)).action("unshelve"),
    row(POST, "/servers/{server_id}/migrations/{id}/action", Rule("os_compute_api:servers:migrations:force_complete"), ACCEPTED, not_built).action("force_complete").since(22),
];
