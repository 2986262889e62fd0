//! The sections about compute. Names and defaults are Nova's where Nova has them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use compute_model::hardware::FileSystem;
use compute_model::quota::Resource;
use hypervisor_fake::{Faults, Latencies};
use ipnet::IpNet;
use settings::{MAX_SECONDS, Opt, Reader, Section};

/// `[DEFAULT]`, the part about servers and hosts.
#[derive(Debug, Clone)]
pub struct ComputeSection {
    pub default_availability_zone: String,
    pub default_schedule_zone: Option<String>,
    pub internal_service_availability_zone: String,
    pub password_length: usize,
    pub force_config_drive: bool,
    pub max_local_block_devices: i64,
    /// None: by the operating system that the image names.
    pub default_ephemeral_format: Option<FileSystem>,
    pub service_down_time: Duration,
    pub report_interval: Duration,
    pub sync_power_state_interval: Duration,
    pub max_concurrent_builds: usize,
    pub shutdown_timeout: Duration,
    pub resume_guests_state_on_host_boot: bool,
    pub vif_plugging_timeout: Duration,
    pub vif_plugging_is_fatal: bool,
    pub long_rpc_timeout: Duration,
    pub allow_resize_to_same_host: bool,
    pub resize_confirm_window: Duration,
    /// Seconds; below zero never.
    pub shelved_offload_time: i64,
    pub reclaim_instance_interval: Duration,
    pub reserved_host_memory_mb: u64,
    pub reserved_host_cpus: u32,
    pub reserved_host_disk_mb: u64,
    pub cpu_ratio: f64,
    pub ram_ratio: f64,
    pub disk_ratio: f64,
}

impl ComputeSection {
    /// After how long a shelved server leaves its host; none: never by itself.
    pub fn shelved_offload(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.shelved_offload_time).ok()?;
        Some(Duration::from_secs(seconds))
    }
}

/// A ratio of 0 would leave no room on any host. (Nova reads 0 as "not set".)
const LEAST_RATIO: f64 = 0.001;

/// Far above any sensible over-commit, and small enough that its product with a host's size is exact.
const MOST_RATIO: f64 = 1e6;

