//! This process as services that report themselves, and the pools of all.

use std::time::Duration;

use serde_json::{Map, Value, json};
use sql::SqlError;
use sql::sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};
use tokio_util::sync::CancellationToken;

use crate::backends::Backend;
use crate::db::services;
use crate::db::store;
use crate::db::usage;
use crate::driver::GIB;
use crate::schedule::Pool;
use crate::shared::Core;
use crate::tables::service::{Binary, Model};
use crate::tables::volume;

/// How often services report themselves [report_interval].
const INTERVAL: Duration = Duration::from_secs(10);

/// The capacity of a pool that is not known.
const UNKNOWN: f64 = 0.0;

impl Core {
    /// Reports this process's services once.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn report(&self) -> Result<(), SqlError> {
        let host = self.settings.host.clone();
        let mut services = vec![
            (Binary::Scheduler, host.clone(), String::new()),
            (Binary::Backup, host, String::new()),
        ];
        for backend in self.backends.iter() {
            let pool = match backend.driver.capacity().await {
                Ok(capacity) => described(backend, gib(capacity.total), gib(capacity.free)),
                Err(error) => {
                    let host = &backend.host;
                    tracing::error!(%error, host, "a back end does not say how much room it has");
                    described(backend, UNKNOWN, UNKNOWN)
                }
            };
            services.push((Binary::Volume, backend.host.clone(), pool.to_string()));
        }
        for (binary, host, pool) in services {
            let now = store::now();
            let row = Model {
                binary,
                host,
                id: store::new_id(),
                zone: self.settings.zone.clone(),
                disabled: false,
                disabled_reason: None,
                frozen: false,
                pool,
                created_at: now,
                seen_at: now,
            };
            services::report(self.db.write(), row).await?;
        }
        Ok(())
    }
}

fn described(backend: &Backend, total: f64, free: f64) -> Value {
    let (about, settings) = (backend.driver.about(), &backend.settings);
    #[allow(clippy::cast_precision_loss)] // at most 100000
    let ratio = settings.over_subscription as f64 / 100.0;
    json!({
        "volume_backend_name": settings.pool,
        "vendor_name": about.vendor,
        "driver_version": about.version,
        "storage_protocol": backend.reach.protocol(),
        "total_capacity_gb": total,
        "free_capacity_gb": free,
        "reserved_percentage": settings.reserved_percentage,
        "max_over_subscription_ratio": ratio.to_string(),
        "thin_provisioning_support": about.thin,
        "thick_provisioning_support": !about.thin,
        "multiattach": about.multiattach,
        "QoS_support": false,
        "location_info": backend.pool_name(),
        "backend_state": if total > UNKNOWN { "up" } else { "down" },
    })
}

/// Reports this process's services until told to stop.
pub async fn report_for_ever(core: &Core, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        if let Err(error) = core.report().await {
            tracing::error!(%error, "the volume service cannot report itself");
        }
    }
}

#[allow(clippy::cast_precision_loss)] // a capacity is told roughly
fn gib(bytes: u64) -> f64 {
    let hundredths = (bytes as f64 / GIB as f64 * 100.0).floor();
    hundredths / 100.0
}

/// The pools of all back ends, with what is promised of each.
///
/// # Errors
/// The database does not answer.
pub async fn pools(db: &impl ConnectionTrait) -> Result<Vec<Pool>, SqlError> {
    let now = sql::now(db).await?;
    let services = services::list(db, Some(Binary::Volume), None).await?;
    let promised = promised(db).await?;
    let pools = services.iter().map(|service| pool(service, now, &promised));
    Ok(pools.collect())
}

fn pool(service: &Model, now: chrono::DateTime<chrono::Utc>, promised: &[(String, f64)]) -> Pool {
    let told: Map<String, Value> = serde_json::from_str(&service.pool).unwrap_or_default();
    let number = |name: &str| match &told[name] {
        Value::String(text) => text.parse().unwrap_or_default(),
        other => other.as_f64().unwrap_or_default(),
    };
    let backend = told["volume_backend_name"].as_str().unwrap_or_default();
    let name = format!("{}#{backend}", service.host);
    let provisioned_gb = promised
        .iter()
        .find(|(host, _)| *host == name)
        .map_or(0.0, |(_, size)| *size);
    let (total_gb, free_gb) = (number("total_capacity_gb"), number("free_capacity_gb"));
    let (over_subscription, reserved_percentage) = (
        number("max_over_subscription_ratio"),
        number("reserved_percentage"),
    );
    let mut capabilities = told;
    capabilities.insert("provisioned_capacity_gb".to_owned(), json!(provisioned_gb));
    capabilities.insert("allocated_capacity_gb".to_owned(), json!(provisioned_gb));
    capabilities.insert(
        "timestamp".to_owned(),
        json!(web::time::naive_micros(service.seen_at)),
    );
    Pool {
        name,
        zone: service.zone.clone(),
        usable: services::is_up(service, now) && !service.disabled && !service.frozen,
        total_gb,
        free_gb,
        provisioned_gb,
        over_subscription,
        reserved_percentage,
        capabilities,
    }
}

/// GiB of the volumes on each pool.
async fn promised(db: &impl ConnectionTrait) -> Result<Vec<(String, f64)>, DbErr> {
    let rows: Vec<(Option<String>, i64)> = volume::Entity::find()
        .select_only()
        .column(volume::Column::Host)
        .column_as(usage::sum(db, "size"), "promised")
        .filter(volume::Column::Host.is_not_null())
        .group_by(volume::Column::Host)
        .into_tuple()
        .all(db)
        .await?;
    #[allow(clippy::cast_precision_loss)] // GiB of real volumes are exact
    let rows = rows
        .into_iter()
        .map(|(host, size)| Some((host?, size as f64)));
    Ok(rows.flatten().collect())
}
