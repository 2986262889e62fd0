//! QoS specs, and encryption, which there is none of.

use serde_json::json;

use crate::{ADMIN, ALICE, Cinder, SERVICE};

#[tokio::test]
async fn qos_specs_hold_for_a_type() {
    for cinder in Cinder::all().await {
        let wish =
            json!({"qos_specs": {"name": "slow", "consumer": "front-end", "total_iops_sec": "10"}});
        cinder.post(ALICE, "/qos-specs", wish.clone()).await.is(403);
        let made = cinder
            .post(ADMIN, "/qos-specs", wish.clone())
            .await
            .is(200)
            .json();
        let made = &made["qos_specs"];
        assert_eq!(
            (&made["consumer"], &made["specs"]),
            (&json!("front-end"), &json!({"total_iops_sec": "10"}))
        );
        cinder.post(ADMIN, "/qos-specs", wish).await.is(409);
        let path = format!("/qos-specs/{}", made["id"].as_str().expect("an id"));
        let more = json!({"qos_specs": {"read_iops_sec": "5"}});
        assert_eq!(
            cinder.put(ADMIN, &path, more.clone()).await.is(200).json(),
            more
        );
        let kind = cinder
            .post(ADMIN, "/types", json!({"volume_type": {"name": "t"}}))
            .await
            .is(200)
            .json();
        let kind = kind["volume_type"]["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        cinder
            .get(ADMIN, &format!("{path}/associate"))
            .await
            .is(400);
        cinder
            .get(ADMIN, &format!("{path}/associate?vol_type_id={kind}"))
            .await
            .is(202);
        let all = cinder
            .get(ADMIN, &format!("{path}/associations"))
            .await
            .is(200)
            .json();
        assert_eq!(all["qos_associations"][0]["id"], kind.as_str());
        let volume = cinder.volume(ALICE, json!({"volume_type": "t"})).await;
        let connect = json!({"os-initialize_connection": {"connector": {"host": "here"}}});
        let action = format!("/volumes/{volume}/action");
        let info = cinder.post(SERVICE, &action, connect).await.is(200).json();
        let specs = json!({"total_iops_sec": "10", "read_iops_sec": "5"});
        assert_eq!(info["connection_info"]["data"]["qos_specs"], specs);
        cinder.delete(ADMIN, &path).await.is(400);
        cinder
            .put(
                ADMIN,
                &format!("{path}/delete_keys"),
                json!({"keys": ["read_iops_sec"]}),
            )
            .await
            .is(202);
        cinder
            .put(
                ADMIN,
                &format!("{path}/delete_keys"),
                json!({"keys": ["none"]}),
            )
            .await
            .is(404);
        cinder
            .get(ADMIN, &format!("{path}/disassociate?vol_type_id={kind}"))
            .await
            .is(202);
        cinder
            .get(ADMIN, &format!("{path}/disassociate_all"))
            .await
            .is(202);
        cinder.delete(ADMIN, &path).await.is(202);
        cinder.get(ADMIN, &path).await.is(404);
    }
}

#[tokio::test]
async fn a_back_end_does_not_enforce_what_it_cannot() {
    let cinder = Cinder::start().await;
    let wish = json!({"qos_specs": {"name": "slow", "total_iops_sec": "10"}});
    let made = cinder.post(ADMIN, "/qos-specs", wish).await.is(200).json();
    assert_eq!(made["qos_specs"]["consumer"], "back-end");
    let path = format!(
        "/qos-specs/{}",
        made["qos_specs"]["id"].as_str().expect("an id")
    );
    let kind = cinder.get(ADMIN, "/types/default").await.is(200).json();
    let kind = kind["volume_type"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    cinder
        .get(ADMIN, &format!("{path}/associate?vol_type_id={kind}"))
        .await
        .is(501);
}

#[tokio::test]
async fn nothing_is_encrypted_and_nothing_says_so() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let path = format!("/volumes/{volume}/encryption");
    assert_eq!(
        cinder.get(ALICE, &path).await.is(200).json(),
        json!({"encryption_key_id": null})
    );
    cinder.get(ALICE, &format!("{path}/cipher")).await.is(404);
    let kind = cinder.get(ADMIN, "/types/default").await.is(200).json();
    let path = format!(
        "/types/{}/encryption",
        kind["volume_type"]["id"].as_str().expect("an id")
    );
    assert_eq!(cinder.get(ADMIN, &path).await.is(200).json(), json!({}));
    let wish = json!({"encryption": {"provider": "luks", "control_location": "front-end"}});
    cinder.post(ADMIN, &path, wish).await.is(501);
}