impl Section for ComputeSection {
    const NAME: &'static str = "DEFAULT";
    const ABOUT: &'static str = "Servers and hosts.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::text(
                "default_availability_zone",
                "nova",
                "Zone of hosts that are in no aggregate with a zone.",
            ),
            Opt::text(
                "default_schedule_zone",
                "",
                "Zone of servers whose user names none; any zone when empty.",
            ),
            Opt::text(
                "internal_service_availability_zone",
                "internal",
                "Zone in which services other than compute are shown.",
            ),
            Opt::integer(
                "password_length",
                "12",
                "Characters of a generated `adminPass`.",
            )
            .range(4, 255),
            Opt::boolean(
                "force_config_drive",
                "false",
                "Every new server gets a config drive.",
            ),
            Opt::integer(
                "max_local_block_devices",
                "3",
                "Most disks of a new server that lie on its host, the root too; -1 is without limit.",
            )
            .range(-1, 1000),
            Opt::text(
                "default_ephemeral_format",
                "",
                "File system of ephemeral disks whose users name none: `ext2`, `ext3`, `ext4`, `vfat`, `xfs` or `ntfs`. \
                 Empty: `ext4` where the image says `os_type=linux`, `ntfs` for `windows`, else `vfat`.",
            ),
            Opt::seconds(
                "service_down_time",
                "60",
                "A service that has not reported for so long is down.",
            )
            .seconds_range(1.0, MAX_SECONDS),
            Opt::seconds("report_interval", "10", "How often services report.")
                .seconds_range(0.1, MAX_SECONDS),
            Opt::seconds(
                "sync_power_state_interval",
                "600",
                "How often all guests are compared with the database; changes are reported at once.",
            )
            .seconds_range(1.0, MAX_SECONDS),
            Opt::integer(
                "max_concurrent_builds",
                "10",
                "Servers built at once on a host.",
            )
            .range(1, 10_000),
            Opt::seconds(
                "shutdown_timeout",
                "60",
                "How long a guest may take to shut down before its power is cut.",
            ),
            Opt::boolean(
                "resume_guests_state_on_host_boot",
                "false",
                "Whether servers that ran until their host lost its power are started when it is back, four at a time. \
                 If not, they are shown SHUTOFF.",
            ),
            Opt::seconds(
                "vif_plugging_timeout",
                "300",
                "How long ports may take to carry traffic; 0 does not wait.",
            ),
            Opt::boolean(
                "vif_plugging_is_fatal",
                "true",
                "Whether a build fails when its ports do not.",
            ),
            Opt::seconds(
                "long_rpc_timeout",
                "1800",
                "How long a host may take to fetch an image and start a guest.",
            )
            .seconds_range(1.0, MAX_SECONDS),
            Opt::boolean(
                "allow_resize_to_same_host",
                "true",
                "Whether a server gets another size on the host that it is on. There is no other way yet: false refuses \
                 all resizes.",
            ),
            Opt::seconds(
                "resize_confirm_window",
                "0",
                "After how long a new size counts as confirmed; 0: its owner says so.",
            ),
            Opt::integer(
                "shelved_offload_time",
                "0",
                "Seconds after which a shelved server leaves its host: 0 at once, -1 never by itself.",
            )
            .range(-1, 4_294_967_295),
            Opt::seconds(
                "reclaim_instance_interval",
                "0",
                "How long a deleted server is kept, off, on its host, and can be restored; 0: it goes at once.",
            ),
            Opt::integer("reserved_host_memory_mb", "512", "MiB kept from servers.")
                .range(0, i64::MAX),
            Opt::integer("reserved_host_cpus", "0", "Processors kept from servers.")
                .range(0, 100_000),
            Opt::integer(
                "reserved_host_disk_mb",
                "0",
                "MiB of disk kept from servers.",
            )
            .range(0, i64::MAX),
            Opt::float(
                "cpu_allocation_ratio",
                "4.0",
                "Virtual processors promised per real one.",
            )
            .float_range(LEAST_RATIO, MOST_RATIO)
            .formerly(&["initial_cpu_allocation_ratio"]),
            Opt::float(
                "ram_allocation_ratio",
                "1.0",
                "Memory promised per real memory.",
            )
            .float_range(LEAST_RATIO, MOST_RATIO)
            .formerly(&["initial_ram_allocation_ratio"]),
            Opt::float(
                "disk_allocation_ratio",
                "1.0",
                "Disk promised per real disk.",
            )
            .float_range(LEAST_RATIO, MOST_RATIO)
            .formerly(&["initial_disk_allocation_ratio"]),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        ComputeSection {
            default_availability_zone: from.text("default_availability_zone"),
            default_schedule_zone: from.optional("default_schedule_zone"),
            internal_service_availability_zone: from.text("internal_service_availability_zone"),
            password_length: from.integer("password_length"),
            force_config_drive: from.boolean("force_config_drive"),
            max_local_block_devices: from.integer("max_local_block_devices"),
            default_ephemeral_format: match from.text("default_ephemeral_format").is_empty() {
                true => None,
                false => from.parsed("default_ephemeral_format"),
            },
            service_down_time: from.seconds("service_down_time"),
            report_interval: from.seconds("report_interval"),
            sync_power_state_interval: from.seconds("sync_power_state_interval"),
            max_concurrent_builds: from.integer("max_concurrent_builds"),
            shutdown_timeout: from.seconds("shutdown_timeout"),
            resume_guests_state_on_host_boot: from.boolean("resume_guests_state_on_host_boot"),
            vif_plugging_timeout: from.seconds("vif_plugging_timeout"),
            vif_plugging_is_fatal: from.boolean("vif_plugging_is_fatal"),
            long_rpc_timeout: from.seconds("long_rpc_timeout"),
            allow_resize_to_same_host: from.boolean("allow_resize_to_same_host"),
            resize_confirm_window: from.seconds("resize_confirm_window"),
            shelved_offload_time: from.integer("shelved_offload_time"),
            reclaim_instance_interval: from.seconds("reclaim_instance_interval"),
            reserved_host_memory_mb: from.integer("reserved_host_memory_mb"),
            reserved_host_cpus: from.integer("reserved_host_cpus"),
            reserved_host_disk_mb: from.integer("reserved_host_disk_mb"),
            cpu_ratio: from.float("cpu_allocation_ratio"),
            ram_ratio: from.float("ram_allocation_ratio"),
            disk_ratio: from.float("disk_allocation_ratio"),
        }
    }
}

