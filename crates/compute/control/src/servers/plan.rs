//! What a new server is made from: place, image, flavor, key.

use clients::image as glance;
use std::collections::BTreeMap;

use compute_db::{DbError, flavors, hosts, keypairs};
use compute_model::guest_hardware::GuestHardware;
use compute_model::image::ServerImage;
use compute_model::server::{DiskConfig, ServerKey};
use compute_model::{Flavor, create_fields, extra_specs, image_disks, image_properties};

use super::create::{NewServer, invalid, kept};
use crate::zones::Zones;
use crate::{Context, Control, ControlError, Result, policy};

/// Bytes of a GiB.
pub(super) const GIB: u64 = 1 << 30;

/// Where a server is wanted.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub zone: Option<String>,
    pub forced_host: Option<String>,
    pub forced_node: Option<String>,
}

/// Reads `zone`, `zone:host`, `zone:host:node` or `zone::node`, and checks that the parts exist.
pub(super) async fn place(control: &Control, cx: &Context, new: &NewServer) -> Result<Place> {
    let Some(text) = &new.availability_zone else {
        check_hosts(
            control,
            new.host.as_deref(),
            new.hypervisor_hostname.as_deref(),
        )
        .await?;
        return Ok(Place {
            zone: control.settings.default_schedule_zone.clone(),
            ..Place::default()
        });
    };
    let parts: Vec<&str> = text.split(':').collect();
    let named = |position: usize| {
        let part = parts.get(position).copied().unwrap_or_default();
        (!part.is_empty()).then(|| part.to_owned())
    };
    if parts.len() > 3 {
        return Err(invalid("Unable to parse availability_zone".to_owned()));
    }
    let place = Place {
        zone: named(0).or_else(|| control.settings.default_schedule_zone.clone()),
        forced_host: named(1),
        forced_node: named(2),
    };
    let forced = place.forced_host.is_some() || place.forced_node.is_some();
    if forced {
        policy::allow_rule(control, cx, "os_compute_api:servers:create:forced_host")?;
        if new.host.is_some() || new.hypervisor_hostname.is_some() {
            return Err(invalid(
                "Unable to specify both availability_zone with a host and host or hypervisor_hostname."
                    .to_owned(),
            ));
        }
        check_hosts(
            control,
            place.forced_host.as_deref(),
            place.forced_node.as_deref(),
        )
        .await?;
    } else {
        check_hosts(
            control,
            new.host.as_deref(),
            new.hypervisor_hostname.as_deref(),
        )
        .await?;
    }
    if let Some(zone) = &place.zone {
        check_zone(control, zone).await?;
    }
    Ok(place)
}

/// A zone that is named must have an enabled host. The default zone is taken even while it has none: servers then
/// wait for no one and say so in their fault.
pub(super) async fn check_zone(control: &Control, zone: &str) -> Result<()> {
    if zone == control.settings.default_availability_zone {
        return Ok(());
    }
    let zones = Zones::read(control).await?;
    let services = hosts::services(control.db.read()).await?;
    let known = services.iter().any(|service| {
        service.binary == hosts::COMPUTE && !service.disabled && zones.of(service) == zone
    });
    match known {
        true => Ok(()),
        false => Err(invalid(
            "The requested availability zone is not available".to_owned(),
        )),
    }
}

/// Hosts that are named must exist.
async fn check_hosts(control: &Control, host: Option<&str>, node: Option<&str>) -> Result<()> {
    if host.is_none() && node.is_none() {
        return Ok(());
    }
    let nodes = hosts::nodes(control.db.read(), None).await?;
    let known = nodes.iter().any(|candidate| {
        host.is_none_or(|host| candidate.host == host)
            && node.is_none_or(|node| candidate.name == node)
    });
    match known {
        true => Ok(()),
        false => {
            let name = host.or(node).unwrap_or_default();
            Err(invalid(format!("Compute host {name} could not be found.")))
        }
    }
}

/// The image, as the caller may see it.
pub(super) async fn image(
    control: &Control,
    cx: &Context,
    id: Option<&str>,
) -> Result<ServerImage> {
    let id = id.ok_or_else(|| invalid("Missing imageRef attribute".to_owned()))?;
    let image = image_if_seen(control, cx, id).await?;
    image.ok_or_else(|| invalid("Can not find requested image".to_owned()))
}

