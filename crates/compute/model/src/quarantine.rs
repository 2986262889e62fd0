//! What becomes of a guest that a host reports.
//!
//! A guest goes only where the database says so in words: its row is deleted, or a record says that
//! this host was to let it go. Everything else that is not wanted is in *quarantine*: it is kept as
//! it is until an operator decides. A missing row proves nothing: the database may be an older copy,
//! another one, or empty.

use std::fmt::{self, Display};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::server::Server;
use crate::state::PowerState;

/// What the database says of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its row names this host.
    Wanted,
    /// It is to go, as of this epoch.
    Remove { epoch: i64 },
    /// Nothing says that it is to go.
    Quarantine(Why),
}

/// Why a guest is in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The database has no row of it.
    NoRow,
    /// Its row names another host.
    Elsewhere(String),
    /// Its row names no host.
    Nowhere,
}

impl Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NoRow => f.write_str("the database has no such server"),
            Why::Elsewhere(host) => write!(f, "the database says that it is on host {host}"),
            Why::Nowhere => f.write_str("the database says that it is on no host"),
        }
    }
}

/// Judges a guest with epoch `seen` on `host`. `row` is its row, deleted or not; `let_go` is the
/// epoch as of which this host was to let it go.
///
/// A guest with a higher epoch than that was in use after the word was given: the word is not about
/// that life of it.
pub fn judge(row: Option<&Server>, let_go: Option<i64>, host: &str, seen: i64) -> Verdict {
    if let Some(row) = row {
        if row.deleted_at.is_some() {
            return Verdict::Remove {
                epoch: row.epoch.max(seen),
            };
        }
        if row.host.as_deref() == Some(host) {
            return Verdict::Wanted;
        }
    }
    match let_go {
        Some(epoch) if seen <= epoch => Verdict::Remove { epoch },
        _ => Verdict::Quarantine(match row.map(|row| row.host.clone()) {
            None => Why::NoRow,
            Some(None) => Why::Nowhere,
            Some(Some(host)) => Why::Elsewhere(host),
        }),
    }
}

/// A guest in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    pub server_id: String,
    pub host: String,
    pub node_id: String,
    /// The epoch that the host last obeyed for this server.
    pub epoch: i64,
    pub power_state: PowerState,
    /// A sentence for operators.
    pub why: String,
    pub first_seen: DateTime<Utc>,
    pub last_seen: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(host: Option<&str>, epoch: i64) -> Server {
        Server {
            host: host.map(str::to_owned),
            epoch,
            ..crate::testing::server("0a1b2c3d-0000-4000-8000-000000000000")
        }
    }

    #[test]
    fn a_guest_goes_only_where_the_database_says_so() {
        let here = row(Some("a"), 3);
        let there = row(Some("b"), 3);
        let nowhere = row(None, 3);
        let deleted = Server {
            deleted_at: Some(DateTime::UNIX_EPOCH),
            ..here.clone()
        };
        let remove = |epoch| Verdict::Remove { epoch };
        let keep = Verdict::Quarantine;
        let elsewhere = Why::Elsewhere("b".to_owned());
        let cases = [
            (Some(&here), None, 3, Verdict::Wanted),
            // A word of an earlier time does not count where the row is here again.
            (Some(&here), Some(9), 3, Verdict::Wanted),
            (Some(&there), None, 3, keep(elsewhere.clone())),
            (Some(&there), Some(3), 3, remove(3)),
            (Some(&there), Some(4), 3, remove(4)),
            // The database is older than the guest's last operation here.
            (Some(&there), Some(3), 4, keep(elsewhere)),
            (Some(&nowhere), None, 3, keep(Why::Nowhere)),
            (Some(&nowhere), Some(3), 3, remove(3)),
            (Some(&deleted), None, 3, remove(3)),
            (Some(&deleted), None, 5, remove(5)),
            (None, None, 3, keep(Why::NoRow)),
            (None, Some(3), 3, remove(3)),
            (None, Some(2), 3, keep(Why::NoRow)),
        ];
        for (row, let_go, seen, verdict) in cases {
            let judged = judge(row, let_go, "a", seen);
            assert_eq!(judged, verdict, "{row:?} {let_go:?} {seen}");
        }
    }
}
