//! A whole cloud in this process: databases, companions, roles, listeners.

mod bootstrap;
pub(crate) mod open;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::get;
use bus::{Bus, Options};
use clients::{Login, Service, Session};
use compute_agent::Agent;
use compute_api::Api;
use compute_conductor::Conductor;
use compute_control::Control;
use compute_db::Database;
use compute_rpc::conductor::ServiceReport;
use identity::Identity;
use image::Images;
use network::Networks;
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use web::Authenticator;

use crate::config::Config;
use crate::state::State;
use crate::{audit, credentials, drivers, glue, listeners};

/// How long a stop waits for what is under way; the rest goes on with the next start.
const GRACE: Duration = Duration::from_secs(20);

/// A running cloud.
pub struct Cloud {
    pub state: State,
    /// Where clients reach the front door.
    pub url: String,
    /// Where browsers reach consoles.
    pub console_url: String,
    pub api_address: SocketAddr,
    pub db: Database,
    pub images: Images,
    pub networks: Networks,
    pub hosts: Vec<drivers::Hosted>,
    /// The network service as compute calls it.
    pub network: Service,
    /// Compute's own user.
    pub session: Session,
    pub bus: Bus,
    conductor: Conductor,
    agents: Vec<Agent>,
    network_tasks: JoinSet<()>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The four companions and compute as services to call in this process.
struct Companions {
    identity: Service,
    image: Service,
    network: Service,
}

impl Cloud {
    /// Starts everything and returns when clients are answered.
    ///
    /// # Errors
    /// The first thing that cannot start, with what to do about it.
    pub async fn start(config: &Config) -> Result<Self> {
        let state = State::open(&config.place.state_path)?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let front = listeners::bind(config.api.bind, "[api] bind").await?;
        let console = listeners::bind(config.console.bind, "[console] bind").await?;
        let metadata_listener = match config.api.metadata_bind {
            Some(address) => Some(listeners::bind(address, "[api] metadata_bind").await?),
            None => None,
        };
        let api_address = front.local_addr().context("the front door")?;
        let console_address = console.local_addr().context("the console proxy")?;
        let url = config
            .api
            .public_url
            .clone()
            .unwrap_or_else(|| format!("http://{api_address}"));
        let console_url = format!("http://{console_address}");

        let hosts = drivers::open(config, &state).await?;
        let bus = Bus::connect(&config.place.transport_url)
            .await
            .context("the message bus (transport_url)")?;
        let (identity, images, networks, db) = tokio::try_join!(
            open::identity(config, &state, &url),
            open::images(config, &state),
            open::networks(config, &state),
            open::compute(config, &state),
        )?;
        bootstrap::run(&identity, config, &state, &url).await?;
        credentials::write(&state, &format!("{url}/identity"), &config.place.region)?;

        let authenticator = identity.authenticator();
        let companions = Companions {
            identity: Service::in_process("identity", identity.router()),
            image: Service::in_process("image", images.router(authenticator.clone())),
            network: Service::in_process("network", networks.router(authenticator.clone())),
        };
        let nova = session(&companions.identity, "nova", state.secrets.service());
        if config.image.use_keystone_limits {
            images.set_limit_source(Arc::new(glue::ImageLimits {
                identity: companions.identity.clone(),
                session: session(&companions.identity, "glance", state.secrets.service()),
                region: config.place.region.clone(),
            }));
        }
        let control = control(config, &db, &bus, &companions, &nova, &console_url)?;
        let compute = compute_api::router(Arc::new(Api {
            authenticator: authenticator.clone(),
            control: control.clone(),
        }));
        let neutron = session(&companions.identity, "neutron", state.secrets.service());
        networks
            .set_event_sink(Arc::new(glue::Events {
                compute: Service::in_process("compute", compute.clone()),
                session: neutron,
            }))
            .await;
        let metadata = metadata(config, &db, &state)?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let network_tasks = networks.start(
            Some(Arc::new(glue::Metadata(metadata.clone()))),
            stop.clone(),
        );
        let conductor = conductor(config, &state, &db, &bus, &companions, &nova).await?;
        scheduler(config, &db, &bus).await?;
        let agents = agents(config, &state, &hosts, &bus, &companions, &nova).await?;
        report_services(&tasks, &bus, config, &stop);

        let door = front_door(&identity, &images, &networks, compute, authenticator, &db);
        listeners::serve(&tasks, "api", front, door, stop.clone());
        let proxy = compute_console::router(bus.clone(), console_settings(config, &state.path));
        listeners::serve(&tasks, "console", console, proxy, stop.clone());
        if let Some(listener) = metadata_listener {
            listeners::serve(&tasks, "metadata", listener, metadata, stop.clone());
        }
        warm(&tasks, &nova);
        tasks.close();
        Ok(Cloud {
            state,
            url,
            console_url,
            api_address,
            db,
            images,
            networks,
            hosts,
            network: companions.network,
            session: nova,
            bus,
            conductor,
            agents,
            network_tasks,
            tasks,
            stop,
        })
    }

    /// Ends: no new requests, then what is under way, then the rest. Guests and networks go on.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for agent in &self.agents {
            agent.stop().await;
        }
        self.conductor.stop(GRACE).await;
        while self.network_tasks.join_next().await.is_some() {}
        if tokio::time::timeout(GRACE, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some requests were cut off");
        }
        if let Err(error) = self.bus.shutdown(GRACE).await {
            tracing::warn!(%error, "some messages were cut off");
        }
    }

    /// Everything that should not be: leaked claims, ports, guests, files, devices. Empty is good.
    pub async fn audit(&self) -> Result<Vec<String>> {
        audit::run(&audit::Looked {
            db: &self.db,
            images: &self.images,
            networks: &self.networks,
            hosts: &self.hosts,
            network: &self.network,
            session: &self.session,
            at_rest: false,
        })
        .await
    }
}

