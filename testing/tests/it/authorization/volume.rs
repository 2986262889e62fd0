//! The volume service: what is there, bodies that its calls take, and whom its rules ask about.

use http::Method;
use kilonova::docs::Face;
use rest::Line;
use serde_json::{Value, json};
use testing::{User, until};
use web::policy::Target;

use super::callers::Known;
use super::scene::{Scene, id};

/// A server that holds attachments; none looks for it.
const SERVER: &str = "5e7e0000-0000-4000-8000-000000000001";

/// Makes one of everything.
pub async fn furnish(scene: &mut Scene, owner: &User, admin: &User) {
    let volume = made(owner, json!({"size": 1, "metadata": {"key": "value"}})).await;
    parts(scene, owner, &volume).await;
    backup(scene, owner, &volume).await;
    groups(scene, owner, admin).await;
    message(scene, owner, admin).await;
    scene.put("volume extensions", "backups");
    scene.put("volume clusters", "nowhere");
    scene.put("volume capabilities", "nowhere");
    scene.put("volume os-hosts", "nowhere");
    let specs = json!({"qos_specs": {"name": "specs", "consumer": "front-end", "key": "value"}});
    let specs = admin.post("/volume/v3/qos-specs", &specs).await.expect(200);
    scene.put("volume qos-specs", &id(&specs["qos_specs"]));
    scene.put("volume encryption", "encryption_key_id");
    let kind = json!({"volume_type": {
        "name": "private", "os-volume-type-access:is_public": false, "extra_specs": {"spec": "value"},
    }});
    let kind = admin.post("/volume/v3/types", &kind).await.expect(200);
    let kind = id(&kind["volume_type"]);
    let access = json!({"addProjectAccess": {"project": scene.project}});
    let action = format!("/volume/v3/types/{kind}/action");
    admin.post(&action, &access).await.expect(202);
    scene.hide("volume volumes", &volume);
    scene.put("volume metadata", "key");
    scene.put("volume types", &kind);
    scene.put("volume extra_specs", "spec");
    let project = scene.project.clone();
    scene.put("volume default-types", &project);
    scene.put("volume os-quota-sets", &project);
    scene.put("volume os-quota-class-sets", "other");
}

/// What hangs on volumes: a snapshot of this one, an attachment and a transfer of others.
async fn parts(scene: &mut Scene, owner: &User, volume: &str) {
    let snapshot = json!({"snapshot": {"volume_id": volume, "metadata": {"key": "value"}}});
    let made_snapshot = owner.post("/volume/v3/snapshots", &snapshot).await;
    let snapshot = id(&made_snapshot.expect(202)["snapshot"]);
    let path = format!("/volume/v3/snapshots/{snapshot}");
    until("the snapshot is there", || async {
        let shown = owner.send(Method::GET, &path, &[], None).await.expect(200);
        (shown["snapshot"]["status"] == "available").then_some(())
    })
    .await;
    scene.hide("volume snapshots", &snapshot);

    let attached = made(owner, json!({"size": 1})).await;
    let attachment = json!({"attachment": {"volume_uuid": attached, "instance_uuid": SERVER}});
    let newest = [("openstack-api-version", "volume 3.71")];
    let path = "/volume/v3/attachments";
    let attachment = owner
        .send(Method::POST, path, &newest, Some(&attachment))
        .await
        .expect(200);
    scene.hide("volume attachments", &id(&attachment["attachment"]));

    let given = made(owner, json!({"size": 1})).await;
    let transfer = json!({"transfer": {"volume_id": given, "name": "gift"}});
    let transfer = owner
        .post("/volume/v3/os-volume-transfer", &transfer)
        .await
        .expect(202);
    let transfer = id(&transfer["transfer"]);
    scene.hide("volume os-volume-transfer", &transfer);
    scene.hide("volume volume-transfers", &transfer);
}

/// A backup that is there.
async fn backup(scene: &mut Scene, owner: &User, volume: &str) {
    let wish = json!({"backup": {"volume_id": volume, "name": "thing"}});
    let made = owner.post("/volume/v3/backups", &wish).await.expect(202);
    let backup = id(&made["backup"]);
    let path = format!("/volume/v3/backups/{backup}");
    until("the backup is there", || async {
        let shown = owner.send(Method::GET, &path, &[], None).await.expect(200);
        (shown["backup"]["status"] == "available").then_some(())
    })
    .await;
    scene.hide("volume backups", &backup);
}

