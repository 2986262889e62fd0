//! The volumes of servers as the hypervisor is told of them.

use bus::Failure;
use compute_model::Server;
use compute_model::fault::Kind;
use compute_model::volume::{AttachedVolume, Connection, Place, Secret};
use compute_rpc::{code, failure, sealed};
use hypervisor::{Volume, VolumeSource};
use secrecy::ExposeSecret;

/// The volumes that the guest is to have: those that the host can reach, and that it is not to let go of. `seal` is what
/// their secrets were sealed with: the password of compute's own user.
///
/// # Errors
/// A secret was sealed with another one: compute's own changed since the volume was connected.
pub fn of(server: &Server, seal: &str) -> Result<Vec<Volume>, Failure> {
    let wanted = server.volumes.iter().filter(|volume| !volume.detaching);
    let reached = wanted.filter_map(|volume| Some((volume, volume.connection.as_ref()?)));
    reached
        .map(|(volume, connection)| described(volume, connection, seal))
        .collect()
}

fn described(
    volume: &AttachedVolume,
    connection: &Connection,
    seal: &str,
) -> Result<Volume, Failure> {
    let opened = connection.place.with_secrets(|secret| {
        let text = sealed::open(seal, secret.expose()).ok_or_else(|| unreadable(volume))?;
        Ok::<_, Failure>(Secret::new(text.expose_secret().to_owned()))
    });
    Ok(Volume {
        id: volume.volume_id.clone(),
        source: match opened? {
            Place::File { path } => VolumeSource::File { path },
            Place::Nbd(nbd) => VolumeSource::Nbd(nbd),
            Place::Iscsi(iscsi) => VolumeSource::Iscsi(iscsi),
            Place::Rbd(rbd) => VolumeSource::Rbd(rbd),
        },
        read_only: connection.read_only,
        shared: connection.shared,
        limits: connection.limits,
        bus: volume.bus,
        boot: volume.boot,
        boot_order: volume.boot_order,
        cdrom: volume.cdrom,
        tag: volume.tag.clone(),
    })
}

fn unreadable(volume: &AttachedVolume) -> Failure {
    let why = format!(
        "the password or export of volume {} cannot be read, as the password of compute's own user changed since it was \
         connected: detach it and attach it again",
        volume.volume_id
    );
    failure(code::BAD_REQUEST, Kind::Internal, why)
}

#[cfg(test)]
mod tests {
    use compute_model::testing;
    use compute_model::volume_limits::VolumeLimits;
    use serde_json::json;

    use super::*;

    fn attached(number: u8, place: serde_json::Value) -> AttachedVolume {
        let mut volume = json!({
            "volume_id": format!("0d7b1a2c-6a3e-4f0e-9f41-0000000000{number:02x}"),
            "attachment_id": "a", "bdm_uuid": "b", "device": "/dev/vdb", "connection": place,
        });
        if place.is_object() {
            volume["connection"]["read_only"] = json!(true);
        }
        serde_json::from_value(volume).expect("a volume")
    }

    #[test]
    fn a_guest_has_what_is_connected_with_its_passwords_open() {
        let mut server = testing::server("one");
        let sealed = sealed::seal("own", "very-secret");
        server.volumes = vec![
            attached(1, json!({"protocol": "file", "path": "/v"})),
            attached(
                2,
                json!({
                    "protocol": "iscsi", "host": "10.0.0.1", "port": 3260, "lun": 1,
                    "target": "iqn.2010-10.org.openstack:v", "initiator": "iqn.2026-01.kilonova:h",
                    "chap": {"user": "bob", "password": sealed},
                }),
            ),
            attached(
                3,
                json!({"protocol": "nbd", "host": "10.0.0.1", "port": 10809, "export": "v"}),
            ),
            attached(4, serde_json::Value::Null),
        ];
        let volumes = of(&server, "own").expect("volumes");
        assert_eq!(volumes.len(), 3, "what is not connected is not had");
        assert!(
            volumes
                .iter()
                .all(|one| one.read_only && one.limits == VolumeLimits::default())
        );
        let VolumeSource::Iscsi(iscsi) = &volumes[1].source else {
            panic!("{:?}", volumes[1].source)
        };
        let chap = iscsi.chap.as_ref().expect("a login");
        assert_eq!(chap.password.expose(), "very-secret");
        assert!(!format!("{volumes:?}").contains("very-secret"));
        let refused = of(&server, "another").expect_err("another seal");
        assert!(
            refused.message.contains(&server.volumes[1].volume_id),
            "{refused:?}"
        );
        server.volumes[1].detaching = true;
        assert_eq!(of(&server, "another").expect("the others").len(), 2);
    }

    #[test]
    fn the_name_of_an_export_is_opened() {
        let mut server = testing::server("one");
        let sealed = sealed::seal("own", "random");
        let nbd = json!({
            "protocol": "nbd", "host": "10.0.0.1", "port": 10809, "export": sealed, "sealed": true,
        });
        server.volumes = vec![attached(1, nbd)];
        let volumes = of(&server, "own").expect("volumes");
        let VolumeSource::Nbd(nbd) = &volumes[0].source else {
            panic!("{:?}", volumes[0].source)
        };
        assert_eq!((nbd.export.expose(), nbd.sealed), ("random", false));
        assert!(!format!("{volumes:?}").contains("random"));
        of(&server, "another").expect_err("another seal");
    }
}
