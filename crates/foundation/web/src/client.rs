//! Where a request comes from: the address at the other end of its connection, or, when that is a
//! proxy which the operator named, the one that the proxy names.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Extensions, HeaderMap};
use ipnet::IpNet;

/// The other end of the connection; [`serve`](crate::serve::serve) puts it into every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Who asks, by [`layer`].
#[derive(Clone, Copy, Debug)]
struct ClientAddress(IpAddr);

/// Where a request comes from; none for a request that this process makes to itself.
pub fn address(extensions: &Extensions) -> Option<IpAddr> {
    let client = extensions
        .get::<ClientAddress>()
        .map(|ClientAddress(address)| *address);
    client.or_else(|| extensions.get::<Peer>().map(|Peer(peer)| peer.ip()))
}

/// Middleware that believes `X-Forwarded-For` of these proxies.
pub async fn layer(
    State(proxies): State<Arc<[IpNet]>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    if let Some(Peer(peer)) = peer {
        let client = behind(peer.ip(), request.headers(), &proxies);
        request.extensions_mut().insert(ClientAddress(client));
    }
    next.run(request).await
}

/// The nearest address that is no proxy of ours. What stands further left in the header, the client
/// may have written itself.
fn behind(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|net| net.contains(address));
    let named = headers
        .get_all("x-forwarded-for")
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|part| part.trim().parse::<IpAddr>().map(|it| it.to_canonical()));
    let named: Vec<_> = named.collect();
    let mut nearest = peer.to_canonical();
    for next in named.into_iter().rev() {
        if !is_proxy(&nearest) {
            break;
        }
        match next {
            Ok(address) => nearest = address,
            Err(_) => break,
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, header: &str, proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", header.parse().expect("header"));
        let proxies: Vec<IpNet> = proxies
            .iter()
            .map(|net| net.parse().expect("net"))
            .collect();
        behind(peer.parse().expect("address"), &headers, &proxies).to_string()
    }

    #[test]
    fn a_client_cannot_say_where_it_comes_from() {
        assert_eq!(from("192.0.2.1", "10.0.0.1", &[]), "192.0.2.1");
        assert_eq!(
            from("192.0.2.1", "10.0.0.1", &["192.0.2.9/32"]),
            "192.0.2.1"
        );
        assert_eq!(
            from("192.0.2.9", "10.0.0.1, 198.51.100.7", &["192.0.2.9/32"]),
            "198.51.100.7",
            "the left one was there when the proxy got the request"
        );
    }

    #[test]
    fn a_chain_of_proxies_is_followed_to_its_end() {
        let proxies = ["192.0.2.0/24", "::1/128"];
        let found = from("::1", "203.0.113.5, 198.51.100.7, 192.0.2.9", &proxies);
        assert_eq!(found, "198.51.100.7");
        assert_eq!(from("192.0.2.9", "rubbish", &proxies), "192.0.2.9");
    }
}
