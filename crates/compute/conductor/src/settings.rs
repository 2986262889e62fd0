//! What an operator decides about conductors. Names and defaults are Nova's where Nova has them.

use std::time::Duration;

/// Settings of a conductor.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This machine's name (`host`).
    pub host: String,
    /// The cloud that this conductor works for: reports of hosts of another one are refused.
    pub cloud_id: String,
    /// Workflows driven at once.
    pub concurrency: usize,
    /// Hosts tried for one build (`[scheduler] max_attempts`).
    pub max_attempts: usize,
    /// A host that has not reported for so long is down (`service_down_time`).
    pub service_down_time: Duration,
    /// How long ports may take to carry traffic (`vif_plugging_timeout`); zero does not wait.
    pub vif_plugging_timeout: Duration,
    /// Whether a build fails when they do not (`vif_plugging_is_fatal`).
    pub vif_plugging_is_fatal: bool,
    /// How long a host may take to fetch an image and start a guest (`long_rpc_timeout`).
    pub build_timeout: Duration,
    /// How long a host may take for one action. A graceful stop waits for the guest
    /// (`shutdown_timeout`, 60 s), so this must be longer.
    pub action_timeout: Duration,
    /// Whether a server may get another size on the host that it is on (`allow_resize_to_same_host`). There is no other
    /// way yet.
    pub allow_resize_to_same_host: bool,
    /// After how long a new size counts as confirmed (`resize_confirm_window`); none: its owner says so.
    pub resize_confirm_window: Option<Duration>,
    /// After how long a shelved server that is still on its host leaves it (`shelved_offload_time`); none: an operator says
    /// so.
    pub shelved_offload_time: Option<Duration>,
    /// How long deleted servers are kept (`reclaim_instance_interval`); none: they go at once.
    pub reclaim_instance_interval: Option<Duration>,
    /// How long things are kept that ended.
    pub keep: Keep,
}

/// How long things are kept that ended; none: for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Deleted servers with their actions (`[database] purge_deleted_after`).
    pub deleted_servers: Option<Duration>,
    /// Actions of servers that live (`[database] purge_actions_after`).
    pub actions: Option<Duration>,
    /// The sequence of events (`[database] purge_events_after`).
    pub events: Option<Duration>,
    /// Workflows that ended (`[database] purge_workflows_after`).
    pub workflows: Option<Duration>,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Keep {
    fn default() -> Self {
        Keep {
            deleted_servers: Some(30 * DAY),
            actions: Some(365 * DAY),
            events: Some(7 * DAY),
            workflows: Some(7 * DAY),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            host: "localhost".to_owned(),
            cloud_id: String::new(),
            concurrency: 256,
            max_attempts: 3,
            service_down_time: Duration::from_secs(60),
            vif_plugging_timeout: Duration::from_secs(300),
            vif_plugging_is_fatal: true,
            build_timeout: Duration::from_secs(1800),
            action_timeout: Duration::from_secs(300),
            allow_resize_to_same_host: true,
            resize_confirm_window: None,
            shelved_offload_time: None,
            reclaim_instance_interval: None,
            keep: Keep::default(),
        }
    }
}
