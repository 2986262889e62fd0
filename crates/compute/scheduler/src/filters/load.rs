//! Filters on how much a host has to do already.

use super::Question;
use super::aggregates::least;
use crate::Host;

/// `IoOpsFilter`: fewer servers in heavy work than the operator allows.
pub fn few_operations(host: &Host, question: &Question) -> Result<(), String> {
    fewer(
        question.io_operations(host),
        question.settings.max_io_ops_per_host,
        "operations",
    )
}

/// `AggregateIoOpsFilter`: the same with the number of the host's aggregates.
pub fn few_operations_by_aggregate(host: &Host, question: &Question) -> Result<(), String> {
    let limit = least(host, "max_io_ops_per_host").unwrap_or(question.settings.max_io_ops_per_host);
    fewer(question.io_operations(host), limit, "operations")
}

/// `NumInstancesFilter`: fewer servers than the operator allows.
pub fn few_servers(host: &Host, question: &Question) -> Result<(), String> {
    fewer(
        host.node.used.servers,
        question.settings.max_instances_per_host,
        "servers",
    )
}

/// `AggregateNumInstancesFilter`: the same with the number of the host's aggregates.
pub fn few_servers_by_aggregate(host: &Host, question: &Question) -> Result<(), String> {
    let limit =
        least(host, "max_instances_per_host").unwrap_or(question.settings.max_instances_per_host);
    fewer(host.node.used.servers, limit, "servers")
}

fn fewer(count: u64, limit: u64, what: &str) -> Result<(), String> {
    match count < limit {
        true => Ok(()),
        false => Err(format!("{count} {what}, {limit} may be there")),
    }
}
