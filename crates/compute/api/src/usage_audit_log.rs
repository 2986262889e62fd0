//! `os-instance_usage_audit_log`.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::usage_audit_log::{self, UsageAuditLog};
use microversion::Versioned;
use serde::Serialize;

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::NoQuery;

/// `GET /os-instance_usage_audit_log`.
pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let found = usage_audit_log::list(&api.control, &call.cx).await?;
    call.render_under("instance_usage_audit_logs", &view(&found))
}

/// `GET /os-instance_usage_audit_log/{id}`: the id is a time.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let found = usage_audit_log::show(&api.control, &call.cx, call.path("id")).await?;
    call.render_under("instance_usage_audit_log", &view(&found))
}

fn view(found: &UsageAuditLog) -> LogView<'_> {
    let hosts = found.hosts.len();
    let done = match hosts {
        0 => "ALL".to_owned(),
        _ => format!("0 of {hosts}"),
    };
    LogView {
        period_beginning: found.begins.to_string(),
        period_ending: found.ends.to_string(),
        num_hosts: hosts,
        num_hosts_done: 0,
        num_hosts_running: 0,
        num_hosts_not_run: hosts,
        hosts_not_run: &found.hosts,
        total_instances: 0,
        total_errors: 0,
        overall_status: format!("{done} hosts done. 0 errors."),
        log: BTreeMap::new(),
    }
}

#[derive(Serialize, Versioned)]
pub struct LogView<'v> {
    pub period_beginning: String,
    pub period_ending: String,
    pub num_hosts: usize,
    pub num_hosts_done: usize,
    pub num_hosts_running: usize,
    pub num_hosts_not_run: usize,
    pub hosts_not_run: &'v [String],
    pub total_instances: u64,
    pub total_errors: u64,
    pub overall_status: String,
    /// What hosts said, by name.
    pub log: BTreeMap<String, ()>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_host_is_all_have_run() {
        let mut log = UsageAuditLog {
            begins: chrono::NaiveDateTime::MIN,
            ends: chrono::NaiveDateTime::MIN,
            hosts: Vec::new(),
        };
        assert_eq!(view(&log).overall_status, "ALL hosts done. 0 errors.");
        log.hosts = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(view(&log).overall_status, "0 of 2 hosts done. 0 errors.");
        assert_eq!(view(&log).num_hosts_not_run, 2);
    }
}
