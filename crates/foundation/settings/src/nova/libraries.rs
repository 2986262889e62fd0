//! Sections of the libraries that Nova is made with.

use super::{FALSE, Group, TRUE, hint, honoured, refuse};

const CACHE: &str = "nothing is cached outside of the process";
const DATABASES: &[&str] = &["api_database", "database"];
const NOTIFICATIONS: &str = "no notifications are sent";
const PROCESSES: &str = "it is about Nova's own processes";
const RABBIT: &str =
    "the journal keeps what must outlive a broker; connections and queues have limits of their own";
pub(super) const TLS_OF_RABBIT: &str = "with rabbits:// in transport_url the broker is spoken to in TLS, and its name is verified by the machine's authorities; nothing else can be chosen";
const POLICY_SERVERS: &str = "rules ask no other server";
const TRACES: &str = "no traces are sent";

#[rustfmt::skip]
pub(super) const GROUPS: &[Group] = &[
    hint(&["cache"], &["backend", "backend_argument", "backend_expiration_time", "config_prefix", "debug_cache_backend",
        "enable_retry_client", "enable_socket_keepalive", "enabled", "expiration_time", "hashclient_dead_timeout",
        "hashclient_retry_attempts", "hashclient_retry_timeout", "memcache_dead_retry", "memcache_pool_connection_get_timeout",
        "memcache_pool_flush_on_reconnect", "memcache_pool_maxsize", "memcache_pool_unused_timeout", "memcache_sasl_enabled",
        "memcache_servers", "password", "proxies", "redis_db", "redis_sentinel_service_name", "redis_sentinels",
        "redis_server", "retry_attempts", "retry_delay", "socket_keepalive_count", "socket_keepalive_idle",
        "socket_keepalive_interval", "socket_timeout", "tls_allowed_ciphers", "tls_cafile", "tls_certfile", "tls_enabled",
        "tls_keyfile", "username"], CACHE),

    refuse(&["cors"], &["allowed_origin"], &[], "pages of other origins may not call the services: no CORS headers are sent"),
    hint(&["cors"], &["allow_credentials", "allow_headers", "allow_methods", "expose_headers", "max_age"], "it belongs to allowed_origin"),

    honoured(&["database"], &["connection", "max_pool_size", "pool_timeout"]),
    hint(&["api_database"], &["connection"], "compute has one database, [database] connection"),
    hint(&["api_database"], &["max_pool_size", "pool_timeout"], "compute has one database, and its limits stand in [database]"),
    refuse(DATABASES, &["connection_parameters"], &[], "everything that is said to the database stands in [database] connection"),
    hint(DATABASES, &["asyncio_connection", "asyncio_slave_connection", "slave_connection", "synchronous_reader"],
        "all is read from the database of [database] connection"),
    hint(DATABASES, &["backend", "connection_debug", "connection_recycle_time", "connection_trace", "db_inc_retry_interval",
        "db_max_retries", "db_max_retry_interval", "db_retry_interval", "max_overflow", "max_retries", "mysql_sql_mode",
        "mysql_wsrep_sync_wait", "retry_interval", "sqlite_synchronous", "use_db_reconnect"],
        "conflicts are tried again, and connections have limits of their own ([database])"),

    refuse(&["healthcheck"], &["backends", "disable_by_file_path", "disable_by_file_paths", "enable_by_file_paths"], &[], "whether the cloud is well is told by its own checks at /healthcheck"),
    refuse(&["healthcheck"], &["allowed_source_ranges"], &[], "everybody may ask whether the cloud is well; who has a token reads why not"),
    refuse(&["healthcheck"], &["ignore_proxied_requests"], FALSE, "everybody may ask whether the cloud is well"),
    hint(&["healthcheck"], &["detailed"], "who has a token reads at /healthcheck why a check fails"),

    hint(&["oslo_concurrency"], &["disable_process_locking", "lock_path"], PROCESSES),
    hint(&["oslo_reports"], &["file_event_handler", "file_event_handler_interval", "log_dir"], PROCESSES),
    hint(&["oslo_versionedobjects"], &["fatal_exception_format_errors"], PROCESSES),
    hint(&["privsep", "privsep_osbrick", "nova_sys_admin", "vif_plug_linux_bridge_privileged", "vif_plug_ovs_privileged"],
        &["capabilities", "group", "helper_command", "log_daemon_traceback", "logger_name", "thread_pool_size", "user"], PROCESSES),
    hint(&["os_brick"], &["lock_path", "wait_mpath_device_attempts", "wait_mpath_device_interval"], "volumes are files of the host"),
    refuse(&["os_vif_ovs"], &["isolate_vif", "per_port_bridge"], FALSE, "the network service makes bridges of its own, and opens a port when it is ready"),
    hint(&["os_vif_ovs"], &["default_qos_type", "network_device_mtu", "ovs_vsctl_timeout", "ovsdb_connection", "ovsdb_interface"],
        "the network service makes bridges of its own"),
    hint(&["os_vif_linux_bridge"], &["flat_interface", "forward_bridge_interface", "iptables_bottom_regex", "iptables_drop_action",
        "iptables_top_regex", "network_device_mtu", "use_ipv6", "vlan_interface"], "the network service makes bridges of its own"),

    refuse(&["oslo_messaging_notifications"], &["driver"], &["noop"], NOTIFICATIONS),
    hint(&["oslo_messaging_notifications"], &["retry", "topics", "transport_url"], NOTIFICATIONS),
    hint(&["oslo_messaging_kafka"], &["compression_codec", "consumer_group", "enable_auto_commit", "kafka_consumer_timeout",
        "kafka_max_fetch_bytes", "max_poll_records", "producer_batch_size", "producer_batch_timeout", "sasl_mechanism",
        "security_protocol", "ssl_cafile", "ssl_client_cert_file", "ssl_client_key_file", "ssl_client_key_password"], NOTIFICATIONS),
    refuse(&["oslo_messaging_rabbit"], &["ssl", "ssl_enforce_fips_mode"], FALSE, TLS_OF_RABBIT),
    refuse(&["oslo_messaging_rabbit"], &["ssl_ca_file", "ssl_cert_file", "ssl_key_file", "ssl_version"], &[], TLS_OF_RABBIT),
    refuse(&["oslo_messaging_rabbit"], &["rabbit_login_method"], &["AMQPLAIN", "PLAIN"], "the name and password of transport_url are the login"),
    hint(&["oslo_messaging_rabbit"], &["amqp_auto_delete", "amqp_durable_queues", "conn_pool_min_size", "conn_pool_ttl",
        "direct_mandatory_flag", "enable_cancel_on_failover", "heartbeat_in_pthread", "heartbeat_rate",
        "heartbeat_timeout_threshold", "hostname", "kombu_compression", "kombu_failover_strategy",
        "kombu_missing_consumer_retry_timeout", "kombu_reconnect_delay", "kombu_reconnect_splay", "processname",
        "rabbit_ha_queues", "rabbit_interval_max", "rabbit_qos_prefetch_count", "rabbit_quorum_delivery_limit",
        "rabbit_quorum_max_memory_bytes", "rabbit_quorum_max_memory_length", "rabbit_quorum_queue", "rabbit_retry_backoff",
        "rabbit_retry_interval", "rabbit_stream_fanout", "rabbit_transient_queues_ttl", "rabbit_transient_quorum_queue",
        "rpc_conn_pool_size", "ssl_enforce_hostname_verification", "use_queue_manager"], RABBIT),
    hint(&["oslo_messaging_metrics"], &["metrics_buffer_size", "metrics_enabled", "metrics_process_name", "metrics_socket_file",
        "metrics_thread_stop_timeout"], "metrics of the cloud are at /metrics"),

    hint(&["oslo_middleware"], &["enable_proxy_headers_parsing"], "[api] trusted_proxies names the proxies whose word counts"),
    refuse(&["oslo_middleware"], &["http_basic_auth_user_file"], &["/etc/htpasswd"], "who calls shows a token, never a password"),
    hint(&["oslo_middleware"], &["max_request_body_size"], "bodies of requests have a limit of their own"),
    refuse(&["oslo_middleware_tracing"], &["enabled"], FALSE, TRACES),
    hint(&["oslo_middleware_tracing"], &["insecure", "otlp_endpoint", "otlp_protocol", "sampling_rate", "service_name"], TRACES),
    refuse(&["profiler"], &["enabled"], FALSE, TRACES),
    hint(&["profiler", "profiler_jaeger", "profiler_otlp"], &["connection_string", "es_doc_type", "es_scroll_size", "es_scroll_time",
        "filter_error_trace", "hmac_keys", "process_tags", "sentinel_service_name", "service_name_prefix", "socket_timeout",
        "trace_management_store", "trace_requests", "trace_sqlalchemy"], TRACES),

    honoured(&["oslo_policy"], &["policy_file"]),
    refuse(&["oslo_policy"], &["enforce_new_defaults"], TRUE, "the old default rules are not kept"),
    refuse(&["oslo_policy"], &["policy_default_rule"], &["default"], "a call without a rule of its own does not exist"),
    refuse(&["oslo_policy"], &["policy_dirs"], &["policy.d"], "rules are read from policy_file"),
    refuse(&["oslo_policy"], &["remote_ssl_ca_crt_file", "remote_ssl_client_crt_file", "remote_ssl_client_key_file"], &[], POLICY_SERVERS),
    refuse(&["oslo_policy"], &["remote_ssl_verify_server_crt"], FALSE, POLICY_SERVERS),
    hint(&["oslo_policy"], &["remote_content_type", "remote_timeout"], POLICY_SERVERS),

    honoured(&["ssl"], &["cert_file", "key_file"]),
    refuse(&["ssl"], &["ca_file"], &[], "clients are known by their tokens; their certificates are not asked for"),
    refuse(&["ssl"], &["ciphers", "version"], &[], "the listeners speak TLS 1.2 and 1.3, with the ciphers of the TLS library"),
];
