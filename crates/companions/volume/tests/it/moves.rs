//! Several back ends on one host, and volumes that move between them.

mod attached;

use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use serde_json::{Value, json};
use sql::Database;
use volume::{BackEnd, Settings};
use workflow::testing::until;

use crate::{ADMIN, ALICE, BOB, Cinder, SERVICE};

const FAST: &str = "here@fast#FLASH";
const SERVER: &str = "7f3c1a52-0000-4000-8000-00000000dead";
const SLOW: &str = "here@slow#slow";

fn two(settings: &mut Settings) {
    let beside = settings.back_end.clone();
    let back_end = |name: &str, pool: &str, over_subscription| BackEnd {
        name: name.to_owned(),
        pool: pool.to_owned(),
        volume_dir: beside.volume_dir.with_file_name(name),
        over_subscription,
        ..beside.clone()
    };
    settings.backends = vec![
        back_end("fast", "FLASH", 2000),
        back_end("slow", "slow", 1000),
    ];
}

impl Cinder {
    /// One with two back ends and a type for each, on each engine.
    async fn pairs() -> Vec<Cinder> {
        let mut all = Vec::new();
        for db in sql::testing::engines().await {
            all.push(Cinder::pair(db, two).await);
        }
        all
    }

    async fn pair(db: Database, settings: fn(&mut Settings)) -> Cinder {
        let cinder = Cinder::on(db, settings).await;
        for (name, backend) in [("quick", "FLASH"), ("cheap", "slow")] {
            let specs = json!({"volume_backend_name": backend});
            let kind = json!({"volume_type": {"name": name, "extra_specs": specs}});
            cinder.post(ADMIN, "/types", kind).await.is(200);
        }
        cinder
    }

    async fn of_type(&self, name: &str) -> String {
        self.volume(ALICE, json!({"volume_type": name})).await
    }

    async fn pool_of(&self, id: &str) -> String {
        let host = &self.show(ADMIN, id).await["os-vol-host-attr:host"];
        host.as_str().expect("a host").to_owned()
    }

    fn lies(&self, back_end: usize, id: &str) -> PathBuf {
        let folder = &self.settings.backends[back_end].volume_dir;
        folder.join(id).join("disk.raw")
    }

    /// Waits for the end of a move.
    async fn moved(&self, id: &str, how: &str) -> Value {
        let path = format!("/volumes/{id}");
        self.shows(&path, "volume", ("migration_status", how)).await
    }
}

fn write(disk: &PathBuf, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(disk);
    file.expect("opens")
        .write_all_at(bytes, 4096)
        .expect("written");
}

fn read(disk: &PathBuf) -> [u8; 4] {
    let mut bytes = [0; 4];
    let file = std::fs::File::open(disk).expect("opens");
    file.read_exact_at(&mut bytes, 4096).expect("read");
    bytes
}

fn to(host: &str) -> Value {
    json!({"os-migrate_volume": {"host": host}})
}

fn retype(name: &str, policy: &str) -> Value {
    json!({"os-retype": {"new_type": name, "migration_policy": policy}})
}