pub(crate) fn session(identity: &Service, user: &str, password: SecretString) -> Session {
    let login = Login {
        user: user.to_owned(),
        password,
        project: "service".to_owned(),
        domain: "Default".to_owned(),
    };
    Session::new(identity.clone(), login)
}

fn control(
    config: &Config,
    db: &Database,
    bus: &Bus,
    companions: &Companions,
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
        console_token_ttl: config.consoleauth.token_ttl,
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
    Ok(Arc::new(Control {
        db: db.clone(),
        bus: bus.clone(),
        identity: companions.identity.clone(),
        image: companions.image.clone(),
        network: companions.network.clone(),
        session: session.clone(),
        policy: Arc::new(policy),
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

async fn conductor(
    config: &Config,
    state: &State,
    db: &Database,
    bus: &Bus,
    companions: &Companions,
    session: &Session,
) -> Result<Conductor> {
    let settings = compute_conductor::Settings {
        host: config.place.host.clone(),
        max_attempts: config.scheduler.max_attempts,
        service_down_time: config.compute.service_down_time,
        vif_plugging_timeout: config.compute.vif_plugging_timeout,
        vif_plugging_is_fatal: config.compute.vif_plugging_is_fatal,
        build_timeout: config.compute.long_rpc_timeout,
        keep: config.database.keep.clone(),
        ..compute_conductor::Settings::default()
    };
    let env = compute_conductor::Env {
        db: db.read_only(),
        bus: bus.clone(),
        network: companions.network.clone(),
        session: session.clone(),
        settings,
    };
    let sole = state.sole_process(db.engine());
    Ok(Conductor::start(Arc::new(env), db.clone(), sole).await?)
}

async fn scheduler(config: &Config, db: &Database, bus: &Bus) -> Result<()> {
    let settings = compute_scheduler::Settings {
        service_down_time: config.compute.service_down_time,
        default_availability_zone: config.compute.default_availability_zone.clone(),
        ..config.filter_scheduler.0.clone()
    };
    compute_scheduler::serve(bus, db.clone(), settings).await?;
    Ok(())
}

async fn agents(
    config: &Config,
    state: &State,
    hosts: &[drivers::Hosted],
    bus: &Bus,
    companions: &Companions,
    session: &Session,
) -> Result<Vec<Agent>> {
    let mut agents = Vec::with_capacity(hosts.len());
    for hosted in hosts {
        let compute = &config.compute;
        let settings = compute_agent::Settings {
            host: hosted.host.clone(),
            node_id: state.secrets.node_id(&hosted.host),
            my_ip: config.place.my_ip.clone(),
            image_cache: state.path.join("image-cache"),
            cache: compute_agent::CacheSettings {
                keep_free: config.place.disk_reserve,
                ..config.image_cache.0.clone()
            },
            max_concurrent_builds: compute.max_concurrent_builds,
            report_interval: compute.report_interval,
            sync_interval: compute.sync_power_state_interval,
            shutdown_timeout: compute.shutdown_timeout,
            reserved_memory_mb: compute.reserved_host_memory_mb,
            reserved_vcpus: compute.reserved_host_cpus,
            reserved_disk_gb: compute.reserved_host_disk_mb.div_ceil(1024),
            cpu_ratio: compute.cpu_ratio,
            ram_ratio: compute.ram_ratio,
            disk_ratio: compute.disk_ratio,
            dhcp_domain: config.api.dhcp_domain.clone(),
            ..compute_agent::Settings::default()
        };
        let agent = Agent::start(
            hosted.driver.clone(),
            bus.clone(),
            companions.image.clone(),
            session.clone(),
            settings,
        );
        agents.push(agent.await?);
    }
    Ok(agents)
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

/// Roles without an agent say that they are alive, for `os-services`.
fn report_services(tasks: &TaskTracker, bus: &Bus, config: &Config, stop: &CancellationToken) {
    let (bus, stop) = (bus.clone(), stop.clone());
    let (host, interval) = (config.place.host.clone(), config.compute.report_interval);
    tasks.spawn(async move {
        loop {
            for binary in ["nova-conductor", "nova-scheduler"] {
                let report = ServiceReport {
                    host: host.clone(),
                    binary: binary.to_owned(),
                };
                let address = compute_rpc::conductor::address();
                if let Err(error) = bus.cast(&address, report, Options::default()).await {
                    tracing::warn!(%error, binary, "a service could not report");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = stop.cancelled() => return,
            }
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

/// All REST services behind one address.
fn front_door(
    identity: &Identity,
    images: &Images,
    networks: &Networks,
    compute: Router,
    authenticator: Arc<dyn Authenticator>,
    db: &Database,
) -> Router {
    let prefixes: Arc<[&'static str]> = Arc::from(["/identity", "/compute", "/image", "/network"]);
    let db = db.clone();
    let checks = telemetry::Checks::default().on("database", move || {
        let db = db.clone();
        async move {
            let asked = compute_db::hosts::services(db.read()).await;
            asked.map(|_| ()).map_err(|error| error.to_string())
        }
    });
    // `nest` would not hand `/image/` on, which clients ask for versions.
    Router::new()
        .route("/", get(move || glue::index(prefixes.clone())))
        .nest_service("/identity", identity.router())
        .nest_service("/compute", compute)
        .nest_service("/image", images.router(authenticator.clone()))
        .nest_service("/network", networks.router(authenticator))
        .merge(telemetry::metrics_router(env!("CARGO_PKG_VERSION")))
        .merge(telemetry::health_router(checks))
}
