//! The identity service: the Identity API v3 of OpenStack (Keystone) in one crate, with its logic,
//! tables and migrations.
//!
//! Promises:
//! - a token that ended before its time (revoked, password changed, user, project or domain disabled,
//!   role taken away) is refused at once by this process, and within
//!   [`Settings::token_cache_seconds`] by others that share the database;
//! - tokens survive a restart, and are understood by every process that shares the key folder;
//! - nobody learns from an answer, nor from its time, which part of wrong credentials was wrong.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use sql::{Database, SqlError};
use web::Authenticator;

mod accepted;
mod api;
mod authenticator;
mod blobs;
pub mod bootstrap;
mod compliance;
mod establish;
mod face;
mod fault;
mod filter;
mod frame;
mod grants;
mod immutable;
mod keys;
mod listing;
mod login;
mod migrations;
mod narrow;
mod older;
mod options;
mod parameters;
mod passwords;
mod payload;
mod policy;
mod queue;
mod record;
mod revocation;
mod routes;
mod schema;
mod session;
mod settings;
mod simple;
mod snapshot;
mod state;
mod tables;
mod tokens;

pub use self::settings::{Compliance, FernetKeys, QueueLimits, Settings};
pub use accepted::accepted;
pub use bootstrap::{Bootstrap, Endpoint, Interface, ServiceUser};
pub use keys::KeyError;
pub use options::{read, sections};
pub use parameters::parameters;
pub use policy::TABLES as POLICY_TABLES;

/// Every call of the API, for documents and for tests that walk them.
pub fn calls() -> Vec<rest::Line> {
    routes::table().lines()
}

/// A fuzz target: reads any bytes as the inside of a token, and panics when what was read is not written and read again
/// as the same.
#[cfg(feature = "fuzz")]
pub fn fuzz_payload(input: &[u8]) {
    if let Some(payload) = payload::Payload::unpack(input) {
        assert_eq!(
            payload::Payload::unpack(&payload.pack()).as_ref(),
            Some(&payload)
        );
    }
}

/// Why the service cannot start or be set up.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("the identity database failed")]
    Database(#[from] SqlError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("the rules of who may do what cannot be used")]
    Policy(#[from] web::policy::PolicyError),
    #[error("the first users, roles and endpoints could not be made: {0}")]
    Bootstrap(String),
    #[error("the settings of the identity service: {0}")]
    Settings(String),
    #[error("stored credentials could not be encrypted anew: {0}")]
    Credentials(String),
    #[error("no token for a service: {0}")]
    Token(String),
}

/// A token and when it ends.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    pub token: SecretString,
    pub expires_at: DateTime<Utc>,
}

/// The identity service.
#[derive(Clone)]
pub struct Identity {
    state: Arc<state::State>,
}

impl Identity {
    /// Brings the tables up to date and opens, or makes, the keys.
    ///
    /// # Errors
    /// When the database, a key folder or the policy file cannot be used; the text says what to do.
    pub async fn open(db: Database, settings: Settings) -> Result<Self, IdentityError> {
        db.apply(&migrations::HISTORY).await?;
        older::forget_secrets(&db).await?;
        let state = state::State::new(db, settings)?;
        Ok(Identity {
            state: Arc::new(state),
        })
    }

    /// The database that it works on.
    pub fn database(&self) -> &Database {
        &self.state.db
    }

    /// Reads the policy file again.
    ///
    /// # Errors
    /// What is wrong with it; the old rules stay.
    pub fn reload_policy(&self) -> Result<(), web::policy::PolicyError> {
        self.state.policy.reload()
    }

    /// The HTTP face: `/` and `/v3/…`, with request ids on every answer.
    pub fn router(&self) -> Router {
        face::router(self.state.clone())
    }

    /// Checks tokens in this process, for the services beside us: no HTTP, and no database for a
    /// token that was seen since the last change.
    pub fn authenticator(&self) -> Arc<dyn Authenticator> {
        Arc::new(authenticator::Local(self.state.clone()))
    }

    /// Makes what every cloud has; finds it made when called again.
    ///
    /// # Errors
    /// When the database fails, or what exists contradicts.
    pub async fn bootstrap(&self, wanted: &Bootstrap) -> Result<(), IdentityError> {
        // Boxed: whoever starts a cloud has this inside of its own future.
        Box::pin(bootstrap::run(&self.state, wanted))
            .await
            .map_err(|fault| IdentityError::Bootstrap(fault.to_string()))
    }

    /// A token for a user of the default domain on one of its projects, without a password: for the
    /// services in this process, which would only pay for a hash to prove what they are.
    ///
    /// # Errors
    /// When there is no such user or project, either is disabled, or the user has no role there.
    pub async fn token_for(&self, user: &str, project: &str) -> Result<IssuedToken, IdentityError> {
        bootstrap::token_for(&self.state, user, project)
            .await
            .map_err(|fault| IdentityError::Token(fault.to_string()))
    }

    /// Makes the staged key of tokens the primary one (`keystone-manage fernet_rotate`). Tokens made
    /// before stay good for their whole life.
    ///
    /// # Errors
    /// When the key folder cannot be written.
    pub fn rotate_token_keys(&self) -> Result<(), IdentityError> {
        Ok(self.state.token_keys.rotate(self.state.token_life())?)
    }

    /// The same, if the primary key is older than [`FernetKeys::rotation_interval`]; says whether it was.
    ///
    /// # Errors
    /// When the key folder cannot be read or written.
    pub fn rotate_token_keys_when_due(&self, now: SystemTime) -> Result<bool, IdentityError> {
        let interval = Duration::from_secs(self.state.settings.keys.rotation_interval);
        if interval.is_zero() {
            return Ok(false);
        }
        let keys = &self.state.token_keys;
        Ok(keys.rotate_if_older(interval, self.state.token_life(), now)?)
    }

    /// Gives stored credentials a new key, and encrypts all of them with it; says how many
    /// (`keystone-manage credential_rotate` and `credential_migrate`). Other processes may go on
    /// working: the key before stays readable.
    ///
    /// # Errors
    /// When the key folder or the database cannot be used, or a credential's key is gone.
    pub async fn rotate_credential_keys(&self) -> Result<u64, IdentityError> {
        let renew = || async {
            api::credentials::renew_all(&self.state)
                .await
                .map_err(|fault| IdentityError::Credentials(fault.to_string()))
        };
        // What an interrupted rotation left behind first: the rotation may remove its key.
        renew().await?;
        self.state.credential_keys.rotate(Duration::ZERO)?;
        renew().await
    }
}
