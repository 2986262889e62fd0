use serde_json::json;

use super::*;

const NODE: &str = "0d7b1a2c-6a3e-4f0e-9f41-000000000001";

fn read(kind: &str, data: Value) -> Result<Connection, Unreachable> {
    let info = json!({"driver_volume_type": kind, "data": data});
    of(&info)
}

fn of(info: &Value) -> Result<Connection, Unreachable> {
    Connection::of(info, false, Initiator::of(NODE).as_ref(), &|text| {
        format!("sealed {text}")
    })
}

/// What is good, changed in these places.
fn with(good: &Value, changes: &Value) -> Value {
    let mut whole = good.clone();
    for (key, value) in changes.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
    whole
}

fn file() -> Value {
    json!({"device_path": "/v", "format": "raw", "access_mode": "rw", "encrypted": false})
}

fn nbd() -> Value {
    json!({"host": "10.0.0.1", "port": 10809, "export": "volume-1", "access_mode": "rw", "qos_specs": null})
}

/// As Cinder's LVM driver with LIO writes it.
fn iscsi() -> Value {
    json!({
        "target_discovered": false, "target_portal": "10.0.0.1:3260",
        "target_iqn": "iqn.2010-10.org.openstack:volume-1", "target_lun": 0, "volume_id": NODE,
        "auth_method": "CHAP", "auth_username": "bob", "auth_password": "very-secret",
        "encrypted": false, "qos_specs": null, "access_mode": "rw", "cacheable": false,
    })
}

fn rbd() -> Value {
    json!({
        "name": "volumes/volume-1", "hosts": ["10.0.0.1", "[2001:db8::1]"], "ports": ["6789", "3300"],
        "cluster_name": "ceph", "auth_enabled": true, "auth_username": "cinder", "secret_type": "ceph",
        "secret_uuid": NODE, "volume_id": NODE, "discard": true, "keyring": null,
        "qos_specs": null, "access_mode": "rw", "encrypted": false, "cacheable": false,
    })
}

#[test]
fn what_cinder_writes_is_read() {
    let said = json!({"access_mode": "ro", "qos_specs": {"total_iops_sec": "5"}});
    let mut limits = VolumeLimits::default();
    limits.rates.operations.total = 5;
    assert_eq!(
        read("local", with(&file(), &said)),
        Ok(Connection {
            place: Place::File { path: "/v".into() },
            read_only: true,
            shared: false,
            limits,
        })
    );
    let place = |kind: &str, data: Value| read(kind, data).expect("a place").place;
    assert_eq!(
        place("nbd", nbd()),
        Place::Nbd(Nbd {
            host: "10.0.0.1".parse().unwrap(),
            port: 10_809,
            export: Secret::new("sealed volume-1".to_owned()),
            sealed: true,
        })
    );
    let Place::Iscsi(found) = place("iscsi", iscsi()) else {
        panic!("iSCSI")
    };
    assert_eq!((found.port, found.lun), (3260, 0));
    assert_eq!(
        found.initiator.as_str(),
        format!("iqn.2026-01.kilonova:{NODE}")
    );
    let chap = found.chap.expect("a login");
    assert_eq!(chap.password.expose(), "sealed very-secret");
    let many = json!({
        "target_portal": null, "target_portals": ["[2001:db8::1]:3261", "10.0.0.2:3260"],
        "target_iqn": null, "target_iqns": ["iqn.2010-10.org.openstack:volume-2", "x"],
        "target_lun": null, "target_luns": [3, 4], "auth_method": null,
    });
    let Place::Iscsi(first) = place("iscsi", with(&iscsi(), &many)) else {
        panic!("iSCSI")
    };
    assert_eq!(
        (first.host.as_str(), first.port, first.lun),
        ("2001:db8::1", 3261, 3)
    );
    assert_eq!(
        (first.target.as_str(), first.chap),
        ("iqn.2010-10.org.openstack:volume-2", None)
    );
    let Place::Rbd(found) = place("rbd", rbd()) else {
        panic!("RBD")
    };
    assert_eq!(
        (found.pool.as_str(), found.image.as_str()),
        ("volumes", "volume-1")
    );
    assert_eq!(found.monitors[1], ("2001:db8::1".parse().unwrap(), 3300));
    assert_eq!(found.user.expect("a user").key, None);
    let keyring = "[client.cinder]\n\tkey = AQBX+/==\n\tcaps mon = \"profile rbd\"\n";
    let Place::Rbd(found) = place(
        "rbd",
        with(&rbd(), &json!({"keyring": keyring, "ports": []})),
    ) else {
        panic!("RBD")
    };
    assert_eq!(found.monitors[0].1, 6789);
    let key = found.user.and_then(|user| user.key).expect("a key");
    assert_eq!(key.expose(), "sealed AQBX+/==");
}