/// The image, if the caller may see it.
pub(super) async fn image_if_seen(
    control: &Control,
    cx: &Context,
    id: &str,
) -> Result<Option<ServerImage>> {
    let image = match glance::show(&control.image, cx.token(), id).await {
        Err(error)
            if error
                .status()
                .is_some_and(|status| matches!(status.as_u16(), 400 | 403 | 404)) =>
        {
            return Ok(None);
        }
        other => other?,
    };
    if image.status != "active" {
        return Err(invalid(format!("Image {id} is not active.")));
    }
    let properties = image.properties();
    image_properties::check(&properties)
        .map_err(|bad| invalid(format!("Invalid image metadata. Error: {bad}")))?;
    boot_parts(control, cx, &properties).await?;
    Ok(Some(ServerImage {
        properties,
        name: image.name.unwrap_or_default(),
        disk_format: image.disk_format.unwrap_or_default(),
        container_format: image.container_format.unwrap_or_default(),
        min_ram: image.min_ram,
        min_disk: image.min_disk,
        size: image.size.unwrap_or_default(),
        virtual_size: image.virtual_size,
        id: image.id,
    }))
}

/// Refuses an image that names disks, where a disk of the host is to be made of its data and nothing else.
pub(super) fn one_disk(image: &ServerImage) -> Result<()> {
    let disks = image_disks::of(&image.properties).map_err(|bad| invalid(format!("{bad}.")))?;
    match disks.is_empty() {
        true => Ok(()),
        false => Err(invalid(format!(
            "Image {} is unacceptable: it stands for volumes, and has no disk of its own.",
            image.id
        ))),
    }
}

