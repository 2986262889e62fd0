//! `web-download`: fetching the data from an HTTP server that the user names, without letting the
//! user reach what only this machine can reach (see [`super::ranges`]).
//!
//! The host is resolved once, every address is checked, and the connection goes to exactly those
//! addresses: a name cannot change its mind in between. Every redirect is checked the same way.

use std::net::{IpAddr, SocketAddr};

use futures::StreamExt;
use http::header;
use url::{Host, Url};

use super::ranges::{own_addresses, refusal};
use crate::fault::Fault;
use crate::receive::{Transfer, receive};
use crate::service::Images;
use crate::settings::WebDownload;
use crate::tables::image;
use crate::upload;

/// Redirects followed before giving up.
const REDIRECTS: usize = 5;

/// Whether the settings let `uri` be fetched; a name's addresses are checked when it is.
pub fn allowed(uri: &str, settings: &WebDownload) -> Result<Url, Fault> {
    // Nothing is known of what is no address: it is not quoted.
    let refused = |what: &str| {
        Fault::BadRequest(format!(
            "URI for web-download does not pass filtering: {what}"
        ))
    };
    let url = Url::parse(uri).map_err(|_| refused("it is no address"))?;
    let refused = || refused(&shown(&url));
    let host = url.host_str().ok_or_else(refused)?;
    let port = url.port_or_known_default().ok_or_else(refused)?;
    let listed = |hosts: &[String]| {
        let mut hosts = hosts.iter();
        hosts.any(|known| bare(known).eq_ignore_ascii_case(bare(host)))
    };
    let fits = settings.schemes.iter().any(|scheme| scheme == url.scheme())
        && (settings.ports.is_empty() || settings.ports.contains(&port))
        && !settings.refused_ports.contains(&port)
        && (settings.hosts.is_empty() || listed(&settings.hosts))
        && !listed(&settings.refused_hosts);
    if !fits {
        return Err(refused());
    }
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        _ => None,
    };
    match literal {
        Some(address) if refused_address(address, settings)?.is_some() => Err(refused()),
        _ => Ok(url),
    }
}

/// A name without the dot of the root, which changes nothing about whose it is.
fn bare(host: &str) -> &str {
    host.trim_end_matches('.')
}

/// What speaks against asking an address now.
fn refused_address(address: IpAddr, settings: &WebDownload) -> Result<Option<&'static str>, Fault> {
    Ok(refusal(address, &settings.ranges.0, &own_addresses()?))
}

/// Fetches the data of an image.
pub async fn fetch(
    images: &Images,
    row: &image::Model,
    transfer: &mut Transfer,
    uri: &str,
) -> Result<(), Fault> {
    let settings = &images.settings().web_download;
    let mut url = allowed(uri, settings)?;
    for _ in 0..=REDIRECTS {
        let asked = tokio::time::timeout(settings.timeout, get(&url, settings)).await;
        let response = asked.map_err(|_| unfit(&url, "does not answer in time"))??;
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
        let incoming = receive(images, transfer, stream).await?;
        return upload::publish(images, row, transfer, incoming).await;
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
    if addresses.is_empty() {
        return Err(unfit(url, "has no address"));
    }
    for address in &addresses {
        may_ask(url, address.ip(), settings)?;
    }
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(settings.timeout)
        .read_timeout(settings.timeout)
        .resolve_to_addrs(host, &addresses)
        .build()
        .map_err(|error| unfit(url, &error.to_string()))?;
    let asked = client.get(url.clone()).send().await;
    asked.map_err(|error| unfit(url, &error.without_url().to_string()))
}

/// Refuses an address that users must not reach through us. Only the log says which: a user must not
/// learn what our resolver knows.
fn may_ask(url: &Url, address: IpAddr, settings: &WebDownload) -> Result<(), Fault> {
    match refused_address(address, settings)? {
        None => Ok(()),
        Some(what) => {
            tracing::warn!(host = url.host_str(), %address, what, "an image download is refused");
            Err(unfit(url, "has an address that may not be asked"))
        }
    }
}

fn unfit(url: &Url, why: &str) -> Fault {
    Fault::BadRequest(format!(
        "The image data cannot be fetched: {} {why}.",
        shown(url)
    ))
}

/// The address as it was sent, unless it has a login or a query: then without them.
pub fn without_secrets(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(url)
            if url.username().is_empty() && url.password().is_none() && url.query().is_none() =>
        {
            uri.to_owned()
        }
        Ok(url) => shown(&url),
        Err(_) => String::new(),
    }
}

/// An address without login and query, which often has a signature: messages are kept with the image's
/// task, where others of the project read them.
fn shown(url: &Url) -> String {
    let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
    let port = url.port().map(|port| format!(":{port}"));
    format!(
        "{scheme}://{host}{}{}",
        port.unwrap_or_default(),
        url.path()
    )
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
            "http://0x7f.1/",
            "http://0.1.2.3/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://[64:ff9b:1::a9fe:a9fe]/",
            "http://[2002:7f00:1::]/",
            "http://[fd00:ec2::254]/",
            "http://10.0.0.5/",
            "http://192.168.7.7/",
            "http://100.100.100.200/",
        ] {
            assert!(allowed(uri, &settings).is_err(), "{uri}");
        }
        for uri in [
            "http://9.9.9.9/x",
            "http://[2620:fe::fe]/x",
            "http://[64:ff9b::9.9.9.9]/x",
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
        settings.refused_ports.push(443);
        assert!(allowed("https://a.example/x.qcow2", &settings).is_err());
        settings.hosts.push("b.example".to_owned());
        assert!(allowed("http://a.example/x.qcow2", &settings).is_err());
        assert!(allowed("http://B.example./x.qcow2", &settings).is_ok());
    }
}
