//! `[libvirt]`: what Nova's libvirt driver is told, held against what the QEMU driver does.

use super::{FALSE, Group, TRUE, hint, honoured, refuse};

const L: &[&str] = &["libvirt"];
const MACHINE: &str = "[qemu] machine_type is the machine of servers whose image names none";
const PROCESSOR: &str = "guests see the processor of their host, or the one of [qemu] cpu_model";
const CACHE: &str = "QEMU chooses how disks are cached and what happens to discarded blocks";
const MEMORY: &str =
    "the memory of guests is neither encrypted nor in files or on persistent devices";

#[rustfmt::skip]
pub(super) const GROUPS: &[Group] = &[
    honoured(L, &["virt_type"]),

    refuse(L, &["connection_uri"], &["qemu:///system"], "QEMU is started by the cloud itself, on this machine"),
    refuse(L, &["cpu_mode"], &["host-passthrough", "none"], PROCESSOR),
    refuse(L, &["cpu_models", "cpu_model_extra_flags"], &[], PROCESSOR),
    refuse(L, &["cpu_power_management"], FALSE, "processors of the host are not put to sleep"),
    refuse(L, &["disk_cachemodes", "hw_disk_discard"], &[], CACHE),
    refuse(L, &["disk_prefix"], &[], "the name of a disk is that of its bus"),
    refuse(L, &["enabled_perf_events"], &[], "performance events of guests are not counted"),
    refuse(L, &["file_backed_memory", "num_intel_tdx_guests"], &["0"], MEMORY),
    refuse(L, &["pmem_namespaces"], &[], MEMORY),
    refuse(L, &["hw_machine_type"], &[], MACHINE),
    refuse(L, &["images_type"], &["default", "qcow2"], "disks of servers are qcow2 files over the cached image"),
    refuse(L, &["inject_key", "inject_password"], FALSE, "nothing is written into the file systems of images"),
    refuse(L, &["live_migration_tunnelled", "live_migration_with_native_tls"], FALSE, "migrations are not built, encrypted or not"),
    refuse(L, &["num_pcie_ports"], &["0"], "the number of spare PCIe ports is fixed"),
    refuse(L, &["rng_dev_path"], &["/dev/urandom"], "random numbers of guests come from /dev/urandom"),
    refuse(L, &["swtpm_enabled"], FALSE, "there is no virtual TPM"),
    refuse(L, &["sysinfo_serial"], &["unique"], "the serial number of a guest is the id of its server"),
    refuse(L, &["use_virtio_for_bridges"], TRUE, "network cards are virtio unless the image says otherwise (hw_vif_model)"),
    refuse(L, &["volume_enforce_multipath"], FALSE, "there are no volumes"),

    hint(L, &["cpu_power_governor_high", "cpu_power_governor_low", "cpu_power_management_strategy"],
        "they belong to cpu_power_management"),
    hint(L, &["ceph_mount_options", "ceph_mount_point_base", "iscsi_iface", "iser_use_multipath", "nfs_mount_options",
        "nfs_mount_point_base", "num_aoe_discover_tries", "num_iser_scan_tries", "num_nvme_discover_tries",
        "num_volume_scan_tries", "quobyte_client_cfg", "quobyte_mount_point_base", "rbd_connect_timeout",
        "rbd_destroy_volume_retries", "rbd_destroy_volume_retry_interval", "rbd_secret_uuid", "rbd_user",
        "smbfs_mount_options", "smbfs_mount_point_base", "use_default_aio_mode_for_volumes", "volume_use_multipath",
        "vzstorage_cache_path", "vzstorage_log_path", "vzstorage_mount_group", "vzstorage_mount_opts",
        "vzstorage_mount_perms", "vzstorage_mount_point_base", "vzstorage_mount_user"],
        "volumes are files of the host, and shares answer 501"),
    hint(L, &["device_detach_attempts", "device_detach_timeout", "images_address_space_limit", "images_cpu_time_limit",
        "max_queues", "mem_stats_period_seconds", "rx_queue_size", "tb_cache_size", "tx_queue_size"],
        "it is tuning of libvirt's driver; the QEMU driver has limits of its own"),
    hint(L, &["gid_maps", "uid_maps"], "there are no LXC guests; each guest runs as a user of its own"),
    hint(L, &["images_rbd_ceph_conf", "images_rbd_glance_copy_poll_interval", "images_rbd_glance_copy_timeout",
        "images_rbd_glance_store_name", "images_rbd_pool", "images_volume_group", "sparse_logical_volumes",
        "volume_clear", "volume_clear_size"],
        "it belongs to values of images_type that are refused"),
    hint(L, &["inject_partition"], "nothing is written into the file systems of images"),
    hint(L, &["live_migration_bandwidth", "live_migration_completion_timeout", "live_migration_downtime",
        "live_migration_downtime_delay", "live_migration_downtime_steps", "live_migration_inbound_addr",
        "live_migration_monitor_interval", "live_migration_parallel_connections", "live_migration_permit_auto_converge",
        "live_migration_permit_post_copy", "live_migration_scheme", "live_migration_timeout_action", "live_migration_uri",
        "migration_inbound_addr", "remote_filesystem_transport"],
        "migrations answer 501"),
    hint(L, &["realtime_scheduler_priority"], "guests do not run in real time; images and flavors that ask for it are refused"),
    refuse(L, &["rescue_image_id", "rescue_kernel_id", "rescue_ramdisk_id"], &[], "a server is rescued by the image of the request, or by its own"),
    refuse(L, &["snapshot_image_format"], &["qcow2"], "images of servers are qcow2"),
    hint(L, &["snapshot_compression", "snapshots_directory"], "images of servers are made below state_path, and not compressed"),
    hint(L, &["supported_tpm_secret_security", "swtpm_group", "swtpm_user"], "it belongs to swtpm_enabled"),
    hint(L, &["wait_soft_reboot_seconds"], "[DEFAULT] shutdown_timeout is how long a guest may take to shut down"),
];
