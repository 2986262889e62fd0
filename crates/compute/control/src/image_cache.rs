//! Images fetched by hosts before a server asks for them.

use compute_rpc::agent::{self, CacheImage};

use crate::servers::image_to_start;
use crate::{Context, Control, ControlError, Result, aggregates};

/// Has the hosts of an aggregate fetch images into their caches. They do so when they can; what fails is in their logs.
///
/// # Errors
/// 404 for the aggregate or an image; 400 for an image named twice, or one that no server can be made of; 403 by policy.
pub async fn fill(control: &Control, cx: &Context, id: &str, images: &[String]) -> Result<()> {
    let aggregate = aggregates::show(control, cx, id).await?;
    let invalid = |why: &str| ControlError::Invalid {
        why: why.to_owned(),
    };
    let mut wanted = Vec::with_capacity(images.len());
    for (number, image) in images.iter().enumerate() {
        if images[..number].contains(image) {
            return Err(invalid("Duplicate images in request"));
        }
        let found = image_to_start(control, cx, image).await?;
        wanted.push(found.ok_or_else(|| ControlError::NotFound {
            why: format!("Image {image} could not be found."),
        })?);
    }
    for host in &aggregate.hosts {
        for image in &wanted {
            let message = CacheImage {
                image: image.clone(),
            };
            control
                .bus
                .post(&agent::address(host), message, cx.for_bus());
        }
    }
    Ok(())
}
