//! QoS specs, and encryption, which there is none of.

use serde_json::json;

use crate::attachments::SERVER;
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
        let info = cinder.act(SERVICE, &volume, connect).await;
        let info = info.is(200).json();
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
    let associate = format!("{path}/associate?vol_type_id={kind}");
    cinder.get(ADMIN, &associate).await.is(501);
    // Hosts do, where they are to as well; and it does not become the back end's then.
    let consumer = |word: &str| json!({"qos_specs": {"consumer": word}});
    cinder.put(ADMIN, &path, consumer("both")).await.is(200);
    cinder.get(ADMIN, &associate).await.is(202);
    cinder.put(ADMIN, &path, consumer("back-end")).await.is(501);
    let shown = cinder.get(ADMIN, &path).await.is(200).json();
    assert_eq!(shown["qos_specs"]["consumer"], "both");
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

#[tokio::test]
async fn limits_of_a_volume_in_use_stay_as_its_hosts_know_them() {
    let cinder = Cinder::start().await;
    for name in ["slow", "free", "plain"] {
        let kind = json!({"volume_type": {"name": name}});
        let kind = cinder.post(ADMIN, "/types", kind).await.is(200).json();
        if name != "slow" {
            continue;
        }
        let wish =
            json!({"qos_specs": {"name": name, "consumer": "front-end", "total_iops_sec": "10"}});
        let made = cinder.post(ADMIN, "/qos-specs", wish).await.is(200).json();
        let (qos, kind) = (&made["qos_specs"]["id"], &kind["volume_type"]["id"]);
        let path = format!(
            "/qos-specs/{}/associate?vol_type_id={}",
            qos.as_str().expect("an id"),
            kind.as_str().expect("an id")
        );
        cinder.get(ADMIN, &path).await.is(202);
    }
    let retype = |name: &str| json!({"os-retype": {"new_type": name, "migration_policy": "never"}});
    let volume = cinder.volume(ALICE, json!({"volume_type": "plain"})).await;
    cinder.attached(&volume, SERVER).await;
    let said = cinder.act(ALICE, &volume, retype("slow")).await.is(400);
    assert!(said.says().contains("front-end qos"));
    assert_eq!(cinder.show(ALICE, &volume).await["volume_type"], "plain");
    cinder.act(ALICE, &volume, retype("free")).await.is(202);
    assert_eq!(cinder.show(ALICE, &volume).await["volume_type"], "free");
    let other = cinder.volume(ALICE, json!({"volume_type": "plain"})).await;
    cinder.act(ALICE, &other, retype("slow")).await.is(202);
}
