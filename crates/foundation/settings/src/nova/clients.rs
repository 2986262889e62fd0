//! Sections about the services that Nova calls. Here they are parts of the same process, or not there.

use super::{FALSE, Group, hint, refuse};

const AUTH: &[&str] = &[
    "barbican_service_user",
    "cinder",
    "cyborg",
    "glance",
    "ironic",
    "keystone",
    "keystone_authtoken",
    "manila",
    "neutron",
    "oslo_limit",
    "placement",
    "service_user",
    "vendordata_dynamic_auth",
];
/// Those and what has options about TLS alone.
const TLS: &[&str] = &[
    "barbican",
    "barbican_service_user",
    "cinder",
    "cyborg",
    "glance",
    "ironic",
    "keystone",
    "keystone_authtoken",
    "manila",
    "neutron",
    "oslo_limit",
    "placement",
    "service_user",
    "vendordata_dynamic_auth",
];
/// Services that a catalog may name.
const CATALOG: &[&str] = &[
    "cinder",
    "cyborg",
    "glance",
    "ironic",
    "keystone",
    "keystone_authtoken",
    "manila",
    "neutron",
    "oslo_limit",
    "placement",
];
const KEYS: &str = "no keys are asked for: nothing is encrypted";
const MEMCACHED: &str = "what tokens say is kept in the process";
const WITHIN: &str = "services of the same process are called without a network";

#[rustfmt::skip]
pub(super) const GROUPS: &[Group] = &[
    hint(AUTH, &["application_credential_id", "application_credential_name", "application_credential_secret", "auth_section",
        "auth_type", "default_domain_id", "default_domain_name", "domain_id", "domain_name", "password", "project_domain_id",
        "project_domain_name", "project_id", "project_name", "system_scope", "tenant_id", "tenant_name", "token", "trust_id",
        "user_domain_id", "user_domain_name", "user_id", "username"],
        "services of the same process log in as users that the cloud makes"),
    hint(AUTH, &["auth_url"], "this process is the identity service; no other one is asked"),
    refuse(TLS, &["certfile", "keyfile"], &[], "no service is called over TLS, and none is shown a certificate: all are in this process"),
    hint(TLS, &["cafile", "collect_timing", "insecure", "split_loggers", "timeout", "tls_ciphers", "tls_min_version"], WITHIN),
    refuse(CATALOG, &["endpoint_override"], &[], "this process is the service; no other one can be named"),
    hint(CATALOG, &["connect_retries", "connect_retry_delay", "max_version", "min_version", "region_name", "retriable_status_codes",
        "service_name", "service_type", "status_code_retries", "status_code_retry_delay", "valid_interfaces", "version"], WITHIN),

    refuse(&["barbican"], &["barbican_endpoint"], &[], KEYS),
    hint(&["barbican"], &["auth_endpoint", "barbican_api_version", "barbican_endpoint_type", "barbican_region_name",
        "number_of_retries", "retry_delay", "send_service_user_token", "verify_ssl", "verify_ssl_path"], KEYS),
    refuse(&["key_manager"], &["backend"], &["barbican", "castellan.key_manager.barbican_key_manager.BarbicanKeyManager"], KEYS),
    refuse(&["key_manager"], &["fixed_key"], &[], KEYS),
    hint(&["key_manager"], &["auth_type", "auth_url", "domain_id", "domain_name", "password", "project_domain_id",
        "project_domain_name", "project_id", "project_name", "reauthenticate", "token", "trust_id", "user_domain_id",
        "user_domain_name", "user_id", "username"], KEYS),
    hint(&["vault"], &["approle_role_id", "approle_secret_id", "auth_method", "auth_path", "kv_mountpoint", "kv_path", "kv_version", "namespace",
        "root_token_id", "ssl_ca_crt_file", "timeout", "token_file", "token_role", "use_ssl", "vault_url"],
        "it belongs to a backend of [key_manager] that is refused"),

    hint(&["cinder"], &["catalog_info", "cross_az_attach", "debug", "endpoint_template", "http_retries", "os_region_name"],
        "there is no volume service; what needs volumes answers 501"),
    hint(&["ironic"], &["api_max_retries", "api_retry_interval", "conductor_group", "peer_list", "serial_console_state_timeout",
        "shard", "vnc_console_state_timeout"], "it belongs to a hypervisor that compute_driver cannot name here"),
    hint(&["manila"], &["share_apply_policy_timeout"], "shares answer 501"),

    refuse(&["glance"], &["api_servers"], &[], "this process is the image service; no other one can be named"),
    refuse(&["glance"], &["default_trusted_certificate_ids"], &[], "signatures of images are not verified"),
    refuse(&["glance"], &["enable_certificate_validation", "verify_glance_signatures"], FALSE, "signatures of images are not verified"),
    refuse(&["glance"], &["enable_rbd_download"], FALSE, "hosts fetch images from the image service"),
    hint(&["glance"], &["rbd_ceph_conf", "rbd_connect_timeout", "rbd_pool", "rbd_user"], "it belongs to enable_rbd_download"),
    hint(&["glance"], &["debug", "num_retries"], WITHIN),

    refuse(&["keystone_authtoken"], &["enforce_token_bind"], &["permissive", "disabled"], "tokens are not bound to Kerberos or certificates"),
    refuse(&["keystone_authtoken"], &["service_token_roles"], &["service"], "the role of services is service"),
    refuse(&["keystone_authtoken"], &["service_token_roles_required"], &["true"], "a service's token always needs the role service"),
    hint(&["keystone_authtoken"], &["cache", "memcache_password", "memcache_pool_conn_get_timeout", "memcache_pool_dead_retry",
        "memcache_pool_maxsize", "memcache_pool_socket_timeout", "memcache_pool_unused_timeout", "memcache_sasl_enabled",
        "memcache_secret_key", "memcache_security_strategy", "memcache_tls_allowed_ciphers", "memcache_tls_cafile",
        "memcache_tls_certfile", "memcache_tls_enabled", "memcache_tls_keyfile", "memcache_use_advanced_pool",
        "memcache_username", "memcached_servers", "token_cache_time"], MEMCACHED),
    hint(&["keystone_authtoken"], &["auth_version", "delay_auth_decision", "http_connect_timeout", "http_request_max_retries",
        "include_service_catalog", "interface", "www_authenticate_uri"], "this process is the identity service; no other one is asked"),

    refuse(&["neutron"], &["physnets"], &[], "guests have no NUMA topology"),
    refuse(&["neutron_physnet_*", "neutron_tunnel"], &["numa_nodes"], &[], "guests have no NUMA topology"),
    refuse(&["neutron"], &["default_floating_pool"], &["nova"], "a request that names no pool takes of the one named nova"),
    hint(&["neutron"], &["extension_sync_interval", "http_retries"], WITHIN),
    hint(&["neutron"], &["metadata_proxy_shared_secret", "service_metadata_proxy"],
        "guests reach the metadata service by a proxy of this process, which signs with a key of its own"),
    hint(&["neutron"], &["ovs_bridge"], "the network service makes bridges of its own"),

    hint(&["oslo_limit"], &["endpoint_id", "endpoint_interface", "endpoint_region_name", "endpoint_service_name",
        "endpoint_service_type"], "it belongs to a driver of [quota] that is refused"),
    hint(&["service_user"], &["send_service_user_token"], "services call each other with tokens of their own"),
];
