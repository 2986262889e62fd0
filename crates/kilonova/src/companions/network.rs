//! The network service (Neutron v2.0).

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use clients::compute::{Event, send_events};
use clients::{Service as Client, Session};
use http::Request;
use network::host::Places;
use network::{EventSink, MetadataUpstream, Networks, PlaneKind, Settings, SinkError};
use secrecy::SecretString;
use settings::{Problems, section};
use sql::Database;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use web::Authenticator;
use web::policy::PolicyError;

use super::{Companion, Configured, Neighbours, Place, Row, ServiceUser};
use crate::config::{Config, Driver};

/// What this machine's own networks use, for the choice of a range.
pub use network::host;

pub const ROW: Row = Row {
    name: "network",
    catalog: &[("network", "neutron")],
    path: "",
    // It sends events to compute.
    user: Some(ServiceUser {
        name: "neutron",
        roles: &["service"],
    }),
    sections: || vec![section::<Settings>()],
    read,
    calls: network::calls,
    accepts: network::accepted,
    bodies: Vec::new,
    parameters: network::parameters,
    rules: &[network::POLICY_RULES],
    rule_prefix: "",
};

fn read(from: &settings::Settings) -> Result<Arc<dyn Configured>, Problems> {
    Ok(Arc::new(Chosen(from.read()?)))
}

struct Chosen(Settings);

#[async_trait]
impl Configured for Chosen {
    fn connection(&self) -> Option<&str> {
        self.0.connection.as_deref()
    }

    fn machine_user(&self) -> Option<(&'static str, u32)> {
        Some(("[network] dhcp_uid", self.0.dhcp_uid))
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn Companion>> {
        let db = place.database(ROW.name).await?;
        let (state, config) = (place.state()?, place.config);
        let settings = Settings {
            host: config.place.host.to_string(),
            plane: match self.0.choose_plane {
                true => usual_plane(config),
                false => self.0.plane,
            },
            cloud_id: state.cloud_id.clone(),
            state_dir: state.path.join("network"),
            places: places(config),
            owner: state.network_owner(),
            metadata_secret: SecretString::from(state.secrets.metadata_secret.clone()),
            ..self.0.clone()
        };
        Ok(Arc::new(Service(Networks::open(db, settings).await?)))
    }
}

/// Where name servers, proxies and package mirrors of this machine are named.
pub fn places(config: &Config) -> Places {
    Places::of_machine(config.outside.home.as_deref(), &config.outside.variables)
}

/// What makes networks real here when nobody said.
fn usual_plane(config: &Config) -> PlaneKind {
    let root = nix::unistd::geteuid().is_root();
    match (config.place.compute_driver, root) {
        (Driver::Fake, _) => PlaneKind::None,
        (Driver::Qemu, true) => PlaneKind::Linux,
        (Driver::Qemu, false) => {
            tracing::warn!("not root: servers get no real network ([network] plane)");
            PlaneKind::None
        }
    }
}

struct Service(Networks);

#[async_trait]
impl Companion for Service {
    fn database(&self) -> Option<&Database> {
        Some(self.0.database())
    }

    fn router(&self, callers: Arc<dyn Authenticator>) -> Router {
        self.0.router(callers)
    }

    fn reload_policy(&self) -> Result<(), PolicyError> {
        self.0.reload_policy()
    }

    async fn start(&self, neighbours: Neighbours, stop: CancellationToken) -> JoinSet<()> {
        if let Some(session) = neighbours.session {
            let compute = neighbours.compute;
            let sink = Arc::new(Events { compute, session });
            self.0.set_event_sink(sink).await;
        }
        self.0
            .start(Some(Arc::new(Metadata(neighbours.metadata))), stop)
    }

    async fn audit(&self, at_rest: bool) -> Result<Vec<String>> {
        Ok(match at_rest {
            true => self.0.audit_at_rest().await?,
            false => self.0.audit().await?,
        })
    }

    async fn down(&self) -> Result<()> {
        Ok(self.0.down().await?)
    }

    async fn rename_host(&self, before: &str, after: &str) -> Result<()> {
        Ok(self.0.rename_host(before, after).await?)
    }
}

/// Carries its events to compute's API, as Neutron does.
struct Events {
    compute: Client,
    session: Session,
}

impl Events {
    async fn send(
        &self,
        name: &'static str,
        server_id: &str,
        port_id: Option<&str>,
    ) -> Result<(), SinkError> {
        let events = [Event {
            name,
            server_id: server_id.to_owned(),
            tag: port_id.map(str::to_owned),
        }];
        let sent = self
            .session
            .with(|token| {
                let events = &events;
                async move { send_events(&self.compute, &token, events).await }
            })
            .await;
        Ok(sent?)
    }
}

#[async_trait]
impl EventSink for Events {
    async fn vif_plugged(&self, server_id: &str, port_id: &str) -> Result<(), SinkError> {
        self.send("network-vif-plugged", server_id, Some(port_id))
            .await
    }

    async fn vif_unplugged(&self, server_id: &str, port_id: &str) -> Result<(), SinkError> {
        self.send("network-vif-unplugged", server_id, Some(port_id))
            .await
    }

    async fn vif_deleted(&self, server_id: &str, port_id: &str) -> Result<(), SinkError> {
        self.send("network-vif-deleted", server_id, Some(port_id))
            .await
    }

    async fn changed(&self, server_id: &str, port_id: &str) -> Result<(), SinkError> {
        self.send("network-changed", server_id, Some(port_id)).await
    }
}

/// Takes the metadata proxy's requests to the metadata service of this process.
struct Metadata(Router);

#[async_trait]
impl MetadataUpstream for Metadata {
    async fn send(&self, request: Request<Body>) -> Response {
        match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
