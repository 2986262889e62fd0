//! The placement service (Placement 1.0).

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use settings::Problems;
use web::Authenticator;

use super::{Companion, Configured, Place, Row, ServiceUser};

pub const ROW: Row = Row {
    name: "placement",
    catalog: &[("placement", "placement")],
    path: "",
    // It asks nobody yet.
    user: Some(ServiceUser {
        name: "placement",
        roles: &[],
    }),
    sections: Vec::new,
    read,
    calls: placement::calls,
    accepts: Vec::new,
    bodies: Vec::new,
    parameters: placement::parameters,
    rules: &[],
    rule_prefix: "",
};

fn read(_: &settings::Settings) -> Result<Arc<dyn Configured>, Problems> {
    Ok(Arc::new(Placement))
}

struct Placement;

#[async_trait]
impl Configured for Placement {
    async fn open(&self, _: &Place<'_>) -> Result<Arc<dyn Companion>> {
        Ok(Arc::new(Placement))
    }
}

impl Companion for Placement {
    fn router(&self, callers: Arc<dyn Authenticator>) -> Router {
        placement::router(callers)
    }
}