/// Kernel and ramdisk are named by the image's owner, and hosts fetch them with rights of their own: the caller must
/// be able to see them, or an image would open everybody's.
pub(super) async fn boot_parts(
    control: &Control,
    cx: &Context,
    properties: &BTreeMap<String, String>,
) -> Result<()> {
    for name in ["kernel_id", "ramdisk_id"] {
        let Some(id) = properties.get(name).filter(|id| !id.is_empty()) else {
            continue;
        };
        let refused = || invalid(format!("Image {id} could not be found."));
        match glance::show(&control.image, cx.token(), id).await {
            Ok(part) if part.status == "active" => {}
            Ok(_) => return Err(refused()),
            Err(error)
                if error
                    .status()
                    .is_some_and(|status| status.is_client_error()) =>
            {
                return Err(refused());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The flavor, if the caller's project may use it.
pub(super) async fn flavor(control: &Control, cx: &Context, id: &str) -> Result<Flavor> {
    let missing = || invalid(format!("Flavor {id} could not be found."));
    let flavor = match flavors::find(control.db.read(), id).await {
        Err(DbError::NotFound(_)) => return Err(missing()),
        other => other?,
    };
    if flavor.disabled {
        return Err(missing());
    }
    if !flavor.is_public && !policy::is_admin(control, cx) {
        let open_to = flavors::access(control.db.read(), id).await?;
        if !open_to
            .iter()
            .any(|project| Some(project) == cx.caller.project_id.as_ref())
        {
            return Err(missing());
        }
    }
    Ok(flavor)
}

/// Whether the flavor is large enough for the image; its disk matters to a root on the host alone.
pub(super) fn fits(
    control: &Control,
    cx: &Context,
    (image, local): (&ServerImage, bool),
    flavor: &Flavor,
) -> Result<()> {
    if flavor.ram < image.min_ram {
        return Err(invalid(
            "Flavor's memory is too small for requested image.".to_owned(),
        ));
    }
    if !local {
        return Ok(());
    }
    if flavor.disk == 0 {
        let rule = "os_compute_api:servers:create:zero_disk_flavor";
        return match policy::may(control, cx, rule) {
            true => Ok(()),
            false => Err(ControlError::Forbidden {
                why: "Only volume-backed servers are allowed for flavors with zero disk."
                    .to_owned(),
            }),
        };
    }
    let disk = u64::from(flavor.disk) * GIB;
    let needed = image.virtual_size.unwrap_or(0).max(image.size);
    if needed > disk {
        return Err(invalid(format!(
            "Flavor's disk is too small for requested image. Flavor disk is {disk} bytes, image is {needed} bytes."
        )));
    }
    let min_disk = u64::from(image.min_disk) * GIB;
    if min_disk > disk {
        return Err(invalid(format!(
            "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {disk} bytes, \
             minimum size is {min_disk} bytes."
        )));
    }
    Ok(())
}

/// Whether a server can be what its request, image and flavor ask for: what cannot be honoured is refused, and so is what
/// does not fit together.
pub(super) fn honours(new: &NewServer, image: &ServerImage, flavor: &Flavor) -> Result<()> {
    if let Some(certificates) = &new.trusted_certificates {
        let said = certificates.join(",");
        if let Some(refusal) = create_fields::refusal("server.trusted_image_certificates", &said) {
            return Err(invalid(refusal.to_string()));
        }
    }
    image_honours(image, flavor, new.disk_config)
}

/// The same of an image and a flavor.
pub(super) fn image_honours(
    image: &ServerImage,
    flavor: &Flavor,
    disk_config: DiskConfig,
) -> Result<()> {
    image_properties::refuse(&image.properties).map_err(|why| invalid(why.to_string()))?;
    extra_specs::refuse(&flavor.extra_specs).map_err(|why| invalid(why.to_string()))?;
    let grows = image_properties::value(&image.properties, "hw_auto_disk_config");
    let grows = grows.is_none_or(|word| !word.trim().eq_ignore_ascii_case("disabled"));
    if disk_config == DiskConfig::Auto && !grows {
        return Err(invalid(format!(
            "Requested image {} has automatic disk resize disabled.",
            image.id
        )));
    }
    GuestHardware::of(flavor, &image.properties)
        .map(drop)
        .map_err(invalid)
}

/// The caller's key of that name.
pub(super) async fn key(
    control: &Control,
    cx: &Context,
    name: Option<&str>,
) -> Result<Option<ServerKey>> {
    let Some(name) = name else {
        return Ok(None);
    };
    match keypairs::find(control.db.read(), &cx.caller.user_id, name).await {
        Ok((_, pair)) => Ok(Some(kept(pair))),
        Err(DbError::NotFound(_)) => Err(invalid("Invalid key_name provided.".to_owned())),
        Err(other) => Err(other.into()),
    }
}

/// Characters of generated passwords: none that look like others. One of each group is in every
/// password, since guests may insist.
const GROUPS: [&[u8]; 3] = [
    b"23456789",
    b"ABCDEFGHJKLMNPQRSTUVWXYZ",
    b"abcdefghijkmnopqrstuvwxyz",
];

/// A password of `length` characters, at least three.
pub(super) fn password(length: usize) -> String {
    let all = GROUPS.concat();
    let mut text: Vec<u8> = GROUPS.iter().map(|group| pick(group)).collect();
    while text.len() < length {
        text.push(pick(&all));
    }
    use rand::seq::SliceRandom;
    text.shuffle(&mut rand::rng());
    text.into_iter().map(char::from).collect()
}

/// `r-` and eight characters: names the servers of one request.
pub(super) fn reservation_id() -> String {
    let tail = (0..8).map(|_| char::from(pick(b"0123456789abcdefghijklmnopqrstuvwxyz")));
    format!("r-{}", tail.collect::<String>())
}

fn pick(from: &[u8]) -> u8 {
    // The bias of a 64-bit number over some dozen characters cannot be measured.
    let number = rand::random::<u64>() % from.len() as u64;
    from[usize::try_from(number).expect("below the length of a slice")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_a_character_of_each_group() {
        for length in [3, 12, 40] {
            let password = password(length);
            assert_eq!(password.len(), length);
            for group in GROUPS {
                assert!(password.bytes().any(|c| group.contains(&c)), "{password}");
            }
        }
    }

    #[test]
    fn reservations_differ() {
        assert_ne!(reservation_id(), reservation_id());
    }
}
