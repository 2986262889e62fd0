//! The volume service (Cinder v3).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use clients::compute::{send_volume_event, swap_volume};
use clients::{Service as Client, Session};
use settings::{Problems, section};
use sql::Database;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use volume::{EventSink, Images, NotReplaced, Settings, SinkError, Volumes};
use web::Authenticator;
use web::policy::PolicyError;

use super::{Companion, Configured, Neighbours, Place, Row, ServiceUser};

pub const ROW: Row = Row {
    name: "volume",
    // Clients look for one or the other.
    catalog: &[("block-storage", "cinder"), ("volumev3", "cinderv3")],
    path: "/v3",
    // It fetches images and sends events to compute.
    user: Some(ServiceUser {
        name: "cinder",
        roles: &["service"],
    }),
    sections: || vec![section::<Settings>()],
    read,
    calls: volume::calls,
    accepts: Vec::new,
    bodies: volume::bodies,
    parameters: volume::parameters,
    rules: &volume::POLICY_TABLES,
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

    fn guest_files(&self, state: &Path) -> Vec<PathBuf> {
        let settings = self.in_place(state);
        let folders = settings.back_ends().iter();
        folders.map(|one| one.volume_dir.clone()).collect()
    }

    fn programs(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let back_ends = self.0.back_ends().iter();
        let needed = back_ends.flat_map(|one| one.programs());
        let mut all: Vec<_> = needed
            .map(|one| (one.option, one.program, one.package))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    async fn open(&self, place: &Place<'_>) -> Result<Arc<dyn Companion>> {
        let db = place.database(ROW.name).await?;
        let hosts = place.config.host_names()?;
        let also = hosts.iter().map(ToString::to_string).collect();
        let settings = Settings {
            host: place.config.place.host.to_string(),
            also_hosts: also,
            keep_free: place.config.place.disk_reserve,
            ..self.in_place(place.folder)
        };
        Ok(Arc::new(Service(Volumes::open(db, settings).await?)))
    }
}

impl Chosen {
    /// The settings with the folders of the cloud whose files lie in `state`, where the operator names none.
    fn in_place(&self, state: &Path) -> Settings {
        let mut settings = Settings {
            backup_dir: in_place(&self.0.backup_dir, state, "backups"),
            export_dir: state.join("exports"),
            ..self.0.clone()
        };
        settings.back_end.volume_dir = in_place(&self.0.back_end.volume_dir, state, "volumes");
        settings
    }
}

/// A folder as the operator named it, else one of the cloud's own.
fn in_place(folder: &Path, state: &Path, name: &str) -> PathBuf {
    match folder.as_os_str().is_empty() {
        true => state.join(name),
        false => folder.to_owned(),
    }
}

struct Service(Volumes);

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
            self.0.set_images(Images {
                service: neighbours.image,
                session: session.clone(),
            });
            self.0.set_event_sink(Arc::new(Events {
                compute: neighbours.compute,
                session,
            }));
        }
        self.0.start(None, stop).await
    }

    async fn down(&self) -> Result<()> {
        Ok(self.0.stop_serving().await?)
    }

    async fn audit(&self, _at_rest: bool) -> Result<Vec<String>> {
        Ok(self.0.audit().await?)
    }
}

/// Carries its events and wishes to compute's API, as Cinder does.
struct Events {
    compute: Client,
    session: Session,
}

#[async_trait]
impl EventSink for Events {
    async fn send(&self, name: &str, server_id: &str, volume_id: &str) -> Result<(), SinkError> {
        let sent = self.session.with(|token| async move {
            send_volume_event(&self.compute, &token, name, server_id, volume_id).await
        });
        Ok(sent.await?)
    }

    async fn replace(
        &self,
        server_id: &str,
        volume_id: &str,
        new_id: &str,
    ) -> Result<(), NotReplaced> {
        let of = (volume_id, new_id);
        let asked = self
            .session
            .with(|token| async move { swap_volume(&self.compute, &token, server_id, of).await });
        asked.await.map_err(|error| match error.is_passing() {
            true => NotReplaced::Away(error.into()),
            false => NotReplaced::Refused(error.message()),
        })
    }
}
