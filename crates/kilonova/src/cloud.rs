//! A whole cloud in this process: databases, companions, roles, listeners.

mod bootstrap;
mod roles;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use bus::Bus;
use clients::{Service, Session};
use compute_agent::Agent;
use compute_api::Api;
use compute_conductor::Conductor;
use compute_control::Control;
use compute_db::Database;
use futures::FutureExt;
use futures::future::BoxFuture;
use ipnet::IpNet;
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use web::policy::Policy;

use self::roles::{Parts, agents, conductor, report_services, scheduler};
use crate::auditor::Auditor;
use crate::certificates::{self, Shown};
use crate::companions::{Ahead, Companions, Neighbours, Place};
use crate::config::Config;
use crate::listeners::Entrance;
use crate::membership::{self, Membership};
use crate::open::{self, session};
use crate::state::State;
use crate::{credentials, drivers, front_door, health, listeners, operator};

/// How long a stop waits for what is under way; the rest goes on with the next start.
const GRACE: Duration = Duration::from_secs(20);

/// How long each database may take to close.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// A running cloud.
pub struct Cloud {
    pub state: State,
    /// The cloud's id and those of this folder's nodes.
    pub membership: Membership,
    /// Where clients reach the front door.
    pub url: String,
    /// Where browsers reach consoles.
    pub console_url: String,
    pub api_address: SocketAddr,
    pub db: Database,
    companions: Companions,
    pub hosts: Vec<drivers::Hosted>,
    /// The network service as compute calls it.
    pub network: Service,
    /// The volume service as compute calls it.
    pub volume: Service,
    /// The image service as compute calls it.
    pub image: Service,
    /// What the front door answers with, for requests of this process.
    pub front_door: Router,
    /// Compute as companions call it, which compute itself calls.
    _compute: Arc<Router>,
    /// Compute's own user.
    pub session: Session,
    auditor: Arc<Auditor>,
    pub bus: Bus,
    /// Who may do what with compute.
    policy: Arc<Policy>,
    /// Those who watch the sequence of events.
    events: compute_control::events::Hub,
    shown: Option<Shown>,
    conductor: Conductor,
    agents: Vec<Agent>,
    /// What companions do by themselves.
    of_companions: Vec<JoinSet<()>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The companions that compute asks, called in this process.
struct Asked {
    identity: Service,
    image: Service,
    network: Service,
    volume: Service,
}

impl Cloud {
    /// Starts everything and returns when clients are answered.
    ///
    /// # Errors
    /// The first thing that cannot start, with what to do about it.
    pub fn start(config: &Config) -> BoxFuture<'_, Result<Self>> {
        // Boxed, as all that is offered here: what is inside is compiled with this library, not with each who calls it.
        Self::begin(config).boxed()
    }

