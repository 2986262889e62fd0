//! The services beside compute, each a row: what a cloud must know of one to read its settings, open it, serve it, audit
//! it and take it down. Everything else of the binary goes over the rows and names no companion's crate.

mod ahead;
pub mod identity;
pub mod image;
pub mod network;
pub mod placement;
pub mod volume;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use axum::Router;
use clap::ValueEnum;
use clients::{Service, Session};
use secrecy::SecretString;
use settings::{Problems, SectionInfo, Settings};
use sql::Database;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use web::Authenticator;
use web::policy::{PolicyError, Rule};

use crate::config::Config;
use crate::state::State;

pub use ahead::Ahead;

/// All companions. The first one knows the callers of the others.
pub const ROWS: &[Row] = &[
    identity::ROW,
    image::ROW,
    network::ROW,
    placement::ROW,
    volume::ROW,
];

/// What is known of a companion before it is open.
pub struct Row {
    /// Its database, and its prefix at the front door.
    pub name: &'static str,
    /// Types and names in the catalog, all of one address.
    pub catalog: &'static [(&'static str, &'static str)],
    /// What stands between its prefix and its calls, in the catalog too: the version, where clients do not append it.
    pub path: &'static str,
    /// The user by which it asks other services, with its roles.
    pub user: Option<ServiceUser>,
    pub sections: fn() -> Vec<SectionInfo>,
    pub read: fn(&Settings) -> Result<Arc<dyn Configured>, Problems>,
    pub calls: fn() -> Vec<rest::Line>,
    /// What becomes of the attributes of its resources.
    pub accepts: fn() -> Vec<rest::accepted::Accepts>,
    /// What the bodies of its calls may say, where it says that call by call.
    pub bodies: fn() -> Vec<rest::parameters::Parameters>,
    /// What the queries of its calls may say.
    pub parameters: fn() -> Vec<rest::parameters::Parameters>,
    /// The rules of its policy.
    pub rules: &'static [&'static [Rule]],
    /// What stands before the rules of its calls in the policy.
    pub rule_prefix: &'static str,
}

/// A user by which a service asks others: name and roles in the project of services.
#[derive(Debug, Clone, Copy)]
pub struct ServiceUser {
    pub name: &'static str,
    pub roles: &'static [&'static str],
}

/// A companion whose settings were read.
#[async_trait]
pub trait Configured: Send + Sync {
    /// URL of its database; none for a file of the state folder.
    fn connection(&self) -> Option<&str> {
        None
    }

    /// The option and number of a user of the machine that its programs run as, which no guest may be.
    fn machine_user(&self) -> Option<(&'static str, u32)> {
        None
    }

    /// Folders of files that guests of this machine may be given, in a cloud whose files lie in `state`.
    fn guest_files(&self, _state: &Path) -> Vec<PathBuf> {
        Vec::new()
    }

    /// What its settings need of the machine: option, program, and the Debian package that has it.
    fn programs(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        Vec::new()
    }

    /// Opens it, and brings the tables of its database up to date.
    ///
    /// # Errors
    /// What it needs cannot be used; the text says what to do.
    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn Companion>>;
}

/// Where a companion is opened.
pub struct Place<'a> {
    pub config: &'a Config,
    /// The state folder.
    pub folder: &'a Path,
    /// The state folder as this process holds it; none beside a cloud that runs.
    pub state: Option<&'a State>,
    /// Where clients reach the front door.
    pub url: &'a str,
    /// Databases that are opened already.
    pub ahead: Ahead,
}

impl Place<'_> {
    /// The database of a companion, within the operator's limits; no table is touched.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn database(&self, name: &str) -> Result<Database> {
        if let Some(opened) = self.ahead.take(name).await {
            return Ok(opened?);
        }
        let url = self.config.database_url(self.folder, name);
        let options = &self.config.database.options;
        Ok(Database::open_with(&url, options).await?)
    }

    fn state(&self) -> Result<&State> {
        self.state
            .context("another process works in the state folder")
    }
}

/// Whom a companion may ask.
pub struct Neighbours {
    pub identity: Service,
    pub compute: Service,
    pub image: Service,
    /// Compute's metadata service.
    pub metadata: Router,
    /// The companion's own user, where its row names one.
    pub session: Option<Session>,
    pub region: String,
}

/// A companion that is open.
#[async_trait]
pub trait Companion: Send + Sync {
    /// The database that it works on, if it has one.
    fn database(&self) -> Option<&Database> {
        None
    }

