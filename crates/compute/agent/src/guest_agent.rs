//! What the agent in a guest is asked for.

use bus::Failure;
use compute_model::fault::Kind;
use compute_model::{Server, image_properties};
use compute_rpc::agent::Given;
use compute_rpc::{code, failure};
use hypervisor::{GuestFacts, Quiesce};

use crate::Host;
use crate::failure::facts_of;
use crate::failure::unsupported;
use crate::numbers::epoch;

/// Gives the administrator of the guest another password.
///
/// # Errors
/// The agent does not answer in time, or refuses.
pub async fn change_password(
    host: &Host,
    server: &Server,
    given: &Given,
) -> Result<GuestFacts, Failure> {
    let able = host.driver.guest_agent();
    let able = able.ok_or_else(|| unsupported("speak with an agent in the guest"))?;
    let password = given.admin_password.as_deref().ok_or_else(|| {
        let text = "no password came with the command";
        failure(code::BAD_REQUEST, Kind::Internal, text)
    })?;
    let (id, epoch) = (server.id.as_str(), epoch(server.epoch));
    let set = able.set_password(id, epoch, admin_user(server), password);
    facts_of(set.await)
}

/// The user whose password it is: the image's `os_admin_user`, else what its system calls its administrator.
fn admin_user(server: &Server) -> &str {
    let image = server.described_by();
    let property = |name: &str| {
        let value = image.and_then(|image| image_properties::value(&image.properties, name));
        value.filter(|value| !value.is_empty())
    };
    let windows = property("os_type").is_some_and(|kind| kind.eq_ignore_ascii_case("windows"));
    match (property("os_admin_user"), windows) {
        (Some(user), _) => user,
        (None, true) => "Administrator",
        (None, false) => "root",
    }
}

/// Whether the file systems of the guest are held still while its disk is copied.
pub fn quiesce(server: &Server) -> Quiesce {
    let image = server.described_by();
    let is_set = |name: &str| {
        image.and_then(|image| image_properties::is_set(&image.properties, name)) == Some(true)
    };
    match (is_set("os_require_quiesce"), is_set("hw_qemu_guest_agent")) {
        (true, _) => Quiesce::Require,
        (false, true) => Quiesce::Try,
        (false, false) => Quiesce::No,
    }
}

#[cfg(test)]
mod tests {
    use compute_model::image::ServerImage;
    use compute_model::testing;

    use super::*;

    fn of(properties: &[(&str, &str)]) -> Server {
        let mut server = testing::server("s");
        let owned = properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        server.image = Some(ServerImage {
            properties: owned.collect(),
            ..ServerImage::default()
        });
        server
    }

    #[test]
    fn the_image_names_the_administrator() {
        for (properties, user) in [
            (&[][..], "root"),
            (&[("os_type", "windows")], "Administrator"),
            (&[("os_type", "windows"), ("os_admin_user", "eve")], "eve"),
            (&[("os_admin_user", "")], "root"),
        ] {
            assert_eq!(admin_user(&of(properties)), user);
        }
        assert_eq!(admin_user(&testing::server("no image")), "root");
    }

    #[test]
    fn file_systems_are_held_still_where_an_agent_can_and_must_be_where_the_image_says_so() {
        for (properties, quiesce) in [
            (&[][..], Quiesce::No),
            (&[("hw_qemu_guest_agent", "yes")], Quiesce::Try),
            (
                &[
                    ("hw_qemu_guest_agent", "yes"),
                    ("os_require_quiesce", "yes"),
                ],
                Quiesce::Require,
            ),
            (
                &[("hw_qemu_guest_agent", "no"), ("os_require_quiesce", "no")],
                Quiesce::No,
            ),
        ] {
            assert_eq!(super::quiesce(&of(properties)), quiesce, "{properties:?}");
        }
    }
}
