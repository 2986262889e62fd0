//! The handle that the network service holds.
//!
//! Applies are serialised. Calls that wait while one is running are merged: the newest wanted state is applied once
//! and every caller gets its report.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::apply::{self, Engine, limits, sweep};
use crate::daemon::Daemons;
use crate::firewall::host::GatewayService;
use crate::host::{Host, Places, Uses};
use crate::kernel::netns;
use crate::label::{self, Label};
use crate::layout::Layout;
use crate::metadata::{Listeners, MetadataListener};
use crate::owners::Owners;
use crate::{PlaneError, Report, Wanted, memory};

/// How often dnsmasq processes are looked after.
const SUPERVISION: Duration = Duration::from_millis(500);

/// What a plane needs to know.
#[derive(Clone, Debug)]
pub struct PlaneSettings {
    /// The plane's own directory: dnsmasq's files and leases, what was applied last. An absolute path.
    pub state_dir: PathBuf,
    /// 1 to 8 letters or digits, unique among the clouds of this machine; part of every namespace's name.
    pub cloud_id: String,
    /// Where name servers, proxies and package mirrors of the host are named: no external network may take them away.
    pub places: Places,
    /// What tells this cloud from every other of this machine, for ever: up to 64 letters, digits and dashes.
    pub owner: String,
    /// What guests and routers may reach of the host by the gateway address of an external network.
    pub gateway_services: BTreeSet<GatewayService>,
    /// Tracked connections that one port may have begun; `None` for the usual limit.
    pub connections_per_port: Option<u32>,
}

/// The networks of one cloud on this host. Cheap to clone; what exists on the host outlives it.
#[derive(Clone)]
pub struct Plane {
    inner: Arc<Inner>,
}

struct Inner {
    cloud_id: String,
    view: Host,
    owners: Owners,
    /// The newest wanted state and its number.
    newest: Mutex<(u64, Arc<Wanted>)>,
    work: Arc<AsyncMutex<Work>>,
}

struct Work {
    engine: Engine,
    /// Number and report of the last successful apply.
    done: Option<(u64, Report)>,
}

