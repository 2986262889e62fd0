//! Nothing is accepted and ignored: what bodies may say.

use std::collections::BTreeSet;

use http::Method;
use microversion::Version;
use rest::accepted::Fate;
use rest::parameters::{Parameter, Parameters, Unknown};
use serde_json::{Value, json};

use crate::{ADMIN, ALICE, Answer, Cinder};

const NOWHERE: &str = "b0d1f6a2-5f0c-4b43-9d9e-0f6a3c2e7d11";

#[tokio::test]
async fn what_cinder_refuses_is_refused() {
    let cinder = Cinder::start().await;
    let volume = cinder.volume(ALICE, json!({})).await;
    let action = format!("/volumes/{volume}/action");
    let no_type = format!("/types/{NOWHERE}/extra_specs/spec");
    let no_snapshot = format!("/snapshots/{NOWHERE}");
    let notes = format!("{no_snapshot}/metadata");
    let refused: &[(Method, &str, Value, &str)] = &[
        (
            Method::POST,
            "/snapshots",
            json!({"snapshot": {"volume_id": volume, "colour": "red"}}),
            "colour",
        ),
        (
            Method::PUT,
            &no_snapshot,
            json!({"snapshot": {}}),
            "not valid under any",
        ),
        (
            Method::POST,
            &notes,
            json!({"metadata": {"a/b": "c"}}),
            "a/b",
        ),
        (
            Method::PUT,
            "/os-services/enable",
            json!({"host": "here@file", "binary": "cinder-volume", "disabled_reason": "rest"}),
            "disabled_reason",
        ),
        (
            Method::PUT,
            "/os-services/disable",
            json!({"host": "here@file"}),
            "required property",
        ),
        (
            Method::PUT,
            "/os-services/disable-log-reason",
            json!({"host": "here@file", "binary": "cinder-volume"}),
            "'disabled_reason' is a required property",
        ),
        (
            Method::PUT,
            "/os-services/freeze",
            json!({"host": "here@file", "binary": "cinder-volume"}),
            "binary",
        ),
        (
            Method::PUT,
            "/os-services/freeze",
            json!({"cluster": "c"}),
            "cluster=c",
        ),
        (
            Method::PUT,
            "/os-services/thaw",
            json!({"host": "here@file", "cluster": "c"}),
            "One and only one",
        ),
        (
            Method::PUT,
            "/clusters/enable",
            json!({"name": "c", "disabled_reason": "rest"}),
            "disabled_reason",
        ),
        (
            Method::POST,
            "/workers/cleanup",
            json!({"is_up": null}),
            "is_up",
        ),
        (
            Method::POST,
            "/os-volume-transfer",
            json!({"transfer": {"volume_id": volume, "no_snapshots": true}}),
            "no_snapshots",
        ),
        (
            Method::POST,
            &action,
            json!({"os-retype": {"new_type": "t", "migration_policy": null}}),
            "migration_policy",
        ),
        (
            Method::POST,
            &action,
            json!({"os-terminate_connection": {}}),
            "connector",
        ),
        (
            Method::POST,
            "/groups",
            json!({"group": {"group_type": "g", "volume_types": ["a", "a"]}}),
            "non-unique",
        ),
        (Method::PUT, &no_type, json!({"a/b": "c"}), "a/b"),
        (
            Method::PUT,
            "/os-quota-sets/a11ce",
            json!({"quota_set": {}}),
            "non-empty",
        ),
    ];
    for (method, path, body, why) in refused {
        let answer = cinder.ask(ADMIN, method.clone(), path, Some(body.clone()));
        let said = answer.await.is(400).says();
        assert!(said.contains(why), "{method} {path}: {said}");
    }
    assert_eq!(cinder.show(ALICE, &volume).await["status"], "available");
}

#[tokio::test]
async fn what_cinder_takes_is_taken() {
    let cinder = Cinder::start().await;
    let kind = json!({"default_type": {"volume_type": "__DEFAULT__"}, "colour": "red"});
    cinder
        .put(ADMIN, "/default-types/a11ce", kind)
        .await
        .is(200);
    let notes = format!("/snapshots/{NOWHERE}/metadata");
    let beside = json!({"metadata": {"a": "b"}, "colour": "red"});
    cinder.post(ADMIN, &notes, beside).await.is(404);
    let host = json!({"host": "h@b#[dead:beef::cafe]:/p", "binary": "cinder-volume"});
    cinder.put(ADMIN, "/os-services/enable", host).await.is(404);
    // Before clusters could be named there, Cinder looked at none.
    let both = json!({"host": "here@file", "cluster": "c"});
    for (path, minor) in [("/os-services/freeze", 25), ("/os-services/thaw", 25)] {
        let answer = cinder.at(minor, ADMIN, Method::PUT, path, Some(both.clone()));
        answer.await.is(200);
    }
}

