//! The WebSocket: bytes between a browser and a guest's console.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use bus::{CallError, Options};
use compute_rpc::agent::{self, ConsoleEndpoint, ConsoleKind, Endpoint};
use compute_rpc::conductor::{self, ConsoleTarget, RedeemConsole};
use compute_rpc::sealed;
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, StatusCode, header};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use web::Query;

use crate::Proxy;
use crate::rights::Lost;

/// Bytes taken from the guest at once; bounds what one console may hold in memory.
const CHUNK: usize = 64 * 1024;

/// How long a browser may take to hear why its console ends.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// Why a console does not open.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("The token is not valid: unknown, used already, or expired.")]
    Token,
    #[error("Origin header does not match this host.")]
    Origin,
    #[error("The console cannot be reached now.")]
    Unreachable(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Refusal::Token | Refusal::Origin => StatusCode::FORBIDDEN,
            Refusal::Unreachable(why) => {
                tracing::warn!(why, "a console cannot be reached");
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        (status, self.to_string()).into_response()
    }
}

/// Opens a console.
pub async fn open(State(proxy): State<Proxy>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(refusal) => return refusal.into_response(),
    };
    if let Err(refusal) = check_origin(&parts.headers, &proxy.settings.allowed_origins) {
        return refusal.into_response();
    }
    let token = token(&parts.headers, parts.uri.query().unwrap_or_default());
    let (console, endpoint) = match find(&proxy, &token).await {
        Ok(found) => found,
        Err(refusal) => return refusal.into_response(),
    };
    tracing::info!(
        server = console.target.server_id,
        kind = console.target.kind,
        "a console opens"
    );
    let upgrade = upgrade.protocols(["binary"]).max_message_size(CHUNK * 4);
    match endpoint {
        Endpoint::Unix(path) => match UnixStream::connect(&path).await {
            Ok(stream) => upgrade.on_upgrade(move |socket| carry(socket, stream, proxy, console)),
            Err(error) => Refusal::Unreachable(error.to_string()).into_response(),
        },
        Endpoint::Tcp(host, port) => match TcpStream::connect((host.as_str(), port)).await {
            Ok(stream) => upgrade.on_upgrade(move |socket| carry(socket, stream, proxy, console)),
            Err(error) => Refusal::Unreachable(error.to_string()).into_response(),
        },
    }
}

/// The token: in the query, or, as older pages send it, in a cookie.
fn token(headers: &HeaderMap, query: &str) -> String {
    if let Some(token) = Query::parse(query).last("token") {
        return token.to_owned();
    }
    let cookies = headers
        .get(header::COOKIE)
        .and_then(|value| value.to_str().ok());
    cookies
        .unwrap_or_default()
        .split(';')
        .find_map(|pair| pair.trim().strip_prefix("token="))
        .unwrap_or_default()
        .to_owned()
}

/// A page from elsewhere must not use a visitor's console. Programs send no origin.
fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else {
        return Ok(());
    };
    let origin = url::Url::parse(origin).map_err(|_| Refusal::Origin)?;
    let origin_host = origin.host_str().unwrap_or_default();
    let own = text(header::HOST).unwrap_or_default();
    let own = url::Url::parse(&format!("http://{own}")).map_err(|_| Refusal::Origin)?;
    let same =
        own.host_str() == Some(origin_host) && own.port_or_known_default() == port_as_http(&origin);
    match same || allowed.iter().any(|host| host == origin_host) {
        true => Ok(()),
        false => Err(Refusal::Origin),
    }
}

/// The origin's port; behind a proxy that speaks TLS, 443 stands for our 80.
fn port_as_http(origin: &url::Url) -> Option<u16> {
    match origin.port_or_known_default() {
        Some(443) if origin.scheme() == "https" && origin.port().is_none() => Some(80),
        port => port,
    }
}

/// A console that may be opened.
struct Console {
    target: ConsoleTarget,
    /// Of the user who asked for it.
    user_token: SecretString,
}

