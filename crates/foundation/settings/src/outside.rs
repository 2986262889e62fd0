//! What the environment says of the world around the machine: the proxies and package mirrors that programs beside us
//! use. No option of ours; the cloud only keeps out of their way.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Variables that hold the URL of a proxy or a package mirror, in upper case; the spelling in lower case counts too.
const VARIABLES: [&str; 13] = [
    "ALL_PROXY",
    "CARGO_HTTP_PROXY",
    "FTP_PROXY",
    "GOPROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NPM_CONFIG_PROXY",
    "NPM_CONFIG_REGISTRY",
    "PIP_EXTRA_INDEX_URL",
    "PIP_INDEX_URL",
    "PIP_PROXY",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
];

/// The user's home and the variables that are set. Values may hold passwords, so it does not show itself.
#[derive(Clone, Default)]
pub struct Outside {
    pub home: Option<PathBuf>,
    pub variables: BTreeMap<String, String>,
}

/// Reads the environment.
#[allow(clippy::disallowed_methods)]
pub fn outside() -> Outside {
    Outside {
        home: std::env::var_os("HOME").map(PathBuf::from),
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| VARIABLES.contains(&name.to_uppercase().as_str()))
            .collect(),
    }
}