impl Plane {
    /// Opens the plane; the calling thread's network namespace becomes "the host". Changes nothing yet.
    /// Must be called inside a tokio runtime: a task that looks after dnsmasq is started and ends with the last handle.
    ///
    /// # Errors
    /// [`PlaneError::NotRoot`], a setting that cannot be, or an unusable path.
    pub async fn open(settings: PlaneSettings) -> Result<Plane, PlaneError> {
        let id = &settings.cloud_id;
        if !(1..=8).contains(&id.len()) || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(PlaneError::CloudId(id.clone()));
        }
        if !(1..=64).contains(&settings.owner.len())
            || !settings
                .owner
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-')
        {
            return Err(PlaneError::Owner(settings.owner));
        }
        if !nix::unistd::geteuid().is_root() {
            return Err(PlaneError::NotRoot);
        }
        limits::check(settings.connections_per_port)?;
        let label = Label::of(&settings.owner);
        let id = &label::claim(&settings, &label)?;
        let state_dir = std::path::absolute(&settings.state_dir)
            .map_err(|e| PlaneError::file(&settings.state_dir, e))?;
        let owners = Owners::default();
        let view = Host::here(settings.places, Some(sweep::host_alias(id)))?;
        let engine = Engine {
            cloud_id: id.clone(),
            host: netns::current()?,
            view: view.clone(),
            verdicts: Default::default(),
            gateway_services: settings.gateway_services,
            connections: settings.connections_per_port,
            owners: owners.clone(),
            label,
            spaces: Default::default(),
            memory: memory::load(&state_dir),
            layout: Layout::new(),
            daemons: Daemons::new(&state_dir),
            listeners: Listeners::default(),
            adverts: Default::default(),
            state_dir,
        };
        let inner = Arc::new(Inner {
            cloud_id: id.clone(),
            view,
            owners,
            newest: Mutex::default(),
            work: Arc::new(AsyncMutex::new(Work { engine, done: None })),
        });
        tokio::spawn(supervise(Arc::downgrade(&inner)));
        Ok(Plane { inner })
    }

    /// Makes the host look as wanted. One object's failure does not stop the others: see [`Report::failures`].
    /// Dropping the future does not stop an apply that has begun.
    ///
    /// # Errors
    /// What stops everything: no switch namespace can be made, the state directory is unusable.
    pub async fn apply(&self, wanted: &Wanted) -> Result<Report, PlaneError> {
        let ticket = {
            let mut newest = self
                .inner
                .newest
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *newest = (newest.0 + 1, Arc::new(wanted.clone()));
            newest.0
        };
        let mut work = self.inner.work.clone().lock_owned().await;
        if let Some((_, report)) = work.done.as_ref().filter(|(number, _)| *number >= ticket) {
            return Ok(report.clone());
        }
        let (number, wanted) = self
            .inner
            .newest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        blocking(move || {
            let report = apply::run(&mut work.engine, &wanted)?;
            work.done = Some((number, report.clone()));
            Ok(report)
        })
        .await
    }

    /// The metadata listeners: those that exist come first, later ones when they are made. A second call ends the
    /// first call's channel, cancels its listeners and starts with all of them again.
    pub async fn listeners(&self) -> Result<mpsc::UnboundedReceiver<MetadataListener>, PlaneError> {
        self.inner.work.lock().await.engine.listeners.subscribe()
    }

    /// Removes everything of this cloud from the host: namespaces, devices, dnsmasq processes, their files.
    pub async fn remove_all(&self) -> Result<(), PlaneError> {
        let mut work = self.inner.work.clone().lock_owned().await;
        blocking(move || {
            work.done = None;
            sweep::everything(&mut work.engine)
        })
        .await
    }

    /// Describes everything on the host that belongs to this cloud and that the last applied state does not want.
    /// After [`Plane::remove_all`] (or before the first apply): everything there is. Empty is good.
    pub async fn audit(&self) -> Result<Vec<String>, PlaneError> {
        let work = self.inner.work.clone().lock_owned().await;
        blocking(move || sweep::audit(&work.engine)).await
    }

    /// The same against a state that another process applied: nothing is changed.
    pub async fn audit_at_rest(&self, wanted: Wanted) -> Result<Vec<String>, PlaneError> {
        let work = self.inner.work.clone().lock_owned().await;
        blocking(move || sweep::audit_at_rest(&work.engine, &wanted)).await
    }

    /// What the host uses of the address space, but for what this cloud has there.
    pub async fn host_uses(&self) -> Result<Uses, PlaneError> {
        let view = self.inner.view.clone();
        blocking(move || view.uses()).await
    }

    /// The port that an address of a network belongs to, by the rules that the switch has now: no other guest's packet
    /// with this source reaches the network's metadata listener.
    pub fn port_of(&self, network_id: &str, address: IpAddr) -> Option<String> {
        self.inner.owners.of(network_id, address)
    }

    /// The id that is part of every namespace's name: the one of the settings, or another one where that is another
    /// cloud's.
    pub fn cloud_id(&self) -> &str {
        &self.inner.cloud_id
    }

    /// The name of the namespace that holds the taps (`kn-<cloud id>`, under /run/netns).
    pub fn switch_namespace(&self) -> String {
        crate::switch_namespace(&self.inner.cloud_id)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PlaneError> + Send + 'static,
) -> Result<T, PlaneError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(PlaneError::Gone))
}

/// Starts dnsmasq processes again that died, for as long as somebody holds the plane.
async fn supervise(plane: Weak<Inner>) {
    loop {
        tokio::time::sleep(SUPERVISION).await;
        let Some(inner) = plane.upgrade() else { return };
        let mut work = inner.work.clone().lock_owned().await;
        drop(inner);
        let looked = blocking(move || {
            work.engine.daemons.supervise();
            Ok(())
        });
        if looked.await.is_err() {
            return;
        }
    }
}
