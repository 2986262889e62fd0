//! Limits of processor time by control groups, version 1 or 2, where the host lets us. A guest without limits gets no
//! group. What cannot be enforced is reported, not silently dropped.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};

use hypervisor::CpuLimits;

/// Linux's own default period.
const PERIOD_US: u64 = 100_000;

/// Which hierarchy rules processor time here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tree {
    V1(PathBuf),
    V2(PathBuf),
}

fn tree(root: &Path) -> Option<Tree> {
    let controllers = std::fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
    if controllers.split_whitespace().any(|name| name == "cpu") {
        return Some(Tree::V2(root.to_owned()));
    }
    ["cpu", "cpu,cpuacct"]
        .iter()
        .map(|name| root.join(name))
        .find(|path| path.join("cpu.shares").exists())
        .map(Tree::V1)
}

const ROOT: &str = "/sys/fs/cgroup";
const PARENT: &str = "kilonova";

/// Could limits be enforced on this host? Tried, not guessed: the file system may be read-only.
pub(crate) fn usable() -> bool {
    let base = match tree(Path::new(ROOT)) {
        Some(Tree::V1(base) | Tree::V2(base)) => base,
        None => return false,
    };
    std::fs::create_dir_all(base.join(PARENT)).is_ok()
}

/// The files to write for these limits, relative to the group.
fn files(tree: &Tree, limits: &CpuLimits, vcpus: u32) -> Vec<(&'static str, String)> {
    let period = limits.period_us.unwrap_or(PERIOD_US);
    // The quota is per virtual processor, the group holds them all.
    let quota = limits
        .quota_us
        .filter(|quota| *quota > 0)
        .map(|quota| quota.saturating_mul(i64::from(vcpus)));
    let mut files = Vec::new();
    match tree {
        Tree::V1(_) => {
            if let Some(shares) = limits.shares {
                files.push(("cpu.shares", shares.clamp(2, 262_144).to_string()));
            }
            if let Some(quota) = quota {
                files.push(("cpu.cfs_period_us", period.to_string()));
                files.push(("cpu.cfs_quota_us", quota.to_string()));
            }
        }
        Tree::V2(_) => {
            if let Some(shares) = limits.shares {
                // The usual conversion from 2..262144 to 1..10000.
                let weight = 1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142;
                files.push(("cpu.weight", weight.to_string()));
            }
            if let Some(quota) = quota {
                files.push(("cpu.max", format!("{quota} {period}")));
            }
        }
    }
    files
}

/// Puts a process under its limits.
///
/// # Errors
/// The host has no usable hierarchy, or refuses a value.
pub(crate) fn limit(id: &str, pid: u32, limits: &CpuLimits, vcpus: u32) -> Result<()> {
    let tree = tree(Path::new(ROOT)).ok_or_else(|| Error::other("no cpu controller is mounted"))?;
    let base = match &tree {
        Tree::V1(base) | Tree::V2(base) => base,
    };
    let parent = base.join(PARENT);
    let group = parent.join(id);
    std::fs::create_dir_all(&group)?;
    if matches!(tree, Tree::V2(_)) {
        std::fs::write(base.join("cgroup.subtree_control"), "+cpu")?;
        std::fs::write(parent.join("cgroup.subtree_control"), "+cpu")?;
    }
    for (file, value) in files(&tree, limits, vcpus) {
        std::fs::write(group.join(file), value)?;
    }
    std::fs::write(group.join("cgroup.procs"), pid.to_string())
}

/// Removes the group of a guest that ended. None is fine.
pub(crate) fn remove(id: &str) {
    if let Some(Tree::V1(base) | Tree::V2(base)) = tree(Path::new(ROOT)) {
        // The kernel lets go of a dead process a moment after its parent learned of it: a group still in use stays
        // and is taken again at the next start.
        let _ = std::fs::remove_dir(base.join(PARENT).join(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_become_the_files_of_either_version() {
        let limits = CpuLimits {
            shares: Some(1024),
            period_us: None,
            quota_us: Some(50_000),
        };
        let v1 = files(&Tree::V1("/".into()), &limits, 2);
        let text = |name, value: &str| (name, value.to_owned());
        let want = [
            text("cpu.shares", "1024"),
            text("cpu.cfs_period_us", "100000"),
            text("cpu.cfs_quota_us", "100000"),
        ];
        assert_eq!(v1, want);
        let v2 = files(&Tree::V2("/".into()), &limits, 2);
        assert_eq!(
            v2,
            [text("cpu.weight", "39"), text("cpu.max", "100000 100000")]
        );
        assert!(
            files(
                &Tree::V1("/".into()),
                &CpuLimits {
                    quota_us: Some(-1),
                    ..CpuLimits::default()
                },
                1
            )
            .is_empty()
        );
    }
}
