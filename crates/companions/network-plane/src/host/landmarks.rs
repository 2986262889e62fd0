//! Machines that the host must reach whatever the cloud does: name servers, proxies, package mirrors.
//!
//! They are read off the files in which programs keep them, and off variables of the environment. Names are looked up
//! once, at the start. Only hosts are kept: what else a URL says (a password, a path) is dropped at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::{By, Use};

/// How long all names together may take to be looked up. A name without an answer by then does not count.
pub const LIMIT: Duration = Duration::from_secs(2);
/// Names that are looked up at most. A machine has a handful.
const MOST_NAMES: usize = 64;

/// Files that name servers are in. The second has the real ones where the first names a local stub.
const RESOLVERS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];
/// Files, or folders of files, in which programs keep proxies and mirrors.
const OF_THE_MACHINE: [&str; 9] = [
    "/etc/apt/apt.conf",
    "/etc/apt/apt.conf.d",
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/environment",
    "/etc/npmrc",
    "/etc/pip.conf",
    "/etc/yum.repos.d",
    "/etc/docker/daemon.json",
];
/// The same, in a user's home.
const OF_THE_USER: [&str; 6] = [
    ".cargo/config",
    ".cargo/config.toml",
    ".config/pip/pip.conf",
    ".config/uv/uv.toml",
    ".npmrc",
    ".pip/pip.conf",
];

/// Where landmarks are named. Empty by default: nothing is looked for.
#[derive(Clone, Debug, Default)]
pub struct Places {
    resolvers: Vec<PathBuf>,
    files: Vec<PathBuf>,
    named: Vec<Named>,
}

/// A host that is named somewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    host: String,
    source: String,
    proxy: bool,
}

impl Places {
    /// The usual files of this machine and of a user's home, and these variables: name and value.
    pub fn of_machine(home: Option<&Path>, variables: &BTreeMap<String, String>) -> Places {
        let own = home
            .into_iter()
            .flat_map(|home| OF_THE_USER.map(|file| home.join(file)));
        let mut places = Places {
            resolvers: RESOLVERS.map(PathBuf::from).to_vec(),
            files: OF_THE_MACHINE.map(PathBuf::from).to_vec(),
            named: Vec::new(),
        };
        places.files.extend(own);
        for (name, value) in variables {
            let proxy = name.to_lowercase().contains("proxy");
            let hosts = value.split_whitespace().filter_map(host);
            places.named.extend(hosts.map(|host| Named {
                host,
                source: format!("variable {name}"),
                proxy,
            }));
        }
        places
    }

    /// These files instead of the usual ones; for tests.
    pub fn of_files(resolvers: Vec<PathBuf>, files: Vec<PathBuf>) -> Places {
        Places {
            resolvers,
            files,
            named: Vec::new(),
        }
    }
}

/// The search for landmarks, in the background.
#[derive(Default)]
pub(crate) struct Seeking {
    found: Mutex<Option<Vec<Use>>>,
    ready: Condvar,
}

impl Seeking {
    pub fn start(places: Places) -> Arc<Seeking> {
        let seeking = Arc::new(Seeking::default());
        let search = seeking.clone();
        let started = std::thread::Builder::new()
            .name("landmarks".into())
            .spawn(move || search.finish(seek(&places)));
        if let Err(error) = started {
            tracing::warn!(%error, "name servers, proxies and mirrors of this machine are not known");
            seeking.finish(Vec::new());
        }
        seeking
    }

    fn finish(&self, found: Vec<Use>) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        self.ready.notify_all();
    }

    /// What was found, once the search has ended.
    pub fn found(&self) -> Vec<Use> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        // The search ends within its own limit; the double is for a machine that is very busy.
        let waited = self
            .ready
            .wait_timeout_while(found, 2 * LIMIT, |found| found.is_none());
        let (found, _) = waited.unwrap_or_else(PoisonError::into_inner);
        found.clone().unwrap_or_default()
    }
}

fn seek(places: &Places) -> Vec<Use> {
    let mut uses: Vec<Use> = Vec::new();
    for path in &places.resolvers {
        let text = fs::read_to_string(path).unwrap_or_default();
        uses.extend(name_servers(&text).into_iter().map(|ip| Use {
            net: IpNet::from(ip),
            by: By::Resolver(path.display().to_string()),
        }));
    }
    let mut named: BTreeSet<Named> = places.named.iter().cloned().collect();
    for path in places.files.iter().flat_map(|path| files(path)) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let source = path.display().to_string();
        named.extend(hosts(&text).into_iter().map(|(host, proxy)| Named {
            host,
            source: source.clone(),
            proxy,
        }));
    }
    let names: BTreeSet<&str> = named.iter().map(|named| named.host.as_str()).collect();
    if names.len() > MOST_NAMES {
        tracing::warn!(
            names = names.len(),
            "so many proxies and mirrors are named that only {MOST_NAMES} are looked up"
        );
    }
    let addresses = look_up(names.into_iter().take(MOST_NAMES));
    for named in named {
        let found = addresses.get(&named.host).map(Vec::as_slice);
        uses.extend(found.unwrap_or_default().iter().map(|ip| Use {
            net: IpNet::from(*ip),
            by: if named.proxy {
                By::Proxy(named.source.clone())
            } else {
                By::Mirror {
                    host: named.host.clone(),
                    source: named.source.clone(),
                }
            },
        }));
    }
    // What the machine itself answers is on no network.
    uses.retain(|one| !one.net.addr().is_loopback());
    uses
}

/// The file itself, or the files of the folder.
fn files(path: &Path) -> Vec<PathBuf> {
    match fs::read_dir(path) {
        Ok(entries) => entries.filter_map(|e| Some(e.ok()?.path())).collect(),
        Err(_) => vec![path.to_owned()],
    }
}

