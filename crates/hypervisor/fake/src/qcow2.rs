//! The smallest valid qcow2 file: what a simulated snapshot consists of. It passes `qemu-img check` and any strict
//! inspector, and reads as zeroes.

const CLUSTER: u64 = 1 << 16;

/// Bytes of an empty qcow2 (version 3, 64 KiB clusters) that shows `virtual_size` bytes.
pub(crate) fn empty(virtual_size: u64) -> Vec<u8> {
    // One second-level table maps 8192 clusters of 64 KiB.
    let l1_entries = virtual_size.div_ceil(CLUSTER * CLUSTER / 8).max(1);
    let l1_clusters = (l1_entries * 8).div_ceil(CLUSTER);
    let clusters = 3 + l1_clusters;
    let mut file = vec![0_u8; (clusters * CLUSTER) as usize];
    let mut put =
        |offset: usize, bytes: &[u8]| file[offset..offset + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb");
    put(4, &3_u32.to_be_bytes());
    put(20, &16_u32.to_be_bytes()); // cluster bits
    put(24, &virtual_size.to_be_bytes());
    put(36, &(l1_entries as u32).to_be_bytes());
    put(40, &(3 * CLUSTER).to_be_bytes()); // first-level table
    put(48, &CLUSTER.to_be_bytes()); // reference count table
    put(56, &1_u32.to_be_bytes()); // which has one cluster
    put(96, &4_u32.to_be_bytes()); // counts of 2^4 bits
    put(100, &104_u32.to_be_bytes()); // length of this header
    put(CLUSTER as usize, &(2 * CLUSTER).to_be_bytes());
    for cluster in 0..clusters {
        put((2 * CLUSTER + cluster * 2) as usize, &1_u16.to_be_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    #[test]
    fn qemu_img_finds_nothing_wrong_with_the_empty_file() {
        if std::process::Command::new("qemu-img")
            .arg("--version")
            .output()
            .is_err()
        {
            println!("skipped: qemu-img is not installed");
            return;
        }
        for size in [1 << 20, 10 << 30, 5_u64 << 40] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), super::empty(size)).unwrap();
            let check = std::process::Command::new("qemu-img")
                .args(["check", "-f", "qcow2"])
                .arg(file.path())
                .output()
                .unwrap();
            assert!(
                check.status.success(),
                "{}",
                String::from_utf8_lossy(&check.stderr)
            );
            assert!(String::from_utf8_lossy(&check.stdout).contains("No errors"));
        }
    }
}
