//! Types: who sees them, what volumes inherit.

use serde_json::{Value, json};

use crate::{ADMIN, ALICE, BOB, Cinder};

async fn make(cinder: &Cinder, wish: Value) -> Value {
    let made = cinder
        .post(ADMIN, "/types", json!({"volume_type": wish}))
        .await;
    made.is(200).json()["volume_type"].clone()
}

#[tokio::test]
async fn types_are_made_changed_and_deleted() {
    for cinder in Cinder::all().await {
        let specs = json!({"volume_backend_name": "file", "multiattach": "<is> True"});
        let made = make(&cinder, json!({"name": "fast", "extra_specs": specs})).await;
        let id = made["id"].as_str().expect("an id");
        assert_eq!(made["os-volume-type-access:is_public"], true);
        assert_eq!(made["qos_specs_id"], json!(null));
        let again = json!({"volume_type": {"name": "fast"}});
        cinder.post(ADMIN, "/types", again.clone()).await.is(409);
        cinder.post(ALICE, "/types", again).await.is(403);
        let path = format!("/types/{id}");
        let seen = cinder.get(ALICE, &path).await.is(200).json();
        assert_eq!(
            seen["volume_type"]["extra_specs"],
            json!({"multiattach": "<is> True"})
        );
        assert!(seen["volume_type"].get("qos_specs_id").is_none());
        let changes = json!({"volume_type": {"description": "quick"}});
        let changed = cinder.put(ADMIN, &path, changes).await.is(200).json();
        for shown_elsewhere in ["qos_specs_id", "os-volume-type-access:is_public"] {
            assert_eq!(changed["volume_type"].get(shown_elsewhere), None);
        }
        assert_eq!(changed["volume_type"]["description"], "quick");
        cinder
            .put(ADMIN, &path, json!({"volume_type": {}}))
            .await
            .is(400);
        let specs = format!("{path}/extra_specs");
        let more = json!({"extra_specs": {"disks": "4"}});
        cinder.post(ADMIN, &specs, more).await.is(200);
        cinder
            .put(ADMIN, &format!("{specs}/disks"), json!({"disks": "5"}))
            .await
            .is(200);
        let one = cinder
            .get(ADMIN, &format!("{specs}/disks"))
            .await
            .is(200)
            .json();
        assert_eq!(one, json!({"disks": "5"}));
        cinder.get(ALICE, &format!("{specs}/disks")).await.is(404);
        cinder
            .delete(ADMIN, &format!("{specs}/disks"))
            .await
            .is(202);
        cinder
            .delete(ADMIN, &format!("{specs}/disks"))
            .await
            .is(404);
        let volume = cinder.volume(ALICE, json!({"volume_type": "fast"})).await;
        assert_eq!(cinder.show(ALICE, &volume).await["multiattach"], true);
        cinder
            .post(ADMIN, &specs, json!({"extra_specs": {"x": "y"}}))
            .await
            .is(400);
        assert!(
            cinder
                .delete(ADMIN, &path)
                .await
                .is(400)
                .says()
                .contains("still in use")
        );
        cinder.removes(ALICE, &format!("/volumes/{volume}")).await;
        cinder.delete(ADMIN, &path).await.is(202);
        cinder.get(ADMIN, &path).await.is(404);
    }
}

#[tokio::test]
async fn private_types_are_open_to_some() {
    for cinder in Cinder::all().await {
        let wish = json!({"name": "secret", "os-volume-type-access:is_public": false});
        let made = make(&cinder, wish).await;
        let id = made["id"].as_str().expect("an id");
        let path = format!("/types/{id}");
        let wish = json!({"volume": {"size": 1, "volume_type": "secret"}});
        cinder.get(ALICE, &path).await.is(404);
        cinder.post(ALICE, "/volumes", wish.clone()).await.is(404);
        let action = format!("{path}/action");
        let open = json!({"addProjectAccess": {"project": "a11ce"}});
        cinder.post(ADMIN, &action, open.clone()).await.is(202);
        cinder.post(ADMIN, &action, open.clone()).await.is(409);
        cinder.post(ALICE, &action, open).await.is(403);
        cinder.get(ALICE, &path).await.is(200);
        cinder.get(BOB, &path).await.is(404);
        let listed = async |token| {
            let all = cinder.get(token, "/types").await.is(200).json();
            all["volume_types"].as_array().map_or(0, Vec::len)
        };
        assert_eq!(
            (listed(ALICE).await, listed(BOB).await, listed(ADMIN).await),
            (2, 1, 1)
        );
        let all = cinder
            .get(ADMIN, "/types?is_public=None")
            .await
            .is(200)
            .json();
        assert_eq!(all["volume_types"].as_array().map_or(0, Vec::len), 2);
        let who = cinder
            .get(ADMIN, &format!("{path}/os-volume-type-access"))
            .await
            .is(200)
            .json();
        assert_eq!(who["volume_type_access"][0]["project_id"], "a11ce");
        let close = json!({"removeProjectAccess": {"project": "a11ce"}});
        cinder.post(ADMIN, &action, close.clone()).await.is(202);
        cinder.post(ADMIN, &action, close).await.is(404);
        cinder.post(ALICE, "/volumes", wish).await.is(404);
    }
}

