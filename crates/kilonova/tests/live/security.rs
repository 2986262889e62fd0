//! Who reaches whom.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;

use crate::cloud::{Cloud, OUTSIDE, Site, TIMEOUT, eventually, on_a_machine};
use crate::guest::Guest;

/// How long a change of a rule may take to be felt.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn security_groups_open_and_close_what_they_say() {
    on_a_machine(&[], || async {
        let cloud = Cloud::start().await;
        let site = Site::make(&cloud).await;
        let demo = cloud.demo().await;
        let group = demo.default_group().await;
        let web = json!({"security_group": {"name": "web"}});
        let web =
            demo.post("/network/v2.0/security-groups", &web).await["security_group"]["id"].clone();
        let web = web.as_str().unwrap();
        let near = demo.create(&site, "near", json!({})).await;
        let far = demo
            .create(&site, "far", json!({"security_groups": [{"name": "web"}]}))
            .await;
        demo.reaches(&near, "ACTIVE").await;
        demo.reaches(&far, "ACTIVE").await;
        let guest = Guest::new(demo.floating_ip(&site, &near).await, &site.key);
        for server in [&near, &far] {
            eventually("the guest is ready", TIMEOUT, async || {
                cloud
                    .console_log(server)
                    .contains("guest ready")
                    .then_some(())
            })
            .await;
        }

        // From outside: closed, open, closed.
        assert!(guest.port_is_silent().await, "closed by default");
        let rule = demo.open_port(&group, 22, json!({})).await;
        eventually("the rule opens", SOON, async || {
            guest.port_is_open().await.then_some(())
        })
        .await;
        guest.answers().await;
        cut_with_its_rule(&demo, &guest, &rule).await;
        assert!(guest.port_is_silent().await, "closed again");
        demo.open_port(&group, 22, json!({"remote_ip_prefix": "172.24.4.0/24"}))
            .await;
        eventually("a prefix opens", SOON, async || {
            guest.port_is_open().await.then_some(())
        })
        .await;

        // Between guests: a group lets in whom its rules name.
        let there = demo.fixed_ip(&far).await;
        let banner = format!("timeout 3 nc {there} 22 </dev/null | head -c 4");
        assert_eq!(guest.run(&banner).await, "", "no rule, no way");
        let rule = demo
            .open_port(web, 22, json!({"remote_group_id": group}))
            .await;
        eventually("the group opens", SOON, async || {
            (guest.run(&banner).await == "SSH-").then_some(())
        })
        .await;
        demo.close_port(&rule).await;
        eventually("the group closes", SOON, async || {
            guest.run(&banner).await.is_empty().then_some(())
        })
        .await;
        let rule = demo
            .open_port(web, 22, json!({"remote_group_id": web}))
            .await;
        assert_eq!(
            guest.run(&banner).await,
            "",
            "the guest is no member of that group"
        );
        demo.close_port(&rule).await;

        // Outwards: by its floating address, or without one by the router's.
        assert_eq!(source_seen_outside(&guest).await, guest.address.to_string());
        let floating = demo
            .get(&format!(
                "/network/v2.0/floatingips?floating_ip_address={}",
                guest.address
            ))
            .await;
        let floating = floating["floatingips"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        guest
            .run("(sleep 3; echo hello | nc -w 3 172.24.4.1 7007) >/dev/null 2>&1 &")
            .await;
        let listener = TcpListener::bind((OUTSIDE, 7007)).await.unwrap();
        demo.delete(&format!("/network/v2.0/floatingips/{floating}"))
            .await;
        let accepted = tokio::time::timeout(Duration::from_secs(15), listener.accept()).await;
        let from = accepted
            .expect("a guest without floating address gets out")
            .unwrap()
            .1
            .ip();
        let router = demo.get("/network/v2.0/routers").await["routers"][0].clone();
        let gateway = &router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"];
        assert_eq!(json!(from), *gateway);
        cloud.finish().await;
    });
}

/// The machine type of an image once went into QEMU's `-machine` as it was: with a kernel, any file of the host became
/// the guest's initrd.
#[test]
fn an_image_that_names_a_file_of_the_host_does_not_boot() {
    on_a_machine(&[], || async {
        let cloud = Cloud::start().await;
        let site = Site::make(&cloud).await;
        let demo = cloud.demo().await;
        for machine in ["initrd=/etc/hostname", "pc,initrd=/etc/hostname"] {
            let body = json!({
                "name": "reader", "disk_format": "qcow2", "container_format": "bare",
                "hw_machine_type": machine, "kernel_id": site.image,
            });
            let image = demo.post("/image/v2/images", &body).await["id"].clone();
            let image = image.as_str().unwrap();
            let data = std::fs::read(crate::cloud::demo_image()).unwrap();
            demo.upload(image, data).await;
            let body = json!({"server": {
                "name": "reader", "imageRef": image, "flavorRef": site.flavor, "networks": "none",
            }});
            let path = "/compute/v2.1/servers";
            let reply = demo.send(reqwest::Method::POST, path, Some(&body)).await;
            let (status, text) = (reply.status(), reply.text().await.unwrap());
            assert_eq!(status, 400, "{text}");
            assert!(text.contains("hw_machine_type"), "{text}");
        }
        cloud.finish().await;
    });
}

/// A session under way ends when the rule that let it in goes.
async fn cut_with_its_rule(demo: &crate::user::User, guest: &Guest, rule: &str) {
    let mut session = guest
        .ssh("while echo tick; do sleep 0.2; done")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(session.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("tick"));
    demo.close_port(rule).await;
    eventually("the session is cut", SOON, async || {
        let next = tokio::time::timeout(Duration::from_secs(2), lines.next_line()).await;
        match next {
            Ok(Ok(Some(_))) => None,
            _ => Some(()),
        }
    })
    .await;
    session.kill().await.unwrap();
}

/// The address that the outside sees of a guest.
async fn source_seen_outside(guest: &Guest) -> String {
    let listener = TcpListener::bind((OUTSIDE, 7006)).await.unwrap();
    let hear = async {
        let (mut stream, from) = listener.accept().await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "hello\n");
        from.ip().to_string()
    };
    let say = guest.run("echo hello | nc -w 3 172.24.4.1 7006");
    let both = async { tokio::join!(hear, say).0 };
    tokio::time::timeout(Duration::from_secs(10), both)
        .await
        .expect("the guest gets out")
}
