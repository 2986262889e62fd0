//! What servers used in a period: hours, and processors, memory and disk times hours.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::Server;

/// A period of time; its start does not lie after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
}

/// A period as it is asked for. What is left out is now.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'w> {
    pub start: Option<&'w str>,
    pub end: Option<&'w str>,
    pub now: DateTime<Utc>,
}

/// Why something is no period; the texts are Nova's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPeriod {
    #[error("Invalid datetime string: Datetime is in invalid format")]
    Unreadable,
    #[error("Invalid start time. The start time cannot occur after the end time.")]
    Backwards,
}

/// The forms in which a moment may be given, in UTC.
const FORMS: &[&str] = &["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];

impl Wanted<'_> {
    /// The period, which ends now at the latest.
    ///
    /// # Errors
    /// A moment that cannot be read, or a period without length.
    pub fn period(&self) -> Result<Period, NoPeriod> {
        let read = |text: Option<&str>| match text.filter(|text| !text.is_empty()) {
            None => Ok(self.now),
            Some(text) => moment(text).ok_or(NoPeriod::Unreadable),
        };
        let (start, end) = (read(self.start)?, read(self.end)?);
        if start >= end {
            return Err(NoPeriod::Backwards);
        }
        // One that lies ahead holds nothing.
        let end = end.min(self.now);
        let start = start.min(end);
        Ok(Period { start, end })
    }
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let mut read = FORMS
        .iter()
        .filter_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    read.next().map(|naive| naive.and_utc())
}

impl Period {
    /// The hours of the period in which a server was there: from its first start until it was deleted, whatever state
    /// it was in.
    pub fn hours(&self, server: &Server) -> f64 {
        let Some(launched) = server.launched_at else {
            return 0.0;
        };
        let from = launched.max(self.start);
        let until = server.terminated_at.unwrap_or(self.end).min(self.end);
        hours(until - from).max(0.0)
    }
}

fn hours(span: TimeDelta) -> f64 {
    span.as_seconds_f64() / 3600.0
}

/// What one project used. The sums are amounts times hours: MiB, GiB, processors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectUsage {
    pub project_id: String,
    pub hours: f64,
    pub memory_mb: f64,
    pub local_gb: f64,
    pub vcpus: f64,
    pub servers: Vec<Server>,
}

/// The usage of servers by project, in the order in which projects come.
pub fn by_project(period: Period, servers: Vec<Server>) -> Vec<ProjectUsage> {
    let mut all: Vec<ProjectUsage> = Vec::new();
    for server in servers {
        let known = all
            .iter()
            .position(|usage| usage.project_id == server.project_id);
        let at = known.unwrap_or_else(|| {
            all.push(ProjectUsage {
                project_id: server.project_id.clone(),
                ..ProjectUsage::default()
            });
            all.len() - 1
        });
        let usage = &mut all[at];
        let hours = period.hours(&server);
        usage.hours += hours;
        usage.memory_mb += f64::from(server.flavor.ram) * hours;
        usage.local_gb += f64::from(local_gb(&server)) * hours;
        usage.vcpus += f64::from(server.flavor.vcpus) * hours;
        usage.servers.push(server);
    }
    all
}

/// The disk of a server's flavor, root and ephemeral, in GiB; as in Nova also of one that boots from a volume.
pub fn local_gb(server: &Server) -> u32 {
    server.flavor.disk.saturating_add(server.flavor.ephemeral)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ServerImage;
    use crate::testing::server;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
    }

    #[test]
    fn a_server_counts_from_its_first_start_to_its_end_within_the_period() {
        let period = Period {
            start: at(10),
            end: at(20),
        };
        for (launched, terminated, hours) in [
            (None, None, 0.0),
            (None, Some(15), 0.0),
            (Some(0), None, 10.0),
            (Some(12), None, 8.0),
            (Some(12), Some(15), 3.0),
            (Some(0), Some(30), 10.0),
            (Some(0), Some(5), 0.0),
            (Some(25), None, 0.0),
        ] {
            let mut server = server("s1");
            server.launched_at = launched.map(at);
            server.terminated_at = terminated.map(at);
            let counted = period.hours(&server);
            assert!(
                (counted - hours).abs() < 1e-9,
                "{launched:?} {terminated:?}: {counted}"
            );
        }
    }

    #[test]
    fn a_period_is_read_in_novas_forms_and_ends_now_at_the_latest() {
        let read = |start: &'static str, end: &'static str| {
            let (start, end) = (Some(start), Some(end));
            let now = at(48);
            Wanted { start, end, now }.period()
        };
        let of = |start, end| {
            Ok(Period {
                start: at(start),
                end: at(end),
            })
        };
        assert_eq!(
            read("1970-01-01T01:00:00", "1970-01-01T03:00:00.000000"),
            of(1, 3)
        );
        assert_eq!(
            read("1970-01-01 01:00:00.5", "").expect("a period").end,
            at(48)
        );
        assert_eq!(
            read("1970-01-02T00:00:00", "1990-01-01T00:00:00"),
            of(24, 48)
        );
        assert_eq!(
            read("1980-01-01T00:00:00", "1990-01-01T00:00:00"),
            of(48, 48)
        );
        assert_eq!(read("", ""), Err(NoPeriod::Backwards));
        assert_eq!(
            read("1970-01-01T03:00:00", "1970-01-01T01:00:00"),
            Err(NoPeriod::Backwards)
        );
        for text in ["yesterday", "1970-13-01T00:00:00", "1970-01-01", "0"] {
            assert_eq!(read(text, ""), Err(NoPeriod::Unreadable), "{text}");
        }
    }

    #[test]
    fn the_disk_of_the_flavor_counts_wherever_the_root_is() {
        let mut server = server("s1");
        (server.flavor.disk, server.flavor.ephemeral) = (3, 2);
        assert_eq!(local_gb(&server), 5);
        server.image = Some(ServerImage::default());
        assert_eq!(local_gb(&server), 5);
    }

    #[test]
    fn projects_are_summed_apart_by_what_their_servers_hold() {
        let period = Period {
            start: at(0),
            end: at(10),
        };
        let of = |project: &str, vcpus, hours: i64| {
            let mut server = server("s1");
            server.project_id = project.to_owned();
            server.flavor.vcpus = vcpus;
            server.flavor.ram = 512;
            (server.flavor.disk, server.flavor.ephemeral) = (3, 2);
            server.image = Some(ServerImage::default());
            server.launched_at = Some(at(10 - hours));
            server
        };
        let usages = by_project(period, vec![of("a", 1, 2), of("b", 4, 1), of("a", 2, 4)]);
        let seen: Vec<_> = usages
            .iter()
            .map(|usage| {
                (
                    usage.project_id.as_str(),
                    usage.hours,
                    usage.vcpus,
                    usage.servers.len(),
                )
            })
            .collect();
        assert_eq!(seen, [("a", 6.0, 10.0, 2), ("b", 1.0, 4.0, 1)]);
        assert_eq!((usages[0].memory_mb, usages[0].local_gb), (3072.0, 30.0));
    }
}
