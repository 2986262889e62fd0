//! Which availability zone each service is in.

use std::collections::BTreeMap;

use compute_db::aggregates;
use compute_db::hosts::COMPUTE;
use compute_model::host::Service;

use crate::{Control, Result};

/// The zones as they are now.
pub(crate) struct Zones {
    default: String,
    internal: String,
    by_host: BTreeMap<String, String>,
}

impl Zones {
    pub(crate) async fn read(control: &Control) -> Result<Self> {
        Ok(Zones {
            default: control.settings.default_availability_zone.clone(),
            internal: control.settings.internal_service_availability_zone.clone(),
            by_host: aggregates::zones(control.db.read()).await?,
        })
    }

    /// The zone of a service.
    pub(crate) fn of(&self, service: &Service) -> &str {
        match service.binary.as_str() {
            COMPUTE => self.by_host.get(&service.host).unwrap_or(&self.default),
            _ => &self.internal,
        }
    }
}
