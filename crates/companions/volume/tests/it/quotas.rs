//! Quotas: exact, also when many ask at once.

use serde_json::{Value, json};

use crate::{ADMIN, ALICE, Cinder};

async fn set(cinder: &Cinder, limits: Value) {
    let body = json!({"quota_set": limits});
    cinder
        .put(ADMIN, "/os-quota-sets/a11ce", body)
        .await
        .is(200);
}

#[tokio::test]
async fn a_project_gets_no_more_than_its_quota() {
    for cinder in Cinder::all().await {
        set(&cinder, json!({"volumes": 2, "gigabytes": "5"})).await;
        cinder.volume(ALICE, json!({"size": 4})).await;
        let wish = |size: i64| json!({"volume": {"size": size}});
        let refused = cinder.post(ALICE, "/volumes", wish(2)).await.is(413);
        assert_eq!(refused.headers["retry-after"], "0");
        assert_eq!(refused.json()["overLimit"]["code"], 413);
        assert_eq!(
            refused.says(),
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 2G, \
             quota is 5G and 4G has been consumed."
        );
        cinder.volume(ALICE, json!({})).await;
        set(&cinder, json!({"gigabytes": -1})).await;
        assert_eq!(
            cinder.post(ALICE, "/volumes", wish(1)).await.is(413).says(),
            "VolumeLimitExceeded: Maximum number of volumes allowed (2) exceeded for quota 'volumes'."
        );
        set(&cinder, json!({"volumes": -1, "per_volume_gigabytes": 3})).await;
        let refused = cinder.post(ALICE, "/volumes", wish(4)).await.is(413).says();
        assert!(
            refused.contains("larger than maximum allowed limit 3G"),
            "{refused}"
        );
        set(&cinder, json!({"volumes___DEFAULT__": 2})).await;
        let refused = cinder.post(ALICE, "/volumes", wish(1)).await.is(413).says();
        assert!(
            refused.ends_with("exceeded for quota 'volumes___DEFAULT__'."),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn types_of_the_longest_names_have_limits_too() {
    for cinder in Cinder::all().await {
        let name = "n".repeat(255);
        let made = json!({"volume_type": {"name": name}});
        cinder.post(ADMIN, "/types", made).await.is(200);
        let limits = |most: i64| {
            json!({
                (format!("volumes_{name}")): most,
                (format!("gigabytes_{name}")): most,
                (format!("snapshots_{name}")): most,
            })
        };
        let class = json!({"quota_class_set": limits(3)});
        cinder
            .put(ADMIN, "/os-quota-class-sets/default", class)
            .await
            .is(200);
        set(&cinder, limits(1)).await;
        cinder.volume(ALICE, json!({"volume_type": name})).await;
        let wish = json!({"volume": {"size": 1, "volume_type": name}});
        cinder.post(ALICE, "/volumes", wish.clone()).await.is(413);
        cinder.delete(ADMIN, "/os-quota-sets/a11ce").await.is(200);
        cinder.post(ALICE, "/volumes", wish).await.is(202);
    }
}

#[tokio::test]
async fn limits_go_with_the_name_of_their_type() {
    for cinder in Cinder::all().await {
        let made = json!({"volume_type": {"name": "before"}});
        let made = cinder.post(ADMIN, "/types", made).await.is(200).json();
        let path = format!(
            "/types/{}",
            made["volume_type"]["id"].as_str().expect("an id")
        );
        set(&cinder, json!({"volumes_before": 1})).await;
        cinder.volume(ALICE, json!({"volume_type": "before"})).await;
        // Of a type of that name which is no more, its limit is not the one that counts.
        let gone = json!({"volume_type": {"name": "after"}});
        let gone = cinder.post(ADMIN, "/types", gone).await.is(200).json();
        set(&cinder, json!({"volumes_after": 7})).await;
        let gone = gone["volume_type"]["id"].as_str().expect("an id");
        let gone = format!("/types/{gone}");
        cinder.delete(ADMIN, &gone).await.is(202);
        let renamed = json!({"volume_type": {"name": "after"}});
        cinder.put(ADMIN, &path, renamed).await.is(200);
        let wish = json!({"volume": {"size": 1, "volume_type": "after"}});
        let refused = cinder.post(ALICE, "/volumes", wish).await.is(413).says();
        assert!(
            refused.ends_with("exceeded for quota 'volumes_after'."),
            "{refused}"
        );
        let shown = cinder.get(ALICE, "/os-quota-sets/a11ce").await.is(200);
        let shown = shown.json()["quota_set"].clone();
        assert_eq!(
            (&shown["volumes_after"], shown.get("volumes_before")),
            (&json!(1), None)
        );
    }
}

#[tokio::test]
async fn many_at_once_do_not_pass_a_quota_together() {
    for cinder in Cinder::all().await {
        set(&cinder, json!({"volumes": 3})).await;
        let wish = || cinder.post(ALICE, "/volumes", json!({"volume": {"size": 1}}));
        let asked = futures::future::join_all((0..8).map(|_| wish())).await;
        let mut codes: Vec<_> = asked.iter().map(|answer| answer.status.as_u16()).collect();
        codes.sort_unstable();
        assert_eq!(codes, [202, 202, 202, 413, 413, 413, 413, 413]);
    }
}

#[tokio::test]
async fn quotas_are_shown_with_what_is_used() {
    for cinder in Cinder::all().await {
        let id = cinder.volume(ALICE, json!({"size": 2})).await;
        let show = async |query: &str| {
            let answer = cinder
                .get(ALICE, &format!("/os-quota-sets/a11ce{query}"))
                .await;
            answer.is(200).json()["quota_set"].clone()
        };
        let plain = show("").await;
        assert_eq!(
            (&plain["id"], &plain["volumes"]),
            (&json!("a11ce"), &json!(10))
        );
        let used = show("?usage=True").await;
        let two = json!({"limit": 1000, "in_use": 2, "reserved": 0});
        assert_eq!(used["gigabytes"], two);
        assert_eq!(used["gigabytes___DEFAULT__"]["in_use"], 2);
        set(&cinder, json!({"volumes": 7})).await;
        assert_eq!(show("").await["volumes"], 7);
        assert_eq!(show("/defaults").await["volumes"], 10);
        let low = json!({"quota_set": {"gigabytes": 1}});
        let refused = cinder
            .put(ADMIN, "/os-quota-sets/a11ce", low)
            .await
            .is(400)
            .says();
        assert!(refused.contains("Current usage is 2"), "{refused}");
        let wrong = json!({"quota_set": {"wheels": 1}});
        let refused = cinder
            .put(ADMIN, "/os-quota-sets/a11ce", wrong)
            .await
            .is(400)
            .says();
        assert!(refused.contains("wheels"), "{refused}");
        cinder
            .put(ALICE, "/os-quota-sets/a11ce", json!({"quota_set": {}}))
            .await
            .is(403);
        cinder.get(ALICE, "/os-quota-sets/b0b").await.is(403);
        cinder.delete(ADMIN, "/os-quota-sets/a11ce").await.is(200);
        assert_eq!(show("").await["volumes"], 10);
        let class = json!({"quota_class_set": {"volumes": 4}});
        cinder
            .put(ADMIN, "/os-quota-class-sets/default", class)
            .await
            .is(200);
        assert_eq!(show("").await["volumes"], 4);
        let limits = cinder.get(ALICE, "/limits").await.is(200).json();
        let absolute = &limits["limits"]["absolute"];
        assert_eq!(
            (
                &absolute["maxTotalVolumes"],
                &absolute["totalGigabytesUsed"]
            ),
            (&json!(4), &json!(2))
        );
        cinder.removes(ALICE, &format!("/volumes/{id}")).await;
        assert_eq!(show("?usage=1").await["volumes"]["in_use"], 0);
    }
}
