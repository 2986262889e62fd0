//! Where the brokers are: the `transport_url` in the forms that OpenStack operators know.

use lapin::uri::AMQPUri;

use crate::ConnectError;

/// Seconds between heartbeats unless the URL says `?heartbeat=N`. A dead peer is noticed after
/// about twice that; RabbitMQ advises against less than 5.
const HEARTBEAT: u16 = 10;
/// Milliseconds for one attempt to connect, unless the URL says `?connection_timeout=N`.
const CONNECT_TIMEOUT: u64 = 5_000;

/// The brokers of one cluster, tried in this order. Always at least one.
pub struct Place {
    pub brokers: Vec<AMQPUri>,
}

impl Place {
    /// Reads `rabbit://user:password@host:port[,user:password@host:port...]/vhost?options`.
    ///
    /// As in oslo.messaging, an absent or empty virtual host means `/`.
    pub fn parse(url: &str) -> Result<Place, ConnectError> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or(ConnectError::Url("it has no scheme"))?;
        let scheme = match scheme {
            "rabbit" | "amqp" | "kombu" => "amqp",
            "rabbits" | "amqps" => "amqps",
            _ => {
                return Err(ConnectError::Url(
                    "the scheme must be memory, rabbit, rabbits, amqp or amqps",
                ));
            }
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authorities, vhost) = rest.split_once('/').unwrap_or((rest, ""));
        let vhost = match vhost {
            "" | "/" => "%2f",
            given => given,
        };
        let brokers = authorities
            .split(',')
            .map(|authority| broker(scheme, authority, vhost, query));
        Ok(Place {
            brokers: brokers.collect::<Result<_, _>>()?,
        })
    }

    /// The hosts, without credentials, for messages.
    pub fn label(&self) -> String {
        let hosts: Vec<_> = self
            .brokers
            .iter()
            .map(|uri| format!("{}:{}", uri.authority.host, uri.authority.port))
            .collect();
        hosts.join(", ")
    }
}

fn broker(
    scheme: &str,
    authority: &str,
    vhost: &str,
    query: &str,
) -> Result<AMQPUri, ConnectError> {
    if authority.rsplit('@').next().is_none_or(str::is_empty) {
        return Err(ConnectError::Url("a broker has no host name"));
    }
    let mut uri: AMQPUri = format!("{scheme}://{authority}/{vhost}?{query}")
        .parse()
        .map_err(|_| ConnectError::Url("a broker is not of the form user:password@host:port"))?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    uri.query.connection_timeout.get_or_insert(CONNECT_TIMEOUT);
    Ok(uri)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Place;

    #[test]
    fn an_oslo_url_names_several_brokers_of_one_virtual_host() {
        let place =
            Place::parse("rabbit://stack:se%2Ccret@rabbit1:5673,stack:x@rabbit2/nova?heartbeat=30")
                .unwrap();
        assert_eq!(place.label(), "rabbit1:5673, rabbit2:5672");
        let first = &place.brokers[0];
        assert_eq!(
            (first.vhost.as_str(), first.query.heartbeat),
            ("nova", Some(30))
        );
        assert_eq!(first.authority.userinfo.password, "se,cret");
    }

    #[test]
    fn the_default_virtual_host_is_the_slash() {
        for url in [
            "rabbit://host",
            "rabbit://host/",
            "rabbit://host//",
            "amqp://host/%2f",
        ] {
            assert_eq!(Place::parse(url).unwrap().brokers[0].vhost, "/", "{url}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for url in [
            "",
            "host:5672",
            "http://host/",
            "rabbit:///",
            "rabbit://host:notaport/",
            "rabbit://user@/",
        ] {
            assert!(Place::parse(url).is_err(), "{url}");
        }
    }
}
