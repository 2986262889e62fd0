//! What all handlers share, and the two promises about memory: a remembered token or snapshot never
//! outlives a write made in this process, nor `token_cache_seconds` when another process wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use moka::sync::Cache;
use sql::Database;
use sql::sea_orm::DatabaseTransaction;
use web::policy::Policy;

use crate::IdentityError;
use crate::compliance::Rules;
use crate::fault::Fault;
use crate::keys::KeyRepository;
use crate::passwords::Hasher;
use crate::policy;
use crate::session::Session;
use crate::settings::Settings;
use crate::snapshot::Snapshot;

/// The service's shared state.
pub struct State {
    pub db: Database,
    pub settings: Settings,
    pub token_keys: KeyRepository,
    pub credential_keys: KeyRepository,
    pub hasher: Hasher,
    pub policy: Policy,
    pub rules: Rules,
    /// Counts commits; whatever was remembered under an older count is read anew.
    generation: AtomicU64,
    sessions: Cache<String, Remembered>,
    snapshot: ArcSwapOption<Aged>,
}

#[derive(Clone)]
struct Remembered {
    generation: u64,
    session: Arc<Session>,
}

struct Aged {
    generation: u64,
    read_at: Instant,
    snapshot: Arc<Snapshot>,
}

impl State {
    /// Opens the keys and reads the rules; the database is migrated already.
    pub fn new(db: Database, settings: Settings) -> Result<Self, IdentityError> {
        Ok(State {
            token_keys: KeyRepository::open(&settings.fernet_keys, settings.keys.max_active_keys)?,
            credential_keys: KeyRepository::open(
                &settings.credential_keys,
                settings.keys.max_active_keys,
            )?,
            hasher: Hasher::new(settings.password_hash_rounds, settings.password_queue),
            policy: policy::load(settings.policy_file.as_deref())?,
            rules: Rules::new(settings.compliance.clone())?,
            generation: AtomicU64::new(0),
            sessions: Cache::builder()
                .max_capacity(settings.token_cache_size)
                .time_to_live(Duration::from_secs(settings.token_cache_seconds.max(1)))
                .build(),
            snapshot: ArcSwapOption::empty(),
            db,
            settings,
        })
    }

    /// How long after its making a token may still be asked about.
    pub fn token_life(&self) -> Duration {
        let seconds = self.settings.token_expiration + self.settings.allow_expired_window;
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    /// Begins a transaction; end it with [`State::commit`].
    pub async fn begin(&self) -> Result<DatabaseTransaction, Fault> {
        Ok(self.db.begin().await?)
    }

    /// Commits, and forgets every remembered token and snapshot.
    pub async fn commit(&self, tx: DatabaseTransaction) -> Result<(), Fault> {
        let done = tx.commit().await;
        // Also after a failed commit: the server may have made it durable before the answer was lost.
        self.generation.fetch_add(1, Ordering::SeqCst);
        Ok(done?)
    }

    /// The count to remember things under; take it *before* reading what is to be remembered.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The session of a token that was found good and still is.
    pub fn remembered(&self, token: &str) -> Option<Arc<Session>> {
        let found = self.sessions.get(token)?;
        let current = found.generation == self.generation()
            && found.session.payload.expires_at > chrono::Utc::now();
        current.then_some(found.session)
    }

    /// Remembers a good token.
    pub fn remember(&self, token: &str, generation: u64, session: Arc<Session>) {
        self.sessions.insert(
            token.to_owned(),
            Remembered {
                generation,
                session,
            },
        );
    }

    /// Roles, domains and the catalog as they are now.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Fault> {
        let generation = self.generation();
        let longest = Duration::from_secs(self.settings.token_cache_seconds);
        if let Some(aged) = self.snapshot.load().as_ref()
            && aged.generation == generation
            && aged.read_at.elapsed() < longest
        {
            return Ok(aged.snapshot.clone());
        }
        let snapshot = Arc::new(Snapshot::read(self.db.read()).await?);
        self.snapshot.store(Some(Arc::new(Aged {
            generation,
            read_at: Instant::now(),
            snapshot: snapshot.clone(),
        })));
        Ok(snapshot)
    }
}