/// A type of groups, a group, and a snapshot of it.
async fn groups(scene: &mut Scene, owner: &User, admin: &User) {
    let newest = [("openstack-api-version", "volume 3.71")];
    let post = async |user: &User, path: &str, body: Value| {
        let path = format!("/volume/v3{path}");
        let sent = user.send(Method::POST, &path, &newest, Some(&body)).await;
        sent.expect(202)
    };
    let kind = json!({"group_type": {"name": "thing", "group_specs": {"spec": "value"}}});
    let kind = id(&post(admin, "/group_types", kind).await["group_type"]);
    let group = json!({"group": {"group_type": kind, "volume_types": ["__DEFAULT__"]}});
    let group = id(&post(owner, "/groups", group).await["group"]);
    let snapshot = json!({"group_snapshot": {"group_id": group}});
    let snapshot = id(&post(owner, "/group_snapshots", snapshot).await["group_snapshot"]);
    scene.put("volume group_types", &kind);
    scene.put("volume group_specs", "spec");
    scene.hide("volume groups", &group);
    scene.hide("volume group_snapshots", &snapshot);
}

/// What a volume leaves for which there is no back end.
async fn message(scene: &mut Scene, owner: &User, admin: &User) {
    let specs = json!({"volume_backend_name": "nowhere"});
    let kind = json!({"volume_type": {"name": "nowhere", "extra_specs": specs}});
    admin.post("/volume/v3/types", &kind).await.expect(200);
    let volume = json!({"volume": {"size": 1, "volume_type": "nowhere"}});
    let made = owner.post("/volume/v3/volumes", &volume).await;
    made.expect(202);
    let newest = [("openstack-api-version", "volume 3.71")];
    let message = until("there is a message", || async {
        let path = "/volume/v3/messages";
        let all = owner.send(Method::GET, path, &newest, None).await;
        let all = all.expect(200);
        all["messages"].get(0).map(id)
    })
    .await;
    scene.hide("volume messages", &message);
}

/// A volume that is there.
async fn made(owner: &User, wish: Value) -> String {
    let made = owner
        .post("/volume/v3/volumes", &json!({"volume": wish}))
        .await;
    let volume = id(&made.expect(202)["volume"]);
    let path = format!("/volume/v3/volumes/{volume}");
    until("the volume is there", || async {
        let shown = owner.send(Method::GET, &path, &[], None).await.expect(200);
        (shown["volume"]["status"] == "available").then_some(())
    })
    .await;
    volume
}

/// A body that a call would take.
pub fn body(call: &Line, scene: &Scene) -> Option<Value> {
    let verb = call.verb.to_string();
    if let Some(action) = call.action {
        return Some(json!({action: action_body(action, scene)}));
    }
    let volume = scene.thing("volume volumes");
    Some(match (verb.as_str(), call.path) {
        ("POST", "/volumes") => json!({"volume": {"size": 1}}),
        ("PUT", "/volumes/{id}") => json!({"volume": {"name": "thing"}}),
        ("POST" | "PUT", "/volumes/{volume_id}/metadata" | "/snapshots/{snapshot_id}/metadata") => {
            json!({"metadata": {"key": "value"}})
        }
        (
            "PUT",
            "/volumes/{volume_id}/metadata/{key}" | "/snapshots/{snapshot_id}/metadata/{key}",
        ) => json!({"meta": {"key": "value"}}),
        ("POST", "/snapshots") => json!({"snapshot": {"volume_id": volume}}),
        ("PUT", "/snapshots/{id}") => json!({"snapshot": {"name": "thing"}}),
        ("POST", "/backups") => json!({"backup": {"volume_id": volume}}),
        ("PUT", "/backups/{id}") => json!({"backup": {"name": "thing"}}),
        // Nobody restores to a volume that is not there.
        ("POST", "/backups/{id}/restore") => json!({"restore": {"volume_id": SERVER}}),
        ("POST", "/backups/import_record") => {
            json!({"backup-record": {"backup_service": "other", "backup_url": "e30="}})
        }
        ("POST", "/os-volume-manage" | "/manageable_volumes") => json!({"volume": {"ref": {}}}),
        ("POST", "/os-snapshot-manage" | "/manageable_snapshots") => {
            json!({"snapshot": {"volume_id": volume, "ref": {"source-name": "nothing"}}})
        }
        ("POST", "/groups") => {
            let kind = scene.thing("volume group_types");
            json!({"group": {"group_type": kind, "volume_types": ["__DEFAULT__"]}})
        }
        ("PUT", "/groups/{id}") => json!({"group": {"description": "thing"}}),
        ("POST", "/group_snapshots") => {
            json!({"group_snapshot": {"group_id": scene.thing("volume groups")}})
        }
        ("POST", "/group_types") => json!({"group_type": {"name": "another"}}),
        ("PUT", "/group_types/{id}") => json!({"group_type": {"description": "thing"}}),
        ("POST", "/group_types/{group_type_id}/group_specs") => {
            json!({"group_specs": {"spec": "value"}})
        }
        ("PUT", "/group_types/{group_type_id}/group_specs/{key}") => json!({"spec": "value"}),
        ("PUT", path) if path.starts_with("/clusters/") => json!({"name": "nowhere"}),
        ("POST", "/workers/cleanup") => json!({"binary": "cinder-volume"}),
        ("POST", "/attachments") => {
            json!({"attachment": {"volume_uuid": volume, "instance_uuid": SERVER}})
        }
        ("PUT", "/attachments/{id}") => json!({"attachment": {"connector": {"host": "nowhere"}}}),
        // None has the key: the volume stays whose it is.
        ("POST", path) if path.ends_with("/accept") => json!({"accept": {"auth_key": "wrong"}}),
        ("POST", "/os-volume-transfer" | "/volume-transfers") => {
            json!({"transfer": {"volume_id": volume}})
        }
        ("POST", "/qos-specs") => json!({"qos_specs": {"name": "another", "key": "value"}}),
        ("PUT", "/qos-specs/{id}") => json!({"qos_specs": {"key": "value"}}),
        ("PUT", "/qos-specs/{id}/delete_keys") => json!({"keys": ["key"]}),
        ("POST", "/types") => json!({"volume_type": {"name": "another"}}),
        ("PUT", "/types/{id}") => json!({"volume_type": {"description": "thing"}}),
        ("POST", "/types/{type_id}/extra_specs") => json!({"extra_specs": {"spec": "value"}}),
        ("PUT", "/types/{type_id}/extra_specs/{key}") => json!({"spec": "value"}),
        ("PUT", "/default-types/{project_id}") => {
            json!({"default_type": {"volume_type": "__DEFAULT__"}})
        }
        ("PUT", "/os-quota-sets/{project_id}") => json!({"quota_set": {"volumes": 50}}),
        ("PUT", "/os-quota-class-sets/{class}") => json!({"quota_class_set": {"volumes": 50}}),
        (
            "PUT",
            "/os-services/freeze"
            | "/os-services/thaw"
            | "/os-services/failover_host"
            | "/os-services/failover",
        ) => json!({"host": "nowhere"}),
        ("PUT", "/os-services/disable-log-reason") => {
            json!({"host": "nowhere", "binary": "cinder-volume", "disabled_reason": "rest"})
        }
        ("PUT", path) if path.starts_with("/os-services/") => {
            json!({"host": "nowhere", "binary": "cinder-volume"})
        }
        _ => return None,
    })
}

