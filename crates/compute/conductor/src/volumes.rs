//! A server's volumes, as the volume service has them: reserved, reached by the server's host, given back. Compute asks
//! as itself: no token of a user outlives its request.

use std::time::Duration;

use clients::volume as cinder;
use clients::{ClientError, Service};
use compute_db::hosts;
use compute_model::Server;
use compute_model::fault::Kind;
use compute_model::volume::{AttachedVolume, Connection, Initiator};
use compute_rpc::sealed;
use secrecy::ExposeSecret;
use serde_json::json;
use workflow::{StepContext, StepError};

use crate::env::Env;
use crate::why::Why;
use crate::{images, records};

/// How long a volume service in trouble is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// Reserves a volume for a server that does not have it; gives the attachment's id. What an earlier, interrupted run
/// reserved is taken up again.
pub async fn reserve(env: &Env, server: &Server, volume_id: &str) -> Result<String, StepError> {
    if let Some(found) = unrecorded(env, server, volume_id).await?.into_iter().next() {
        return Ok(found);
    }
    call(env, |token| async move {
        cinder::reserve(&env.volume, &token, volume_id, &server.id).await
    })
    .await
}

/// The same of a volume that is reserved by this attachment since the server was asked for, unless a host that failed
/// gave it back.
pub async fn reserve_as_planned(
    env: &Env,
    server: &Server,
    volume_id: &str,
    planned: Option<&str>,
) -> Result<String, StepError> {
    if let Some(planned) = planned {
        let found = unrecorded(env, server, volume_id).await?;
        if found.iter().any(|id| id == planned) {
            return Ok(planned.to_owned());
        }
    }
    reserve(env, server, volume_id).await
}

/// Gives back what [`reserve`] reserved, if anything.
pub async fn release_reserved(
    env: &Env,
    server: &Server,
    volume_id: &str,
) -> Result<(), StepError> {
    for id in unrecorded(env, server, volume_id).await? {
        release(env, &id).await?;
    }
    Ok(())
}

/// Attachments of the volume to the server that its record does not know.
async fn unrecorded(env: &Env, server: &Server, volume_id: &str) -> Result<Vec<String>, StepError> {
    let found = call(env, |token| async move {
        cinder::attachments(&env.volume, &token, Some(&server.id), Some(volume_id)).await
    })
    .await?;
    let known = |id: &str| {
        server
            .volumes
            .iter()
            .any(|volume| volume.attachment_id == id)
    };
    let found = found.into_iter().filter(|one| one.volume_id == volume_id);
    Ok(found.map(|one| one.id).filter(|id| !known(id)).collect())
}

/// How the server's host reaches the volume.
pub async fn connect(
    env: &Env,
    server: &Server,
    volume: &AttachedVolume,
) -> Result<Connection, StepError> {
    let node = server.node_id.as_deref();
    let ip = match node {
        Some(node) => hosts::address_of_node(env.db.read(), node)
            .await
            .map_err(records::database)?,
        None => None,
    };
    let initiator = node.and_then(Initiator::of);
    let connector = json!({
        "host": server.host,
        "ip": ip,
        "initiator": initiator.as_ref().map(Initiator::as_str),
        "mountpoint": volume.device,
        "multipath": false,
        "os_type": "linux",
        "platform": std::env::consts::ARCH,
    });
    let info = call(env, |token| {
        let connector = connector.clone();
        async move { cinder::connect(&env.volume, &token, &volume.attachment_id, connector).await }
    })
    .await?;
    let shared = show(env, &volume.volume_id).await?.multiattach;
    // Who reads the database or the messages finds no password of a target.
    let seal = |text: &str| sealed::seal(env.session.secret().expose_secret(), text);
    Connection::of(&info, shared, initiator.as_ref(), &seal)
        .map_err(|error| Why::new(Kind::Unsupported, error.to_string()).into())
}

/// Changes what a server's record says of a volume that it has.
pub async fn note(
    cx: &StepContext,
    server_id: &str,
    volume_id: &str,
    change: impl Fn(&mut AttachedVolume) + Send + Sync,
) -> Result<(), StepError> {
    records::change(cx, server_id, None, |server| {
        let mut all = server.volumes.iter_mut();
        let own = all.find(|one| one.volume_id == volume_id);
        own.map(&change).is_some()
    })
    .await?;
    Ok(())
}

/// Says that the guest has the volume.
pub async fn complete(env: &Env, attachment_id: &str) -> Result<(), StepError> {
    call(env, |token| async move {
        cinder::complete(&env.volume, &token, attachment_id).await
    })
    .await
}

/// The same of an attachment that may be gone.
pub async fn complete_if_there(env: &Env, attachment_id: &str) -> Result<(), StepError> {
    let completed = env
        .session
        .with(|token| async move { cinder::complete(&env.volume, &token, attachment_id).await });
    forgiving(completed.await)
}

