//! Quotas, their defaults, and limits.

use compute_control::testing;
use http::StatusCode;
use serde_json::json;

use crate::bare::{Cloud, OTHER, PROJECT, message};

#[tokio::test]
async fn limits_come_from_the_user_the_project_the_class_and_the_built_in_ones() {
    let cloud = Cloud::start().await;
    let project = format!("/os-quota-sets/{PROJECT}");
    let (code, answer) = cloud.get("reader", 57, &project).await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(
        answer,
        json!({"quota_set": {"id": PROJECT, "cores": 20, "instances": 10, "key_pairs": 100, "metadata_items": 128,
            "ram": 51200, "server_group_members": 10, "server_groups": 10}})
    );
    let set = |limit: i64| json!({"quota_set": {"cores": limit}});
    let class = json!({"quota_class_set": {"cores": 30}});
    let (_, answer) = cloud
        .put("admin", 1, "/os-quota-class-sets/default", class)
        .await;
    assert_eq!(answer["quota_class_set"]["cores"], 30);
    assert!(answer["quota_class_set"].get("id").is_none());
    let cores = async |path: &str| {
        let (_, answer) = cloud.get("admin", 1, path).await;
        answer["quota_set"]["cores"].clone()
    };
    assert_eq!(cores(&project).await, 30);
    let (code, answer) = cloud.put("admin", 1, &project, set(40)).await;
    assert_eq!(
        (code, &answer["quota_set"]["cores"]),
        (StatusCode::OK, &json!(40))
    );
    assert!(answer["quota_set"].get("id").is_none());
    let of_user = format!("{project}?user_id=u");
    cloud.put("admin", 1, &of_user, set(5)).await;
    assert_eq!(
        (cores(&project).await, cores(&of_user).await),
        (json!(40), json!(5))
    );
    assert_eq!(cores(&format!("{project}/defaults")).await, 30);
    let (code, answer) = cloud.put("admin", 1, &of_user, set(41)).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::BAD_REQUEST,
            "Quota limit 41 for cores must be less than or equal to 40."
        )
    );
    let (code, answer) = cloud.put("admin", 1, &project, set(4)).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::BAD_REQUEST,
            "Quota limit 4 for cores must be greater than or equal to already used and reserved 5."
        )
    );
    assert_eq!(
        cloud.delete("admin", 1, &project).await.0,
        StatusCode::ACCEPTED
    );
    assert_eq!(
        (cores(&project).await, cores(&of_user).await),
        (json!(30), json!(30))
    );
}

#[tokio::test]
async fn a_quota_goes_below_what_is_taken_only_by_force() {
    let cloud = Cloud::start().await;
    testing::server(&cloud.control, PROJECT, "h1").await;
    let project = format!("/os-quota-sets/{PROJECT}");
    let (code, answer) = cloud
        .put("admin", 1, &project, json!({"quota_set": {"cores": 1}}))
        .await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::BAD_REQUEST,
            "Quota limit 1 for cores must be greater than or equal to already used and reserved 2."
        )
    );
    let forced = json!({"quota_set": {"cores": 1, "force": true}});
    assert_eq!(
        cloud.put("admin", 1, &project, forced).await.0,
        StatusCode::OK
    );
    let (_, answer) = cloud.get("reader", 1, &format!("{project}/detail")).await;
    assert_eq!(
        answer["quota_set"]["cores"],
        json!({"in_use": 2, "limit": 1, "reserved": 0})
    );
    let (_, answer) = cloud.get("reader", 1, "/limits").await;
    let limits = &answer["limits"]["absolute"];
    assert_eq!(
        (&limits["totalCoresUsed"], &limits["maxTotalCores"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        (&limits["totalInstancesUsed"], &limits["totalRAMUsed"]),
        (&json!(1), &json!(64))
    );
    assert_eq!(answer["limits"]["rate"], json!([]));
    let reserved = async |minor| cloud.get("reader", minor, "/limits?reserved=1").await.0;
    assert_eq!(reserved(74).await, StatusCode::OK);
    assert_eq!(reserved(75).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn quotas_of_others_are_for_operators() {
    let cloud = Cloud::start().await;
    let other = format!("/os-quota-sets/{OTHER}");
    assert_eq!(
        cloud.get("member", 1, &other).await.0,
        StatusCode::FORBIDDEN
    );
    let set = json!({"quota_set": {"cores": 1}});
    let own = format!("/os-quota-sets/{PROJECT}");
    assert_eq!(
        cloud.put("member", 1, &own, set).await.0,
        StatusCode::FORBIDDEN
    );
    let (code, answer) = cloud.get("admin", 1, "/os-quota-sets/gone").await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::BAD_REQUEST,
            "Project ID gone is not a valid project."
        )
    );
    let limits = format!("/limits?tenant_id={OTHER}");
    assert_eq!(
        cloud.get("member", 1, &limits).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(cloud.get("admin", 1, &limits).await.0, StatusCode::OK);
    assert_eq!(
        cloud
            .get("member", 1, "/os-quota-class-sets/default")
            .await
            .0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn what_networks_and_files_allow_is_shown_only_by_old_versions() {
    let cloud = Cloud::start().await;
    let names = async |minor: u16, path: &str, key: &str| {
        let (_, answer) = cloud.get("admin", minor, path).await;
        let names = answer[key].as_object().expect("an object").keys().cloned();
        names.collect::<Vec<_>>()
    };
    let own = format!("/os-quota-sets/{PROJECT}");
    let class = "/os-quota-class-sets/default";
    for (minor, sets, classes) in [(35, 15, 13), (36, 11, 13), (50, 11, 11), (57, 8, 8)] {
        assert_eq!(
            names(minor, &own, "quota_set").await.len(),
            sets,
            "2.{minor}"
        );
        assert_eq!(
            names(minor, class, "quota_class_set").await.len(),
            classes,
            "2.{minor}"
        );
    }
    let network = json!({"quota_set": {"fixed_ips": 1}});
    assert_eq!(
        cloud.put("admin", 35, &own, network.clone()).await.0,
        StatusCode::OK
    );
    assert_eq!(
        cloud.put("admin", 36, &own, network).await.0,
        StatusCode::BAD_REQUEST
    );
}
