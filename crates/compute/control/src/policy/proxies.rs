//! The old proxies to the other services.

use super::{ADMIN, ANY, MEMBER, READER, Rule, rule};

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    rule("os_compute_api:os-baremetal-nodes:list", ADMIN, "bare metal proxy: list nodes"),
    rule("os_compute_api:os-baremetal-nodes:show", ADMIN, "bare metal proxy: show node"),
    rule("os_compute_api:os-floating-ip-pools", ANY, "network proxy: external networks as pools"),
    rule("os_compute_api:os-floating-ips:create", MEMBER, "network proxy: allocate"),
    rule("os_compute_api:os-floating-ips:delete", MEMBER, "network proxy: release"),
    rule("os_compute_api:os-floating-ips:list", READER, "network proxy: list floating IPs"),
    rule("os_compute_api:os-floating-ips:show", READER, "network proxy: show"),
    rule("os_compute_api:os-networks:list", READER, "network proxy: list networks"),
    rule("os_compute_api:os-networks:show", READER, "network proxy: show network"),
    rule("os_compute_api:os-security-groups:create", MEMBER, "network proxy: create"),
    rule("os_compute_api:os-security-groups:delete", MEMBER, "network proxy: delete"),
    rule("os_compute_api:os-security-groups:get", READER, "network proxy: list"),
    rule("os_compute_api:os-security-groups:rule:create", MEMBER, "network proxy: add rule"),
    rule("os_compute_api:os-security-groups:rule:delete", MEMBER, "network proxy: delete rule"),
    rule("os_compute_api:os-security-groups:show", READER, "network proxy: show"),
    rule("os_compute_api:os-security-groups:update", MEMBER, "network proxy: rename/describe"),
    rule("os_compute_api:os-tenant-networks:list", READER, "network proxy: list"),
    rule("os_compute_api:os-tenant-networks:show", READER, "network proxy: show"),
    rule("os_compute_api:os-volumes:create", MEMBER, "volume proxy: create volume"),
    rule("os_compute_api:os-volumes:delete", MEMBER, "volume proxy: delete"),
    rule("os_compute_api:os-volumes:detail", READER, "volume proxy: list with details"),
    rule("os_compute_api:os-volumes:list", READER, "volume proxy: list volumes"),
    rule("os_compute_api:os-volumes:show", READER, "volume proxy: show"),
    rule("os_compute_api:os-volumes:snapshots:create", MEMBER, "volume proxy: create snapshot"),
    rule("os_compute_api:os-volumes:snapshots:delete", MEMBER, "volume proxy: delete"),
    rule("os_compute_api:os-volumes:snapshots:detail", READER, "volume proxy: list with details"),
    rule("os_compute_api:os-volumes:snapshots:list", READER, "volume proxy: list snapshots"),
    rule("os_compute_api:os-volumes:snapshots:show", READER, "volume proxy: show"),
];