/// `[api]`.
#[derive(Debug, Clone)]
pub struct ApiSection {
    pub bind: SocketAddr,
    pub public_url: Option<String>,
    pub metadata_bind: Option<SocketAddr>,
    pub max_connections_per_address: usize,
    pub max_limit: u64,
    pub max_servers_per_request: u32,
    pub enable_instance_password: bool,
    pub dhcp_domain: String,
    pub vendordata_jsonfile_path: Option<PathBuf>,
    pub trusted_proxies: Vec<IpNet>,
}

impl Section for ApiSection {
    const NAME: &'static str = "api";
    const ABOUT: &'static str = "The front door: all REST services listen on one address, each under \
                                 its own prefix (`/identity`, `/compute`, `/image`, `/network`).";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::text(
                "bind",
                "127.0.0.1:8774",
                "Address and port; port 0 takes a free one.",
            ),
            Opt::text(
                "public_url",
                "",
                "What clients call that address, as `https://cloud.example.org`; derived from \
                 `bind` when empty.",
            ),
            Opt::text(
                "metadata_bind",
                "127.0.0.1:8775",
                "Where the metadata service listens for foreign proxies; empty: only our own \
                 proxy, in this process.",
            ),
            Opt::integer(
                "max_connections_per_address",
                "1000",
                "Most connections at once of one client address (of 64 bits in IPv6) to each listener. All \
                 clients together get a quarter of the open files that the machine allows the process.",
            )
            .range(1, 1_000_000),
            Opt::integer("max_limit", "1000", "Largest page of a list.").range(1, 100_000),
            Opt::integer(
                "max_servers_per_request",
                "1000",
                "Most servers that one request may ask for (max_count); more is refused with 400.",
            )
            .range(1, 100_000),
            Opt::boolean(
                "enable_instance_password",
                "true",
                "Whether `adminPass` is shown.",
            ),
            Opt::text(
                "dhcp_domain",
                "novalocal",
                "Appended to host names that guests are told; empty for none.",
            ),
            Opt::path(
                "vendordata_jsonfile_path",
                "",
                "A JSON document that all guests are told.",
            ),
            Opt::list(
                "trusted_proxies",
                "",
                "Addresses or ranges of proxies before the front door, as `192.0.2.7` or \
                 `192.0.2.0/24`: what their `X-Forwarded-For` says is where a request comes from. \
                 Limits per address count by it.",
            ),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let metadata = from.text("metadata_bind");
        ApiSection {
            bind: from
                .parsed("bind")
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8774))),
            public_url: from
                .optional("public_url")
                .map(|url| url.trim_end_matches('/').to_owned()),
            metadata_bind: match metadata.is_empty() {
                true => None,
                false => from.parsed("metadata_bind"),
            },
            max_connections_per_address: from.integer("max_connections_per_address"),
            max_limit: from.integer("max_limit"),
            max_servers_per_request: from.integer("max_servers_per_request"),
            enable_instance_password: from.boolean("enable_instance_password"),
            dhcp_domain: from.text("dhcp_domain"),
            vendordata_jsonfile_path: from.optional_path("vendordata_jsonfile_path"),
            trusted_proxies: ranges(from, "trusted_proxies"),
        }
    }
}

/// A list of addresses and ranges.
fn ranges(from: &mut Reader<'_>, name: &'static str) -> Vec<IpNet> {
    let mut found = Vec::new();
    for text in from.list(name) {
        let range = text.parse::<IpNet>().ok();
        match range.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)) {
            Some(range) => found.push(range),
            None => from.refuse(name, format!("{text} is neither an address nor a range")),
        }
    }
    found
}

/// `[quota]`.
#[derive(Debug, Clone)]
pub struct QuotaSection(pub BTreeMap<Resource, i64>);

