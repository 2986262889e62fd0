//! The certificate that the listeners show: the operator's, or one that the cloud makes for itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde::{Deserialize, Serialize};
use web::tls::Tls;

use crate::config::Config;
use crate::state::{State, write_private};

/// Life of a certificate of our own. Browsers refuse longer ones (CA/Browser Forum, ballot SC22).
const LIFE: TimeDelta = TimeDelta::days(398);

/// A certificate of our own that ends within this time is made anew at the next start or SIGHUP.
const RENEWAL: TimeDelta = TimeDelta::days(30);

/// Whom a certificate of our own names, and until when; kept beside it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct About {
    names: BTreeSet<String>,
    until: DateTime<Utc>,
}

/// What the listeners show.
#[derive(Clone)]
pub struct Shown {
    pub tls: Tls,
    /// A certificate that clients must be told to trust; none for an operator's.
    pub trust: Option<PathBuf>,
    own: Option<(PathBuf, BTreeSet<String>)>,
}

impl Shown {
    /// Reads the files again; a certificate of our own that is about to end is made anew first.
    ///
    /// # Errors
    /// What is wrong with the files; the old certificate stays in use.
    pub fn reload(&self) -> Result<()> {
        if let Some((folder, names)) = &self.own {
            ensure(folder, names.clone(), Utc::now())?;
        }
        Ok(self.tls.reload()?)
    }
}

/// The certificate as the settings say; none without TLS.
///
/// # Errors
/// Files that cannot be read or do not belong together.
pub fn open(config: &Config, state: &State) -> Result<Option<Shown>> {
    if let Some((certificate, key)) = &config.ssl.files {
        let tls = Tls::load(certificate, key).context("[ssl] cert_file and key_file")?;
        return Ok(Some(Shown {
            tls,
            trust: None,
            own: None,
        }));
    }
    if !config.ssl.self_signed {
        return Ok(None);
    }
    let (folder, names) = (state.path.join("keys/tls"), names(config));
    ensure(&folder, names.clone(), Utc::now()).context("the cloud's own certificate")?;
    let certificate = certificate(&folder);
    Ok(Some(Shown {
        tls: Tls::load(&certificate, &key(&folder))?,
        trust: Some(certificate),
        own: Some((folder, names)),
    }))
}

fn certificate(folder: &Path) -> PathBuf {
    folder.join("certificate.pem")
}

fn key(folder: &Path) -> PathBuf {
    folder.join("key.pem")
}

/// All names under which clients may come.
fn names(config: &Config) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.insert(config.place.host.to_string());
    names.insert(config.place.my_ip.clone());
    let binds = [
        Some(config.api.bind),
        Some(config.console.bind),
        config.api.metadata_bind,
    ];
    for bind in binds
        .into_iter()
        .flatten()
        .filter(|bind| !bind.ip().is_unspecified())
    {
        names.insert(bind.ip().to_string());
    }
    let pages = [
        &config.api.public_url,
        &config.vnc.novncproxy_base_url,
        &config.serial.base_url,
    ];
    for page in pages.into_iter().flatten() {
        if let Ok(page) = url::Url::parse(page) {
            names.extend(
                page.host_str()
                    .map(|host| host.trim_matches(['[', ']']).to_owned()),
            );
        }
    }
    names
}

/// A certificate of our own for these names that lasts: the one that is there, or a new one.
fn ensure(folder: &Path, names: BTreeSet<String>, now: DateTime<Utc>) -> Result<()> {
    let about = folder.join("about.json");
    let known: Option<About> = fs::read(&about)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    let stands = |known: &About| known.names == names && known.until - now > RENEWAL;
    if certificate(folder).exists() && key(folder).exists() && known.as_ref().is_some_and(stands) {
        return Ok(());
    }
    let until = now + LIFE;
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Kilonova");
    let day = |at: DateTime<Utc>| {
        let number = |part: u32| u8::try_from(part).expect("months and days are below 32");
        rcgen::date_time_ymd(at.year(), number(at.month()), number(at.day()))
    };
    // A clock that is a day late must not refuse it.
    params.not_before = day(now - TimeDelta::days(1));
    params.not_after = day(until);
    let pair = KeyPair::generate()?;
    let made = params.self_signed(&pair)?;
    fs::create_dir_all(folder)?;
    write_private(&key(folder), &pair.serialize_pem())?;
    write_private(&certificate(folder), &made.pem())?;
    write_private(&about, &serde_json::to_string(&About { names, until })?)?;
    tracing::info!(%until, "the cloud made a certificate for itself");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_lasts_until_its_end_is_near_or_its_names_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = |one: &str| BTreeSet::from([one.to_owned(), "127.0.0.1".to_owned()]);
        let shown = || fs::read(certificate(folder.path())).expect("a certificate");
        let now = Utc::now();
        ensure(folder.path(), names("a"), now).expect("made");
        let first = shown();
        ensure(folder.path(), names("a"), now + TimeDelta::days(300)).expect("kept");
        assert_eq!(shown(), first);
        ensure(folder.path(), names("a"), now + TimeDelta::days(370)).expect("renewed");
        let second = shown();
        assert_ne!(second, first);
        ensure(folder.path(), names("b"), now + TimeDelta::days(370)).expect("another name");
        assert_ne!(shown(), second);
        Tls::load(&certificate(folder.path()), &key(folder.path())).expect("usable");
    }
}
