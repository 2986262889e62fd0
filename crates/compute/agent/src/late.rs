//! Commands that come late.
//!
//! What was sent to a host that was away waits for it in a queue. When the host returns, whoever sent
//! it may have given up long ago, told the user so, or done it elsewhere.

use std::time::Duration;

use bus::{Failure, Options};
use chrono::{DateTime, TimeDelta, Utc};
use compute_model::Server;
use compute_model::fault::Kind;
use compute_rpc::conductor::{self, StillWanted};
use compute_rpc::{code, failure};

use crate::Host;

/// A command that waited for longer than this is asked about. Clocks that differ by more cost a
/// question for each command, no more.
const LATE: TimeDelta = TimeDelta::seconds(10);

/// How long the answer may take.
const CONDUCTOR_TIMEOUT: Duration = Duration::from_secs(5);

/// Refuses a late command that nobody waits for any more.
///
/// # Errors
/// Stale; or busy, when no conductor answers.
pub async fn refuse(
    host: &Host,
    server: &Server,
    sent_at: Option<DateTime<Utc>>,
) -> Result<(), Failure> {
    let Some(sent_at) = sent_at.filter(|sent_at| Utc::now() - *sent_at > LATE) else {
        return Ok(());
    };
    let question = StillWanted {
        host: host.settings.host.clone(),
        server_id: server.id.clone(),
        epoch: server.epoch,
    };
    let options = Options::default().deadline(CONDUCTOR_TIMEOUT);
    let asked = host
        .bus
        .call(&conductor::address(), question, options)
        .await;
    match asked {
        Ok(true) => Ok(()),
        Ok(false) => {
            tracing::warn!(server = server.id, %sent_at, "a command came too late");
            let text = format!("the command of {sent_at} came too late");
            Err(failure(code::STALE, Kind::Overtaken, text))
        }
        Err(error) => {
            let text = format!("nobody says whether a late command is still wanted: {error}");
            Err(failure(code::BUSY, Kind::Busy, text))
        }
    }
}
