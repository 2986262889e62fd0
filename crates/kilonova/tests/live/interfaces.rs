//! Network cards that a running guest gets and loses, with DHCP on the new one, and the counters of its host.

use serde_json::json;

use crate::cloud::{Cloud, Site, TIMEOUT, eventually, on_a_machine};
use crate::guest::Guest;
use crate::user::{id, text};

#[test]
fn a_running_guest_gets_a_card_with_an_address_and_lets_go_of_it() {
    on_a_machine(&[], || async {
        let cloud = Cloud::start().await;
        let site = Site::make(&cloud).await;
        let (admin, demo) = (cloud.admin().await, cloud.demo().await);
        let group = demo.default_group().await;
        demo.open_port(&group, 22, json!({})).await;
        let server = demo.create(&site, "wired", json!({})).await;
        demo.reaches(&server, "ACTIVE").await;
        let guest = Guest::new(demo.floating_ip(&site, &server).await, &site.key);
        guest.answers().await;

        let path = format!("/compute/v2.1/servers/{server}/os-interface");
        // Of its own, and without a gateway: the guest's answers to us keep their way.
        let second = json!({"network": {"name": "second"}});
        let second = id(&demo.post("/network/v2.0/networks", &second).await["network"]);
        let subnet = json!({"subnet": {
            "network_id": second, "ip_version": 4, "cidr": "10.77.0.0/24", "gateway_ip": null,
        }});
        demo.post("/network/v2.0/subnets", &subnet).await;
        let wanted = json!({"interfaceAttachment": {"net_id": second}});
        let card = demo.post(&path, &wanted).await["interfaceAttachment"].clone();
        let (mac, address) = (
            text(&card["mac_addr"]),
            text(&card["fixed_ips"][0]["ip_address"]),
        );
        let name = eventually("the guest sees its card", TIMEOUT, async || {
            let found = format!("grep -l {mac} /sys/class/net/*/address || true");
            let found = guest.run(&found).await;
            found.split('/').nth(4).map(str::to_owned)
        })
        .await;
        eventually("the guest has its address by DHCP", TIMEOUT, async || {
            let shown = guest.try_run(&format!("ip -4 addr show {name}")).await?;
            shown.contains(&format!("{address}/24")).then_some(())
        })
        .await;

        let counters = format!("/compute/v2.1/servers/{server}/diagnostics");
        let counters = admin.get(&counters).await;
        assert_eq!(counters["num_nics"], 2, "{counters}");
        assert_eq!(counters["nic_details"][1]["mac_address"], mac.as_str());
        assert!(
            counters["cpu_details"][0]["time"].as_u64() > Some(0),
            "{counters}"
        );

        demo.delete(&format!("{path}/{}", text(&card["port_id"])))
            .await;
        eventually("the guest lost its card", TIMEOUT, async || {
            let left = guest.run("ls /sys/class/net").await;
            (!left.contains(&name)).then_some(())
        })
        .await;
        demo.remove(&server).await;
        cloud.finish().await;
    });
}
