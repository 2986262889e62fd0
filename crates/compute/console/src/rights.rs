//! Whether somebody who has a console may have it: asked when it opens and at intervals while it is
//! open. A screen that was opened once would otherwise outlive its user's right to it.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Options};
use compute_rpc::conductor::{self, CheckConsole, ConsoleTarget};
use secrecy::{ExposeSecret, SecretString};
use tokio::time;
use web::policy::{IS_ADMIN, Policy, Target};
use web::rights::{self, ANSWER_WAIT, Ending};
use web::{AuthError, Authenticator, Caller};

/// The rule by which consoles are asked for (`compute_control::servers::consoles`).
const RULE: &str = "os_compute_api:os-remote-consoles";

/// Who knows about rights, and how often they are asked.
#[derive(Clone)]
pub struct Rights {
    pub authenticator: Arc<dyn Authenticator>,
    /// The rules of compute.
    pub policy: Arc<Policy>,
    /// Time between two looks.
    pub interval: Duration,
    /// How long a console may be open, whoever has it.
    pub limit: Duration,
}

/// Why a console may not be open.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the token of its user was revoked or expired")]
    Token,
    #[error("its user may not open consoles of this server any more")]
    Policy,
    #[error("its server was deleted or left the host")]
    Server,
    #[error("it was open for as long as consoles may be")]
    Limit,
    /// Nobody could be asked; the text is for the log.
    #[error("nobody says whether its user still has the right")]
    Silence(String),
}

impl Ending for Lost {
    fn silence(why: String) -> Self {
        Lost::Silence(why)
    }

    fn silent(&self) -> Option<&str> {
        match self {
            Lost::Silence(why) => Some(why),
            Lost::Token | Lost::Policy | Lost::Server | Lost::Limit => None,
        }
    }
}

impl Rights {
    /// Waits until the console must end.
    pub async fn lost(&self, bus: &Bus, target: &ConsoleTarget, token: &SecretString) -> Lost {
        time::timeout(self.limit, self.watch(bus, target, token))
            .await
            .unwrap_or(Lost::Limit)
    }

    async fn watch(&self, bus: &Bus, target: &ConsoleTarget, token: &SecretString) -> Lost {
        rights::lost(self.interval, move || self.check(bus, target, token)).await
    }

    /// Whether the user may have the console now.
    ///
    /// # Errors
    /// Why not, or that nobody could be asked.
    pub async fn check(
        &self,
        bus: &Bus,
        target: &ConsoleTarget,
        token: &SecretString,
    ) -> Result<(), Lost> {
        rights::look(self.ask(bus, target, token)).await
    }

    async fn ask(
        &self,
        bus: &Bus,
        target: &ConsoleTarget,
        token: &SecretString,
    ) -> Result<(), Lost> {
        // Without a service's token beside it: one that expired is not good here.
        let asked = self.authenticator.authenticate(token.expose_secret(), None);
        let caller = asked.await.map_err(|error| match error {
            AuthError::Unauthorized => Lost::Token,
            AuthError::Unavailable(why) => Lost::Silence(why),
        })?;
        let ask = CheckConsole {
            server_id: target.server_id.clone(),
            host: target.host.clone(),
        };
        let options = Options::default().deadline(ANSWER_WAIT);
        let answered = bus.call(&conductor::address(), ask, options).await;
        let owner = answered
            .map_err(|error| Lost::Silence(error.to_string()))?
            .ok_or(Lost::Server)?;
        match self.allows(&caller, &owner.project_id, &owner.user_id) {
            true => Ok(()),
            false => Err(Lost::Policy),
        }
    }

    /// As when a console is asked for: a server of one's own project, or of any for operators, and
    /// the rule.
    fn allows(&self, caller: &Caller, project_id: &str, user_id: &str) -> bool {
        let may = |rule, project, user| {
            let target = Target::project(project).with("user_id", user);
            self.policy.enforce(rule, caller, &target).is_ok()
        };
        let own = caller.project_id.as_deref();
        let sees = own == Some(project_id)
            || may(IS_ADMIN, own.unwrap_or_default(), caller.user_id.as_str());
        sees && may(RULE, project_id, user_id)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use async_trait::async_trait;
    use tokio::time::Instant;

    use super::*;

    struct Hangs;

    #[async_trait]
    impl Authenticator for Hangs {
        async fn authenticate(
            &self,
            _token: &str,
            _service_token: Option<&str>,
        ) -> Result<Arc<Caller>, AuthError> {
            pending().await
        }

        fn identity_url(&self) -> String {
            String::new()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_never_ends_counts_as_silence() {
        let rights = Rights {
            authenticator: Arc::new(Hangs),
            policy: Arc::new(Policy::new(&[]).expect("no rules")),
            interval: Duration::from_secs(5),
            limit: Duration::from_secs(3600),
        };
        let target = ConsoleTarget {
            server_id: "s".to_owned(),
            host: "h".to_owned(),
            kind: "serial".to_owned(),
            sealed_token: None,
        };
        let begin = Instant::now();
        let lost = rights
            .lost(&Bus::memory(), &target, &"t".to_owned().into())
            .await;
        assert!(matches!(lost, Lost::Silence(_)), "{lost}");
        assert_eq!(begin.elapsed(), 3 * (Duration::from_secs(5) + ANSWER_WAIT));
    }
}