/// Uses the token up, asks whether its user still has the right, and the host where the console is.
async fn find(proxy: &Proxy, token: &str) -> Result<(Console, Endpoint), Refusal> {
    let redeem = RedeemConsole {
        token_hash: hex::encode(Sha256::digest(token)),
    };
    let away = |error: CallError| Refusal::Unreachable(error.to_string());
    let answered = proxy
        .bus
        .call(&conductor::address(), redeem, Options::default())
        .await;
    let target = answered.map_err(away)?.ok_or(Refusal::Token)?;
    let sealed = target.sealed_token.as_deref();
    let user_token = sealed
        .and_then(|sealed| sealed::open(token, sealed))
        .ok_or(Refusal::Token)?;
    let checked = proxy.rights.check(&proxy.bus, &target, &user_token).await;
    checked.map_err(|lost| {
        tracing::info!(server = target.server_id, why = %lost, "a console does not open");
        match lost {
            Lost::Silence(why) => Refusal::Unreachable(why),
            _ => Refusal::Token,
        }
    })?;
    let kind = match target.kind.as_str() {
        "serial" => ConsoleKind::Serial,
        _ => ConsoleKind::Vnc,
    };
    let ask = ConsoleEndpoint {
        server_id: target.server_id.clone(),
        kind,
    };
    let address = agent::address(&target.host);
    let endpoint = proxy
        .bus
        .call(&address, ask, Options::default())
        .await
        .map_err(away)?;
    Ok((Console { target, user_token }, endpoint))
}

/// Carries bytes both ways until either side ends, or the right to it is lost.
async fn carry<S>(socket: WebSocket, stream: S, proxy: Proxy, console: Console)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let Console { target, user_token } = console;
    let (mut to_browser, mut from_browser) = socket.split();
    let (mut from_guest, mut to_guest) = tokio::io::split(stream);
    let down = async {
        let mut buffer = vec![0; CHUNK];
        loop {
            match from_guest.read(&mut buffer).await {
                Ok(0) => break,
                Err(error) => {
                    tracing::debug!(%error, "a console broke off");
                    break;
                }
                Ok(count) => {
                    let bytes = Message::Binary(buffer[..count].to_vec().into());
                    if to_browser.send(bytes).await.is_err() {
                        break;
                    }
                }
            }
        }
    };
    let up = async {
        while let Some(Ok(message)) = from_browser.next().await {
            let bytes = match message {
                Message::Binary(bytes) => bytes,
                Message::Text(text) => text.into(),
                Message::Close(_) => break,
                Message::Ping(_) | Message::Pong(_) => continue,
            };
            if to_guest.write_all(&bytes).await.is_err() {
                break;
            }
        }
    };
    let why = tokio::select! {
        () = down => None,
        () = up => None,
        lost = proxy.rights.lost(&proxy.bus, &target, &user_token) => Some(lost.to_string()),
    };
    let frame = why.as_ref().map(|why| CloseFrame {
        code: close_code::POLICY,
        reason: why.as_str().into(),
    });
    let said = to_browser.send(Message::Close(frame));
    // The browser may be gone already, or read nothing: the connection ends all the same.
    let _ = tokio::time::timeout(CLOSE_WAIT, said).await;
    let why = why.as_deref().unwrap_or("one side closed it");
    tracing::info!(
        server = target.server_id,
        kind = target.kind,
        why,
        "a console ends"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.clone(), value.parse().expect("header")))
            .collect()
    }

    #[test]
    fn a_page_from_elsewhere_is_refused() {
        let own = (header::HOST, "cloud:6080");
        let from = |origin| headers(&[own.clone(), (header::ORIGIN, origin)]);
        assert!(check_origin(&from("http://cloud:6080"), &[]).is_ok());
        assert!(check_origin(&from("http://evil"), &[]).is_err());
        assert!(check_origin(&from("http://cloud:9999"), &[]).is_err());
        assert!(check_origin(&from("null"), &[]).is_err());
        assert!(check_origin(&from("http://horizon"), &["horizon".to_owned()]).is_ok());
        assert!(check_origin(&headers(std::slice::from_ref(&own)), &[]).is_ok());
    }

    #[test]
    fn the_token_is_found_in_query_and_cookie() {
        assert_eq!(token(&HeaderMap::new(), "token=abc"), "abc");
        let cookie = headers(&[(header::COOKIE, "a=b; token=xyz")]);
        assert_eq!(token(&cookie, ""), "xyz");
        assert_eq!(token(&HeaderMap::new(), ""), "");
    }
}