#[tokio::test]
async fn a_project_may_have_a_default_type_of_its_own() {
    for cinder in Cinder::all().await {
        let made = make(&cinder, json!({"name": "fast"})).await;
        let id = made["id"].as_str().expect("an id");
        let path = "/default-types/a11ce";
        let wish = json!({"default_type": {"volume_type": "fast"}});
        cinder.put(ALICE, path, wish.clone()).await.is(403);
        for _ in 0..2 {
            let set = cinder.put(ADMIN, path, wish.clone()).await.is(200).json();
            assert_eq!(set["default_type"]["volume_type_id"], id);
        }
        let volume = cinder.begin(ALICE, json!({})).await;
        assert_eq!(volume["volume_type"], "fast");
        assert_eq!(
            cinder.begin(BOB, json!({})).await["volume_type"],
            "__DEFAULT__"
        );
        assert_eq!(
            cinder.get(ALICE, "/types/default").await.json()["volume_type"]["name"],
            "fast"
        );
        assert!(
            cinder
                .delete(ADMIN, &format!("/types/{id}"))
                .await
                .is(400)
                .says()
                .contains("default")
        );
        let all = cinder.get(ADMIN, "/default-types").await.is(200).json();
        assert_eq!(all["default_types"].as_array().map_or(0, Vec::len), 1);
        cinder.delete(ADMIN, path).await.is(204);
        cinder.get(ADMIN, path).await.is(404);
    }
}

#[tokio::test]
async fn sizes_of_a_type_are_bounded() {
    let cinder = Cinder::start().await;
    let specs = json!({"provisioning:min_vol_size": "2", "provisioning:max_vol_size": "3"});
    make(&cinder, json!({"name": "sized", "extra_specs": specs})).await;
    for (size, code) in [(1, 400), (2, 202), (3, 202), (4, 400)] {
        let wish = json!({"volume": {"size": size, "volume_type": "sized"}});
        cinder.post(ALICE, "/volumes", wish).await.is(code);
    }
}

#[tokio::test]
async fn projects_have_ids_that_can_be_kept() {
    for cinder in Cinder::all().await {
        let wish = json!({"name": "secret", "os-volume-type-access:is_public": false});
        let made = make(&cinder, wish).await;
        let action = format!("/types/{}/action", made["id"].as_str().expect("an id"));
        for (length, access, other) in [(65, 400, 400), (64, 202, 200)] {
            let project = "x".repeat(length);
            let open = json!({"addProjectAccess": {"project": project}});
            cinder.post(ADMIN, &action, open).await.is(access);
            let set = json!({"default_type": {"volume_type": "secret"}});
            let path = format!("/default-types/{project}");
            cinder.put(ADMIN, &path, set).await.is(other);
            let limits = json!({"quota_set": {"volumes": 1}});
            let path = format!("/os-quota-sets/{project}");
            cinder.put(ADMIN, &path, limits).await.is(other);
        }
    }
}

#[tokio::test]
async fn of_several_who_set_a_default_at_once_each_is_answered_and_the_last_holds() {
    for cinder in Cinder::all().await {
        let names = ["one", "two", "three"];
        for name in names {
            make(&cinder, json!({"name": name})).await;
        }
        let path = "/default-types/a11ce";
        for _ in 0..5 {
            let asked = names.map(|name| {
                let wish = json!({"default_type": {"volume_type": name}});
                cinder.put(ADMIN, path, wish)
            });
            for answer in futures::future::join_all(asked).await {
                answer.is(200);
            }
            let all = cinder.get(ADMIN, "/default-types").await.is(200).json();
            assert_eq!(all["default_types"].as_array().map(Vec::len), Some(1));
            cinder.delete(ADMIN, path).await.is(204);
        }
    }
}

#[tokio::test]
async fn no_volume_has_a_type_that_is_gone() {
    for cinder in Cinder::all().await {
        for round in 0..8 {
            let name = format!("short-{round}");
            let kind = make(&cinder, json!({"name": name})).await;
            let path = format!("/types/{}", kind["id"].as_str().expect("an id"));
            let wish = json!({"volume": {"size": 1, "volume_type": name}});
            let (gone, made) = tokio::join!(
                cinder.delete(ADMIN, &path),
                cinder.post(ALICE, "/volumes", wish)
            );
            match gone.status.as_u16() {
                202 => assert_eq!(made.status.as_u16(), 404),
                _ => {
                    gone.is(400);
                    let id = made.is(202).json()["volume"]["id"].clone();
                    let id = id.as_str().expect("an id");
                    assert_eq!(cinder.show(ALICE, id).await["volume_type"], name);
                    cinder
                        .delete(ADMIN, &format!("/volumes/{id}?force=true"))
                        .await
                        .is(202);
                    cinder.is_gone(&format!("/volumes/{id}")).await;
                }
            }
        }
        cinder.is_clean().await;
    }
}