#[test]
fn a_flat_connection_is_the_same_as_one_with_data() {
    for (kind, data) in [
        ("local", file()),
        ("nbd", nbd()),
        ("iscsi", iscsi()),
        ("rbd", rbd()),
    ] {
        let mut flat = data.clone();
        flat["driver_volume_type"] = kind.into();
        assert_eq!(of(&flat), read(kind, data), "{kind}");
    }
}

#[test]
fn what_a_host_would_not_honour_is_refused() {
    let everywhere = [
        json!({"encrypted": true}),
        json!({"encrypted": "yes"}),
        json!({"qos_specs": {"minIOPS": "5"}}),
        json!({"qos_specs": "5"}),
        json!({"access_mode": "wo"}),
    ];
    for (kind, good) in [
        ("local", file()),
        ("nbd", nbd()),
        ("iscsi", iscsi()),
        ("rbd", rbd()),
    ] {
        assert!(read(kind, good.clone()).is_ok(), "{kind}");
        for odd in &everywhere {
            assert!(read(kind, with(&good, odd)).is_err(), "{kind} {odd}");
        }
    }
    let text = "a,file.driver=file";
    for (kind, good, odd) in [
        ("local", file(), json!({"format": "qcow2"})),
        ("local", file(), json!({"device_path": "relative"})),
        ("local", file(), json!({"device_path": null})),
        ("nbd", nbd(), json!({"host": text})),
        ("nbd", nbd(), json!({"host": null})),
        ("nbd", nbd(), json!({"port": 0})),
        ("nbd", nbd(), json!({"port": 65_536})),
        ("nbd", nbd(), json!({"port": "many"})),
        ("nbd", nbd(), json!({"export": ""})),
        ("nbd", nbd(), json!({"export": "a\u{0}b"})),
        ("nbd", nbd(), json!({"export": "a\nb"})),
        ("nbd", nbd(), json!({"export": "x".repeat(256)})),
        ("iscsi", iscsi(), json!({"target_portal": "10.0.0.1"})),
        ("iscsi", iscsi(), json!({"target_portal": "10.0.0.1:0"})),
        ("iscsi", iscsi(), json!({"target_portal": "a b:3260"})),
        ("iscsi", iscsi(), json!({"target_portal": 7})),
        ("iscsi", iscsi(), json!({"target_iqn": "volume-1"})),
        (
            "iscsi",
            iscsi(),
            json!({"target_iqn": "iqn.2010-10.org:a/0"}),
        ),
        ("iscsi", iscsi(), json!({"target_lun": 16_384})),
        ("iscsi", iscsi(), json!({"target_lun": -1})),
        ("iscsi", iscsi(), json!({"target_lun": null})),
        ("iscsi", iscsi(), json!({"auth_method": "KRB5"})),
        ("iscsi", iscsi(), json!({"auth_username": null})),
        ("iscsi", iscsi(), json!({"auth_password": null})),
        ("iscsi", iscsi(), json!({"auth_password": ""})),
        ("iscsi", iscsi(), json!({"auth_password": "x".repeat(1025)})),
        ("rbd", rbd(), json!({"name": "volume-1"})),
        ("rbd", rbd(), json!({"name": "pool/space/volume-1"})),
        ("rbd", rbd(), json!({"name": "volumes/volume-1@snap"})),
        ("rbd", rbd(), json!({"hosts": []})),
        ("rbd", rbd(), json!({"hosts": ["10.0.0.1;10.0.0.9:1", "a"]})),
        ("rbd", rbd(), json!({"ports": ["6789"]})),
        ("rbd", rbd(), json!({"ports": ["x", "y"]})),
        ("rbd", rbd(), json!({"auth_enabled": "yes"})),
        ("rbd", rbd(), json!({"auth_username": null})),
        ("rbd", rbd(), json!({"auth_username": "a,b"})),
        ("rbd", rbd(), json!({"keyring": "key = a b"})),
        ("rbd", rbd(), json!({"cluster_name": "../x"})),
        ("rbd", rbd(), json!({"cluster_name": 7})),
        ("fibre_channel", file(), json!({})),
    ] {
        assert!(read(kind, with(&good, &odd)).is_err(), "{kind} {odd}");
    }
    assert!(of(&json!({})).is_err());
    let info = json!({"driver_volume_type": "iscsi", "data": iscsi()});
    let nameless = Connection::of(&info, false, None, &str::to_owned);
    assert!(nameless.is_err(), "a host without a name for iSCSI");
}