#[tokio::test]
async fn each_back_end_is_a_service_with_a_pool() {
    for cinder in Cinder::pairs().await {
        let path = "/os-services?binary=cinder-volume";
        let all = cinder.get(ADMIN, path).await.is(200).json();
        let hosts: Vec<_> = all["services"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["host"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(hosts, ["here@fast", "here@slow"]);
        let path = "/scheduler-stats/get_pools?detail=true";
        let pools = cinder.get(ADMIN, path).await.is(200).json();
        let told: Vec<_> = pools["pools"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|pool| {
                let told = &pool["capabilities"];
                let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
                (
                    pool["name"].as_str().unwrap_or_default().to_owned(),
                    text("volume_backend_name"),
                    text("max_over_subscription_ratio"),
                )
            })
            .collect();
        let row = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(told, [row(FAST, "FLASH", "20"), row(SLOW, "slow", "10")]);
        let path = "/scheduler-stats/get_pools?volume_type=cheap";
        let of_type = cinder.get(ADMIN, path).await.is(200).json();
        assert_eq!(of_type, json!({"pools": [{"name": SLOW}]}));
        let shown = cinder.get(ADMIN, "/capabilities/here@slow").await;
        assert_eq!(shown.is(200).json()["pool_name"], "slow");
    }
}

#[tokio::test]
async fn a_type_chooses_the_back_end_and_copies_stay_on_theirs() {
    for cinder in Cinder::pairs().await {
        let (quick, cheap) = (cinder.of_type("quick").await, cinder.of_type("cheap").await);
        assert_eq!(cinder.pool_of(&quick).await, FAST);
        assert_eq!(cinder.pool_of(&cheap).await, SLOW);
        assert!(cinder.lies(0, &quick).exists() && cinder.lies(1, &cheap).exists());
        write(&cinder.lies(1, &cheap), b"data");
        let plain = json!({"source_volid": cheap});
        let clone = cinder.volume(ALICE, plain).await;
        assert_eq!(read(&cinder.lies(1, &clone)), *b"data");
        let body = json!({"snapshot": {"volume_id": cheap}});
        let made = cinder.post(ALICE, "/snapshots", body).await.is(202).json();
        let snapshot = made["snapshot"]["id"].as_str().expect("an id").to_owned();
        let path = format!("/snapshots/{snapshot}");
        cinder
            .shows(&path, "snapshot", ("status", "available"))
            .await;
        // The type says another back end: the bytes are copied there.
        for source in [
            json!({"source_volid": cheap}),
            json!({"snapshot_id": snapshot}),
        ] {
            let mut wish = source;
            wish["volume_type"] = json!("quick");
            let copy = cinder.volume(ALICE, wish).await;
            assert_eq!(cinder.pool_of(&copy).await, FAST);
            assert_eq!(read(&cinder.lies(0, &copy)), *b"data");
        }
        let same = cinder.volume(ALICE, json!({"snapshot_id": snapshot})).await;
        assert_eq!(cinder.pool_of(&same).await, SLOW);
        // Attachments are of the volume's own file.
        let body = json!({"attachment": {"volume_uuid": clone, "instance_uuid": SERVER}});
        let made = cinder
            .post(ALICE, "/attachments", body)
            .await
            .is(200)
            .json();
        let id = made["attachment"]["id"].as_str().expect("an id").to_owned();
        let connector = json!({"attachment": {"connector": {"host": "here"}}});
        let path = format!("/attachments/{id}");
        let shown = cinder.put(SERVICE, &path, connector).await.is(200).json();
        let folder = cinder.settings.backends[1].volume_dir.canonicalize();
        let disk = folder.expect("a folder").join(&clone).join("disk.raw");
        let info = &shown["attachment"]["connection_info"];
        assert_eq!(info["device_path"], json!(disk), "{info}");
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn back_ends_are_switched_off_one_by_one() {
    let cinder = Cinder::on(sql::testing::sqlite().await, two).await;
    let which = json!({"host": "here@fast", "binary": "cinder-volume"});
    let done = cinder
        .put(ADMIN, "/os-services/disable", which.clone())
        .await;
    done.is(200);
    let other = cinder.volume(ALICE, json!({})).await;
    assert_eq!(cinder.pool_of(&other).await, SLOW);
    cinder.act(ADMIN, &other, to("here@fast")).await.is(400);
    cinder
        .put(ADMIN, "/os-services/enable", which)
        .await
        .is(200);
    let slow = json!({"host": "here@slow"});
    cinder
        .put(ADMIN, "/os-services/freeze", slow.clone())
        .await
        .is(200);
    let volume = cinder.volume(ALICE, json!({})).await;
    assert_eq!(cinder.pool_of(&volume).await, FAST);
    // It is up and takes nothing new: the work finds that out.
    cinder.act(ADMIN, &volume, to("here@slow")).await.is(202);
    cinder.moved(&volume, "error").await;
    assert_eq!(cinder.pool_of(&volume).await, FAST);
    cinder.put(ADMIN, "/os-services/thaw", slow).await.is(200);
    cinder.is_clean().await;
}

#[tokio::test]
async fn a_volume_moves_to_another_back_end() {
    for cinder in Cinder::pairs().await {
        let id = cinder.volume(ALICE, json!({})).await;
        let (from, other) = match cinder.pool_of(&id).await.as_str() {
            FAST => (0, SLOW),
            _ => (1, FAST),
        };
        write(&cinder.lies(from, &id), b"mine");
        cinder.act(ALICE, &id, to(other)).await.is(403);
        let locked = json!({"os-migrate_volume": {"host": other, "lock_volume": true, "force_host_copy": true}});
        cinder.act(ADMIN, &id, locked).await.is(202);
        let moved = cinder.moved(&id, "success").await;
        assert_eq!(moved["status"], "available");
        assert_eq!(moved["os-vol-mig-status-attr:migstat"], "success");
        assert_eq!(moved["os-vol-host-attr:host"], other);
        assert_eq!(read(&cinder.lies(1 - from, &id)), *b"mine");
        assert!(!cinder.lies(from, &id).exists());
        assert!(
            cinder
                .show(ALICE, &id)
                .await
                .get("migration_status")
                .is_none()
        );
        for (status, count) in [
            ("success", 1),
            ("migrating", 0),
            ("None", 0),
            ("nonsense", 0),
        ] {
            let path = format!("/volumes?all_tenants=1&migration_status={status}");
            let found = cinder.get(ADMIN, &path).await.is(200).json();
            assert_eq!(
                found["volumes"].as_array().map(Vec::len),
                Some(count),
                "{status}"
            );
        }
        // It is a volume as any other.
        cinder
            .act(ALICE, &id, json!({"os-extend": {"new_size": 2}}))
            .await
            .is(202);
        cinder.becomes(&id, "available").await;
        let back = other.split('#').next().unwrap_or_default();
        cinder.act(ADMIN, &id, to(back)).await.is(400);
        let home = if from == 0 { "here@fast" } else { "here@slow" };
        cinder.act(ADMIN, &id, to(home)).await.is(202);
        until(|| async { cinder.pool_of(&id).await.starts_with(home) }).await;
        cinder.moved(&id, "success").await;
        assert_eq!(read(&cinder.lies(from, &id)), *b"mine");
        let length = cinder.lies(from, &id).metadata().expect("a size").len();
        assert_eq!(length, 2 << 30);
        cinder.is_clean().await;
        cinder.removes(ALICE, &format!("/volumes/{id}")).await;
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn a_volume_begins_to_move_once() {
    for cinder in Cinder::pairs().await {
        let id = cinder.of_type("quick").await;
        let general = json!({"volume_type": {"name": "any"}});
        cinder.post(ADMIN, "/types", general).await.is(200);
        cinder.act(ALICE, &id, retype("any", "never")).await.is(202);
        let (one, other) = tokio::join!(
            cinder.act(ADMIN, &id, to(SLOW)),
            cinder.act(ADMIN, &id, to(SLOW))
        );
        let mut said = [one.status.as_u16(), other.status.as_u16()];
        said.sort_unstable();
        assert_eq!(said, [202, 400]);
        cinder.moved(&id, "success").await;
        assert_eq!(cinder.pool_of(&id).await, SLOW);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn a_volume_moves_for_its_new_type() {
    for cinder in Cinder::pairs().await {
        let id = cinder.of_type("quick").await;
        write(&cinder.lies(0, &id), b"mine");
        let said = cinder.act(ALICE, &id, retype("cheap", "never")).await;
        assert!(said.is(400).says().contains("may not migrate"));
        let limits = json!({"quota_set": {"volumes_cheap": 0}});
        cinder
            .put(ADMIN, "/os-quota-sets/a11ce", limits)
            .await
            .is(200);
        let on_demand = || retype("cheap", "on-demand");
        cinder.act(ALICE, &id, on_demand()).await.is(413);
        let limits = json!({"quota_set": {"volumes_cheap": 1}});
        cinder
            .put(ADMIN, "/os-quota-sets/a11ce", limits)
            .await
            .is(200);
        cinder.act(BOB, &id, on_demand()).await.is(404);
        cinder.act(ALICE, &id, on_demand()).await.is(202);
        let moved = cinder.moved(&id, "success").await;
        assert_eq!(moved["volume_type"], "cheap");
        assert_eq!(moved["status"], "available");
        assert_eq!(cinder.pool_of(&id).await, SLOW);
        assert_eq!(read(&cinder.lies(1, &id)), *b"mine");
        assert!(!cinder.lies(0, &id).exists());
        // The quota of the type is used up.
        let more = json!({"volume": {"size": 1, "volume_type": "cheap"}});
        cinder.post(ALICE, "/volumes", more).await.is(413);
        cinder.act(ALICE, &id, on_demand()).await.is(400);
        cinder.is_clean().await;
    }
}

#[tokio::test]
async fn what_cannot_move_is_refused() {
    for cinder in Cinder::pairs().await {
        let id = cinder.of_type("quick").await;
        cinder.act(ADMIN, &id, to("here@none")).await.is(400);
        cinder.act(ADMIN, &id, to("here@slow#other")).await.is(400);
        let completion = json!({"os-migrate_volume_completion": {"new_volume": id}});
        cinder.act(ALICE, &id, completion.clone()).await.is(403);
        let said = cinder.act(ADMIN, &id, completion).await.is(400).says();
        assert_eq!(said, "Invalid volume: Source volume not mid-migration.");
        // Its type does not fit there.
        cinder.act(ADMIN, &id, to(SLOW)).await.is(202);
        let stays = cinder.moved(&id, "error").await;
        assert_eq!(stays["os-vol-host-attr:host"], FAST);
        assert_eq!(stays["status"], "available");
        // A server has it.
        let body = json!({"attachment": {
            "volume_uuid": id, "instance_uuid": SERVER, "connector": {"host": "here"}}});
        let made = cinder
            .post(ALICE, "/attachments", body)
            .await
            .is(200)
            .json();
        let attachment = made["attachment"]["id"].as_str().expect("an id").to_owned();
        cinder.act(ADMIN, &id, to(SLOW)).await.is(400);
        let path = format!("/attachments/{attachment}/action");
        cinder
            .post(ALICE, &path, json!({"os-complete": {}}))
            .await
            .is(204);
        // Nobody is there who would replace it.
        cinder
            .act(ADMIN, &id, retype("cheap", "on-demand"))
            .await
            .is(202);
        let stays = cinder.moved(&id, "error").await;
        assert_eq!(
            (&stays["status"], &stays["volume_type"]),
            (&json!("in-use"), &json!("quick"))
        );
        assert!(!cinder.lies(1, &id).exists());
        // It has a snapshot.
        let other = cinder.of_type("quick").await;
        let body = json!({"snapshot": {"volume_id": other}});
        cinder.post(ALICE, "/snapshots", body).await.is(202);
        cinder.act(ADMIN, &other, to(SLOW)).await.is(400);
        cinder
            .act(ALICE, &other, retype("cheap", "on-demand"))
            .await
            .is(400);
    }
}

#[tokio::test]
async fn a_full_back_end_gets_nothing() {
    let cinder = Cinder::on(sql::testing::sqlite().await, |settings| {
        two(settings);
        settings.backends[1].reserved_percentage = 100;
    })
    .await;
    let id = cinder.volume(ALICE, json!({})).await;
    assert_eq!(cinder.pool_of(&id).await, FAST);
    cinder.act(ADMIN, &id, to(SLOW)).await.is(202);
    let stays = cinder.moved(&id, "error").await;
    assert_eq!(stays["os-vol-host-attr:host"], FAST);
    assert!(!cinder.lies(1, &id).exists());
    let specs = json!({"volume_backend_name": "slow"});
    let kind = json!({"volume_type": {"name": "cheap", "extra_specs": specs}});
    cinder.post(ADMIN, "/types", kind).await.is(200);
    let said = cinder.act(ALICE, &id, retype("cheap", "on-demand")).await;
    assert!(said.is(400).says().contains("CapacityFilter"));
    cinder.is_clean().await;
}

#[tokio::test]
async fn an_audit_knows_every_back_end() {
    let cinder = Cinder::on(sql::testing::sqlite().await, two).await;
    let id = cinder.volume(ALICE, json!({})).await;
    cinder.is_clean().await;
    let (here, there) = match cinder.pool_of(&id).await.as_str() {
        FAST => (0, 1),
        _ => (1, 0),
    };
    let other = cinder.lies(there, &id);
    std::fs::create_dir(other.parent().expect("a folder")).expect("made");
    std::fs::write(&other, b"a copy").expect("written");
    let said = cinder.volumes.audit().await.expect("audited");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("and the database has it on here@"),
        "{said:?}"
    );
    let disk = cinder.lies(here, &id);
    std::fs::remove_dir_all(disk.parent().expect("a folder")).expect("removed");
    let said = cinder.volumes.audit().await.expect("audited");
    assert_eq!(said.len(), 2, "{said:?}");
}

#[tokio::test]
async fn a_back_end_that_is_no_longer_listed_is_told() {
    let db = sql::testing::sqlite().await;
    let cinder = Cinder::on(db.clone(), two).await;
    let id = cinder.volume(ALICE, json!({})).await;
    let gone = cinder.pool_of(&id).await;
    let left = usize::from(gone == FAST);
    let next = Cinder::on(db, |settings| {
        two(settings);
        let only = settings.backends.swap_remove(left);
        settings.backends = vec![only];
    })
    .await;
    let said = next.volumes.audit().await.expect("audited");
    assert!(
        said.iter()
            .any(|one| one.contains("enabled_backends does not list")),
        "{said:?}"
    );
    next.act(ADMIN, &id, to(if left == 1 { SLOW } else { FAST }))
        .await
        .is(503);
}

#[tokio::test]
async fn a_group_that_found_no_place_goes_with_its_volumes() {
    for cinder in Cinder::pairs().await {
        let specs = json!({"volume_backend_name": "none"});
        let kind = json!({"volume_type": {"name": "far", "extra_specs": specs}});
        cinder.post(ADMIN, "/types", kind).await.is(200);
        let kind = cinder.group_type("silver").await;
        let body = json!({"group": {"group_type": kind, "volume_types": ["far"]}});
        let made = cinder.post(ALICE, "/groups", body).await.is(202).json();
        let group = made["group"]["id"].as_str().expect("an id").to_owned();
        let path = format!("/groups/{group}");
        cinder.reaches(&path, "group", "error").await;
        let wish = json!({"group_id": group, "volume_type": "far"});
        let made = cinder.begin(ALICE, wish).await;
        let member = made["id"].as_str().expect("an id").to_owned();
        cinder.becomes(&member, "error").await;
        cinder.end_group(&group, true).await.is(202);
        cinder.is_gone(&path).await;
        cinder.is_gone(&format!("/volumes/{member}")).await;
        cinder.is_clean().await;
    }
}