    async fn begin(config: &Config) -> Result<Self> {
        let state = State::open(&config.place.state_path)?;
        let ahead = Ahead::begin(config, &state.path);
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let front = listeners::bind(config, config.api.bind, "[api] bind").await?;
        let console = listeners::bind(config, config.console.bind, "[console] bind").await?;
        let metadata_listener = match config.api.metadata_bind {
            Some(address) => Some(listeners::bind(config, address, "[api] metadata_bind").await?),
            None => None,
        };
        let shown = certificates::open(config, &state)?;
        let entrance = Entrance::new(config, shown.as_ref().map(|shown| shown.tls.clone()));
        let api_address = front.local_addr().context("the front door")?;
        let console_address = console.local_addr().context("the console proxy")?;
        let url = config
            .api
            .public_url
            .clone()
            .unwrap_or_else(|| format!("{}://{api_address}", entrance.scheme()));
        let console_url = format!("{}://{console_address}", entrance.scheme());

        // Before any table is touched but compute's: whether folder and database belong together.
        let names = config.host_names()?;
        let db = open::compute(config, &state).await?;
        let membership = membership::settle(&state, &db, &names).await?;
        let hosts = drivers::open(config, &state).await?;
        let bus = Bus::connect(&config.place.transport_url)
            .await
            .context("the message bus (transport_url)")?;
        let place = Place {
            config,
            folder: &state.path,
            state: Some(&state),
            url: &url,
            ahead,
        };
        let companions = Companions::open(&place).await?;
        // A server that outlives a power cut has the ports and images that its row names.
        let others = companions.0.iter().map(|one| &one.companion);
        let others = others.filter(|companion| companion.keystone().is_none());
        let others: Vec<_> = others
            .filter_map(|companion| companion.database())
            .collect();
        db.durable_after(&others);
        let keystone = companions.keystone()?;
        bootstrap::run(keystone, config, &state, &url).await?;
        let trust = shown.as_ref().and_then(|shown| shown.trust.as_deref());
        credentials::write(
            &state,
            &format!("{url}/identity"),
            &config.place.region,
            trust,
        )?;

        let authenticator = keystone.authenticator();
        let asked = Asked {
            identity: companions.service("identity")?,
            image: companions.service("image")?,
            network: companions.service("network")?,
            volume: companions.service("volume")?,
        };
        let own = |user: &str| session(&asked.identity, user, state.secrets.service(user));
        let nova = own("nova");
        let control = control(config, &db, &bus, &asked, &nova, &console_url)?;
        let compute = compute_api::router(Arc::new(Api {
            authenticator: authenticator.clone(),
            control: control.clone(),
        }));
        let kept = Arc::new(compute.clone());
        let metadata = metadata(config, &db, &state)?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let mut of_companions = Vec::new();
        telemetry::counting();
        for one in &companions.0 {
            let neighbours = Neighbours {
                identity: asked.identity.clone(),
                image: asked.image.clone(),
                compute: Service::kept("compute", &kept),
                metadata: metadata.clone(),
                session: one.row.user.map(|user| own(user.name)),
                region: config.place.region.clone(),
            };
            let started = one.companion.start(neighbours, stop.clone());
            of_companions.push(started.await);
        }
        let parts = Parts {
            config,
            state: &state,
            membership: &membership,
            bus: &bus,
            asked: &asked,
            session: &nova,
        };
        let conductor = conductor(&parts, &db).await?;
        scheduler(config, &db, &bus).await?;
        let agents = agents(&parts, &hosts).await?;
        report_services(&tasks, &parts, &stop);
        let auditor = Arc::new(Auditor {
            db: db.clone(),
            companions: companions.clone(),
            hosts: hosts.clone(),
            network: asked.network.clone(),
            volume: asked.volume.clone(),
            session: nova.clone(),
            copies: state.copies(),
            at_rest: false,
        });
        let databases = std::iter::once(("compute", &db)).chain(companions.databases());
        let checks = health::checks(databases);
        let operators = operator::open(&state.path)?;
        operator::serve(
            &tasks,
            operators,
            checks.clone(),
            auditor.clone(),
            stop.clone(),
        );
        let door = front_door::router(&companions, compute, &authenticator, checks);
        let proxies: Arc<[IpNet]> = Arc::from(config.api.trusted_proxies.clone());
        let door = door.layer(axum::middleware::from_fn_with_state(
            proxies,
            web::client::layer,
        ));
        entrance.serve(&tasks, "api", front, door.clone(), stop.clone());
        let rights = compute_console::Rights {
            authenticator: authenticator.clone(),
            policy: control.policy.clone(),
            interval: config.consoleauth.check_interval,
            limit: config.consoleauth.session_limit,
        };
        let settings = console_settings(config, &state.path);
        let proxy = compute_console::router(bus.clone(), rights, settings);
        entrance.serve(&tasks, "console", console, proxy, stop.clone());
        if let Some(listener) = metadata_listener {
            entrance.serve(&tasks, "metadata", listener, metadata, stop.clone());
        }
        warm(&tasks, &nova);
        tasks.close();
        Ok(Cloud {
            state,
            membership,
            url,
            console_url,
            api_address,
            db,
            companions,
            hosts,
            network: asked.network,
            volume: asked.volume,
            image: asked.image,
            front_door: door,
            _compute: kept,
            session: nova,
            auditor,
            bus,
            policy: control.policy.clone(),
            events: control.events.clone(),
            shown,
            conductor,
            agents,
            of_companions,
            tasks,
            stop,
        })
    }

    /// Reads certificates and policy files again. What cannot be read is logged, and the old stays in
    /// use.
    pub fn reload(&self) {
        if let Some(Err(error)) = self.shown.as_ref().map(Shown::reload) {
            tracing::error!("the certificate stays as it was: {error:#}");
        }
        let companions = self.companions.0.iter();
        let companions = companions.map(|one| (one.row.name, one.companion.reload_policy()));
        for (service, read) in std::iter::once(("compute", self.policy.reload())).chain(companions)
        {
            if let Err(error) = read.map_err(anyhow::Error::from) {
                tracing::error!(service, "its policy stays as it was: {error:#}");
            }
        }
    }

