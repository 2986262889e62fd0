//! The handle that the network service holds.
//!
//! Applies are serialised. Calls that wait while one is running are merged: the newest wanted state is applied once
//! and every caller gets its report.

use std::path::PathBuf;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{PlaneError, Report, Wanted};

/// What a plane needs to know.
#[derive(Clone, Debug)]
pub struct PlaneSettings {
    /// The plane's own directory: dnsmasq's files and leases, what was applied last.
    pub state_dir: PathBuf,
    /// 1 to 8 letters or digits, unique among the clouds of this machine; part of every namespace's name.
    pub cloud_id: String,
}

/// The networks of one cloud on this host. Cheap to clone.
#[derive(Clone)]
pub struct Plane {
    settings: PlaneSettings,
}

/// A listening socket on 169.254.169.254:80 inside a network. The peer's address is the guest's fixed IP.
pub struct MetadataListener {
    pub network_id: String,
    pub listener: TcpListener,
    /// Cancelled when the network went away or got a new listener: drop the socket then, it keeps the namespace alive.
    pub closed: CancellationToken,
}

impl Plane {
    /// Opens the plane; the calling thread's network namespace becomes "the host". Changes nothing yet.
    /// Must be called inside a tokio runtime.
    pub async fn open(settings: PlaneSettings) -> Result<Plane, PlaneError> {
        Ok(Plane { settings })
    }

    /// Makes the host look as wanted. One object's failure does not stop the others: see [`Report::failures`].
    /// `Err` is for what stops everything (not root, `nft` missing, no namespace).
    pub async fn apply(&self, _wanted: &Wanted) -> Result<Report, PlaneError> {
        Err(PlaneError::Gone)
    }

    /// The metadata listeners: those of the last apply come first, later ones when they are made. A second call ends
    /// the first call's channel and starts with all listeners again.
    pub async fn listeners(&self) -> Result<mpsc::UnboundedReceiver<MetadataListener>, PlaneError> {
        Err(PlaneError::Gone)
    }

    /// Removes everything of this cloud from the host: namespaces, devices, dnsmasq processes, state files.
    pub async fn remove_all(&self) -> Result<(), PlaneError> {
        Err(PlaneError::Gone)
    }

    /// Describes everything on the host that belongs to this cloud and that the last applied state does not want.
    /// After [`Plane::remove_all`]: everything that is left. Empty is good.
    pub async fn audit(&self) -> Result<Vec<String>, PlaneError> {
        Err(PlaneError::Gone)
    }

    /// The name of the namespace that holds the taps (`kn-<cloud id>`, under /run/netns).
    pub fn switch_namespace(&self) -> String {
        crate::switch_namespace(&self.settings.cloud_id)
    }
}