/// The resources an operator sets defaults for.
const QUOTAS: &[(&str, Resource)] = &[
    ("instances", Resource::Instances),
    ("cores", Resource::Cores),
    ("ram", Resource::Ram),
    ("key_pairs", Resource::KeyPairs),
    ("server_groups", Resource::ServerGroups),
    ("server_group_members", Resource::ServerGroupMembers),
    ("metadata_items", Resource::MetadataItems),
    ("injected_files", Resource::InjectedFiles),
    (
        "injected_file_content_bytes",
        Resource::InjectedFileContentBytes,
    ),
    ("injected_file_path_length", Resource::InjectedFilePathBytes),
];

impl Section for QuotaSection {
    const NAME: &'static str = "quota";
    const ABOUT: &'static str = "How much a project may have; -1 is without limit.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::integer("instances", "10", "Servers.").range(-1, i64::MAX),
            Opt::integer("cores", "20", "Virtual processors.").range(-1, i64::MAX),
            Opt::integer("ram", "51200", "MiB of memory.").range(-1, i64::MAX),
            Opt::integer("key_pairs", "100", "Key pairs of a user.").range(-1, i64::MAX),
            Opt::integer("server_groups", "10", "Server groups.").range(-1, i64::MAX),
            Opt::integer("server_group_members", "10", "Servers of a group.").range(-1, i64::MAX),
            Opt::integer("metadata_items", "128", "Metadata items of a server.")
                .range(-1, i64::MAX),
            Opt::integer(
                "injected_files",
                "5",
                "Files injected at creation (until 2.56).",
            )
            .range(-1, i64::MAX),
            Opt::integer("injected_file_content_bytes", "10240", "Bytes of each.")
                .range(-1, i64::MAX),
            Opt::integer("injected_file_path_length", "255", "Bytes of each path.")
                .range(-1, i64::MAX),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let limits = QUOTAS.iter();
        QuotaSection(
            limits
                .map(|(name, resource)| (*resource, from.integer(name)))
                .collect(),
        )
    }
}

/// `[fake]`.
#[derive(Debug, Clone)]
pub struct FakeSection {
    pub hosts: usize,
    pub vcpus: u32,
    pub memory_mb: u64,
    pub disk_gb: u64,
    pub latencies: Latencies,
    pub faults: Faults,
    pub vnc_server: Option<String>,
    pub persistent: bool,
}

impl Section for FakeSection {
    const NAME: &'static str = "fake";
    const ABOUT: &'static str = "The simulated hypervisor.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::integer("hosts", "1", "Simulated hosts in this process.").range(1, 100_000),
            Opt::integer("vcpus", "1000", "Processors of each.").range(1, 1_000_000),
            Opt::integer("memory_mb", "800000", "MiB of each.").range(1, i64::MAX),
            Opt::integer("disk_gb", "600000", "GiB of each.").range(0, i64::MAX),
            Opt::integer("snapshot_ms", "0", "Milliseconds to copy a disk.").range(0, 3_600_000),
            Opt::integer("start_ms", "0", "Milliseconds to start a guest.").range(0, 3_600_000),
            Opt::integer("stop_ms", "0", "Milliseconds to stop one.").range(0, 3_600_000),
            Opt::text(
                "fail_start_of",
                "",
                "Guests whose name matches this do not start.",
            ),
            Opt::text(
                "vnc_server",
                "",
                "`host:port` of a VNC server that every guest shows.",
            ),
            Opt::boolean(
                "persistent",
                "true",
                "Whether guests outlive the process, as real ones do.",
            ),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        FakeSection {
            hosts: from.integer("hosts"),
            vcpus: from.integer("vcpus"),
            memory_mb: from.integer("memory_mb"),
            disk_gb: from.integer("disk_gb"),
            latencies: Latencies {
                snapshot_ms: from.integer("snapshot_ms"),
                start_ms: from.integer("start_ms"),
                stop_ms: from.integer("stop_ms"),
                ..Latencies::default()
            },
            faults: Faults {
                fail_start_of: from.optional("fail_start_of"),
                ..Faults::default()
            },
            vnc_server: from.optional("vnc_server"),
            persistent: from.boolean("persistent"),
        }
    }
}
