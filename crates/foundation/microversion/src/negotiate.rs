//! Which version a request speaks, and the headers that say which one was answered.

use http::header::{HeaderMap, HeaderName, HeaderValue, VARY};

use crate::version::{ParseVersionError, Version};

/// The header that every service reads: a comma list of `<service type> <version>`.
pub const STANDARD_HEADER: HeaderName = HeaderName::from_static("openstack-api-version");

/// A service's name in the headers and the versions it speaks.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// As in the standard header, e.g. `compute`.
    pub service_type: &'static str,
    /// An older header with the bare version, in lower case, where the service has one.
    pub legacy_header: Option<&'static str>,
    /// The oldest version, and the one spoken when the request names none.
    pub min: Version,
    /// What `latest` means.
    pub max: Version,
}

/// Why a request's version cannot be spoken. The texts are Nova's; other services may word their own from the fields.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NegotiationError {
    /// Answer 400, without version headers.
    #[error(transparent)]
    Syntax(#[from] ParseVersionError),
    /// Answer 406, echoing the refused version in the headers.
    #[error("Version {asked} is not supported by the API. Minimum is {min} and maximum is {max}.")]
    Unknown {
        asked: Version,
        min: Version,
        max: Version,
    },
}

/// The version asked for, or `service.min` when the request names none.
///
/// The standard header wins over the legacy one; in a list the last entry of this service counts.
pub fn negotiate(service: &Service, headers: &HeaderMap) -> Result<Version, NegotiationError> {
    let asked =
        standard(headers, service.service_type).or_else(|| legacy(headers, service.legacy_header?));
    match asked {
        None => Ok(service.min),
        Some("latest") => Ok(service.max),
        Some(text) => {
            let asked: Version = text.parse()?;
            if asked < service.min || asked > service.max {
                return Err(NegotiationError::Unknown {
                    asked,
                    min: service.min,
                    max: service.max,
                });
            }
            Ok(asked)
        }
    }
}

fn standard<'h>(headers: &'h HeaderMap, service_type: &str) -> Option<&'h str> {
    let entries = headers
        .get_all(STANDARD_HEADER)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let ours = entries
        .flat_map(|list| list.split(','))
        .filter_map(|entry| {
            let (name, version) = entry.trim().split_once(char::is_whitespace)?;
            name.eq_ignore_ascii_case(service_type)
                .then(|| version.trim())
        });
    // A chain of two lists has no cheap end to start from.
    ours.fold(None, |_, version| Some(version))
}

fn legacy<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let last = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .next_back()?;
    last.rsplit(',').next().map(str::trim)
}

/// Puts the answered version into the response: the standard header, the legacy one where the service has it, and
/// `Vary` naming each (as separate headers, as Nova sends them).
pub fn stamp(service: &Service, version: Version, headers: &mut HeaderMap) {
    let standard = format!("{} {version}", service.service_type);
    insert(headers, STANDARD_HEADER, &standard);
    headers.append(VARY, HeaderValue::from_static("OpenStack-API-Version"));
    if let Some(name) = service.legacy_header {
        insert(headers, HeaderName::from_static(name), &version.to_string());
        if let Ok(value) = HeaderValue::from_str(&train_case(name)) {
            headers.append(VARY, value);
        }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value =
        HeaderValue::from_str(value).expect("service types and versions are printable ASCII");
    headers.insert(name, value);
}

/// `x-openstack-nova-api-version` as people write it: `X-OpenStack-Nova-API-Version`.
fn train_case(name: &str) -> String {
    let words = name.split('-').map(|word| match word {
        "openstack" => "OpenStack".to_owned(),
        "api" => "API".to_owned(),
        word => word[..1].to_ascii_uppercase() + &word[1..],
    });
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPUTE: Service = Service {
        service_type: "compute",
        legacy_header: Some("x-openstack-nova-api-version"),
        min: Version::new(2, 1),
        max: Version::new(2, 104),
    };

    fn asked(pairs: &[(&'static str, &'static str)]) -> Result<Version, NegotiationError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        negotiate(&COMPUTE, &headers)
    }

    #[test]
    fn the_oldest_version_is_spoken_unless_another_is_asked_for() {
        assert_eq!(asked(&[]), Ok(Version::new(2, 1)));
        assert_eq!(
            asked(&[("openstack-api-version", "volume 3.50")]),
            Ok(Version::new(2, 1))
        );
        assert_eq!(
            asked(&[("openstack-api-version", "compute 2.79")]),
            Ok(Version::new(2, 79))
        );
        assert_eq!(
            asked(&[("openstack-api-version", "volume 3.5, Compute   2.9")]),
            Ok(Version::new(2, 9))
        );
        assert_eq!(
            asked(&[("openstack-api-version", "compute latest")]),
            Ok(Version::new(2, 104))
        );
    }

    #[test]
    fn the_standard_header_wins_over_the_legacy_one() {
        let both = [
            ("x-openstack-nova-api-version", "2.3"),
            ("openstack-api-version", "compute 2.79"),
        ];
        assert_eq!(asked(&both), Ok(Version::new(2, 79)));
        assert_eq!(asked(&both[..1]), Ok(Version::new(2, 3)));
        let other_service = [
            ("x-openstack-nova-api-version", "2.3"),
            ("openstack-api-version", "volume 3.1"),
        ];
        assert_eq!(asked(&other_service), Ok(Version::new(2, 3)));
    }

    #[test]
    fn bad_syntax_and_unknown_versions_are_told_apart() {
        let unknown =
            asked(&[("openstack-api-version", "compute 2.105")]).expect_err("above the maximum");
        assert_eq!(
            unknown.to_string(),
            "Version 2.105 is not supported by the API. Minimum is 2.1 and maximum is 2.104."
        );
        assert!(matches!(
            asked(&[("openstack-api-version", "compute 2.0")]),
            Err(NegotiationError::Unknown { .. })
        ));
        assert!(matches!(
            asked(&[("openstack-api-version", "compute new")]),
            Err(NegotiationError::Syntax(_))
        ));
    }

    #[test]
    fn an_answer_names_its_version_in_both_headers_and_in_vary() {
        let mut headers = HeaderMap::new();
        stamp(&COMPUTE, Version::new(2, 79), &mut headers);
        assert_eq!(headers["openstack-api-version"], "compute 2.79");
        assert_eq!(headers["x-openstack-nova-api-version"], "2.79");
        let vary: Vec<_> = headers.get_all(VARY).into_iter().collect();
        assert_eq!(
            vary,
            ["OpenStack-API-Version", "X-OpenStack-Nova-API-Version"]
        );
    }
}
