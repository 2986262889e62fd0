//! The action `rebuild`.

use std::sync::Arc;

use compute_control::servers::rebuild::{self, RebuildWanted};
use microversion::{Patch, Version};

use super::update::{COMPLETE, RebuildServer};
use super::{ask, show, shown};
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::REBUILD_OF_VOLUME;
use crate::words::{Certificates, Id, Metadata, Name};

/// The version from which the answer shows the key.
const KEY: Version = Version::new(2, 54);

pub async fn rebuild(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let RebuildServer { rebuild } = call.admit()?;
    let complete = call.version.at_least(COMPLETE);
    let Id(image_id) = rebuild.image_ref;
    let name = rebuild.name.map(|Name(name)| name.trim().to_owned());
    let description = match call.version.at_least(ask::DESCRIPTION) {
        true => rebuild.description.into_option(),
        // A name was a description, too, before they were told apart.
        false => name.clone().map(Some),
    };
    let certificates = |list: Certificates| list.0.into_iter().map(|one| one.0).collect();
    let wanted = RebuildWanted {
        image_id,
        name,
        hostname: rebuild.hostname,
        description,
        metadata: rebuild.metadata.map(Metadata::into_map),
        disk_config: ask::disk_config(rebuild.disk_config.as_deref()),
        access_ip_v4: ask::address(rebuild.access_ip_v4.as_deref()),
        access_ip_v6: ask::address(rebuild.access_ip_v6.as_deref()),
        key_name: rebuild.key_name.into_option(),
        user_data: rebuild.user_data.into_option(),
        trusted_certificates: rebuild
            .trusted_image_certificates
            .into_option()
            .map(|list| list.map(certificates)),
        preserve_ephemeral: rebuild.preserve_ephemeral.is_some_and(|flag| flag.0),
        admin_password: rebuild.admin_pass,
        injected_files: ask::files(rebuild.personality)?,
        reimages: call.version.at_least(REBUILD_OF_VOLUME),
        with_host: complete && call.version.at_least(show::HOST_STATUS),
    };
    let (control, id) = (&api.control, call.path("id"));
    let (seen, password) = rebuild::rebuild(control, &call.cx, id, wanted).await?;
    let mut view = match complete {
        true => shown::single(&call, &seen),
        false => shown::plain(&call, &seen),
    };
    if !complete && call.version.at_least(KEY) {
        view.key_name = shown::key_name(&seen.server);
    }
    view.user_data = Patch::Absent;
    view.rebuilt_user_data = shown::or_null(seen.server.user_data.as_deref());
    view.admin_pass = password.as_deref();
    let path = format!("servers/{}", seen.server.id);
    let answer = call.render_under::<_, Fault>("server", &view)?;
    Ok(answer.with_location(&call.link(&path)))
}
