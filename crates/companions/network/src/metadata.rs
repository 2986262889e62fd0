//! The metadata proxy: servers ask 169.254.169.254, which says nothing about who asks. The port does. The data plane
//! knows which one: its rules let a packet for metadata leave a tap only with an address that is that tap's own, and say
//! which port has it ([`Plane::port_of`]). What the tables say of addresses does not count: a neighbour of a shared
//! network can send from them where port security is off or an address pair allows it. The proxy adds the port's server
//! to the request, signed, and passes it on.

mod doors;

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use network_plane::{MetadataListener, Plane};
use secrecy::ExposeSecret;
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::fault::{Chain, Result};
use crate::metadata::doors::Doors;
use crate::owners;
use crate::tables::ports;

/// The way to the metadata service; the binary provides it.
#[async_trait]
pub trait MetadataUpstream: Send + Sync {
    /// Sends a request (with a path only, and the headers that say who asks) and gives the answer.
    async fn send(&self, request: Request<Body>) -> Response;
}

/// Headers that only the proxy may set. A guest that sends them is lying.
const OURS: [&str; 6] = [
    "x-instance-id",
    "x-instance-id-signature",
    "x-tenant-id",
    "x-forwarded-for",
    "x-metadata-provider",
    "x-metadata-provider-signature",
];

/// Longest time a guest may take for the head of a request.
const HEAD_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Serves every listener of the plane until told to stop.
pub async fn run(
    core: Arc<Core>,
    plane: Plane,
    upstream: Arc<dyn MetadataUpstream>,
    stop: CancellationToken,
) {
    let mut listeners = match plane.listeners().await {
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::error!(error = %Chain(&error), "no metadata for the servers of this host");
            return;
        }
    };
    let doors = Arc::new(Doors::default());
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = listeners.recv() => next,
        };
        let Some(listener) = next else { return };
        let way = Way {
            core: core.clone(),
            plane: plane.clone(),
            upstream: upstream.clone(),
        };
        tokio::spawn(serve(way, listener, doors.clone(), stop.clone()));
    }
}

/// What a request needs on its way.
#[derive(Clone)]
struct Way {
    core: Arc<Core>,
    plane: Plane,
    upstream: Arc<dyn MetadataUpstream>,
}

/// Who asks: a connection belongs to the port that began it, for as long as the address is that port's.
struct Asker {
    network_id: String,
    address: IpAddr,
    port_id: String,
}

async fn serve(way: Way, listener: MetadataListener, doors: Arc<Doors>, stop: CancellationToken) {
    let MetadataListener {
        network_id,
        listener,
        closed,
    } = listener;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            () = closed.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(pass) = doors.enter(&network_id, peer.ip()) else {
                    tracing::debug!(network = network_id, %peer, "too many metadata connections: closed");
                    continue;
                };
                let Some(port_id) = way.plane.port_of(&network_id, peer.ip()) else {
                    tracing::warn!(network = network_id, %peer, "metadata was asked from an address that no port has");
                    continue;
                };
                let asker = Asker {
                    network_id: network_id.clone(),
                    address: peer.ip(),
                    port_id,
                };
                let asked = connection(way.clone(), Arc::new(asker), stream);
                let (stop, closed) = (stop.clone(), closed.clone());
                tokio::spawn(async move {
                    let _pass = pass;
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = closed.cancelled() => {}
                        () = asked => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, network = network_id, "a guest's connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(way: Way, asker: Arc<Asker>, stream: tokio::net::TcpStream) {
    let address = asker.address;
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (way, asker) = (way.clone(), asker.clone());
        async move {
            let request = request.map(Body::new);
            Ok::<_, std::convert::Infallible>(proxy(&way, &asker, request).await)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, %address, "a guest's metadata connection ended");
    }
}

/// Passes one request on in the name of the server that sent it.
async fn proxy(way: &Way, asker: &Asker, request: Request<Body>) -> Response {
    let core = way.core.as_ref();
    let still = way.plane.port_of(&asker.network_id, asker.address);
    if still.as_ref() != Some(&asker.port_id) {
        tracing::warn!(port = asker.port_id, address = %asker.address, "metadata was asked from an address that changed hands");
        return StatusCode::NOT_FOUND.into_response();
    }
    let port = match of_server(core, &asker.port_id).await {
        Ok(Some(port)) => port,
        Ok(None) => {
            tracing::warn!(
                port = asker.port_id,
                "metadata was asked by a port without a server"
            );
            return StatusCode::NOT_FOUND.into_response();
        }
        Err(error) => {
            tracing::error!(error = %Chain(&error), "cannot find out who asks for metadata");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let (mut parts, body) = request.into_parts();
    for name in OURS {
        parts.headers.remove(name);
    }
    // Hop-by-hop headers end here.
    for name in [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "proxy-connection",
    ] {
        parts.headers.remove(name);
    }
    let signature = sign(core, &port.device_id);
    let who = [
        ("x-instance-id", port.device_id),
        ("x-tenant-id", port.project_id),
        ("x-forwarded-for", asker.address.to_string()),
        ("x-instance-id-signature", signature),
    ];
    if !set(&mut parts.headers, who) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    way.upstream.send(Request::from_parts(parts, body)).await
}

fn set(headers: &mut HeaderMap, values: [(&'static str, String); 4]) -> bool {
    for (name, value) in values {
        let Ok(value) = HeaderValue::from_str(&value) else {
            return false;
        };
        headers.insert(HeaderName::from_static(name), value);
    }
    true
}

/// The port, if a server has it.
async fn of_server(core: &Core, port_id: &str) -> Result<Option<ports::Model>> {
    let port = crate::db::store::find::<ports::Entity>(core.db.read(), port_id).await?;
    Ok(port.filter(|port| !port.device_id.is_empty() && !owners::is_service(&port.device_owner)))
}

/// The signature by which the metadata service knows that the proxy spoke: HMAC-SHA256 of the server's id.
fn sign(core: &Core, server_id: &str) -> String {
    let secret = core.settings.metadata_secret.expose_secret().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(server_id.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
