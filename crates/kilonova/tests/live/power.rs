//! What a running server is told, as its user feels it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::cloud::{Cloud, Site, TIMEOUT, eventually, on_a_machine};
use crate::guest::Guest;
use crate::leftovers::{processes, qemu};

#[test]
fn a_guest_is_reached_again_after_every_power_action() {
    on_a_machine(&[], || async {
        let cloud = Cloud::start().await;
        let site = Site::make(&cloud).await;
        let demo = cloud.demo().await;
        let group = demo.default_group().await;
        demo.open_port(&group, 22, json!({})).await;
        let server = demo.create(&site, "power", json!({})).await;
        demo.reaches(&server, "ACTIVE").await;
        let guest = Guest::new(demo.floating_ip(&site, &server).await, &site.key);
        let first = guest.answers().await;

        demo.act(&server, json!({"pause": null})).await;
        demo.reaches(&server, "PAUSED").await;
        assert!(!guest.port_is_open().await, "a paused guest says nothing");
        demo.act(&server, json!({"unpause": null})).await;
        demo.reaches(&server, "ACTIVE").await;
        assert_eq!(guest.answers().await, first, "the same boot after a pause");

        demo.act(&server, json!({"suspend": null})).await;
        demo.reaches(&server, "SUSPENDED").await;
        assert!(
            qemu(cloud.path(), &server).is_none(),
            "a suspended guest takes no memory"
        );
        demo.act(&server, json!({"resume": null})).await;
        demo.reaches(&server, "ACTIVE").await;
        assert_eq!(
            guest.answers().await,
            first,
            "the same boot after a suspension"
        );

        let mut boots = vec![first];
        for how in ["SOFT", "HARD"] {
            demo.act(&server, json!({"reboot": {"type": how}})).await;
            demo.reaches(&server, "ACTIVE").await;
            boots.push(another_boot(&guest, &boots).await);
        }

        demo.act(&server, json!({"os-stop": null})).await;
        demo.reaches(&server, "SHUTOFF").await;
        assert!(qemu(cloud.path(), &server).is_none());
        dnsmasq_comes_back(&cloud).await;
        demo.act(&server, json!({"os-start": null})).await;
        demo.reaches(&server, "ACTIVE").await;
        another_boot(&guest, &boots).await;

        // From inside, once the client is gone: the cloud hears of it, it does not only look now and then.
        guest.run("(sleep 5; poweroff) >/dev/null 2>&1 &").await;
        eventually("QEMU ends", TIMEOUT, async || {
            qemu(cloud.path(), &server).is_none().then_some(())
        })
        .await;
        let ended = Instant::now();
        demo.reaches(&server, "SHUTOFF").await;
        let noticed = ended.elapsed();
        assert!(
            noticed < Duration::from_secs(2),
            "noticed after {noticed:?}"
        );
        demo.remove(&server).await;
        cloud.finish().await;
    });
}

async fn another_boot(guest: &Guest, known: &[String]) -> String {
    eventually("the guest answers after a new start", TIMEOUT, async || {
        guest.boot().await.filter(|boot| !known.contains(boot))
    })
    .await
}

/// The DHCP server that dies is started again; the next start of a guest shows that it works.
async fn dnsmasq_comes_back(cloud: &Cloud) {
    let dnsmasq = || {
        let all = processes(cloud.path()).into_iter();
        all.filter(|(_, line)| line.starts_with("dnsmasq"))
            .map(|(pid, _)| pid)
            .next()
    };
    let old = dnsmasq().expect("a DHCP server");
    let pid = nix::unistd::Pid::from_raw(old);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let killed = Instant::now();
    eventually("another dnsmasq", Duration::from_secs(60), async || {
        dnsmasq().filter(|pid| *pid != old)
    })
    .await;
    println!(
        "measured: a dnsmasq that was killed is back after {:.1?}",
        killed.elapsed()
    );
}