/// Tells the volume service how the replacing of a volume by another one ended. Telling it again is fine: the new one is
/// gone then.
pub async fn end_migration(
    env: &Env,
    volume_id: &str,
    (new, failed): (&str, bool),
) -> Result<(), StepError> {
    let told = env.session.with(|token| async move {
        cinder::end_migration(&env.volume, &token, volume_id, (new, failed)).await
    });
    match told.await {
        Ok(kept) if failed || kept == volume_id => Ok(()),
        // The host knows the volume by its id.
        Ok(kept) => Err(StepError::Fatal(format!(
            "the volume service has volume {volume_id} as {kept} since it moved"
        ))),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) if failed && !error.is_passing() => {
            tracing::warn!(volume = volume_id, new, %error, "the volume service does not hear that a move failed");
            Ok(())
        }
        Err(error) => Err(trouble(error)),
    }
}

/// Gives an attachment back; one that is gone is success. The guest must have let go of the volume.
pub async fn release(env: &Env, attachment_id: &str) -> Result<(), StepError> {
    call(env, |token| async move {
        cinder::release(&env.volume, &token, attachment_id).await
    })
    .await
}

/// Shows that a volume is being detached. One that is gone, or shown so already, is success.
pub async fn begin_detaching(env: &Env, volume_id: &str) -> Result<(), StepError> {
    let begun = env.session.with(|token| async move {
        match cinder::detaching(&env.volume, &token, volume_id, true).await {
            Err(refusal) if refusal.status().is_some_and(|status| status == 400) => {
                let shown = cinder::show(&env.volume, &token, volume_id).await?;
                match shown.status.as_str() {
                    "detaching" => Ok(()),
                    _ => Err(refusal),
                }
            }
            other => other,
        }
    });
    forgiving(begun.await)
}

/// Shows that it is not being detached any more.
pub async fn roll_detaching(env: &Env, volume_id: &str) -> Result<(), StepError> {
    let rolled = env.session.with(|token| async move {
        cinder::detaching(&env.volume, &token, volume_id, false).await
    });
    forgiving(rolled.await)
}

fn forgiving(answer: clients::Result<()>) -> Result<(), StepError> {
    match answer {
        Err(error) if error.is_not_found() => Ok(()),
        other => other.map_err(trouble),
    }
}

/// A volume, as compute's own user sees it.
pub async fn show(env: &Env, volume_id: &str) -> Result<cinder::Volume, StepError> {
    call(env, |token| async move {
        cinder::show(&env.volume, &token, volume_id).await
    })
    .await
}

/// Gives back every attachment of a server, whether or not its record knows it.
pub async fn release_all_of(env: &Env, server_id: &str) -> Result<(), StepError> {
    let found = call(env, |token| async move {
        cinder::attachments(&env.volume, &token, Some(server_id), None).await
    })
    .await?;
    for attachment in found {
        release(env, &attachment.id).await?;
    }
    Ok(())
}

/// Deletes the volumes that go with a server; they were given back before.
pub async fn delete_those_that_go(env: &Env, server: &Server) -> Result<(), StepError> {
    let going = server
        .volumes
        .iter()
        .filter(|one| one.delete_on_termination);
    for volume in going {
        delete(env, server, &volume.volume_id).await?;
    }
    Ok(())
}

/// Deletes a volume that goes with its server. One that the volume service keeps, as it has snapshots or is another
/// server's too, stays.
async fn delete(env: &Env, server: &Server, volume_id: &str) -> Result<(), StepError> {
    let deleted = env
        .session
        .with(|token| async move { cinder::delete(&env.volume, &token, volume_id).await });
    match deleted.await {
        Err(error) if !error.is_passing() => {
            tracing::warn!(
                server = server.id,
                volume = volume_id,
                %error,
                "a volume outlives the server that it was to go with"
            );
            Ok(())
        }
        other => other.map_err(trouble),
    }
}

async fn call<T, F, Fut>(env: &Env, call: F) -> Result<T, StepError>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = clients::Result<T>>,
{
    env.session.with(call).await.map_err(trouble)
}

/// The volume service as it is asked in the name of who asked, and their token, which came sealed.
pub async fn in_name(env: &Env, token: &str) -> Result<(Service, String), StepError> {
    let (token, own) = images::tokens(env, token).await?;
    Ok((env.volume.vouched(&own), token))
}

/// What a failed call means for a step.
pub fn trouble(error: ClientError) -> StepError {
    match error.is_passing() {
        true => StepError::retry(PAUSE, error),
        false => Why::new(Kind::Volume, error.message()).into(),
    }
}