fn action_body(action: &str, scene: &Scene) -> Value {
    match action {
        "addProjectAccess" | "removeProjectAccess" => json!({"project": scene.project}),
        "os-attach" => json!({"instance_uuid": SERVER, "mountpoint": "/dev/vdb"}),
        "os-initialize_connection" | "os-terminate_connection" => {
            json!({"connector": {"host": "nowhere"}})
        }
        "os-volume_upload_image" => {
            json!({"image_name": "thing", "container_format": "compressed"})
        }
        "os-extend" => json!({"new_size": 2}),
        "os-set_bootable" => json!({"bootable": true}),
        "os-update_readonly_flag" => json!({"readonly": false}),
        "os-retype" => json!({"new_type": "__DEFAULT__", "migration_policy": "never"}),
        "os-migrate_volume" => json!({"host": "nowhere"}),
        "os-migrate_volume_completion" => json!({"new_volume": scene.thing("volume volumes")}),
        "os-reimage" => json!({"image_id": SERVER}),
        "create-from-src" => json!({"source_group_id": scene.thing("volume groups")}),
        "reset_status" => json!({"status": "available"}),
        "os-reset_status" | "os-update_snapshot_status" => json!({"status": "available"}),
        "os-set_image_metadata" => json!({"metadata": {"key": "value"}}),
        "os-unset_image_metadata" => json!({"key": "key"}),
        "revert" => json!({"snapshot_id": scene.thing("volume snapshots")}),
        _ => json!({}),
    }
}

/// What a rule may ask about the target of a call.
pub fn target<'a>(scene: &'a Scene, _: &Face, call: &Line, caller: &'a Known) -> Target<'a> {
    let of_project = [
        "/volumes/{",
        "/snapshots/{",
        "/attachments/{",
        "/backups/{",
        "/messages/{",
        "/groups/{",
        "/group_snapshots/{",
        "/os-volume-transfer/{",
        "/volume-transfers/{",
        "/default-types/{",
        "/os-quota-sets/{",
    ];
    // Whoever accepts a transfer does so in a project of their own.
    let accepts = call.path.ends_with("/accept");
    match !accepts && of_project.iter().any(|path| call.path.starts_with(path)) {
        true => scene.of_owner(),
        false => Target::new()
            .with("user_id", caller.user_id.as_str())
            .with_option("project_id", caller.project_id.as_deref()),
    }
}
