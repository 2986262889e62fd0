//! Times as the APIs write them.

use chrono::{DateTime, SecondsFormat, Utc};

/// `2026-01-02T03:04:05Z`: compute, image, network.
pub fn seconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `2026-01-02T03:04:05.000000Z`: tokens.
pub fn micros(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// `2026-01-02T03:04:05.000000`, without a zone: several older compute bodies and block storage.
pub fn naive_micros(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}