#[test]
fn a_secret_is_sealed_when_it_is_kept_and_shown_to_nobody() {
    let connection = read("iscsi", iscsi()).unwrap();
    assert!(!format!("{connection:?}").contains("very-secret"));
    let kept = serde_json::to_string(&connection).unwrap();
    assert!(kept.contains("\"sealed very-secret\"") && !kept.contains("\"very-secret\""));
    assert_eq!(
        serde_json::from_str::<Connection>(&kept).unwrap(),
        connection
    );
    let opened = connection.place.with_secrets(|secret| {
        let text = secret.expose().strip_prefix("sealed ").ok_or("no seal")?;
        Ok::<_, &str>(Secret::new(text.to_owned()))
    });
    let Ok(Place::Iscsi(opened)) = opened else {
        panic!("{opened:?}")
    };
    assert_eq!(
        opened.chap.expect("a login").password.expose(),
        "very-secret"
    );
    let refused = connection
        .place
        .with_secrets(|_| Err::<Secret, _>("another seal"));
    assert_eq!(refused, Err("another seal"));
    let file = read("local", file()).unwrap();
    assert_eq!(
        file.place.with_secrets(|_| Err("none")),
        Ok(file.place.clone())
    );
}

#[test]
fn the_name_of_an_export_is_a_secret() {
    let connection = read("nbd", nbd()).unwrap();
    assert!(!format!("{connection:?}").contains("volume-1"));
    let kept = serde_json::to_string(&connection).unwrap();
    assert!(kept.contains("\"sealed volume-1\"") && !kept.contains("\"volume-1\""));
    assert_eq!(
        serde_json::from_str::<Connection>(&kept).unwrap(),
        connection
    );
    let opened = connection.place.with_secrets(|secret| {
        let text = secret.expose().strip_prefix("sealed ").ok_or("no seal")?;
        Ok::<_, &str>(Secret::new(text.to_owned()))
    });
    let Ok(Place::Nbd(opened)) = opened else {
        panic!("{opened:?}")
    };
    assert_eq!((opened.export.expose(), opened.sealed), ("volume-1", false));
    let refused = connection
        .place
        .with_secrets(|_| Err::<Secret, _>("another seal"));
    assert_eq!(refused, Err("another seal"));
    // An older version kept names open.
    let kept =
        r#"{"protocol":"nbd","host":"10.0.0.1","port":1,"export":"volume-1","read_only":true}"#;
    let old: Connection = serde_json::from_str(kept).unwrap();
    assert_eq!(
        old.place.with_secrets(|_| Err("none")),
        Ok(old.place.clone())
    );
}

#[test]
fn a_connection_that_an_older_version_kept_still_reads() {
    let kept = r#"{"protocol":"file","path":"/v","read_only":true}"#;
    let read: Connection = serde_json::from_str(kept).unwrap();
    assert_eq!(read.place, Place::File { path: "/v".into() });
    assert!(read.read_only && !read.shared && read.limits.is_none());
    let odd = r#"{"protocol":"nbd","host":"a,b","port":1,"export":"x","read_only":true}"#;
    assert!(serde_json::from_str::<Connection>(odd).is_err());
}
