//! Addresses are handed out once, whatever runs side by side.

use std::collections::HashSet;

use serde_json::json;

use crate::cloud::{ADMIN, Cloud, DEMO, ip};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_ports_made_at_once_get_fifty_addresses() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (cloud, id) = (cloud.clone(), network["id"].clone());
            all.spawn(
                async move { ip(&cloud.make(DEMO, "ports", json!({"network_id": id})).await) },
            );
        }
        let found: HashSet<String> = all.join_all().await.into_iter().collect();
        assert_eq!(found.len(), 50);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_subnet_is_filled_to_the_last_address_and_not_further() {
    for cloud in Cloud::all().await {
        // .1 is the gateway, .2 goes to DHCP: four of six are left.
        let (network, _) = cloud.net("10.0.0.0/29").await;
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (cloud, id) = (cloud.clone(), network["id"].clone());
            all.spawn(async move {
                let body = json!({"port": {"network_id": id}});
                let (status, answer) = cloud
                    .raw(DEMO, http::Method::POST, "/v2.0/ports", Some(body))
                    .await;
                (
                    status.as_u16(),
                    answer["NeutronError"]["type"].as_str().map(str::to_owned),
                )
            });
        }
        let answers = all.join_all().await;
        assert_eq!(
            answers.iter().filter(|(status, _)| *status == 201).count(),
            4,
            "{answers:?}"
        );
        let full = (409, Some("IpAddressGenerationFailure".to_owned()));
        assert_eq!(
            answers.iter().filter(|answer| **answer == full).count(),
            4,
            "{answers:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_asked_for_by_many_goes_to_one() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (cloud, id) = (cloud.clone(), network["id"].clone());
            all.spawn(async move {
                let body =
                    json!({"port": {"network_id": id, "fixed_ips": [{"ip_address": "10.0.0.77"}]}});
                cloud
                    .raw(DEMO, http::Method::POST, "/v2.0/ports", Some(body))
                    .await
                    .0
                    .as_u16()
            });
        }
        let mut answers = all.join_all().await;
        answers.sort();
        assert_eq!(answers, [201, 409, 409, 409, 409, 409, 409, 409, 409, 409]);
    }
}

#[tokio::test]
async fn an_address_given_back_can_be_had_again() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/30").await;
        // The gateway and the DHCP server have both addresses.
        let body = json!({"network_id": network["id"]});
        assert_eq!(
            cloud.not_made(DEMO, "ports", body.clone(), 409).await,
            "IpAddressGenerationFailure"
        );
        let dhcp = cloud
            .list(ADMIN, "ports", "device_owner=network:dhcp")
            .await;
        cloud.remove(ADMIN, "ports", &dhcp[0]["id"]).await;
        let port = cloud.make(DEMO, "ports", body.clone()).await;
        assert_eq!(ip(&port), "10.0.0.2");
        cloud.remove(DEMO, "ports", &port["id"]).await;
        assert_eq!(ip(&cloud.make(DEMO, "ports", body).await), "10.0.0.2");
    }
}

#[tokio::test]
async fn addresses_are_counted_for_the_operator() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        cloud
            .make(DEMO, "ports", json!({"network_id": network["id"]}))
            .await;
        let all = cloud.list(ADMIN, "network-ip-availabilities", "").await;
        let one = all
            .iter()
            .find(|one| one["network_id"] == network["id"])
            .expect("the network");
        assert_eq!(
            (&one["used_ips"], &one["total_ips"]),
            (&json!(2), &json!(253))
        );
    }
}
