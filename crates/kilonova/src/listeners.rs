//! The addresses where this process listens.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use axum::Router;
use nix::sys::resource::{Resource, getrlimit};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use web::serve::{Door, Limits};
use web::tls::Tls;

use crate::config::Config;

/// Which part of the open files that the process may have, a listener gives to clients. The rest is for guests,
/// databases and operators; the console proxy holds two files for each client.
const SHARE_OF_FILES: u64 = 4;

/// Takes an address.
///
/// # Errors
/// It is taken by another program, or not ours, or beyond loopback and plain without the operator's word for that;
/// the text names the option to change.
pub async fn bind(config: &Config, address: SocketAddr, option: &str) -> Result<TcpListener> {
    ensure!(
        address.ip().is_loopback() || config.ssl.is_on() || config.ssl.allow_plaintext,
        "{option} = {address} can be reached from other machines, and without TLS passwords and tokens can be read \
         on the way: set [ssl] cert_file and key_file, or [ssl] self_signed = true; with a proxy in front that speaks \
         TLS, [ssl] allow_plaintext = true"
    );
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: another program may have it; set {option} to another address")
    })
}

/// Most connections that a listener has at once.
pub fn most_connections() -> usize {
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(now, _)| now);
    usize::try_from(files / SHARE_OF_FILES)
        .unwrap_or(usize::MAX)
        .max(16)
}

/// How many streams may be open when `wanted` are allowed: half of the connections at most. The others are for requests,
/// which are answered however many watch.
pub fn most_streams(wanted: usize, connections: usize) -> usize {
    wanted.min(connections / 2)
}

/// How all listeners take their clients.
pub struct Entrance {
    pub tls: Option<Tls>,
    limits: Limits,
}

impl Entrance {
    /// As the settings say.
    pub fn new(config: &Config, tls: Option<Tls>) -> Self {
        let limits = Limits {
            in_all: most_connections(),
            per_address: config.api.max_connections_per_address,
            proxies: Arc::from(config.api.trusted_proxies.clone()),
        };
        Entrance { tls, limits }
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Serves in the background until `stop`.
    pub fn serve(
        &self,
        tasks: &TaskTracker,
        name: &'static str,
        listener: TcpListener,
        router: Router,
        stop: CancellationToken,
    ) {
        let door = Door {
            listener,
            tls: self.tls.clone(),
            limits: self.limits.clone(),
        };
        tasks.spawn(async move {
            if let Err(error) = web::serve::serve(door, router, stop).await {
                tracing::error!(name, %error, "a listener ended");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_leave_connections_for_requests() {
        assert_eq!(most_streams(10_000, 100_000), 10_000);
        assert_eq!(most_streams(10_000, 1024), 512);
        assert!(most_streams(usize::MAX, most_connections()) >= 8);
        assert!(most_streams(usize::MAX, most_connections()) < most_connections());
    }
}
