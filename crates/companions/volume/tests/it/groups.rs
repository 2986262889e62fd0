//! Groups, their types and their snapshots.

use http::Method;
use serde_json::{Value, json};
use sql::sea_orm::{ConnectionTrait, Statement};
use workflow::testing::found;

use crate::{ADMIN, ALICE, BOB, Cinder, READER};

impl Cinder {
    pub async fn group_type(&self, name: &str) -> String {
        let body = json!({"group_type": {"name": name, "group_specs": {"a": "1"}}});
        let made = self.post(ADMIN, "/group_types", body).await.is(202).json();
        made["group_type"]["id"].as_str().expect("an id").to_owned()
    }

    /// A group that is there.
    async fn group(&self, kind: &str) -> String {
        let body =
            json!({"group": {"name": "g", "group_type": kind, "volume_types": ["__DEFAULT__"]}});
        let made = self.post(ALICE, "/groups", body).await.is(202).json();
        assert_eq!(made["group"].as_object().map(serde_json::Map::len), Some(2));
        let id = made["group"]["id"].as_str().expect("an id").to_owned();
        self.reaches(&format!("/groups/{id}"), "group", "available")
            .await;
        id
    }

    /// A volume in a group.
    async fn member(&self, group: &str) -> String {
        self.volume(
            ALICE,
            json!({"group_id": group, "volume_type": "__DEFAULT__"}),
        )
        .await
    }

    async fn members(&self, group: &str) -> Vec<String> {
        let shown = self
            .get(ALICE, &format!("/groups/{group}?list_volume=true"))
            .await;
        let all = shown.is(200).json()["group"]["volumes"]
            .as_array()
            .expect("a list")
            .clone();
        all.iter()
            .map(|id| id.as_str().expect("an id").to_owned())
            .collect()
    }

    async fn group_snapshot(&self, group: &str) -> String {
        let body = json!({"group_snapshot": {"group_id": group, "name": "s"}});
        let made = self
            .post(ALICE, "/group_snapshots", body)
            .await
            .is(202)
            .json();
        let id = made["group_snapshot"]["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        self.reaches(
            &format!("/group_snapshots/{id}"),
            "group_snapshot",
            "available",
        )
        .await;
        id
    }

    pub async fn end_group(&self, id: &str, volumes: bool) -> crate::Answer {
        let body = json!({"delete": {"delete-volumes": volumes}});
        self.post(ALICE, &format!("/groups/{id}/action"), body)
            .await
    }
}

