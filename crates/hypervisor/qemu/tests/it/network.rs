//! Taps in a network namespace of the test's own.

use std::process::Command;
use std::time::{Duration, Instant};

use hypervisor::{DeviceCommand, Driver, Nic, Tap};

use crate::cloud::{BOOT, Cloud, READY, demo_server, qemu_is_here, says};

/// A namespace with taps; removed with the value.
struct Namespace(String);

fn ip(args: &[&str]) -> bool {
    Command::new("ip")
        .args(args)
        .output()
        .is_ok_and(|output| output.status.success())
}

impl Namespace {
    fn with_taps(taps: &[&str]) -> Option<Self> {
        let name = format!("kn-test-{}", std::process::id());
        let namespace = ip(&["netns", "add", &name]).then_some(Self(name))?;
        for tap in taps {
            let made = ip(&[
                "-n",
                &namespace.0,
                "tuntap",
                "add",
                "dev",
                tap,
                "mode",
                "tap",
            ]) && ip(&["-n", &namespace.0, "link", "set", tap, "up"]);
            if !made {
                return None;
            }
        }
        Some(namespace)
    }

    fn nic(&self, number: u8, tap: &str) -> Nic {
        Nic {
            port_id: format!("4c5ba8ad-6f5e-4f2d-9b2b-0000000000{number:02x}"),
            mac: format!("fa:16:3e:00:00:{number:02x}"),
            tap: Some(Tap {
                device: tap.into(),
                netns: Some(self.0.clone()),
            }),
            mtu: 1442,
            model: None,
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.0]);
    }
}

/// Waits until the guest of this port has sent something (it asks for an address).
async fn sends(driver: &dyn Driver, id: &str, mac: &str) {
    let began = Instant::now();
    loop {
        let facts = driver.diagnostics().unwrap().diagnostics(id).await.unwrap();
        let nic = facts
            .nic_details
            .iter()
            .find(|nic| nic.mac_address == mac)
            .unwrap();
        if nic.tx_packets.is_some_and(|count| count > 0) {
            return;
        }
        assert!(began.elapsed() < BOOT, "{mac} sends nothing: {nic:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_on_taps_in_a_namespace_carry_traffic_and_come_and_go() {
    if !qemu_is_here() {
        return;
    }
    let Some(namespace) = Namespace::with_taps(&["tapkn1", "tapkn2"]) else {
        skips::skip("network namespaces need root and iproute2");
        return;
    };
    let cloud = Cloud::new();
    let driver = cloud.driver().await;
    let mut spec = demo_server("net", "");
    let (first, second) = (namespace.nic(1, "tapkn1"), namespace.nic(2, "tapkn2"));
    spec.nics = vec![first.clone()];
    driver.ensure_running(&spec).await.unwrap();
    sends(&driver, &spec.id, &first.mac).await;
    says(&driver, &spec.id, READY, 1).await;

    let hotplug = driver.hotplug_nic().unwrap();
    hotplug
        .attach_nic(&spec.id, DeviceCommand::first(1), &second)
        .await
        .unwrap();
    sends(&driver, &spec.id, &second.mac).await;
    hotplug
        .detach_nic(&spec.id, DeviceCommand::first(1), &second.port_id)
        .await
        .unwrap();
    assert_eq!(
        driver.inspect(&spec.id).await.unwrap().unwrap().port_ids,
        std::slice::from_ref(&first.port_id)
    );
    // The tap is free again: the same card can come back.
    hotplug
        .attach_nic(&spec.id, DeviceCommand::first(1), &second)
        .await
        .unwrap();

    let facts = driver
        .diagnostics()
        .unwrap()
        .diagnostics(&spec.id)
        .await
        .unwrap();
    assert_eq!(
        (facts.num_nics, facts.num_disks, facts.disk_details.len()),
        (2, 1, 1)
    );
    assert!(
        facts.disk_details[0].read_bytes > Some(1 << 20) && facts.cpu_details[0].time > Some(0)
    );
    cloud.ends(&driver, &spec.id, 1).await;

    let mut lost = demo_server("lost", "");
    lost.nics = vec![namespace.nic(3, "tapkn3")];
    let error = driver.ensure_running(&lost).await.unwrap_err();
    assert!(error.to_string().contains("tapkn3"), "{error}");
    cloud.assert_empty();
}
