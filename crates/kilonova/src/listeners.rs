//! The addresses where this process listens.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Takes an address.
///
/// # Errors
/// It is taken by another program, or not ours; the text names the option to change.
pub async fn bind(address: SocketAddr, option: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: another program may have it; set {option} to another address")
    })
}

/// Serves in the background until `stop`.
pub fn serve(
    tasks: &TaskTracker,
    name: &'static str,
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) {
    tasks.spawn(async move {
        if let Err(error) = web::serve::serve(listener, router, stop).await {
            tracing::error!(name, %error, "a listener ended");
        }
    });
}
