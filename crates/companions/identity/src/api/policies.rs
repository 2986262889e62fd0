//! `/v3/policies`: documents kept for other services, of no meaning here.

use serde_json::{Value, json};

use crate::frame::Ctx;
use crate::parameters;
use crate::record;
use crate::schema::{Field, Kind, must};
use crate::simple::Plain;
use crate::tables::policies;

const KEPT: &str = "kept for services that ask for it; those of this cloud read their policy files";

/// The description of `/v3/policies`.
pub struct Policies;

impl Plain for Policies {
    type Entity = policies::Entity;
    const ONE: &'static str = "policy";
    const MANY: &'static str = "policies";
    const ID: &'static str = "policy_id";
    const FIELDS: &'static [Field] = &[
        must("blob", Kind::Text(0, 65_535)).hint(KEPT),
        must("type", Kind::Text(1, 255)).hint(KEPT),
    ];
    const FILTERS: &'static [&'static str] = parameters::POLICIES.filters;

    fn columns(_ctx: &Ctx) -> Value {
        json!({"id": record::new_id(), "type": "", "blob": "", "extra": "{}"})
    }
}
