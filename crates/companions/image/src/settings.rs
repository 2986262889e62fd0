//! What an operator may decide about the image service.

use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// Settings of the image service. The defaults are Glance's where Glance has the option; the name
/// of that option stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Folder of the image data. `incoming/` and `staging/` lie in it, so that publishing is a
    /// rename within one file system.
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

/// What the import method `web-download` may fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebDownload {
    /// URL schemes [allowed_schemes].
    pub schemes: Vec<String>,
    /// Ports; empty means any [allowed_ports].
    pub ports: Vec<u16>,
    /// Host names refused [disallowed_hosts].
    pub refused_hosts: Vec<String>,
    /// Whether loopback and link-local addresses may be asked: they belong to this machine and to
    /// the metadata service, which users must not reach through us. Off except in tests.
    pub local_addresses: bool,
    /// How long a server may take to connect or to send the next piece.
    pub timeout: Duration,
}

impl Default for WebDownload {
    fn default() -> Self {
        WebDownload {
            schemes: texts(&["http", "https"]),
            ports: vec![80, 443],
            refused_hosts: Vec::new(),
            local_addresses: false,
            timeout: Duration::from_secs(60),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            image_dir: PathBuf::from("var/images"),
            size_cap: TIB,
            max_virtual_size: 16 * TIB,
            keep_free: 64 * MIB,
            idle_timeout: Duration::from_secs(300),
            disk_formats: texts(&[
                "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop",
            ]),
            container_formats: texts(&[
                "ami",
                "ari",
                "aki",
                "bare",
                "ovf",
                "ova",
                "docker",
                "compressed",
            ]),
            default_page: 25,
            max_page: 1000,
            member_limit: 128,
            property_limit: 128,
            tag_limit: 128,
            task_ttl: Duration::from_secs(48 * 3600),
            show_direct_url: true,
            web_download: WebDownload::default(),
            policy_file: None,
        }
    }
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|&one| one.to_owned()).collect()
}
