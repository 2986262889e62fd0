//! Images of servers, as the image service has them.

use std::time::Duration;

use clients::image as glance;
use compute_model::fault::Kind;
use compute_rpc::sealed;
use secrecy::ExposeSecret;
use workflow::StepError;

use crate::env::Env;
use crate::why::Why;

/// How long an image service in trouble is left alone.
const PAUSE: Duration = Duration::from_secs(2);

/// An image, as compute's own user sees it; none when it is gone.
pub async fn shown(env: &Env, id: &str) -> Result<Option<glance::Image>, StepError> {
    let shown = env
        .session
        .with(|token| async move { glance::show(&env.image, &token, id).await });
    match shown.await {
        Err(error) if error.status() == Some(http::StatusCode::NOT_FOUND) => Ok(None),
        other => other.map(Some).map_err(away),
    }
}

/// Removes an image in the name of who asked; `token` is theirs, sealed. One that they may not remove (any more) stays: it
/// is theirs.
pub async fn remove(env: &Env, token: &str, id: &str) -> Result<(), StepError> {
    let (images, token) = in_name(env, token).await?;
    match glance::delete(&images, &token, id).await {
        Err(error) if is_refusal(&error) => {
            tracing::warn!(image = id, %error, "an image stays");
            Ok(())
        }
        other => other.map_err(away),
    }
}

/// The image service as it is asked in the name of who asked, and their token.
pub async fn in_name(env: &Env, token: &str) -> Result<(clients::Service, String), StepError> {
    let (token, own) = tokens(env, token).await?;
    Ok((env.image.vouched(&own), token))
}

/// The token of who asked, which came sealed, and compute's own, which vouches for it.
pub async fn tokens(env: &Env, token: &str) -> Result<(String, String), StepError> {
    let opened = sealed::open(env.session.secret().expose_secret(), token);
    let token =
        opened.ok_or_else(|| Why::new(Kind::Internal, "the caller's token cannot be read"))?;
    let own = env.session.token().await.map_err(away)?;
    Ok((token.expose_secret().to_owned(), own.to_string()))
}

/// An answer that no other attempt will change.
pub fn is_refusal(error: &clients::ClientError) -> bool {
    error.status().is_some_and(|status| {
        status.is_client_error() && status != http::StatusCode::TOO_MANY_REQUESTS
    })
}

/// The image service does not answer as it should: it is waited for.
pub fn away(error: clients::ClientError) -> StepError {
    StepError::retry(PAUSE, error)
}
