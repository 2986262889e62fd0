//! Volumes on files, and servers that get them and lose them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use crate::servers::User;

/// Pause between two looks at a volume.
const LOOK: Duration = Duration::from_millis(1);

impl User {
    fn volumes(&self) -> String {
        format!("/volume/v3/{}/volumes", self.project)
    }

    /// An empty volume of 1 GiB; its id and the time from the request until it is available.
    pub async fn volume(&self, name: &str) -> Result<(String, Duration)> {
        let body = json!({"volume": {"name": name, "size": 1}});
        let started = Instant::now();
        let made = self.post(&self.volumes(), &body).await?;
        let id = made["volume"]["id"].as_str().context("no id")?.to_owned();
        self.volume_is(&id, "available").await?;
        Ok((id, started.elapsed()))
    }

    /// Gives a server a volume; the time until it is in use.
    pub async fn attach(&self, server: &str, volume: &str) -> Result<Duration> {
        let path = format!("/compute/v2.1/servers/{server}/os-volume_attachments");
        let body = json!({"volumeAttachment": {"volumeId": volume}});
        let started = Instant::now();
        self.post(&path, &body).await?;
        self.volume_is(volume, "in-use").await?;
        Ok(started.elapsed())
    }

    /// Takes it again; the time until it is available.
    pub async fn detach(&self, server: &str, volume: &str) -> Result<Duration> {
        let path = format!("/compute/v2.1/servers/{server}/os-volume_attachments/{volume}");
        let started = Instant::now();
        self.send(Method::DELETE, &path, None).await?;
        self.volume_is(volume, "available").await?;
        Ok(started.elapsed())
    }

    async fn volume_is(&self, id: &str, wanted: &str) -> Result<()> {
        let path = format!("{}/{id}", self.volumes());
        loop {
            let shown: Value = self.send(Method::GET, &path, None).await?;
            match shown["volume"]["status"].as_str() {
                Some(status) if status == wanted => return Ok(()),
                Some("error") => bail!("a volume is in error"),
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }
}
