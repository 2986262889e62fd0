//! Actions that were given up while this host was silent or slow.
//!
//! A conductor that gives an action up gives the server a new epoch and says so here. An action of an older epoch
//! then is not begun, and one in its middle is dropped where it is: the user was told that it failed. What a guest
//! was asked before that (to shut down, by its power button) may still happen, and is then reported as any change.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_model::fault::Kind;
use compute_rpc::agent::GiveUp;
use compute_rpc::{code, failure};
use hypervisor::guard::Graves;
use tokio::sync::watch;

use crate::Host;
use crate::numbers::epoch;

/// The epochs up to which actions are void, by server; of the servers that were given up last.
#[derive(Default)]
pub(crate) struct GivenUp {
    epochs: Graves,
    more: watch::Sender<()>,
}

impl GivenUp {
    /// Ends when the server's actions of this epoch are void, with the answer to who sent one.
    pub async fn of(&self, server_id: &str, action: i64) -> Failure {
        let mut more = self.more.subscribe();
        let given_up = || {
            let known = self.epochs.epoch(server_id);
            known.is_some_and(|known| epoch(action) < known)
        };
        // The sender lives as long as this is borrowed.
        let _ = more.wait_for(|()| given_up()).await;
        let text = format!("the action of epoch {action} was given up");
        failure(code::STALE, Kind::Overtaken, text)
    }

    fn note(&self, message: &GiveUp) {
        self.epochs.bury(&message.server_id, epoch(message.epoch));
        self.more.send_replace(());
    }
}

/// Actions of older epochs on this server are void.
pub async fn give_up(host: Arc<Host>, _context: Context, message: GiveUp) -> Result<(), Failure> {
    tracing::warn!(
        server = message.server_id,
        epoch = message.epoch,
        "an action was given up"
    );
    host.given_up.note(&message);
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn actions_of_older_epochs_end_begun_or_not_and_newer_ones_go_on() {
        let given_up = GivenUp::default();
        let begun = given_up.of("a", 4);
        tokio::pin!(begun);
        assert!((&mut begun).now_or_never().is_none());
        given_up.note(&GiveUp {
            server_id: "a".to_owned(),
            epoch: 5,
        });
        assert_eq!(begun.await.code, code::STALE);
        assert!(given_up.of("a", 4).now_or_never().is_some());
        assert!(given_up.of("a", 5).now_or_never().is_none());
        assert!(given_up.of("b", 1).now_or_never().is_none());
    }
}
