//! The console proxy: a page with a screen or a terminal, and the WebSocket behind it.
//!
//! Who has a token gets the console that it was made for, once, and keeps it no longer than the user
//! who asked for it has the right to it. The WebSocket's `Origin` must be this proxy's own address or
//! one that the operator allows; nothing redirects.

mod pages;
mod proxy;
mod rights;

use std::path::PathBuf;

use axum::Router;
use axum::routing::get;
use bus::Bus;
use tower_http::services::ServeDir;

pub use rights::Rights;

/// What an operator decides about the proxy.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of noVNC, which draws the screen (Debian package `novnc`).
    pub novnc_path: PathBuf,
    /// Hosts that pages with our consoles in them may have (`[console] allowed_origins`), beside
    /// the proxy's own.
    pub allowed_origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            novnc_path: PathBuf::from("/usr/share/novnc"),
            allowed_origins: Vec::new(),
        }
    }
}

/// What handlers work with.
#[derive(Clone)]
struct Proxy {
    bus: Bus,
    rights: Rights,
    settings: Settings,
}

/// The proxy as a router: `/vnc_auto.html`, `/serial.html`, noVNC's files, and the WebSocket at `/`
/// and `/websockify`.
pub fn router(bus: Bus, rights: Rights, settings: Settings) -> Router {
    let novnc = ServeDir::new(&settings.novnc_path);
    Router::new()
        .route("/", get(proxy::open))
        .route("/websockify", get(proxy::open))
        .route("/vnc_auto.html", get(pages::vnc))
        .route("/serial.html", get(pages::serial))
        .fallback_service(novnc)
        .with_state(Proxy {
            bus,
            rights,
            settings,
        })
}
