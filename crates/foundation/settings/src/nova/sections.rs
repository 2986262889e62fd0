//! Nova's own sections, but for `[DEFAULT]`, `[libvirt]` and those about other services.

use super::{FALSE, Group, TRUE, hint, honoured, refuse};

const CELLS: &str = "there is one cell, in one database";
const DRIVERS: &str = "it belongs to a hypervisor that compute_driver cannot name here";
const NO_AGGREGATES: &str = "the scheduler has no filters on aggregates of placement";
const PINNED: &str = "processors of guests are not pinned";

#[rustfmt::skip]
pub(super) const GROUPS: &[Group] = &[
    honoured(&["api"], &["dhcp_domain", "enable_instance_password", "max_limit", "vendordata_jsonfile_path"]),
    refuse(&["api"], &["compute_link_prefix", "glance_link_prefix"], &[], "links begin with [api] public_url"),
    refuse(&["api"], &["config_drive_skip_versions"], &["1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01"], "what lies on config drives is fixed"),
    refuse(&["api"], &["vendordata_providers"], &["StaticJSON"], "vendor data is one document, of vendordata_jsonfile_path"),
    refuse(&["api"], &["vendordata_dynamic_targets"], &[], "no other service is asked for vendor data"),
    hint(&["api"], &["vendordata_dynamic_connect_timeout", "vendordata_dynamic_failure_fatal",
        "vendordata_dynamic_read_timeout", "vendordata_dynamic_ssl_certfile"],
        "it belongs to vendordata_dynamic_targets"),
    hint(&["api"], &["instance_list_cells_batch_fixed_size", "instance_list_cells_batch_strategy",
        "instance_list_per_project_cells", "list_records_by_skipping_down_cells", "local_metadata_per_cell"], CELLS),
    hint(&["api"], &["metadata_cache_expiration"], "guests read what holds now"),
    hint(&["api"], &["neutron_default_project_id", "use_neutron_default_nets"], "os-tenant-networks answers 501"),
    hint(&["api"], &["response_validation"], "answers are made from types that have Nova's shapes"),

    refuse(&["compute"], &["cpu_dedicated_set", "cpu_shared_set"], &[], PINNED),
    refuse(&["compute"], &["image_type_exclude_list"], &[], "no kind of image can be kept from single hosts"),
    refuse(&["compute"], &["provider_config_location"], &["/etc/nova/provider_config/", "/etc/nova/provider_config"], "inventories and traits of hosts are what their drivers report"),
    hint(&["compute"], &["consecutive_build_service_disable_threshold"],
        "[filter_scheduler] build_failure_weight_multiplier says how much failed builds count"),
    hint(&["compute"], &["live_migration_wait_for_vif_plug"], "migrations answer 501"),
    hint(&["compute"], &["max_concurrent_disk_ops", "resource_provider_association_refresh", "shutdown_retry_interval",
        "sharing_providers_max_uuids_per_request", "update_resources_max_workers"],
        "it is about Nova's own processes"),
    refuse(&["compute"], &["max_disk_devices_to_attach"], &["-1"], "how many volumes a server can have is bounded by its machine alone"),
    hint(&["compute"], &["packing_host_numa_cells_allocation_strategy"], "guests have no NUMA topology"),
    hint(&["compute"], &["vmdk_allowed_types"], "no guest starts from a VMDK image"),

    hint(&["conductor", "scheduler"], &["workers"], "one process does all the work"),
    honoured(&["console"], &["allowed_origins"]),
    refuse(&["console"], &["ssl_ciphers"], &[], "ciphers of the listeners are chosen by the TLS library"),
    refuse(&["console"], &["ssl_minimum_version"], &["default", "tlsv1_1", "tlsv1_2"], "the listeners speak TLS 1.2 and 1.3"),
    honoured(&["consoleauth"], &["token_ttl"]),
    hint(&["consoleauth"], &["enforce_session_timeout"], "[consoleauth] session_limit always ends a console"),

    refuse(&["devices"], &["enabled_mdev_types"], &[], "no devices of the host are given to guests"),
    refuse(&["mdev_*", "vgpu_*"], &["device_addresses", "max_instances", "mdev_class"], &[], "no devices of the host are given to guests"),
    refuse(&["ephemeral_storage_encryption"], &["enabled"], FALSE, "disks of servers are not encrypted"),
    hint(&["ephemeral_storage_encryption"], &["cipher", "default_format", "key_size"], "it belongs to enabled"),

    honoured(&["filter_scheduler"], &[
        "aggregate_image_properties_isolation_namespace", "aggregate_image_properties_isolation_separator",
        "build_failure_weight_multiplier", "cpu_weight_multiplier", "disk_weight_multiplier", "enabled_filters",
        "host_subset_size", "hypervisor_version_weight_multiplier", "image_properties_default_architecture",
        "image_props_weight_multiplier", "image_props_weight_setting", "io_ops_weight_multiplier", "isolated_hosts",
        "isolated_images", "max_instances_per_host", "max_io_ops_per_host", "num_instances_weight_multiplier",
        "ram_weight_multiplier", "restrict_isolated_hosts_to_isolated_images", "soft_affinity_weight_multiplier",
        "soft_anti_affinity_weight_multiplier"]),
    refuse(&["filter_scheduler"], &["available_filters"], &["nova.scheduler.filters.all_filters"], "the filters that there are cannot be added to; enabled_filters names those that run"),
    refuse(&["filter_scheduler"], &["weight_classes"], &["nova.scheduler.weights.all_weighers"], "the weighers that there are all run; a multiplier of 0 silences one"),
    refuse(&["filter_scheduler"], &["pci_in_placement"], FALSE, "no PCI devices are given to guests"),
    refuse(&["filter_scheduler"], &["pci_weight_multiplier"], &["1", "0"], "there is no weigher for PCI devices"),
    refuse(&["filter_scheduler"], &["cross_cell_move_weight_multiplier"], &["1000000", "0"], "there is no weigher for cells"),
    hint(&["filter_scheduler"], &["shuffle_best_same_weighed_hosts"], "hosts of equal weight are always taken at random"),
    hint(&["filter_scheduler"], &["track_instance_changes"], "the scheduler reads the servers of hosts for each question"),
    hint(&["guestfs"], &["debug"], "nothing is written into the file systems of images"),

    honoured(&["image_cache"], &["manager_interval", "remove_unused_base_images", "remove_unused_original_minimum_age_seconds"]),
    hint(&["image_cache"], &["precache_concurrency"], "caching images ahead answers 501"),
    hint(&["image_cache"], &["remove_unused_resized_minimum_age_seconds"], "images are not cached in other sizes"),
    hint(&["image_cache"], &["subdirectory_name"], "the cache lies in the folder of state_path"),

    refuse(&["metrics"], &["weight_setting"], &[], "hosts measure no metrics for the scheduler"),
    hint(&["metrics"], &["required", "weight_multiplier", "weight_of_unavailable"], "it belongs to weight_setting"),
    hint(&["mks"], &["enabled", "mksproxy_base_url"], "only VMware's hosts have MKS consoles"),

    refuse(&["notifications"], &["notify_on_state_change"], &["None"], "no notifications are sent"),
    hint(&["notifications"], &["bdms_in_notifications", "default_level", "include_share_mapping", "notification_format",
        "versioned_notifications_topics"], "no notifications are sent"),

    refuse(&["pci"], &["alias", "device_spec"], &[], "no PCI devices are given to guests"),
    refuse(&["pci"], &["report_in_placement"], FALSE, "no PCI devices are given to guests"),

    honoured(&["quota"], &[
        "cores", "injected_file_content_bytes", "injected_file_path_length", "injected_files", "instances", "key_pairs",
        "metadata_items", "ram", "server_group_members", "server_groups"]),
    refuse(&["quota"], &["driver"], &["nova.quota.DbQuotaDriver"], "quotas are those of os-quota-sets, kept with compute; there are no others, and they cannot be switched off"),
    hint(&["quota"], &["count_usage_from_placement", "recheck_quota"], "usage is counted and claimed in one transaction"),
    hint(&["quota"], &["unified_limits_resource_list", "unified_limits_resource_strategy"], "it belongs to a driver that is refused"),

    honoured(&["scheduler"], &["max_attempts"]),
    refuse(&["scheduler"], &["enable_isolated_aggregate_filtering", "image_metadata_prefilter",
        "limit_tenants_to_placement_aggregate", "placement_aggregate_required_for_tenants",
        "query_placement_for_image_type_support", "query_placement_for_routed_network_aggregates"], FALSE, NO_AGGREGATES),
    hint(&["scheduler"], &["discover_hosts_in_cells_interval"], CELLS),
    hint(&["scheduler"], &["max_placement_results"], "the scheduler looks at all hosts"),

    honoured(&["serial_console"], &["base_url"]),
    hint(&["serial_console"], &["enabled"], "serial consoles are always there, for who may open them"),
    hint(&["serial_console"], &["port_range", "proxyclient_address", "serialproxy_host", "serialproxy_port"],
        "[console] bind is the console proxy's address; it reaches guests by sockets of the host"),

    refuse(&["spice"], &["enabled"], FALSE, "there is no SPICE; screens are shown by VNC"),
    hint(&["spice"], &["agent_enabled", "html5proxy_base_url", "html5proxy_host", "html5proxy_port", "image_compression",
        "jpeg_compression", "playback_compression", "require_secure", "server_listen", "server_proxyclient_address",
        "spice_direct_proxy_base_url", "streaming_mode", "zlib_compression"], "it belongs to enabled"),

    hint(&["upgrade_levels"], &["baseapi", "compute", "conductor", "scheduler"], "messages have new fields with defaults, and no versions to pin"),
    hint(&["vmware"], &["api_retry_count", "ca_file", "cache_prefix", "cluster_name", "connection_pool_size",
        "console_delay_seconds", "datastore_regex", "host_ip", "host_password", "host_port", "host_username", "insecure",
        "integration_bridge", "maximum_objects", "pbm_default_policy", "pbm_enabled", "pbm_wsdl_location",
        "serial_log_dir", "serial_port_proxy_uri", "serial_port_service_uri", "task_poll_interval", "use_linked_clone",
        "vnc_keymap", "vnc_port", "vnc_port_total"], DRIVERS),
    hint(&["zvm"], &["ca_file", "cloud_connector_url", "image_tmp_path", "reachable_timeout"], DRIVERS),

    honoured(&["vnc"], &["novncproxy_base_url"]),
    refuse(&["vnc"], &["enabled"], TRUE, "screens are always there, for who may open them"),
    refuse(&["vnc"], &["auth_schemes"], &["none"], "screens are reached by sockets of the host, without VeNCrypt"),
    refuse(&["vnc"], &["vencrypt_ca_certs", "vencrypt_client_cert", "vencrypt_client_key"], &[], "screens are reached by sockets of the host, without VeNCrypt"),
    hint(&["vnc"], &["novncproxy_host", "novncproxy_port", "server_listen", "server_proxyclient_address"],
        "[console] bind is the console proxy's address; it reaches guests by sockets of the host"),

    refuse(&["workarounds"], &["handle_virt_lifecycle_events"], TRUE, "hosts report changes of guests at once"),
    refuse(&["workarounds"], &["libvirt_disable_apic"], FALSE, "guests have an APIC"),
    refuse(&["workarounds"], &["never_download_image_if_on_rbd"], FALSE, "hosts fetch images from the image service"),
    refuse(&["workarounds"], &["reserve_disk_resource_for_image_cache"], FALSE, "[image_cache] budget limits what cached images take"),
    hint(&["workarounds"], &["disable_compute_service_check_for_ffu", "disable_rootwrap", "skip_cpu_compare_at_startup"],
        "it is about Nova's own processes"),
    hint(&["workarounds"], &["disable_deep_image_inspection"], "images are always inspected"),
    hint(&["workarounds"], &["disable_group_policy_check_upcall"], "claims always keep the policy of a server group"),
    hint(&["workarounds"], &["disable_fallback_pcpu_query", "unified_limits_count_pcpu_as_vcpu"], PINNED),
    hint(&["workarounds"], &["disable_libvirt_livesnapshot"], "only libvirt's hosts read it"),
    hint(&["workarounds"], &["enable_numa_live_migration", "enable_qemu_monitor_announce_self",
        "qemu_monitor_announce_self_count", "qemu_monitor_announce_self_interval", "skip_cpu_compare_on_dest",
        "skip_hypervisor_version_check_on_lm"], "migrations answer 501"),
    hint(&["workarounds"], &["ensure_libvirt_rbd_instance_dir_cleanup", "skip_reserve_in_use_ironic_nodes"], DRIVERS),
    hint(&["workarounds"], &["wait_for_vif_plugged_event_during_hard_reboot"], "a reboot keeps the taps of its guest"),

    hint(&["wsgi"], &["api_paste_config"], "what a request passes through is fixed"),
    hint(&["wsgi"], &["secure_proxy_ssl_header"], "[api] public_url is what clients call the front door; [api] trusted_proxies names those in front"),
];
