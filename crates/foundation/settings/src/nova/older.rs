//! Options of older releases, which Nova 34 ignores too. Those that promised something are refused all the same.

use super::libraries::TLS_OF_RABBIT;
use super::{FALSE, Fate, Group, TRUE, hint, refuse};

const D: &[&str] = &["DEFAULT"];
const GONE: &str = "Nova 34 does not have it any more";

#[rustfmt::skip]
pub(super) const GROUPS: &[Group] = &[
    refuse(&["api", "DEFAULT"], &["auth_strategy"], &["keystone"], "every request needs a token of the identity service"),
    refuse(&["libvirt"], &["num_memory_encrypted_guests"], &["0"], "the memory of guests is not encrypted"),
    refuse(&["libvirt"], &["live_migration_flag", "block_migration_flag"], &[], "migrations are not built"),
    refuse(&["oslo_messaging_rabbit"], &["kombu_ssl_ca_certs", "kombu_ssl_certfile", "kombu_ssl_keyfile", "kombu_ssl_version"], &[], TLS_OF_RABBIT),
    refuse(&["oslo_messaging_rabbit"], &["rabbit_use_ssl"], FALSE, TLS_OF_RABBIT),
    refuse(&["oslo_policy"], &["enforce_scope"], TRUE, "the scope of tokens always counts"),
    refuse(&["trusted_computing"], &["attestation_server"], &[], "hosts are not attested"),

    hint(D, &["enabled_apis", "metadata_host", "metadata_listen", "metadata_listen_port", "metadata_port", "metadata_workers",
        "osapi_compute_listen", "osapi_compute_listen_port", "osapi_compute_workers"],
        "[api] bind is the address of all REST services, [api] metadata_bind that of the metadata service"),
    hint(D, &["bandwidth_poll_interval", "bindir", "compute_manager", "config_source", "firewall_driver", "instance_dns_domain",
        "instance_usage_audit_log", "linuxnet_interface_driver", "log_format", "network_api_class", "network_manager",
        "notify_api_faults", "rpc_backend", "scheduler_driver", "use_ipv6", "use_neutron", "verbose", "watch_log_file"], GONE),
    hint(&["api"], &["hide_server_address_states", "use_forwarded_for", "fping_path"], GONE),
    hint(&["conductor"], &["manager", "topic", "use_local"], GONE),
    hint(&["scheduler"], &["driver", "host_manager", "periodic_task_interval"], GONE),
    hint(&["filter_scheduler"], &["baremetal_enabled_filters", "use_baremetal_filters"], GONE),
    hint(&["keystone_authtoken"], &["admin_password", "admin_tenant_name", "admin_token", "admin_user", "auth_admin_prefix", "auth_host",
        "auth_port", "auth_protocol", "auth_uri", "check_revocations_for_cached", "hash_algorithms", "identity_uri", "signing_dir"], GONE),
    hint(&["neutron", "placement", "glance"], &["admin_auth_url", "auth_strategy", "os_interface", "os_region_name", "url", "url_timeout"], GONE),
    hint(&["placement"], &["incomplete_consumer_project_id", "randomize_allocation_candidates"], GONE),
    hint(&["vnc"], &["keymap", "vncserver_listen", "vncserver_proxyclient_address", "xvpvncproxy_base_url", "xvpvncproxy_host", "xvpvncproxy_port"],
        "[console] bind is the console proxy's address; it reaches guests by sockets of the host"),
    hint(&["oslo_messaging_rabbit"], &["fake_rabbit", "rabbit_host", "rabbit_hosts", "rabbit_max_retries", "rabbit_password",
        "rabbit_port", "rabbit_userid", "rabbit_virtual_host"], "transport_url names the broker, and its login"),
];

/// What becomes of options of such sections.
pub(super) const FATE: Fate = Fate::Hint(GONE);

/// Sections that Nova 34 does not have, whatever they say.
pub(super) const SECTIONS: &[&str] = &[
    "cells",
    "cloudpipe",
    "cors.subdomain",
    "crypto",
    "hyperv",
    "image_file_url",
    "matchmaker_redis",
    "osapi_v21",
    "oslo_messaging_amqp",
    "oslo_messaging_zmq",
    "placement_database",
    "powervm",
    "rdp",
    "remote_debug",
    "trusted_computing",
    "xenserver",
    "xvp",
];
