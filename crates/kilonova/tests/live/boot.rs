//! The main job: from a request to a guest that knows who it is.

use std::time::Instant;

use base64::Engine;
use serde_json::json;

use crate::cloud::{Cloud, Site, TIMEOUT, eventually, on_a_machine, sh};
use crate::guest::Guest;
use crate::leftovers::{self, qemu};

const READY: &str = "=== kilonova demo guest ready ===";

const ASK_METADATA: &str =
    "timeout 3 wget -q -O - http://169.254.169.254/openstack || echo not reached";

/// From now on no guest's question for metadata arrives. (A rule on the switch would not last: the cloud keeps that
/// one's rules as it wants them.)
fn cut_metadata(cloud: &Cloud) {
    for name in leftovers::namespaces(cloud.path()) {
        for rule in [
            "add table inet cut",
            "add chain inet cut guests { type filter hook prerouting priority -500; }",
            "add rule inet cut guests ip daddr 169.254.169.254 drop",
        ] {
            sh(&format!("ip netns exec {name} nft '{rule}'"));
        }
    }
}

fn script() -> String {
    let script = "#!/bin/sh\necho \"made by $(hostname)\" >/root/made\n";
    base64::engine::general_purpose::STANDARD.encode(script)
}

#[test]
fn a_guest_gets_address_name_key_and_user_data_by_network_and_by_config_drive() {
    on_a_machine(&[], || async {
        let cloud = Cloud::start().await;
        let site = Site::make(&cloud).await;
        let demo = cloud.demo().await;
        let group = demo.default_group().await;
        demo.open_port(&group, 22, json!({})).await;
        // Brings the image into the cache, so that the next one shows what Kilonova itself takes.
        let first = demo
            .create(&site, "by-network", json!({"user_data": script()}))
            .await;
        demo.reaches(&first, "ACTIVE").await;
        let first_guest = Guest::new(demo.floating_ip(&site, &first).await, &site.key);
        first_guest.answers().await;

        assert!(first_guest.run(ASK_METADATA).await.contains("latest"));
        cut_metadata(&cloud);
        let asked = Instant::now();
        let asked_ticks = ticks();
        let more = json!({"user_data": script(), "config_drive": true});
        let second = demo.create(&site, "by-drive", more).await;
        let pid = eventually("QEMU runs", TIMEOUT, async || qemu(cloud.path(), &second)).await;
        let executed = started_at(pid).saturating_sub(asked_ticks) * 10;
        let server = demo.reaches(&second, "ACTIVE").await;
        let active = asked.elapsed();
        assert_eq!(server["config_drive"], "True");
        let second_guest = Guest::new(demo.floating_ip(&site, &second).await, &site.key);
        second_guest.answers().await;
        println!(
            "measured: POST to QEMU's exec {executed} ms (to 10 ms), to ACTIVE {active:.0?}, to SSH {:.1?}",
            asked.elapsed()
        );
        assert_eq!(second_guest.run(ASK_METADATA).await, "not reached");

        for (server, guest, name, source) in [
            (&first, &first_guest, "by-network", "metadata-http"),
            (&second, &second_guest, "by-drive", "config-drive"),
        ] {
            eventually("the guest is ready", TIMEOUT, async || {
                cloud.console_log(server).contains(READY).then_some(())
            })
            .await;
            let log = cloud.console_log(server);
            assert!(
                log.contains(&format!("datasource {source} instance ")),
                "{log}"
            );
            assert_eq!(guest.run("hostname").await, name);
            assert_eq!(guest.run("cat /root/made").await, format!("made by {name}"));
            let address = demo.fixed_ip(server).await;
            assert!(
                guest
                    .run("ip -4 addr show eth0")
                    .await
                    .contains(&format!("{address}/24"))
            );
            let output = demo
                .act(server, json!({"os-getConsoleOutput": {"length": 3}}))
                .await;
            let output = output["output"].as_str().unwrap().to_owned();
            assert!(
                output.lines().count() <= 3 && !output.contains("stage2"),
                "the last lines only: {output}"
            );
        }
        let whole = demo.act(&first, json!({"os-getConsoleOutput": {}})).await;
        assert!(whole["output"].as_str().unwrap().contains(READY));
        demo.remove(&first).await;
        assert!(
            qemu(cloud.path(), &first).is_none()
                && !cloud.file(&format!("servers/{first}")).exists()
        );
        // The other is there when the cloud goes down: that too leaves nothing.
        cloud.finish().await;
    });
}

/// Hundredths of a second since the machine's start, as `/proc` counts.
fn ticks() -> u64 {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let (seconds, hundredths) = uptime
        .split_whitespace()
        .next()
        .and_then(|now| now.split_once('.'))
        .unwrap();
    seconds.parse::<u64>().unwrap() * 100 + hundredths.parse::<u64>().unwrap()
}

/// When a process came to be, in the same unit.
fn started_at(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    after_name
        .split_whitespace()
        .nth(19)
        .unwrap()
        .parse()
        .unwrap()
}
