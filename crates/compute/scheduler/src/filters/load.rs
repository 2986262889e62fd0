//! Filters on how much a host has to do already.

use super::Question;
use super::aggregates::least;
use crate::Host;

/// `IoOpsFilter`: fewer servers in heavy work than the operator allows.
pub fn few_operations(host: &Host, question: &Question) -> Result<(), String> {
    let limit = question.settings.max_io_ops_per_host;
    fewer(operations(host, question), limit, "operations")
}

/// `AggregateIoOpsFilter`: the same with the number of the host's aggregates.
pub fn few_operations_by_aggregate(host: &Host, question: &Question) -> Result<(), String> {
    let limit = least(host, "max_io_ops_per_host").unwrap_or(question.settings.max_io_ops_per_host);
    fewer(operations(host, question), limit, "operations")
}

/// `NumInstancesFilter`: fewer servers than the operator allows.
pub fn few_servers(host: &Host, question: &Question) -> Result<(), String> {
    let limit = question.settings.max_instances_per_host;
    fewer(servers(host, question), limit, "servers")
}

/// `AggregateNumInstancesFilter`: the same with the number of the host's aggregates.
pub fn few_servers_by_aggregate(host: &Host, question: &Question) -> Result<(), String> {
    let limit =
        least(host, "max_instances_per_host").unwrap_or(question.settings.max_instances_per_host);
    fewer(servers(host, question), limit, "servers")
}

/// Servers in heavy work, but for the one that is asked about: what it is in is what it asks for.
fn operations(host: &Host, question: &Question) -> u64 {
    others(question.io_operations(host), question)
}

/// Servers, but for the one that is asked about: a host that is full keeps those that it has.
fn servers(host: &Host, question: &Question) -> u64 {
    others(host.node.used.servers, question)
}

fn others(count: u64, question: &Question) -> u64 {
    count.saturating_sub(u64::from(question.request.is_there))
}

fn fewer(count: u64, limit: u64, what: &str) -> Result<(), String> {
    match count < limit {
        true => Ok(()),
        false => Err(format!("{count} {what}, {limit} may be there")),
    }
}
