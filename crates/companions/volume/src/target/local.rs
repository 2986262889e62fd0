//! Volumes that hosts of this machine open as the files or devices that they are.

use std::path::Path;

use serde_json::{Value, json};

use super::{Result, TargetError};

/// The machine whose hosts open volumes.
#[derive(Debug, Clone)]
pub struct Local {
    /// Name of this machine.
    host: String,
    /// Further names of hosts that are this machine: others do not reach its files.
    also: Vec<String>,
}

impl Local {
    /// A machine with this name, and with further ones where it is several hosts.
    pub fn new(host: &str, also: &[String]) -> Self {
        Local {
            host: host.to_owned(),
            also: also.to_vec(),
        }
    }

    /// The `connection_info` of a file or device for the host of a connector.
    ///
    /// # Errors
    /// The connector names no host, or another machine.
    pub fn info(&self, path: &Path, connector: &Value) -> Result<Value> {
        let host = host_of(connector)?;
        if host != self.host && !self.also.iter().any(|one| one == host) {
            return Err(TargetError::Connector(format!(
                "The files of volumes lie on {}: {host} does not reach them.",
                self.host
            )));
        }
        Ok(json!({
            "driver_volume_type": "local",
            "data": {"device_path": path, "format": "raw"},
        }))
    }
}

/// The host that a connector names.
///
/// # Errors
/// It names none.
pub fn host_of(connector: &Value) -> Result<&str> {
    match connector["host"].as_str().unwrap_or_default() {
        "" => Err(TargetError::Connector(
            "Connector doesn't have required information: host".to_owned(),
        )),
        host => Ok(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_this_machine_open_files() {
        let local = Local::new("here", &["also".to_owned()]);
        let path = Path::new("/volumes/disk.raw");
        for host in ["here", "also"] {
            let info = local.info(path, &json!({"host": host})).expect("told");
            assert_eq!(info["driver_volume_type"], "local");
            assert_eq!(info["data"]["device_path"], "/volumes/disk.raw");
        }
        for connector in [json!({"host": "there"}), json!({"host": ""}), json!({})] {
            let refused = local.info(path, &connector).expect_err("refused");
            assert!(matches!(refused, TargetError::Connector(_)), "{refused}");
        }
    }
}
