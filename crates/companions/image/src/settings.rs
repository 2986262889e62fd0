//! What an operator may decide about the image service.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use crate::limits::Limits;

/// Settings of the image service. The defaults are Glance's where Glance has the option; the name
/// of that option stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// URL of its database, which the caller opens; `None` for one of the caller's choice.
    pub connection: Option<String>,
    /// Whether limits of projects come from the identity service, where it has some.
    pub use_keystone_limits: bool,
    /// Folder of the image data. `incoming/` and `staging/` lie in it, so that publishing is a
    /// rename within one file system. Empty where nothing is set: the caller chooses one.
    pub image_dir: PathBuf,
    /// Largest upload in bytes [image_size_cap].
    pub size_cap: u64,
    /// Largest disk in bytes that an image may describe: a small file must not promise a disk that
    /// no host can hold. 16 TiB is the largest file of ext4.
    pub max_virtual_size: u64,
    /// Bytes that uploads leave free on the file system of `image_dir`.
    pub keep_free: u64,
    /// How long an upload may send nothing before it is given up and the image is queued again.
    pub idle_timeout: Duration,
    /// Bytes a second that uploads and the servers of imports must send at least; 0 asks for none.
    pub min_rate: u64,
    /// Over how long [`Settings::min_rate`] is measured.
    pub min_rate_window: Duration,
    /// Uploads, stagings and imports under way at once in all; each takes two threads.
    pub transfers: usize,
    /// Those of one project.
    pub transfers_per_project: usize,
    /// Downloads of one project at once; other services are not counted.
    pub downloads_per_project: usize,
    /// What a project may have unless the identity service says otherwise.
    pub limits: Limits,
    /// Values allowed for `disk_format` [disk_formats].
    pub disk_formats: Vec<String>,
    /// Values allowed for `container_format` [container_formats].
    pub container_formats: Vec<String>,
    /// Images on a page when the client names no limit [limit_param_default].
    pub default_page: u64,
    /// Most images on a page [api_limit_max].
    pub max_page: u64,
    /// Most members of an image [image_member_quota]; negative means any number.
    pub member_limit: i64,
    /// Most custom properties of an image [image_property_quota]; negative means any number.
    pub property_limit: i64,
    /// Most tags of an image [image_tag_quota]; negative means any number.
    pub tag_limit: i64,
    /// How long a finished task is kept [task_time_to_live].
    pub task_ttl: Duration,
    /// Whether administrators and services see where the data lies (`direct_url`, a `file:` URL), so
    /// that a compute host on the same machine links the file instead of downloading it.
    pub show_direct_url: bool,
    /// What `web-download` may fetch.
    pub web_download: WebDownload,
    /// A file of rules that replace defaults, `policy.yaml` or `.json` [oslo_policy policy_file].
    pub policy_file: Option<PathBuf>,
}

/// Ranges of addresses, as `10.0.0.0/8`; a single address is a range of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(pub Vec<IpNet>);

impl FromStr for Ranges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(str::trim);
        let range = |part: &str| {
            let net = part.parse::<IpNet>().or_else(|error| {
                let address = part.parse::<IpAddr>();
                address.map(IpNet::from).map_err(|_| error)
            });
            net.map_err(|_| format!("'{part}' is no range of addresses such as 10.0.0.0/8"))
        };
        let ranges = parts.filter(|part| !part.is_empty()).map(range);
        ranges.collect::<Result<_, _>>().map(Ranges)
    }
}

/// What the import method `web-download` may fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebDownload {
    /// URL schemes [allowed_schemes].
    pub schemes: Vec<String>,
    /// Ports; empty means any [allowed_ports].
    pub ports: Vec<u16>,
    /// Ports refused [disallowed_ports].
    pub refused_ports: Vec<u16>,
    /// Host names; empty means any [allowed_hosts].
    pub hosts: Vec<String>,
    /// Host names refused [disallowed_hosts].
    pub refused_hosts: Vec<String>,
    /// Ranges that may be asked although they are private, shared, link-local or this machine's own:
    /// users reach through us what lies there.
    pub ranges: Ranges,
    /// How long a server may take to connect or to send the next piece.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        settings::defaults()
    }
}

impl Default for WebDownload {
    fn default() -> Self {
        Settings::default().web_download
    }
}
