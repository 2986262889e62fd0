//! Looks at which agents are heard, and says which of the silent ones are dead. See [`crate::hearing`].

use chrono::TimeDelta;
use compute_db::hosts;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::env::Env;
use crate::hearing::{Heard, look_interval};

/// Looks again and again, until `stop`.
pub async fn listen(env: &Env, stop: CancellationToken) {
    let down_time = env.settings.service_down_time;
    loop {
        match hosts::silences(env.db.read()).await {
            Ok(silences) => {
                let heard = Heard::of(&silences, down_time / 2);
                env.hearing.note(Instant::now(), heard, down_time);
            }
            Err(error) => tracing::warn!(%error, "cannot see which hosts are alive"),
        }
        tokio::select! {
            () = tokio::time::sleep(look_interval(down_time)) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Why a host is dead; none while it is not, or while this conductor cannot know.
///
/// # Errors
/// The database does not answer.
pub async fn death(env: &Env, host: &str) -> compute_db::Result<Option<String>> {
    let down_time = env.settings.service_down_time;
    let agent = hosts::agent(env.db.read(), host).await?;
    if agent.as_ref().is_some_and(|agent| agent.forced_down) {
        return Ok(Some("declared down".to_owned()));
    }
    let now = compute_db::now(env.db.read()).await?;
    let limit = TimeDelta::from_std(down_time).unwrap_or(TimeDelta::MAX);
    let silent = agent.is_none_or(|agent| !agent.is_up(now, limit));
    let dead = silent && env.hearing.of_others(Instant::now(), host, down_time);
    Ok(dead.then(|| format!("silent for more than {} s", down_time.as_secs())))
}
