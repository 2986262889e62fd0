//! What an operator decides about the use cases. Names and defaults are Nova's.

use std::collections::BTreeMap;
use std::time::Duration;

use compute_model::quota::Resource;

/// Settings of the use cases.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest page of any list (`[api] max_limit`).
    pub max_limit: u64,
    /// Most servers of one request (`[api] max_servers_per_request`): what one transaction writes is bounded, whatever
    /// quotas allow.
    pub max_servers_per_request: u32,
    /// Zone of hosts in no aggregate with a zone (`default_availability_zone`).
    pub default_availability_zone: String,
    /// Zone given to servers that ask for none (`default_schedule_zone`).
    pub default_schedule_zone: Option<String>,
    /// Zone that services other than compute are shown in (`internal_service_availability_zone`).
    pub internal_service_availability_zone: String,
    /// Characters of a generated `adminPass` (`password_length`).
    pub password_length: usize,
    /// Whether `adminPass` is shown (`[api] enable_instance_password`).
    pub enable_instance_password: bool,
    /// A service that has not reported for so long is down (`service_down_time`).
    pub service_down_time: Duration,
    /// `[quota]`: defaults that differ from the built-in ones.
    pub quotas: BTreeMap<Resource, i64>,
    /// Every new server gets a config drive (`force_config_drive`).
    pub force_config_drive: bool,
    /// Most disks on the host of a new server, its root too (`max_local_block_devices`); -1 is without limit.
    pub max_local_block_devices: i64,
    /// After how long a shelved server leaves its host (`shelved_offload_time`): zero at once, none never by itself.
    pub shelved_offload_time: Option<Duration>,
    /// Whether deleted servers are kept for a while (`reclaim_instance_interval`).
    pub keeps_deleted: bool,
    /// How long a console token may be used (`[consoleauth] token_ttl`).
    pub console_token_ttl: Duration,
    /// Pause between two looks whether who watches events still may (`[events] check_interval`).
    pub event_check_interval: Duration,
    /// Where browsers reach the noVNC page (`[vnc] novncproxy_base_url`).
    pub novnc_base_url: String,
    /// Where browsers reach serial consoles (`[serial_console] base_url`).
    pub serial_base_url: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_limit: 1000,
            max_servers_per_request: 1000,
            default_availability_zone: "nova".to_owned(),
            default_schedule_zone: None,
            internal_service_availability_zone: "internal".to_owned(),
            password_length: 12,
            enable_instance_password: true,
            service_down_time: Duration::from_secs(60),
            quotas: BTreeMap::new(),
            force_config_drive: false,
            max_local_block_devices: 3,
            shelved_offload_time: Some(Duration::ZERO),
            keeps_deleted: false,
            console_token_ttl: Duration::from_secs(600),
            event_check_interval: Duration::from_secs(15),
            novnc_base_url: "http://127.0.0.1:6080/vnc_auto.html".to_owned(),
            serial_base_url: "ws://127.0.0.1:6083/".to_owned(),
        }
    }
}
