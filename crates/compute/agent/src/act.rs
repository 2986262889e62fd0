//! Actions on a server that is here.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_model::Server;
use compute_model::lifecycle::Action;
use compute_rpc::agent::{Act, Done};
use compute_rpc::code;
use hypervisor::{DriverError, GuestFacts, Reboot, ServerSpec, StopHow};

use crate::build::{epoch, power};
use crate::failure::{of_driver, unsupported};
use crate::spec::{self, Extras};
use crate::{Host, images};

/// Carries out one action. Repeating it is harmless.
pub async fn act(host: Arc<Host>, _context: Context, message: Act) -> Result<Done, Failure> {
    let server = &message.server;
    let facts = match message.action {
        Action::Start => {
            let described = described(&host, server).await?;
            done(host.driver.ensure_running(&described).await)?
        }
        Action::Stop => {
            let how = StopHow::Graceful {
                timeout: shutdown_timeout(&host, server),
            };
            let stopped = host
                .driver
                .ensure_stopped(&server.id, epoch(server.epoch), how);
            done(stopped.await)?
        }
        Action::RebootSoft => {
            let how = Reboot::Soft {
                timeout: host.settings.soft_reboot_timeout,
            };
            let described = described(&host, server).await?;
            done(host.driver.reboot(&described, how).await)?
        }
        Action::RebootHard => {
            let described = described(&host, server).await?;
            done(host.driver.reboot(&described, Reboot::Hard).await)?
        }
        Action::Pause | Action::Unpause => pause(&host, server, message.action).await?,
        Action::Suspend | Action::Resume => suspend(&host, server, message.action).await?,
        Action::Delete => {
            return Err(Failure::new(
                code::BAD_REQUEST,
                "a delete has a message of its own",
            ));
        }
    };
    Ok(Done {
        power_state: power(facts.power_state),
    })
}

fn done(result: Result<GuestFacts, DriverError>) -> Result<GuestFacts, Failure> {
    result.map_err(|error| of_driver(&error))
}

async fn pause(host: &Host, server: &Server, action: Action) -> Result<GuestFacts, Failure> {
    let able = host.driver.pause().ok_or_else(|| unsupported("pause"))?;
    done(match action {
        Action::Pause => able.pause(&server.id, epoch(server.epoch)).await,
        _ => able.unpause(&server.id, epoch(server.epoch)).await,
    })
}

async fn suspend(host: &Host, server: &Server, action: Action) -> Result<GuestFacts, Failure> {
    let able = host
        .driver
        .suspend()
        .ok_or_else(|| unsupported("suspend"))?;
    done(match action {
        Action::Suspend => able.suspend(&server.id, epoch(server.epoch)).await,
        _ => able.resume(&server.id, epoch(server.epoch)).await,
    })
}

/// The image may set `os_shutdown_timeout` in seconds.
fn shutdown_timeout(host: &Host, server: &Server) -> std::time::Duration {
    let image = server.image.as_ref();
    image
        .and_then(|image| image.properties.get("os_shutdown_timeout")?.parse().ok())
        .map(std::time::Duration::from_secs)
        .unwrap_or(host.settings.shutdown_timeout)
}

/// The description to start from: the one kept here (it has the config drive as it was made), or,
/// when this host lost it, a new one.
async fn described(host: &Host, server: &Server) -> Result<ServerSpec, Failure> {
    let kept = host.driver.spec(&server.id).await;
    if let Some(kept) = kept.map_err(|error| of_driver(&error))? {
        return Ok(spec::renewed(kept, server));
    }
    let image = match &server.image {
        Some(image) => {
            Some(images::ready(&host.images, image, host.settings.max_image_disk).await?)
        }
        None => None,
    };
    spec::new(server, image, &Extras::default(), &host.settings)
}