#[tokio::test]
async fn types_of_groups_and_their_specs() {
    for cinder in Cinder::all().await {
        let id = cinder.group_type("silver").await;
        let path = format!("/group_types/{id}");
        let again = json!({"group_type": {"name": "silver"}});
        cinder
            .post(ADMIN, "/group_types", again.clone())
            .await
            .is(409);
        cinder.post(ALICE, "/group_types", again).await.is(403);
        let shown = cinder.get(ALICE, &path).await.is(200).json()["group_type"].clone();
        assert_eq!(
            shown,
            json!({"id": id, "name": "silver", "description": null, "is_public": true})
        );
        let seen = cinder.get(ADMIN, &path).await.json()["group_type"].clone();
        assert_eq!(seen["group_specs"], json!({"a": "1"}));
        let hidden = json!({"group_type": {"name": "gold", "is_public": false}});
        cinder.post(ADMIN, "/group_types", hidden).await.is(202);
        for (token, query, count) in [
            (ALICE, "", 1),
            (ADMIN, "", 1),
            (ADMIN, "?is_public=None", 2),
        ] {
            let all = cinder
                .get(token, &format!("/group_types{query}"))
                .await
                .is(200)
                .json();
            assert_eq!(
                all["group_types"].as_array().map(Vec::len),
                Some(count),
                "{query}"
            );
        }
        let changed = json!({"group_type": {"description": "d"}});
        assert_eq!(
            cinder.put(ADMIN, &path, changed).await.is(200).json()["group_type"]["description"],
            "d"
        );
        cinder
            .put(ADMIN, &path, json!({"group_type": {}}))
            .await
            .is(400);
        let specs = format!("{path}/group_specs");
        let more = json!({"group_specs": {"b": "2", "c": null}});
        assert_eq!(
            cinder
                .post(ADMIN, &specs, more.clone())
                .await
                .is(202)
                .json(),
            more
        );
        cinder
            .put(ADMIN, &format!("{specs}/b"), json!({"b": "3"}))
            .await
            .is(200);
        cinder
            .put(ADMIN, &format!("{specs}/b"), json!({"c": "3"}))
            .await
            .is(400);
        assert_eq!(
            cinder
                .get(ADMIN, &format!("{specs}/b"))
                .await
                .is(200)
                .json(),
            json!({"b": "3"})
        );
        cinder.delete(ADMIN, &format!("{specs}/a")).await.is(202);
        cinder.delete(ADMIN, &format!("{specs}/a")).await.is(404);
        cinder.get(ALICE, &specs).await.is(403);
        let group = cinder.group("silver").await;
        cinder.delete(ADMIN, &path).await.is(400);
        cinder.end_group(&group, false).await.is(202);
        cinder.is_gone(&format!("/groups/{group}")).await;
        cinder.delete(ADMIN, &path).await.is(202);
        cinder.get(ADMIN, &path).await.is(404);
        cinder.get(ADMIN, "/group_types/default").await.is(404);
    }
}

