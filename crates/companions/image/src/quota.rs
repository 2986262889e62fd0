//! How many images and bytes a project may have: the resources of Glance's unified limits.
//!
//! Bytes are reserved on the image's row before they are received, piece by piece when nobody says
//! how many come, and settled when the image is complete. So uploads that run at once cannot pass
//! the limit together, and what a crash leaves is given back when the image returns to `queued`.
//!
//! As in Glance, an upload that does not say its length begins while the project is *at* its limit;
//! it may then pass it by [`GRACE`] bytes, all uploads of the project together.

use serde_json::{Value, json};
use sql::sea_orm::DatabaseTransaction;

use crate::db;
use crate::db::usage::Usage;
use crate::fault::Fault;
use crate::limits::{Limits, MIB, Resource};
use crate::service::Images;
use crate::tables::Status;

/// Bytes by which uploads of unknown length may pass a limit: one reservation.
const GRACE: i64 = STRIDE;

/// Bytes that are reserved at once while data comes whose length nobody said: a transaction for
/// each is cheap beside receiving them.
const STRIDE: i64 = 16 * MIB;

/// A project and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    project: String,
    limits: Limits,
}

impl Allowance {
    /// What the owner of an image may have. None: the image belongs to nobody, which only
    /// administrators can make, and nothing is counted.
    ///
    /// # Errors
    /// Unavailable when the identity service does not answer: what it limits is not let through.
    pub async fn of(images: &Images, owner: Option<&str>) -> Result<Option<Self>, Fault> {
        let Some(project) = owner else {
            return Ok(None);
        };
        let mut limits = images.settings().limits;
        if let Some(source) = images.limit_source() {
            let known = source.limits(project).await.map_err(|error| {
                tracing::error!(%error, project, "limits cannot be asked for");
                Fault::Unavailable("The identity service does not give the limits.".to_owned())
            })?;
            for resource in Resource::ALL {
                if let Some(limit) = known.get(resource.name()) {
                    limits.set(resource, *limit);
                }
            }
        }
        Ok(Some(Allowance {
            project: project.to_owned(),
            limits,
        }))
    }

    /// Whether another image may be made. What is counted stays true until the transaction ends.
    pub async fn admit_image(&self, tx: &DatabaseTransaction) -> Result<(), Fault> {
        let usage = self.held(tx).await?;
        self.check(Resource::CountTotal, usage.images, 1)
    }

    /// Whether data may begin to come for an image that goes to `to`, `length` bytes if known.
    pub async fn admit_data(
        &self,
        tx: &DatabaseTransaction,
        to: Status,
        length: Option<u64>,
    ) -> Result<(), Fault> {
        let usage = self.held(tx).await?;
        self.check(Resource::CountUploading, usage.uploading, 1)?;
        self.admit_bytes(&usage, room(to), length)
    }

    /// Whether staged data of `size` bytes may become an image.
    pub async fn admit_staged(&self, tx: &DatabaseTransaction, size: u64) -> Result<(), Fault> {
        let usage = self.held(tx).await?;
        self.admit_bytes(&usage, Resource::SizeTotal, Some(size))
    }

    fn admit_bytes(&self, usage: &Usage, room: Resource, length: Option<u64>) -> Result<(), Fault> {
        let used = usage.bytes(room);
        match length {
            Some(length) => self.check(room, used, signed(length)),
            // Whole MiB count, as in Glance: what lies above the limit by less is not over it.
            None => self.check(room, used - used.rem_euclid(MIB), 0),
        }
    }

    /// Reserves room for an upload that holds `reserved` bytes and now needs `needed`. Gives what it
    /// holds afterwards, at least what it needs.
    pub async fn extend(
        &self,
        tx: &DatabaseTransaction,
        status: Status,
        (reserved, needed): (u64, u64),
    ) -> Result<u64, Fault> {
        let usage = self.held(tx).await?;
        let room = room(status);
        let (reserved, needed) = (signed(reserved), signed(needed));
        let others = usage.bytes(room).saturating_sub(reserved);
        let limit = self.limits.of(room);
        let wanted = needed.saturating_add(STRIDE);
        if limit < 0 {
            return Ok(wanted.unsigned_abs());
        }
        let most = limit
            .saturating_mul(MIB)
            .saturating_add(GRACE)
            .saturating_sub(others);
        if needed > most {
            return Err(self.over(room, others, needed));
        }
        Ok(wanted.min(most).unsigned_abs())
    }

    async fn held(&self, tx: &DatabaseTransaction) -> Result<Usage, Fault> {
        db::usage::hold(tx, &self.project).await?;
        Ok(db::usage::of(tx, &self.project).await?)
    }

    /// Refuses `more`, images or bytes, that would pass the limit.
    fn check(&self, resource: Resource, used: i64, more: i64) -> Result<(), Fault> {
        let limit = self.limits.of(resource);
        let most = limit.saturating_mul(resource.unit());
        if limit < 0 || used.saturating_add(more) <= most {
            return Ok(());
        }
        Err(self.over(resource, used, more))
    }

    /// The refusal in Glance's and oslo.limit's words.
    fn over(&self, resource: Resource, used: i64, more: i64) -> Fault {
        let unit = resource.unit();
        let shown = |number: i64| number.saturating_add(unit - 1) / unit;
        Fault::TooLarge(format!(
            "The request returned a 413 Request Entity Too Large. This generally means that rate \
             limiting or a quota threshold was exceeded.\n\nThe response body:\nProject {} is over \
             a limit for [Resource {} is over limit of {} due to current usage {} and delta {}]",
            self.project,
            resource.name(),
            self.limits.of(resource),
            shown(used),
            shown(more),
        ))
    }

    /// What `GET /v2/info/usage` shows.
    pub async fn report(&self, images: &Images) -> Result<Value, Fault> {
        let usage = db::usage::of(images.db().read(), &self.project).await?;
        let mut report = serde_json::Map::new();
        for resource in Resource::ALL {
            let used = match resource {
                Resource::SizeTotal | Resource::StageTotal => usage.bytes(resource),
                Resource::CountTotal => usage.images,
                Resource::CountUploading => usage.uploading,
            } / resource.unit();
            let entry = json!({"limit": self.limits.of(resource), "usage": used});
            report.insert(resource.name().to_owned(), entry);
        }
        Ok(Value::Object(report))
    }
}

/// Which limit the data of an image counts against while it comes.
fn room(status: Status) -> Resource {
    match status {
        Status::Uploading => Resource::StageTotal,
        _ => Resource::SizeTotal,
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
