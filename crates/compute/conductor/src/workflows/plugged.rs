//! Waiting until ports of a server carry traffic.

use std::time::Duration;

use chrono::{DateTime, Utc};
use compute_model::Server;
use compute_model::fault::Kind;
use compute_model::network::Vif;
use workflow::{Next, StepContext, StepError};

use crate::env::Env;
use crate::why::Why;
use crate::{ports, records};

/// Ports carry traffic after some milliseconds as a rule: so long a build waits where it is. One that
/// waits longer does so in the journal, where it is in nobody's way.
const MOMENT: Duration = Duration::from_millis(250);

/// How often the ports of a build that waits in the journal are looked at when no event comes: events
/// are only nudges.
const LOOK: Duration = Duration::from_secs(2);

/// Which ports are waited for.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    All,
    /// The port of this id.
    One(&'a str),
}

/// Waits until the network service says of the server's ports that they carry traffic: a moment here, then in
/// the journal, until a nudge tells of a port that changed. They are waited for since `since`, as long as
/// `vif_plugging_timeout` says.
pub async fn wait(
    env: &Env,
    cx: &StepContext,
    server_id: &str,
    which: Which<'_>,
    since: DateTime<Utc>,
) -> Result<Next, StepError> {
    let limit = env.settings.vif_plugging_timeout;
    let mut look = cx.attempt() > 0;
    let mut waited = look;
    loop {
        let Some(server) = look_at_ports(env, cx, server_id, look).await? else {
            return Err(Why::plain(Kind::Deleted).into());
        };
        let mut waited_for = server.vifs.iter().filter(|vif| match which {
            Which::All => true,
            Which::One(id) => vif.port_id == id,
        });
        if waited_for.all(|vif| vif.active) || limit.is_zero() {
            return Ok(Next::Go);
        }
        let spent = (records::now() - since).to_std().unwrap_or_default();
        if spent >= limit {
            return match env.settings.vif_plugging_is_fatal {
                true => Err(Why::plain(Kind::NotPlugged).into()),
                false => Ok(Next::Go),
            };
        }
        if waited {
            return Err(StepError::retry(
                LOOK.min(limit - spent),
                "ports are not plugged yet",
            ));
        }
        tokio::select! {
            () = cx.nudged() => {}
            () = tokio::time::sleep(MOMENT) => waited = true,
            () = cx.cancelled() => return Err(StepError::fail("cancelled")),
        }
        look = true;
    }
}

/// The server, with its ports as the network service has them now if it is asked.
async fn look_at_ports(
    env: &Env,
    cx: &StepContext,
    id: &str,
    ask: bool,
) -> Result<Option<Server>, StepError> {
    let server = records::load(env, id).await?;
    let Some(mut server) = server else {
        return Ok(None);
    };
    if !ask {
        return Ok(Some(server));
    }
    let vifs = ports::refresh(env, &server).await?;
    if vifs != server.vifs {
        let seen = std::mem::replace(&mut server.vifs, vifs);
        records::change(cx, id, None, |recorded| {
            recorded.vifs = merged(&recorded.vifs, &seen, &server.vifs);
            true
        })
        .await?;
    }
    Ok(Some(server))
}

/// The cards of a record that were `seen` once, as they are `now`. The record may have changed since: a card that left
/// it does not come back, and one that was not seen stays.
fn merged(recorded: &[Vif], seen: &[Vif], now: &[Vif]) -> Vec<Vif> {
    let of = |vifs: &[Vif], card: &Vif| {
        let mut found = vifs.iter();
        found.find(|vif| vif.port_id == card.port_id).cloned()
    };
    let kept = recorded.iter().filter_map(|card| match of(seen, card) {
        Some(_) => of(now, card),
        None => Some(card.clone()),
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_that_left_the_record_do_not_come_back_and_new_ones_stay() {
        let card = |id: &str, active: bool| {
            let mut vif = compute_model::testing::vif(id);
            vif.active = active;
            vif
        };
        let seen = [card("a", false), card("b", false), card("c", false)];
        let now = [card("a", true), card("b", true)];
        let recorded = [card("a", false), card("c", false), card("d", false)];
        let expected = [card("a", true), card("d", false)];
        assert_eq!(merged(&recorded, &seen, &now), expected);
    }
}
