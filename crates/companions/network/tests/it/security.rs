//! Security groups and their rules.

use http::Method;
use serde_json::json;

use crate::cloud::{ADMIN, Cloud, DEMO, OTHER, text};

#[tokio::test]
async fn every_project_has_a_default_group_that_stays() {
    for cloud in Cloud::all().await {
        let groups = cloud.list(DEMO, "security-groups", "name=default").await;
        assert_eq!(groups.len(), 1);
        let rules = groups[0]["security_group_rules"].as_array().expect("rules");
        let ingress: Vec<_> = rules
            .iter()
            .filter(|rule| rule["direction"] == "ingress")
            .collect();
        assert_eq!((rules.len(), ingress.len()), (4, 2));
        assert!(
            ingress
                .iter()
                .all(|rule| rule["remote_group_id"] == groups[0]["id"])
        );
        let id = &groups[0]["id"];
        assert_eq!(
            cloud.not_removed(DEMO, "security-groups", id, 409).await,
            "SecurityGroupCannotRemoveDefault"
        );
        assert_eq!(
            cloud
                .not_made(DEMO, "security-groups", json!({"name": "default"}), 409)
                .await,
            "SecurityGroupDefaultAlreadyExists"
        );
        let path = format!("/v2.0/security-groups/{}", text(id));
        let renamed = json!({"security_group": {"name": "x"}});
        assert_eq!(
            cloud
                .refused(DEMO, Method::PUT, &path, Some(renamed), 409)
                .await,
            "SecurityGroupCannotUpdateDefault"
        );
        cloud.remove(ADMIN, "security-groups", id).await;
        assert_eq!(
            cloud.list(DEMO, "security-groups", "").await.len(),
            1,
            "it comes again"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_group_is_made_once_however_many_ask() {
    for cloud in Cloud::all().await {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let cloud = cloud.clone();
            all.spawn(async move {
                cloud
                    .list(OTHER, "security-groups", "name=default")
                    .await
                    .len()
            });
        }
        assert_eq!(all.join_all().await, [1; 16]);
    }
}

#[tokio::test]
async fn rules_are_checked_and_exist_once() {
    for cloud in Cloud::all().await {
        let group = cloud
            .make(
                DEMO,
                "security-groups",
                json!({"name": "web", "description": "d"}),
            )
            .await;
        assert_eq!(
            group["security_group_rules"].as_array().map(Vec::len),
            Some(2)
        );
        let rule = |more: serde_json::Value| {
            let mut body = json!({"security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv4"});
            body.as_object_mut()
                .expect("object")
                .extend(more.as_object().expect("object").clone());
            body
        };
        let ssh = rule(json!({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}));
        let made = cloud.make(DEMO, "security-group-rules", ssh.clone()).await;
        assert_eq!(
            (&made["protocol"], &made["remote_ip_prefix"]),
            (&json!("tcp"), &json!(null))
        );
        assert_eq!(
            cloud.not_made(DEMO, "security-group-rules", ssh, 409).await,
            "SecurityGroupRuleExists"
        );
        let by_number = rule(json!({"protocol": 6, "port_range_min": 22, "port_range_max": 22}));
        assert_eq!(
            cloud
                .not_made(DEMO, "security-group-rules", by_number, 409)
                .await,
            "SecurityGroupRuleExists"
        );
        let hosts = rule(json!({"protocol": "tcp", "remote_ip_prefix": "10.2.3.124/24"}));
        let wide = cloud.make(DEMO, "security-group-rules", hosts).await;
        assert_eq!(
            (&wide["remote_ip_prefix"], &wide["normalized_cidr"]),
            (&json!("10.2.3.124/24"), &json!("10.2.3.0/24"))
        );
        let same = rule(json!({"protocol": "tcp", "remote_ip_prefix": "10.2.3.0/24"}));
        assert_eq!(
            cloud
                .not_made(DEMO, "security-group-rules", same, 409)
                .await,
            "SecurityGroupRuleExists"
        );
        cloud
            .remove(DEMO, "security-group-rules", &wide["id"])
            .await;
        let missing = "11111111-2222-4333-8444-555555555555";
        for (more, status) in [
            (json!({"protocol": "bad"}), 400),
            (json!({"ethertype": "bad"}), 400),
            (json!({"remote_ip_prefix": "192.168.1./24"}), 400),
            (json!({"remote_ip_prefix": "2001:db8::/64"}), 400),
            (json!({"port_range_min": 1, "port_range_max": 2}), 400),
            (
                json!({"protocol": "tcp", "port_range_min": 2, "port_range_max": 1}),
                400,
            ),
            (json!({"protocol": "icmp", "port_range_min": 256}), 400),
            (
                json!({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": group["id"]}),
                400,
            ),
            (json!({"remote_group_id": missing}), 404),
            (json!({"security_group_id": missing}), 404),
        ] {
            cloud
                .not_made(DEMO, "security-group-rules", rule(more), status)
                .await;
        }
        let seen = cloud.show(DEMO, "security-groups", &group["id"]).await;
        assert_eq!(
            seen["security_group_rules"].as_array().map(Vec::len),
            Some(3)
        );
        assert_eq!(seen["revision_number"], 4, "a rule changes its group");
        cloud
            .remove(DEMO, "security-group-rules", &made["id"])
            .await;
        assert_eq!(
            cloud
                .not_removed(DEMO, "security-group-rules", &made["id"], 404)
                .await,
            "SecurityGroupRuleNotFound"
        );
    }
}

#[tokio::test]
async fn a_group_in_use_stays_and_its_rules_go_with_it() {
    for cloud in Cloud::all().await {
        let (network, _) = cloud.net("10.0.0.0/24").await;
        let group = cloud
            .make(DEMO, "security-groups", json!({"name": "web"}))
            .await;
        let user = cloud
            .make(DEMO, "security-groups", json!({"name": "user"}))
            .await;
        let about = json!({"security_group_id": user["id"], "direction": "ingress", "remote_group_id": group["id"]});
        cloud.make(DEMO, "security-group-rules", about).await;
        let port = json!({"network_id": network["id"], "security_groups": [group["id"]]});
        let port = cloud.make(DEMO, "ports", port).await;
        assert_eq!(
            cloud
                .not_removed(DEMO, "security-groups", &group["id"], 409)
                .await,
            "SecurityGroupInUse"
        );
        cloud
            .change(
                DEMO,
                "ports",
                &port["id"],
                json!({"security_groups": [user["id"]]}),
            )
            .await;
        cloud.remove(DEMO, "security-groups", &group["id"]).await;
        let left = cloud.show(DEMO, "security-groups", &user["id"]).await;
        assert_eq!(
            left["security_group_rules"].as_array().map(Vec::len),
            Some(2)
        );
        let foreign = json!({"network_id": network["id"], "security_groups": [user["id"]]});
        cloud
            .change(ADMIN, "networks", &network["id"], json!({"shared": true}))
            .await;
        assert_eq!(
            cloud.not_made(OTHER, "ports", foreign, 404).await,
            "SecurityGroupNotFound"
        );
    }
}

#[tokio::test]
async fn the_rules_of_a_new_group_count_and_ipv6_protocols_fit_no_ipv4_rule() {
    for cloud in Cloud::all().await {
        let group = cloud
            .make(DEMO, "security-groups", json!({"name": "a"}))
            .await;
        let rule = json!({"security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv4",
                          "protocol": "43"});
        let refused = cloud
            .not_made(DEMO, "security-group-rules", rule, 400)
            .await;
        assert_eq!(refused, "SecurityGroupEthertypeConflictWithProtocol");
        let have = cloud.list(DEMO, "security-group-rules", "").await.len();
        let limit = async |limit: usize| {
            let body = json!({"quota": {"security_group_rule": limit}});
            cloud.put(ADMIN, "/v2.0/quotas/p-demo", body).await;
        };
        limit(have + 1).await;
        let full = cloud.not_made(DEMO, "security-groups", json!({"name": "b"}), 409);
        assert_eq!(full.await, "OverQuota");
        limit(have + 2).await;
        cloud
            .make(DEMO, "security-groups", json!({"name": "b"}))
            .await;
    }
}
