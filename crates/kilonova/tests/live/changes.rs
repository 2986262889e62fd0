//! What a server keeps over another size, a rescue, a rest on the shelf and a rebuild, and what it does not.

use serde_json::{Value, json};

use crate::cloud::{Cloud, Site, on_a_machine};
use crate::guest::Guest;
use crate::user::User;

const MARK: &str = "cat /root/mark 2>/dev/null || true";

/// Does something with a server, and waits until it has a status.
async fn change(demo: &User, server: &str, action: Value, status: &str) {
    demo.act(server, action).await;
    demo.reaches(server, status).await;
}

/// Bytes of the guest's first disk.
async fn size(guest: &Guest) -> u64 {
    let sectors = guest.run("cat /sys/block/vda/size").await;
    sectors.parse::<u64>().unwrap() * 512
}

/// Shows the marks on the file systems of a disk, and leaves another one beside each.
fn marks_on(disk: &str) -> String {
    format!(
        "for part in /dev/{disk}?*; do mount $part /mnt 2>/dev/null || continue; \
         cat /mnt/root/mark 2>/dev/null && echo repaired > /mnt/root/repaired; umount /mnt; done; true"
    )
}

#[test]
fn a_server_keeps_what_it_should_keep_over_everything_that_is_done_with_it() {
    on_a_machine(&[], || async {
        let cloud = Cloud::start().await;
        let site = Site::make(&cloud).await;
        let (demo, admin) = (cloud.demo().await, cloud.admin().await);
        let group = demo.default_group().await;
        demo.open_port(&group, 22, json!({})).await;
        let flavor = json!({"flavor": {"name": "larger", "ram": 256, "vcpus": 2, "disk": 2}});
        let flavor = admin.post("/compute/v2.1/flavors", &flavor).await;
        let larger = json!({"resize": {"flavorRef": flavor["flavor"]["id"]}});

        let server = demo.create(&site, "changed", json!({})).await;
        demo.reaches(&server, "ACTIVE").await;
        let guest = Guest::new(demo.floating_ip(&site, &server).await, &site.key);
        guest.answers().await;
        guest.run("echo kept > /root/mark && sync").await;

        // Another size, taken back: what was written since goes with it.
        change(&demo, &server, larger.clone(), "VERIFY_RESIZE").await;
        guest.answers().await;
        assert_eq!(guest.run(MARK).await, "kept");
        assert_eq!(
            (size(&guest).await, guest.run("nproc").await.as_str()),
            (2 << 30, "2")
        );
        guest.run("echo since > /root/since && sync").await;
        change(&demo, &server, json!({"revertResize": null}), "ACTIVE").await;
        guest.answers().await;
        assert_eq!(guest.run(MARK).await, "kept");
        assert_eq!(guest.run("ls /root/since 2>/dev/null || true").await, "");
        assert_eq!(
            (size(&guest).await, guest.run("nproc").await.as_str()),
            (1 << 30, "1")
        );

        // And for good.
        change(&demo, &server, larger, "VERIFY_RESIZE").await;
        guest.answers().await;
        change(&demo, &server, json!({"confirmResize": null}), "ACTIVE").await;
        assert_eq!(guest.run(MARK).await, "kept", "it was not stopped for that");
        assert_eq!(size(&guest).await, 2 << 30);

        // Rescued, it has a new disk first, and its own as the second one. (Which of two roots with one label the guest's
        // kernel takes is the guest's matter.)
        change(&demo, &server, json!({"rescue": {}}), "RESCUE").await;
        guest.answers().await;
        assert!(size(&guest).await < 1 << 30, "as large as its image");
        assert_eq!(guest.run(&marks_on("vda")).await, "");
        assert_eq!(guest.run(&marks_on("vdb")).await, "kept");
        guest.run("sync").await;
        change(&demo, &server, json!({"unrescue": null}), "ACTIVE").await;
        guest.answers().await;
        assert_eq!(guest.run(MARK).await, "kept");
        assert_eq!(guest.run("cat /root/repaired").await, "repaired");

        // It leaves its host, and comes back as it was.
        change(&demo, &server, json!({"shelve": null}), "SHELVED_OFFLOADED").await;
        change(&demo, &server, json!({"unshelve": null}), "ACTIVE").await;
        guest.answers().await;
        assert_eq!(guest.run(MARK).await, "kept");
        assert_eq!(size(&guest).await, 2 << 30);

        // Rebuilt, it is new.
        let rebuild = json!({"rebuild": {"imageRef": site.image}});
        change(&demo, &server, rebuild, "ACTIVE").await;
        guest.answers().await;
        assert_eq!(guest.run(MARK).await, "");
        demo.remove(&server).await;
        cloud.finish().await;
    });
}