#[tokio::test]
async fn volumes_come_to_a_group_and_go() {
    for cinder in Cinder::all().await {
        let kind = cinder.group_type("silver").await;
        let group = cinder.group(&kind).await;
        let path = format!("/groups/{group}");
        let shown = cinder.get(ALICE, &path).await.json()["group"].clone();
        assert_eq!(
            (&shown["name"], &shown["group_type"]),
            (&json!("g"), &json!(kind))
        );
        assert_eq!(
            (&shown["replication_status"], shown.get("volumes")),
            (&json!("disabled"), None)
        );
        let early = cinder.at(13, ALICE, Method::GET, &path, None).await.json()["group"].clone();
        assert_eq!(
            (
                early.get("source_group_id"),
                early.get("replication_status")
            ),
            (None, None)
        );
        assert_eq!(
            cinder.get(ADMIN, &path).await.json()["group"]["project_id"],
            "a11ce"
        );
        let member = cinder.member(&group).await;
        let other = cinder.volume(ALICE, json!({})).await;
        let update = async |body: Value| cinder.put(ALICE, &path, json!({"group": body})).await;
        update(json!({"add_volumes": other, "name": "h"}))
            .await
            .is(202);
        let mut both = vec![member.clone(), other.clone()];
        both.sort();
        let mut members = cinder.members(&group).await;
        members.sort();
        assert_eq!(members, both);
        assert_eq!(cinder.show(ALICE, &other).await["group_id"], group);
        let refused = cinder
            .delete(ALICE, &format!("/volumes/{other}"))
            .await
            .is(400)
            .says();
        assert!(refused.contains("belong to a group"), "{refused}");
        update(json!({"remove_volumes": other})).await.is(202);
        assert_eq!(cinder.members(&group).await, std::slice::from_ref(&member));
        for (body, why) in [
            (json!({"remove_volumes": other}), "it is not in the group."),
            (
                json!({"add_volumes": kind}),
                "because volume cannot be found.",
            ),
            (
                json!({"add_volumes": other, "remove_volumes": other}),
                "are in both add and remove volume list.",
            ),
            (json!({"name": "h"}), "were provided."),
        ] {
            let said = update(body).await.is(400).says();
            assert!(said.ends_with(why), "{said}");
        }
        cinder.get(BOB, &path).await.is(404);
        let all = cinder
            .get(READER, "/groups/detail?list_volume=1")
            .await
            .is(200)
            .json();
        assert_eq!(all["groups"][0]["volumes"], json!([member]));
        let said = cinder.end_group(&group, false).await.is(400).says();
        assert!(
            said.ends_with("The delete-volumes flag is required to delete it."),
            "{said}"
        );
        cinder.end_group(&group, true).await.is(202);
        cinder.is_gone(&path).await;
        cinder
            .get(ADMIN, &format!("/volumes/{member}"))
            .await
            .is(404);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn a_snapshot_of_a_group_becomes_a_group() {
    for cinder in Cinder::all().await {
        let kind = cinder.group_type("silver").await;
        let group = cinder.group(&kind).await;
        let (a, b) = (cinder.member(&group).await, cinder.member(&group).await);
        cinder.write(&a, b"then");
        cinder.write(&b, b"also");
        let snapshot = cinder.group_snapshot(&group).await;
        cinder.write(&a, b"now!");
        let path = format!("/group_snapshots/{snapshot}");
        let shown = cinder.get(ALICE, &path).await.is(200).json()["group_snapshot"].clone();
        assert_eq!(
            (&shown["group_id"], &shown["group_type_id"]),
            (&json!(group), &json!(kind))
        );
        let all = cinder.get(ALICE, "/snapshots/detail").await.json();
        let all = all["snapshots"].as_array().expect("a list").clone();
        assert!(
            all.iter()
                .all(|one| one["group_snapshot_id"] == snapshot.as_str())
        );
        let one = format!("/snapshots/{}", all[0]["id"].as_str().expect("an id"));
        let said = cinder.delete(ALICE, &one).await.is(400).says();
        assert!(said.contains("must not be part of a group"), "{said}");
        let from = async |body: Value| {
            cinder
                .post(ALICE, "/groups/action", json!({"create-from-src": body}))
                .await
        };
        for (source, key, first) in [
            (&snapshot, "group_snapshot_id", b"then"),
            (&group, "source_group_id", b"now!"),
        ] {
            let made = from(json!({key: source, "name": "n"})).await.is(202).json();
            let id = made["group"]["id"].as_str().expect("an id").to_owned();
            let there = cinder
                .reaches(&format!("/groups/{id}"), "group", "available")
                .await;
            assert_eq!(there[key], source.as_str());
            let mut held: Vec<[u8; 4]> = Vec::new();
            for volume in cinder.members(&id).await {
                held.push(cinder.read(&volume));
            }
            held.sort_unstable();
            let mut wanted = [*first, *b"also"];
            wanted.sort_unstable();
            assert_eq!(held, wanted);
            let said = cinder.end_group(&group, true).await.is(400).says();
            assert!(said.ends_with("Group has existing snapshots."), "{said}");
            cinder.end_group(&id, true).await.is(202);
            cinder.is_gone(&format!("/groups/{id}")).await;
        }
        from(json!({"name": "n"})).await.is(400);
        cinder.removes(ALICE, &path).await;
        cinder.get(ADMIN, &one).await.is(404);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn groups_count_and_have_types_of_volumes() {
    for cinder in Cinder::all().await {
        let kind = cinder.group_type("silver").await;
        let group = cinder.group(&kind).await;
        let limits = json!({"quota_set": {"groups": 1}});
        cinder
            .put(ADMIN, "/os-quota-sets/a11ce", limits)
            .await
            .is(200);
        let wish = |types: Value| json!({"group": {"group_type": kind, "volume_types": types}});
        let said = cinder
            .post(ALICE, "/groups", wish(json!(["__DEFAULT__"])))
            .await
            .is(413)
            .says();
        assert_eq!(
            said,
            "GroupLimitExceeded: Maximum number of groups allowed (1) exceeded"
        );
        cinder.post(ALICE, "/groups", wish(json!([]))).await.is(400);
        cinder
            .post(ALICE, "/groups", wish(json!(["none"])))
            .await
            .is(404);
        let volume = async |more: Value| {
            cinder
                .post(ALICE, "/volumes", json!({"volume": more}))
                .await
        };
        let said = volume(json!({"size": 1, "group_id": group}))
            .await
            .is(400)
            .says();
        assert!(said.contains("volume_type must be provided"), "{said}");
        let other = json!({"volume_type": {"name": "other"}});
        cinder.post(ADMIN, "/types", other).await.is(200);
        let said = volume(json!({"size": 1, "group_id": group, "volume_type": "other"}))
            .await
            .is(400)
            .says();
        assert!(said.contains("must be supported by this group"), "{said}");
        volume(json!({"size": 1, "group_id": kind, "volume_type": "other"}))
            .await
            .is(404);
        let action = format!("/groups/{group}/action");
        cinder
            .post(ALICE, &action, json!({"enable_replication": {}}))
            .await
            .is(400);
        let reset = json!({"reset_status": {"status": "error"}});
        cinder.post(ALICE, &action, reset.clone()).await.is(403);
        cinder.post(ADMIN, &action, reset).await.is(202);
        cinder
            .reaches(&format!("/groups/{group}"), "group", "error")
            .await;
    }
}

#[tokio::test]
async fn a_volume_of_a_group_does_not_go_to_another_project() {
    for cinder in Cinder::all().await {
        let kind = cinder.group_type("silver").await;
        let group = cinder.group(&kind).await;
        let member = cinder.member(&group).await;
        let offer = async || {
            let wish = json!({"transfer": {"volume_id": member}});
            cinder.post(ALICE, "/volume-transfers", wish).await
        };
        let said = offer().await.is(400).says();
        assert!(said.ends_with("must not be part of a group"), "{said}");
        let snapshot = cinder.group_snapshot(&group).await;
        let remove = json!({"group": {"remove_volumes": member}});
        cinder
            .put(ALICE, &format!("/groups/{group}"), remove)
            .await
            .is(202);
        let said = offer().await.is(400).says();
        assert!(said.ends_with("part of a group snapshot"), "{said}");
        let path = format!("/group_snapshots/{snapshot}");
        cinder.removes(ALICE, &path).await;
        let made = offer().await.is(202).json()["transfer"].clone();
        // It was offered by a program that did not look.
        let back = format!("UPDATE volumes SET group_id = '{group}' WHERE id = '{member}'");
        cinder.change(&back).await;
        let at = format!(
            "/volume-transfers/{}/accept",
            made["id"].as_str().expect("an id")
        );
        let accept = json!({"accept": {"auth_key": made["auth_key"]}});
        let said = cinder.post(BOB, &at, accept).await.is(400).says();
        assert!(said.ends_with("must not be part of a group"), "{said}");
        assert_eq!(
            cinder.show(ALICE, &member).await["status"],
            "awaiting-transfer"
        );
    }
}

#[tokio::test]
async fn who_has_a_group_does_not_touch_what_is_of_others_in_it() {
    for cinder in Cinder::all().await {
        let kind = cinder.group_type("silver").await;
        let group = cinder.group(&kind).await;
        let own = cinder.member(&group).await;
        let snapshot = cinder.group_snapshot(&group).await;
        let other = cinder.volume(BOB, json!({})).await;
        let make = json!({"volume": {"size": 1, "group_id": group, "volume_type": "__DEFAULT__"}});
        let said = cinder.post(ADMIN, "/volumes", make).await.is(400).says();
        assert!(said.ends_with("belongs to another project."), "{said}");
        let from = async |body: Value| {
            cinder
                .post(ALICE, "/groups/action", json!({"create-from-src": body}))
                .await
        };
        // As transfers once left them.
        let strange = format!("UPDATE snapshots SET project_id = 'b0b' WHERE volume_id = '{own}'");
        cinder.change(&strange).await;
        let path = format!("/group_snapshots/{snapshot}");
        cinder.delete(ALICE, &path).await.is(400);
        from(json!({"group_snapshot_id": snapshot})).await.is(400);
        let mended = format!("UPDATE snapshots SET project_id = 'a11ce' WHERE volume_id = '{own}'");
        cinder.change(&mended).await;
        cinder.removes(ALICE, &path).await;
        let strange = format!("UPDATE volumes SET group_id = '{group}' WHERE id = '{other}'");
        cinder.change(&strange).await;
        let wish = json!({"group_snapshot": {"group_id": group}});
        let said = cinder
            .post(ALICE, "/group_snapshots", wish)
            .await
            .is(400)
            .says();
        assert!(said.ends_with("belongs to another project."), "{said}");
        from(json!({"source_group_id": group})).await.is(400);
        cinder.end_group(&group, true).await.is(400);
        for list in ["/snapshots", "/group_snapshots"] {
            let all = cinder.get(ALICE, list).await.is(200).json();
            assert_eq!(all[&list[1..]], json!([]));
        }
        let remove = json!({"group": {"remove_volumes": other}});
        cinder
            .put(ALICE, &format!("/groups/{group}"), remove)
            .await
            .is(202);
        cinder.end_group(&group, true).await.is(202);
        cinder.is_gone(&format!("/groups/{group}")).await;
        assert_eq!(cinder.show(BOB, &other).await["status"], "available");
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn a_snapshot_of_a_group_stays_while_a_part_of_it_is_used() {
    for cinder in Cinder::all().await {
        let kind = cinder.group_type("silver").await;
        let group = cinder.group(&kind).await;
        let member = cinder.member(&group).await;
        let snapshot = cinder.group_snapshot(&group).await;
        let path = format!("/group_snapshots/{snapshot}");
        let status = async |word: &str| {
            let set =
                format!("UPDATE snapshots SET status = '{word}' WHERE volume_id = '{member}'");
            cinder.change(&set).await;
        };
        for busy in ["backing-up", "restoring", "deleting"] {
            status(busy).await;
            let said = cinder.delete(ALICE, &path).await.is(400).says();
            assert!(said.ends_with(&format!("is {busy}.")), "{said}");
        }
        status("error_deleting").await;
        cinder.removes(ALICE, &path).await;
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn a_type_that_is_not_public_does_not_exist_for_users() {
    for cinder in Cinder::all().await {
        let hidden = json!({"group_type": {"name": "gold", "is_public": false}});
        let hidden = cinder.post(ADMIN, "/group_types", hidden).await.is(202);
        let hidden = hidden.json()["group_type"]["id"].clone();
        let id = hidden.as_str().expect("an id");
        let path = format!("/group_types/{id}");
        cinder.get(ADMIN, &path).await.is(200);
        let said = cinder.get(ALICE, &path).await.is(404).says();
        assert_eq!(said, format!("Group type {id} could not be found."));
        for named in [id, "gold"] {
            let wish = json!({"group": {"group_type": named, "volume_types": ["__DEFAULT__"]}});
            let made = cinder.post(ALICE, "/groups", wish.clone()).await;
            let said = made.is(404).says();
            let why = format!("Group type with name {named} could not be found.");
            assert_eq!(said, why);
            cinder.post(ADMIN, "/groups", wish).await.is(202);
        }
    }
}

#[tokio::test]
async fn a_type_of_volumes_that_a_group_lists_stays() {
    for cinder in Cinder::all().await {
        let made = json!({"volume_type": {"name": "fast"}});
        let made = cinder.post(ADMIN, "/types", made).await.is(200).json();
        let path = format!(
            "/types/{}",
            made["volume_type"]["id"].as_str().expect("an id")
        );
        let kind = cinder.group_type("silver").await;
        let wish = json!({"group": {"group_type": kind, "volume_types": ["fast"]}});
        let group = cinder.post(ALICE, "/groups", wish).await.is(202).json();
        let group = group["group"]["id"].as_str().expect("an id").to_owned();
        cinder
            .reaches(&format!("/groups/{group}"), "group", "available")
            .await;
        let said = cinder.delete(ADMIN, &path).await.is(400).says();
        assert_eq!(said, "Target volume type is still in use.");
        cinder.end_group(&group, false).await.is(202);
        cinder.is_gone(&format!("/groups/{group}")).await;
        cinder.delete(ADMIN, &path).await.is(202);
    }
}

#[tokio::test]
async fn what_others_have_is_not_found_by_who_adds_it() {
    for cinder in Cinder::all().await {
        let kind = cinder.group_type("silver").await;
        let group = cinder.group(&kind).await;
        let other = cinder.volume(BOB, json!({})).await;
        let wish = json!({"group": {
            "name": "of Bob", "group_type": kind, "volume_types": ["__DEFAULT__"],
        }});
        let theirs = cinder.post(BOB, "/groups", wish).await.is(202).json();
        let theirs = theirs["group"]["id"].as_str().expect("an id").to_owned();
        cinder
            .reaches(&format!("/groups/{theirs}"), "group", "available")
            .await;
        let wish = json!({"group_id": theirs, "volume_type": "__DEFAULT__"});
        let member = cinder.volume(BOB, wish).await;
        let nothing = "0d1ff27d-3b4e-4a55-8c0c-52f1a3c1f0ab".to_owned();
        for id in [nothing, other, member] {
            let add = json!({"group": {"add_volumes": id}});
            let path = format!("/groups/{group}");
            let said = cinder.put(ALICE, &path, add).await.is(400).says();
            let why = format!(
                "Invalid volume: Cannot add volume {id} to group {group} because volume cannot be found."
            );
            assert_eq!(said, why);
        }
        assert_eq!(cinder.members(&group).await, Vec::<String>::new());
    }
}

/// Whoever has the group in hand and waits for a volume stands in the way of who locks them as everybody else does.
#[tokio::test]
async fn volumes_are_locked_before_their_group() {
    for cinder in Cinder::all().await {
        // Only PostgreSQL tells each role who waits for its locks.
        if cinder.db.engine() != sql::Engine::Postgres {
            continue;
        }
        let kind = cinder.group_type("silver").await;
        let group = cinder.group(&kind).await;
        let member = cinder.member(&group).await;
        let tx = cinder.db.begin().await.expect("a transaction");
        let volume = format!("SELECT id FROM volumes WHERE id = '{member}' FOR UPDATE");
        tx.execute_unprepared(&volume).await.expect("locked");
        let path = format!("/groups/{group}");
        let change = json!({"group": {"remove_volumes": member}});
        let hold = async {
            found(|| async {
                let waiting = "SELECT COUNT(*) AS waiting FROM pg_stat_activity \
                               WHERE wait_event_type = 'Lock' AND datname = current_database()";
                let question = Statement::from_string(tx.get_database_backend(), waiting);
                let row = cinder.db.read().query_one_raw(question).await;
                let row = row.expect("an answer").expect("a row");
                match row.try_get::<i64>("", "waiting").expect("a number") {
                    0 => Err("nobody waits for the volume".to_owned()),
                    _ => Ok(()),
                }
            })
            .await;
            let group =
                format!("SELECT id FROM volume_groups WHERE id = '{group}' FOR UPDATE NOWAIT");
            let free = tx.execute_unprepared(&group).await;
            free.expect("the group is not locked by who waits for a volume of it");
            tx.commit().await.expect("let go");
        };
        let (changed, ()) = tokio::join!(cinder.put(ALICE, &path, change), hold);
        changed.is(202);
        assert_eq!(cinder.members(&group).await, Vec::<String>::new());
    }
}