/// The newest version.
const NEWEST: u16 = 71;

/// A value that this name may have.
fn example(path: &str) -> Value {
    match path.rsplit('.').next().unwrap_or_default() {
        "metadata" | "meta" | "group_specs" | "extra_specs" | "qos_specs" | "*" => {
            json!({"key": "value"})
        }
        "quota_set" | "quota_class_set" => json!({"volumes": 5}),
        "connector" => json!({"host": "here"}),
        "ref" => json!({"source-name": "thing"}),
        "keys" => json!(["key"]),
        "volume_types" => json!(["thing"]),
        "size" | "service_id" => json!(1),
        "new_size" => json!(2),
        "bootable"
        | "readonly"
        | "force"
        | "incremental"
        | "no_snapshots"
        | "is_public"
        | "os-volume-type-access:is_public"
        | "protected"
        | "force_host_copy"
        | "lock_volume"
        | "error"
        | "reimage_reserved"
        | "delete-volumes"
        | "is_up"
        | "disabled"
        | "multiattach"
        | "enforce_multipath"
        | "allow_attached_volume" => json!(true),
        "snapshot_id"
        | "source_volid"
        | "consistencygroup_id"
        | "backup_id"
        | "volume_id"
        | "volume_uuid"
        | "instance_uuid"
        | "attachment_id"
        | "new_volume"
        | "image_id"
        | "group_id"
        | "group_snapshot_id"
        | "source_group_id"
        | "resource_id" => json!(NOWHERE),
        "mode" => json!("rw"),
        "disk_format" => json!("raw"),
        "container_format" => json!("bare"),
        "visibility" => json!("private"),
        "migration_policy" => json!("never"),
        "migration_status" => json!("none"),
        "binary" | "service" => json!("cinder-volume"),
        "resource_type" => json!("Volume"),
        "status" => json!("available"),
        "progress" => json!("80%"),
        "attach_status" => json!("detached"),
        "consumer" => json!("front-end"),
        "backup_url" => json!("e30="),
        // Actions that say nothing more.
        _ if !path.contains('.') && (path.starts_with("os-") || path.contains("replication")) => {
            json!({})
        }
        _ => json!("thing"),
    }
}

/// Puts a value into a body; an object comes to what is there.
fn put(body: &mut Value, path: &str, value: Value) {
    let mut at = body;
    for part in path.split('.').filter(|part| *part != "*") {
        at = &mut at[part];
    }
    match (at, value) {
        (Value::Object(all), Value::Object(more)) => all.extend(more),
        (at, value) => *at = value,
    }
}

/// Whether the row says that an object takes any other name.
fn is_open(row: &Parameter) -> bool {
    row.name.ends_with(".*")
}

fn is_refused(row: &Parameter) -> bool {
    matches!(row.fate, Fate::Refused { .. } | Fate::NotBuilt { .. })
}

/// The object in which a name stands.
fn above(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(above, _)| above)
}

/// A table at one version.
struct At<'t> {
    table: &'t Parameters,
    version: Version,
}

impl At<'_> {
    fn is_known(&self, row: &Parameter) -> bool {
        row.range.contains(self.version)
    }

    /// Whether an object takes names that the table does not have.
    fn takes_others(&self, object: &str) -> bool {
        let open =
            |row: &Parameter| is_open(row) && self.is_known(row) && above(row.name) == object;
        let outermost = object.is_empty() && matches!(self.table.unknown, Unknown::Ignored(_));
        outermost || self.table.known.iter().any(open)
    }

    /// Whether an object has a row of its own: what names it takes, its type says.
    fn is_free(&self, object: &str) -> bool {
        let own = |row: &Parameter| {
            !is_open(row) && (row.name == object || (row.name == "*" && object.is_empty()))
        };
        self.table.known.iter().any(own)
    }

    /// A body that says all that is done.
    fn whole(&self) -> Value {
        let mut body = json!({});
        let done = self.table.known.iter().filter(|row| !is_open(row));
        for row in done.filter(|row| self.is_known(row) && !is_refused(row)) {
            put(&mut body, row.name, example(row.name));
        }
        body
    }

    /// The objects of bodies, by their paths.
    fn objects(&self) -> BTreeSet<&'static str> {
        let mut all = BTreeSet::new();
        for row in &self.table.known {
            let mut object = above(row.name);
            all.insert(object);
            while !object.is_empty() {
                object = above(object);
                all.insert(object);
            }
        }
        all
    }
}

/// One call.
struct Asking<'c> {
    cinder: &'c Cinder,
    name: &'static str,
    since: u16,
}

