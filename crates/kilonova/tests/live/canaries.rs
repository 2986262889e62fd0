//! Secrets of a server with a real guest: neither in arguments nor in environments of any process, nor in a file where
//! they do not belong, nor in the log.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use testing::canaries::search::{self, Place};
use testing::canaries::{Canaries, Home};

use crate::cloud::{Cloud, Site, on_a_machine};

/// What lies where while the server lives, and why.
#[rustfmt::skip]
const HOMES_OF_SERVERS: &[Home] = &[
    ("user data", "compute servers.user_data", "the guest may ask for it as long as the row is there"),
    ("user data", "db/compute.sqlite*", "the file of that row"),
    ("user data", "servers/*", "the config drive of the guest"),
    ("password of a server", "servers/*", "the config drive of the guest"),
    ("password of a server", "db/compute.sqlite*", "what the journal forgot, until its place is used again"),
];

#[test]
fn secrets_of_a_server_lie_in_its_config_drive_alone() {
    on_a_machine(&[], || async {
        let cloud = Cloud::start().await;
        let site = Site::make(&cloud).await;
        let demo = cloud.demo().await;
        let children = search::Children::watch(cloud.id());
        let mut canaries = Canaries::default();
        let wishes = json!({
            "config_drive": true,
            "adminPass": canaries.seed("password of a server"),
            "user_data": STANDARD.encode(canaries.seed("user data")),
        });
        let server = demo.create(&site, "secret", wishes).await;
        demo.reaches(&server, "ACTIVE").await;
        demo.act(&server, json!({"reboot": {"type": "HARD"}})).await;
        demo.reaches(&server, "ACTIVE").await;
        let rescued = canaries.seed("password of a server");
        demo.act(&server, json!({"rescue": {"adminPass": rescued}}))
            .await;
        demo.reaches(&server, "RESCUE").await;
        demo.act(&server, json!({"unrescue": null})).await;
        demo.reaches(&server, "ACTIVE").await;

        let places = search::folder(cloud.path());
        for what in ["password of a server", "user data"] {
            assert!(canaries.lives(what, "servers/*", &places), "no {what}");
        }
        let strays = canaries.strays(&places, &[HOMES_OF_SERVERS]);
        assert!(strays.is_empty(), "while the server lives:\n{strays}");
        demo.remove(&server).await;
        let seen = children.end();
        let guests = seen.iter().filter(|place| place.holds("qemu-system"));
        assert!(guests.count() > 0, "a guest was seen");
        let strays = canaries.strays(&seen, &[]);
        assert!(strays.is_empty(), "in processes:\n{strays}");
        let log = std::fs::read(cloud.file("kilonova.log")).unwrap();
        let strays = canaries.strays(&[Place::new("the log", &log)], &[]);
        assert!(strays.is_empty(), "{strays}");
        cloud.finish().await;
    });
}
