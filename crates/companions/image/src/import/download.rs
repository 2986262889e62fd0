//! `web-download`: fetching the data from an HTTP server that the user names, without letting the
//! user reach this machine or the metadata service through us.
//!
//! The host is resolved once, every address is checked, and the connection goes to exactly those
//! addresses: a name cannot change its mind in between. Every redirect is checked the same way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use futures::StreamExt;
use http::header;
use url::{Host, Url};

use crate::fault::Fault;
use crate::service::Images;
use crate::settings::WebDownload;
use crate::tables::{Status, image};
use crate::upload;

/// Redirects followed before giving up.
const REDIRECTS: usize = 5;

/// Whether the settings let `uri` be fetched; addresses are checked when it is.
pub fn allowed(uri: &str, settings: &WebDownload) -> Result<Url, Fault> {
    let refused = || {
        Fault::BadRequest(format!(
            "URI for web-download does not pass filtering: {uri}"
        ))
    };
    let url = Url::parse(uri).map_err(|_| refused())?;
    let host = url.host_str().ok_or_else(refused)?;
    let port = url.port_or_known_default().ok_or_else(refused)?;
    let fits = settings.schemes.iter().any(|scheme| scheme == url.scheme())
        && (settings.ports.is_empty() || settings.ports.contains(&port))
        && !settings
            .refused_hosts
            .iter()
            .any(|refused| bare(refused).eq_ignore_ascii_case(bare(host)));
    if !fits {
        return Err(refused());
    }
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        _ => None,
    };
    match literal {
        Some(address) if !reachable(address, settings) => Err(refused()),
        _ => Ok(url),
    }
}

/// A name without the dot of the root, which changes nothing about whose it is.
fn bare(host: &str) -> &str {
    host.trim_end_matches('.')
}

/// Loopback, link-local (where the metadata service lives), unspecified and multicast addresses are
/// this machine's own business, also where an IPv6 address only wraps an IPv4 one.
fn reachable(address: IpAddr, settings: &WebDownload) -> bool {
    if settings.local_addresses {
        return true;
    }
    let within = |v4: Ipv4Addr| {
        v4.is_loopback()
            || v4.is_link_local()
            || v4.octets()[0] == 0
            || v4.is_multicast()
            || v4.is_broadcast()
    };
    match address.to_canonical() {
        IpAddr::V4(v4) => !within(v4),
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || v6 == METADATA_V6
                || wrapped(v6).is_some_and(within))
        }
    }
}

/// Where the metadata service of the largest cloud answers on IPv6; this cloud may run within it.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The IPv4 address to which a translator would pass on what is sent to this one: NAT64 (RFC 6052,
/// RFC 8215), 6to4 (RFC 3056), and addresses called compatible (RFC 4291).
fn wrapped(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0, 0, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

/// Fetches the data of an image.
pub async fn fetch(
    images: &Images,
    row: &image::Model,
    data: &str,
    uri: &str,
) -> Result<(), Fault> {
    let settings = &images.settings().web_download;
    let mut url = allowed(uri, settings)?;
    for _ in 0..=REDIRECTS {
        let response = get(&url, settings).await?;
        let status = response.status();
        if status.is_redirection() {
            let target = response.headers().get(header::LOCATION);
            let target = target
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let next = url
                .join(target)
                .map_err(|_| unfit(&url, "redirects to nowhere"))?;
            url = allowed(next.as_str(), settings)?;
            continue;
        }
        if !status.is_success() {
            return Err(unfit(&url, &format!("answers {status}")));
        }
        if let Some(length) = response.content_length() {
            upload::announced(images, length)?;
        }
        let stream = response.bytes_stream().boxed();
        let incoming = upload::receive(images, data, stream).await?;
        return upload::publish(images, row, data, incoming, Status::Importing).await;
    }
    Err(unfit(&url, "redirects too often"))
}

async fn get(url: &Url, settings: &WebDownload) -> Result<reqwest::Response, Fault> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((name, port)).await;
    let addresses: Vec<SocketAddr> = found
        .map_err(|error| unfit(url, &format!("has no address: {error}")))?
        .collect();
    if addresses.is_empty() || !addresses.iter().all(|one| reachable(one.ip(), settings)) {
        return Err(unfit(url, "has an address that may not be asked"));
    }
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(settings.timeout)
        .read_timeout(settings.timeout)
        .resolve_to_addrs(host, &addresses)
        .build()
        .map_err(|error| unfit(url, &error.to_string()))?;
    client
        .get(url.clone())
        .send()
        .await
        .map_err(|error| unfit(url, &error.without_url().to_string()))
}

fn unfit(url: &Url, why: &str) -> Fault {
    Fault::BadRequest(format!("The image data cannot be fetched: {url} {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_the_metadata_service_cannot_be_reached() {
        let settings = WebDownload::default();
        for uri in [
            "http://127.0.0.1/x",
            "http://[::1]/x",
            "http://[::ffff:127.0.0.1]/x",
            "http://169.254.169.254/latest",
            "http://0.0.0.0/",
            "http://2130706433/",
            "http://0.1.2.3/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://[64:ff9b:1::a9fe:a9fe]/",
            "http://[2002:7f00:1::]/",
            "http://[fd00:ec2::254]/",
        ] {
            assert!(allowed(uri, &settings).is_err(), "{uri}");
        }
        for uri in [
            "http://192.0.2.1/x",
            "http://[2001:db8::1]/x",
            "http://[64:ff9b::192.0.2.1]/x",
        ] {
            assert!(allowed(uri, &settings).is_ok(), "{uri}");
        }
    }

    #[test]
    fn schemes_ports_and_hosts_are_filtered() {
        let mut settings = WebDownload::default();
        settings.refused_hosts.push("Bad.example".to_owned());
        for uri in [
            "ftp://a.example/x",
            "file:///etc/passwd",
            "http://a.example:22/",
            "http://bad.example/",
            "http://bad.example./",
            "nonsense",
        ] {
            assert!(allowed(uri, &settings).is_err(), "{uri}");
        }
        assert!(allowed("https://a.example/x.qcow2", &settings).is_ok());
    }
}
