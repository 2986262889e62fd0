//! A folder for one test's daemons, and clients of them.

use std::path::{Path, PathBuf};

use child::{Abilities, Measures};
use storage_daemon::{Limits, Listen, PROGRAM, Part, Running, Source, Wanted};

/// Ends its daemon when the test ends.
pub struct Place {
    pub dir: tempfile::TempDir,
}

impl Place {
    /// None where the program is not installed.
    pub fn new() -> Option<Self> {
        if child::find(Path::new(PROGRAM)).is_none() || child::find(Path::new("qemu-io")).is_none()
        {
            skips::skip("qemu-storage-daemon or qemu-io is not installed");
            return None;
        }
        Some(Self {
            dir: tempfile::tempdir().unwrap(),
        })
    }

    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("daemon")
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// A file of this many MiB.
    pub fn volume(&self, mib: u64) -> PathBuf {
        let path = self.dir.path().join("volume");
        let file = std::fs::File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .unwrap();
        file.set_len(mib << 20).unwrap();
        path
    }

    pub fn wanted(&self, source: Source) -> Wanted {
        Wanted {
            source,
            read_only: false,
            export: "volume-1".into(),
            listen: Listen::Unix {
                path: self.socket(),
                owner: None,
            },
            connections: 0,
        }
    }

    /// Confined as far as this machine can.
    pub async fn ensure(&self, wanted: &Wanted) -> Result<Running, storage_daemon::Error> {
        let programs = ["/usr", "/lib", "/lib64", "/bin", "/sbin"].map(PathBuf::from);
        let mut parts = Vec::new();
        if let Source::File { path } = &wanted.source {
            parts.push(Part {
                path: path.clone(),
                writable: true,
            });
        }
        let measures = match parts.iter().all(|part| part.path.exists()) {
            true => {
                storage_daemon::measures(&Abilities::look(70_000), None, &programs, &parts).unwrap()
            }
            false => Measures::default(),
        };
        storage_daemon::ensure(
            &self.folder(),
            Path::new(PROGRAM),
            wanted,
            measures,
            limits(),
        )
        .await
    }

    pub async fn end(&self) {
        storage_daemon::end(&self.folder(), limits()).await.unwrap();
        assert!(storage_daemon::running(&self.folder()).is_none());
    }

    pub fn client(&self, export: &str) -> String {
        format!("nbd+unix:///{export}?socket={}", self.socket().display())
    }
}

pub fn limits() -> Limits {
    Limits::default()
}

/// What qemu-io says of a command.
pub async fn io(url: &str, command: &str) -> String {
    let output = child::tokio_command("qemu-io")
        .args(["-f", "raw", "-c", command, url])
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