    /// Ends: no new requests, then what is under way, then the rest. Guests and networks go on.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        self.end().boxed()
    }

    async fn end(mut self) {
        self.stop.cancel();
        self.events.close();
        for agent in &self.agents {
            agent.stop().await;
        }
        self.conductor.stop(GRACE).await;
        for tasks in &mut self.of_companions {
            while tasks.join_next().await.is_some() {}
        }
        if tokio::time::timeout(GRACE, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some requests were cut off");
        }
        if let Err(error) = self.bus.shutdown(GRACE).await {
            tracing::warn!(%error, "some messages were cut off");
        }
        self.close_databases().await;
    }

    /// What was written last comes into the files themselves: no log of a database stays behind, which may
    /// still say what was deleted since.
    async fn close_databases(&self) {
        let others = self.companions.databases().map(|(_, db)| db);
        for db in std::iter::once(&self.db).chain(others) {
            match tokio::time::timeout(CLOSE_WAIT, db.clone().close()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a database was not closed"),
                Err(_) => tracing::warn!("a database is still in use and was not closed"),
            }
        }
    }

    /// Everything that should not be: leaked claims, ports, guests, files, devices. Empty is good.
    pub fn audit(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.auditor.look().boxed()
    }
}

fn control(
    config: &Config,
    db: &Database,
    bus: &Bus,
    asked: &Asked,
    session: &Session,
    console_url: &str,
) -> Result<Arc<Control>> {
    let serial = console_url.replacen("http", "ws", 1);
    let settings = compute_control::Settings {
        max_limit: config.api.max_limit,
        max_servers_per_request: config.api.max_servers_per_request,
        default_availability_zone: config.compute.default_availability_zone.clone(),
        default_schedule_zone: config.compute.default_schedule_zone.clone(),
        internal_service_availability_zone: config
            .compute
            .internal_service_availability_zone
            .clone(),
        password_length: config.compute.password_length,
        enable_instance_password: config.api.enable_instance_password,
        service_down_time: config.compute.service_down_time,
        quotas: config.quota.0.clone(),
        force_config_drive: config.compute.force_config_drive,
        max_local_block_devices: config.compute.max_local_block_devices,
        shelved_offload_time: config.compute.shelved_offload(),
        keeps_deleted: !config.compute.reclaim_instance_interval.is_zero(),
        console_token_ttl: config.consoleauth.token_ttl,
        event_check_interval: config.events.check_interval,
        novnc_base_url: config
            .vnc
            .novncproxy_base_url
            .clone()
            .unwrap_or_else(|| format!("{console_url}/vnc_auto.html")),
        serial_base_url: config
            .serial
            .base_url
            .clone()
            .unwrap_or_else(|| format!("{serial}/")),
    };
    let policy = compute_control::policy::load(config.policy.policy_file.as_deref())
        .context("the policy file of compute ([oslo_policy] policy_file)")?;
    let watches = compute_control::events::Limits {
        in_all: listeners::most_streams(config.events.max_watches, listeners::most_connections()),
        per_user: config.events.max_watches_per_user,
    };
    Ok(Arc::new(Control {
        db: db.clone(),
        events: compute_control::events::Hub::new(db.clone(), watches),
        bus: bus.clone(),
        identity: asked.identity.clone(),
        image: asked.image.clone(),
        network: asked.network.clone(),
        volume: asked.volume.clone(),
        session: session.clone(),
        policy: Arc::new(policy),
        generators: compute_control::keypairs::Generators::default(),
        settings,
    }))
}

fn metadata(config: &Config, db: &Database, state: &State) -> Result<Router> {
    let settings = compute_metadata::Settings {
        shared_secret: SecretString::from(state.secrets.metadata_secret.clone()),
        dhcp_domain: config.api.dhcp_domain.clone(),
        vendordata_jsonfile_path: config.api.vendordata_jsonfile_path.clone(),
    };
    Ok(compute_metadata::router(db.clone(), settings)?)
}

/// Logs compute's own user in beforehand: the first server need not wait for a password's hash.
fn warm(tasks: &TaskTracker, session: &Session) {
    let session = session.clone();
    tasks.spawn(async move {
        if let Err(error) = session.token().await {
            tracing::error!(%error, "compute's own user cannot log in");
        }
    });
}

fn console_settings(config: &Config, state: &Path) -> compute_console::Settings {
    let own = state.join("novnc");
    let novnc_path = match &config.vnc.novnc_path {
        Some(path) => path.clone(),
        None if own.is_dir() => own,
        None => PathBuf::from("/usr/share/novnc"),
    };
    compute_console::Settings {
        novnc_path,
        allowed_origins: config.console.allowed_origins.clone(),
    }
}