    /// Its REST face.
    fn router(&self, callers: Arc<dyn Authenticator>) -> Router;

    /// Reads its policy file again.
    ///
    /// # Errors
    /// What is wrong with it; the old rules stay.
    fn reload_policy(&self) -> Result<(), PolicyError> {
        Ok(())
    }

    /// Begins what it does by itself, before its first request. Its tasks end when `stop` is cancelled.
    async fn start(&self, _neighbours: Neighbours, _stop: CancellationToken) -> JoinSet<()> {
        JoinSet::new()
    }

    /// A sentence for everything of it that belongs to nobody. `at_rest`: no process runs the cloud, and nothing that is
    /// wanted on the host was applied by this one.
    ///
    /// # Errors
    /// Something could not be looked at.
    async fn audit(&self, _at_rest: bool) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Takes from the host what it put there. Its data stays.
    ///
    /// # Errors
    /// Something could not be removed.
    async fn down(&self) -> Result<()> {
        Ok(())
    }

    /// A host has another name.
    ///
    /// # Errors
    /// The database does not answer.
    async fn rename_host(&self, _before: &str, _after: &str) -> Result<()> {
        Ok(())
    }

    /// What only the service of identities does.
    fn keystone(&self) -> Option<&dyn Keystone> {
        None
    }
}

/// KeySet keys of the identity service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeySet {
    /// Those that encrypt tokens.
    Tokens,
    /// Those that encrypt stored credentials; all credentials are encrypted anew.
    Credentials,
}

/// The service that knows all callers.
#[async_trait]
pub trait Keystone: Send + Sync {
    /// Checks tokens in this process, for the services beside it.
    fn authenticator(&self) -> Arc<dyn Authenticator>;

    /// Makes what every cloud has; finds it made when called again.
    ///
    /// # Errors
    /// The database fails, or what exists contradicts.
    async fn bootstrap(&self, first: &First) -> Result<()>;

    /// Gives keys a successor; says in a sentence what that means.
    ///
    /// # Errors
    /// Keys or database cannot be used.
    async fn rotate(&self, which: KeySet) -> Result<String>;
}

/// What every cloud has from the start.
pub struct First {
    pub admin_password: SecretString,
    pub demo_password: SecretString,
    /// The users of services with their passwords.
    pub service_users: Vec<(ServiceUser, SecretString)>,
    pub region: String,
    /// Type, name and URL of each service.
    pub endpoints: Vec<(&'static str, &'static str, String)>,
    /// Whether users that exist get these passwords.
    pub reset_passwords: bool,
}

/// A companion with its row.
#[derive(Clone)]
pub struct Opened {
    pub row: &'static Row,
    pub companion: Arc<dyn Companion>,
}

/// The companions of a cloud, in the order of their rows.
#[derive(Clone)]
pub struct Companions(pub Vec<Opened>);

impl Companions {
    /// Opens all of them side by side.
    ///
    /// # Errors
    /// The first one that cannot be opened.
    pub async fn open(place: &Place<'_>) -> Result<Self> {
        let opening = ROWS.iter().map(|row| async move {
            let companion = place.config.companion(row.name)?.open(place).await?;
            Ok::<_, anyhow::Error>(Opened { row, companion })
        });
        let opened = futures::future::try_join_all(opening).await?;
        Ok(Companions(opened))
    }

    /// One of them.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn named(&self, name: &str) -> Result<&dyn Companion> {
        let found = self.0.iter().find(|one| one.row.name == name);
        found
            .map(|one| one.companion.as_ref())
            .with_context(|| format!("there is no companion {name}"))
    }

    /// The databases of those that have one, by their names.
    pub fn databases(&self) -> impl Iterator<Item = (&'static str, &Database)> {
        let all = self.0.iter();
        all.filter_map(|one| Some((one.row.name, one.companion.database()?)))
    }

    /// The one that knows the callers.
    ///
    /// # Errors
    /// None of them does.
    pub fn keystone(&self) -> Result<&dyn Keystone> {
        let mut found = self.0.iter().filter_map(|one| one.companion.keystone());
        found.next().context("no companion knows the callers")
    }

    /// One of them, to be called in this process.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn service(&self, name: &'static str) -> Result<Service> {
        let callers = self.keystone()?.authenticator();
        Ok(Service::in_process(name, self.named(name)?.router(callers)))
    }
}