impl Asking<'_> {
    fn of<'c>(cinder: &'c Cinder, name: &'static str) -> Asking<'c> {
        let calls = volume::calls();
        let found = calls.iter().find(|call| {
            let action = call.action.map(|action| format!(" {action}"));
            format!("{} {}{}", call.verb, call.path, action.unwrap_or_default()) == name
        });
        Asking {
            cinder,
            name,
            since: found.expect(name).range.min.minor,
        }
    }

    async fn ask(&self, version: Version, body: &Value) -> Answer {
        let mut parts = self.name.split(' ');
        let method = parts.next().unwrap_or_default().parse::<Method>();
        let path: Vec<&str> = parts
            .next()
            .unwrap_or_default()
            .split('/')
            .map(|part| match part {
                "{key}" => "key",
                "{class}" => "default",
                "{project_id}" => "a11ce",
                open if open.starts_with('{') => NOWHERE,
                other => other,
            })
            .collect();
        let method = method.expect("a verb");
        let path = path.join("/");
        let body = Some(body.clone());
        self.cinder
            .at(version.minor, ADMIN, method, &path, body)
            .await
    }

    /// Whatever becomes of the call, its body is read.
    async fn is_taken(&self, version: Version, body: &Value) {
        let answer = self.ask(version, body).await;
        let name = self.name;
        assert_ne!(
            answer.status.as_u16(),
            500,
            "{name} {version} {body}: {answer:?}"
        );
        if answer.status.as_u16() != 400 {
            return;
        }
        let said = answer.says();
        let misread = [
            "Invalid input for field",
            "Additional properties",
            "required property",
        ];
        let misread = misread.iter().any(|text| said.contains(text));
        assert!(!misread, "{name} {version} {body}: {said}");
    }

    async fn is_refused(&self, version: Version, body: &Value, (code, why): (u16, &str)) {
        let answer = self.ask(version, body).await;
        let (name, status, said) = (self.name, answer.status.as_u16(), answer.says());
        assert_eq!(status, code, "{name} {version} {body}: {said}");
        assert!(said.contains(why), "{name} {version} {body}: {said}");
    }
}

/// The versions at which something in a table changes, and those just beside them.
fn edges(table: &Parameters, since: u16) -> BTreeSet<u16> {
    let ends = table.known.iter().flat_map(|row| {
        let (first, last) = (row.range.min.minor, row.range.max.minor);
        [first.saturating_sub(1), first, last, last.saturating_add(1)]
    });
    let all = ends.chain([since, NEWEST]);
    all.filter(|minor| (since..=NEWEST).contains(minor))
        .collect()
}

#[tokio::test]
async fn every_name_is_taken_where_its_row_says_so_and_no_other_is() {
    let cinder = Cinder::start().await;
    for table in volume::bodies() {
        for call in table.calls {
            let asking = Asking::of(&cinder, call);
            for minor in edges(&table, asking.since) {
                let version = Version::new(3, minor);
                let at = At {
                    table: &table,
                    version,
                };
                walk(&asking, &at).await;
            }
        }
    }
}

async fn walk(asking: &Asking<'_>, at: &At<'_>) {
    let (version, whole) = (at.version, at.whole());
    let with = |path: &str, value: Value| {
        let mut body = whole.clone();
        put(&mut body, path, value);
        body
    };
    asking.is_taken(version, &whole).await;
    for row in at.table.known.iter().filter(|row| !is_open(row)) {
        let named = with(row.name, example(row.name));
        let name = row.name.rsplit('.').next().unwrap_or_default();
        match row.fate {
            _ if !at.is_known(row) && at.takes_others(above(row.name)) => {
                asking.is_taken(version, &named).await;
            }
            _ if !at.is_known(row) => {
                asking.is_refused(version, &named, (400, name)).await;
            }
            Fate::Refused { unless, why } | Fate::NotBuilt { unless, why } => {
                let code = match row.fate {
                    Fate::Refused { .. } => 400,
                    _ => 501,
                };
                asking.is_refused(version, &named, (code, why)).await;
                for taken in unless {
                    let taken = serde_json::from_str(taken).expect("JSON");
                    asking.is_taken(version, &with(row.name, taken)).await;
                }
            }
            _ => {}
        }
    }
    // Of an action the frame looks at the only key of the body.
    let action = asking.name.split(' ').nth(2).is_some();
    for object in at.objects() {
        if at.is_free(object) {
            continue;
        }
        let beside = match object {
            "" => "colour".to_owned(),
            object => format!("{object}.colour"),
        };
        let strange = with(&beside, json!("red"));
        match at.takes_others(object) {
            true => asking.is_taken(version, &strange).await,
            false if object.is_empty() && action => {
                assert_eq!(asking.ask(version, &strange).await.status.as_u16(), 400);
            }
            false => asking.is_refused(version, &strange, (400, "colour")).await,
        }
    }
}
