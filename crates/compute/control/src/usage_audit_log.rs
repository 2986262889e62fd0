//! The log of usage audits. Hosts of this cloud make none (`instance_usage_audit`, which sends notifications, cannot be switched
//! on), so it says of each host that it has not run, as Nova does while the option is off.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use compute_db::hosts::{self, COMPUTE};

use crate::{Context, Control, ControlError, Result, policy};

/// What is known of one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageAuditLog {
    pub begins: NaiveDateTime,
    pub ends: NaiveDateTime,
    /// Those that have a compute service, disabled ones too.
    pub hosts: Vec<String>,
}

/// The last whole month before now.
///
/// # Errors
/// 403 by policy.
pub async fn list(control: &Control, cx: &Context) -> Result<UsageAuditLog> {
    of(control, cx, Utc::now().naive_utc()).await
}

/// The last whole month before a time.
///
/// # Errors
/// 400 for what is no time; 403 by policy.
pub async fn show(control: &Control, cx: &Context, before: &str) -> Result<UsageAuditLog> {
    let format = match before.contains('.') {
        true => "%Y-%m-%d %H:%M:%S%.f",
        false => "%Y-%m-%d %H:%M:%S",
    };
    let time = NaiveDateTime::parse_from_str(before, format);
    let time = time.map_err(|_| ControlError::Invalid {
        why: format!("Invalid timestamp for date {before}"),
    });
    of(control, cx, time?).await
}

async fn of(control: &Control, cx: &Context, before: NaiveDateTime) -> Result<UsageAuditLog> {
    policy::allow(control, cx)?;
    let (begins, ends) = last_month(before).ok_or_else(|| ControlError::Invalid {
        why: format!("Invalid timestamp for date {before}"),
    })?;
    let services = hosts::services(control.db.read()).await?;
    let compute = services
        .into_iter()
        .filter(|service| service.binary == COMPUTE);
    Ok(UsageAuditLog {
        begins,
        ends,
        hosts: compute.map(|service| service.host).collect(),
    })
}

/// The last month that ended before `time`: of the first moment of a month it is the one before the last, as with Nova's
/// `last_completed_audit_period`.
fn last_month(time: NaiveDateTime) -> Option<(NaiveDateTime, NaiveDateTime)> {
    let first = |date: NaiveDate| date.with_day(1).map(|day| day.and_time(NaiveTime::MIN));
    let before = |of: NaiveDateTime| first(of.date().pred_opt()?);
    let this = first(time.date())?;
    let ends = match this < time {
        true => this,
        false => before(this)?,
    };
    Some((before(ends)?, ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_month_is_one_that_ended_before() {
        let time =
            |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a time");
        for (now, begins, ends) in [
            (
                "2026-11-30 12:00:00",
                "2026-10-01 00:00:00",
                "2026-11-01 00:00:00",
            ),
            (
                "2026-01-01 00:00:01",
                "2025-12-01 00:00:00",
                "2026-01-01 00:00:00",
            ),
            (
                "2026-01-01 00:00:00",
                "2025-11-01 00:00:00",
                "2025-12-01 00:00:00",
            ),
            (
                "2024-03-15 00:00:00",
                "2024-02-01 00:00:00",
                "2024-03-01 00:00:00",
            ),
        ] {
            assert_eq!(
                last_month(time(now)),
                Some((time(begins), time(ends))),
                "{now}"
            );
        }
    }
}
