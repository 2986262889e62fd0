//! kill -9 at any moment strands nobody.

use std::time::Duration;

use serde_json::json;

use crate::cloud::{Cloud, Site, TIMEOUT, eventually, on_a_machine};
use crate::guest::Guest;

/// Moments of a build: just accepted; networks being made; QEMU about to start.
const MOMENTS: [u64; 3] = [0, 60, 250];

#[test]
fn guests_outlive_a_killed_cloud_and_builds_go_on() {
    on_a_machine(&[], || async {
        let mut cloud = Cloud::start().await;
        let site = Site::make(&cloud).await;
        let demo = cloud.demo().await;
        let group = demo.default_group().await;
        demo.open_port(&group, 22, json!({})).await;
        let runs = demo.create(&site, "runs", json!({})).await;
        demo.reaches(&runs, "ACTIVE").await;
        let guest = Guest::new(demo.floating_ip(&site, &runs).await, &site.key);
        let boot = guest.answers().await;

        for moment in MOMENTS {
            let built = demo.create(&site, "built", json!({})).await;
            tokio::time::sleep(Duration::from_millis(moment)).await;
            cloud.kill();
            assert_eq!(
                guest.answers().await,
                boot,
                "the guest does not need the cloud"
            );
            cloud.up().await;
            let settled = eventually("the build ends", TIMEOUT, async || {
                let server = demo.server(&built).await;
                let status = server["status"].as_str().unwrap();
                assert!(["BUILD", "ACTIVE", "ERROR"].contains(&status), "{server}");
                (status != "BUILD" && server["OS-EXT-STS:task_state"].is_null()).then_some(server)
            })
            .await;
            println!(
                "killed {moment} ms after the request: {}",
                settled["status"]
            );
            if settled["status"] == "ERROR" {
                assert!(
                    settled["fault"]["message"]
                        .as_str()
                        .is_some_and(|why| !why.is_empty()),
                    "{settled}"
                );
            }
            assert_eq!(demo.server(&runs).await["status"], "ACTIVE");
            assert_eq!(guest.answers().await, boot, "the same boot as before");
            demo.remove(&built).await;
        }

        // A guest that ends while nobody looks.
        guest.run("(sleep 1; poweroff) >/dev/null 2>&1 &").await;
        cloud.kill();
        eventually("QEMU ends", TIMEOUT, async || {
            crate::leftovers::qemu(cloud.path(), &runs)
                .is_none()
                .then_some(())
        })
        .await;
        cloud.up().await;
        demo.reaches(&runs, "SHUTOFF").await;
        demo.act(&runs, json!({"os-start": null})).await;
        demo.reaches(&runs, "ACTIVE").await;
        assert_ne!(guest.answers().await, boot, "a new boot");
        cloud.finish().await;
    });
}

#[test]
fn a_machine_that_lost_its_power_runs_its_guests_again_or_shows_them_shut_off() {
    on_a_machine(&[], || async {
        let mut cloud = Cloud::new("[DEFAULT]\nresume_guests_state_on_host_boot = true\n");
        cloud.up().await;
        let site = Site::make(&cloud).await;
        let demo = cloud.demo().await;
        let group = demo.default_group().await;
        demo.open_port(&group, 22, json!({})).await;
        let server = demo.create(&site, "ran", json!({})).await;
        demo.reaches(&server, "ACTIVE").await;
        let guest = Guest::new(demo.floating_ip(&site, &server).await, &site.key);
        let first = guest.answers().await;

        // Nothing that runs outlives it: processes, and the networks that were made.
        cloud.kill();
        crate::leftovers::remove(cloud.path());
        cloud.up().await;
        let second = another_boot(&guest, &first).await;
        demo.reaches(&server, "ACTIVE").await;

        cloud.kill();
        crate::leftovers::remove(cloud.path());
        cloud.configure("");
        cloud.up().await;
        demo.reaches(&server, "SHUTOFF").await;
        assert!(crate::leftovers::qemu(cloud.path(), &server).is_none());
        demo.act(&server, json!({"os-start": null})).await;
        demo.reaches(&server, "ACTIVE").await;
        another_boot(&guest, &second).await;
        demo.remove(&server).await;
        cloud.finish().await;
    });
}

async fn another_boot(guest: &Guest, known: &str) -> String {
    eventually("the guest answers after a new start", TIMEOUT, async || {
        guest.boot().await.filter(|boot| boot != known)
    })
    .await
}