/// The addresses in `nameserver` lines.
fn name_servers(text: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(str::split_whitespace);
    lines
        .filter_map(|mut words| (words.next() == Some("nameserver")).then(|| words.next())?)
        .filter_map(|word| word.split('%').next()?.parse().ok())
        .collect()
}

/// The hosts that a text names by URLs or as the value of `proxy`, with whether its line is about a proxy. Lines that
/// are comments in any of the files' languages do not count.
fn hosts(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if ["#", ";", "//"].iter().any(|mark| line.starts_with(mark)) {
            continue;
        }
        let proxy = line.to_lowercase().contains("proxy");
        let words = line.split(|c: char| c.is_whitespace() || "\"'`,=<>".contains(c));
        for word in words.filter(|word| word.contains("://")) {
            found.extend(host(word).map(|host| (host, proxy)));
        }
        let bare = line
            .split_once('=')
            .filter(|(key, value)| key.trim() == "proxy" && !value.contains("://"));
        if let Some((_, value)) = bare {
            found.extend(host(value.trim().trim_matches(['"', '\''])).map(|host| (host, true)));
        }
    }
    found
}

/// The host of a URL, or of `user@host:port` without a scheme.
fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', ';']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, p)| p);
    let host = match place.strip_prefix('[') {
        Some(six) => six.split(']').next()?,
        None => place.split(':').next()?,
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    (!host.is_empty() && host.len() < 256 && host.chars().all(fits)).then(|| host.to_lowercase())
}

/// Addresses by name. Each name has a thread of its own, which nobody waits for beyond the limit.
fn look_up<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<String, Vec<IpAddr>> {
    let mut found = BTreeMap::new();
    let (sender, answers) = mpsc::channel();
    for name in names {
        if let Ok(ip) = name.parse() {
            found.insert(name.to_owned(), vec![ip]);
            continue;
        }
        let (name, sender) = (name.to_owned(), sender.clone());
        let started = std::thread::Builder::new().spawn(move || {
            let addresses = (name.as_str(), 0).to_socket_addrs();
            let ips = addresses.map(|all| all.map(|address| address.ip()).collect());
            // Nobody listens any more when this took too long.
            let _ = sender.send((name, ips.unwrap_or_default()));
        });
        if let Err(error) = started {
            tracing::warn!(%error, "a name of a proxy or mirror is not looked up");
        }
    }
    drop(sender);
    let begun = Instant::now();
    while let Ok((name, ips)) = answers.recv_timeout(LIMIT.saturating_sub(begun.elapsed())) {
        found.insert(name, ips);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_every_file_s_language_and_nothing_but_the_host_is_kept() {
        let cases: &[(&str, &[(&str, bool)])] = &[
            (
                "deb [arch=amd64] http://deb.example.org/debian trixie main",
                &[("deb.example.org", false)],
            ),
            ("# deb http://old.example.org/debian trixie main", &[]),
            (
                "URIs: https://a.example.org/x https://b.example.org",
                &[("a.example.org", false), ("b.example.org", false)],
            ),
            (
                "Acquire::http::Proxy \"http://user:secret@10.9.8.7:3128/\";",
                &[("10.9.8.7", true)],
            ),
            ("// Acquire::http::Proxy \"http://off.example.org\";", &[]),
            (
                "index-url = https://PYPI.example.org:8443/simple",
                &[("pypi.example.org", false)],
            ),
            (
                "proxy = proxy.example.org:3128",
                &[("proxy.example.org", true)],
            ),
            (
                "registry = \"sparse+https://[fd00::7]:8080/index/\"",
                &[("fd00::7", false)],
            ),
            (
                "\"registry-mirrors\": [\"https://hub.example.org\"],",
                &[("hub.example.org", false)],
            ),
            ("deb file:///srv/packages ./", &[]),
        ];
        for (line, expected) in cases {
            let found = hosts(line);
            let found: Vec<(&str, bool)> = found.iter().map(|(h, p)| (h.as_str(), *p)).collect();
            assert_eq!(found, *expected, "{line}");
        }
    }

    #[test]
    fn variables_name_proxies_with_and_without_a_scheme_and_passwords_are_dropped() {
        let variables = BTreeMap::from([
            (
                "http_proxy".to_owned(),
                "http://me:hidden@192.0.2.9:8080".to_owned(),
            ),
            ("ALL_PROXY".to_owned(), "192.0.2.10:1080".to_owned()),
            (
                "PIP_INDEX_URL".to_owned(),
                "https://me:hidden@192.0.2.11/simple".to_owned(),
            ),
        ]);
        let places = Places::of_machine(None, &variables);
        assert!(!format!("{places:?}").contains("hidden"));
        let by = |ip: &str| {
            let places = Places {
                resolvers: vec![],
                files: vec![],
                ..places.clone()
            };
            let ip: IpAddr = ip.parse().expect("an address");
            seek(&places)
                .into_iter()
                .find(|u| u.net.addr() == ip)
                .map(|u| u.by)
        };
        assert_eq!(
            by("192.0.2.9"),
            Some(By::Proxy("variable http_proxy".to_owned()))
        );
        assert_eq!(
            by("192.0.2.10"),
            Some(By::Proxy("variable ALL_PROXY".to_owned()))
        );
        assert!(matches!(by("192.0.2.11"), Some(By::Mirror { .. })));
    }

    #[test]
    fn name_servers_are_read_with_zones_and_without_comments() {
        let text = "# nameserver 192.0.2.1\nsearch example.org\nnameserver 192.0.2.2\nnameserver fe80::1%eth0\noptions edns0";
        let found: Vec<String> = name_servers(text).iter().map(IpAddr::to_string).collect();
        assert_eq!(found, ["192.0.2.2", "fe80::1"]);
    }
}
