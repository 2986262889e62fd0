//! What becomes of the attributes of all resources, and of the bodies of quotas and of actions on routers.

use rest::accepted::{Accepts, Fate};

use crate::attributes::{Attribute, tables};
use crate::{quotas, routers};

const UNRECOGNIZED: &str = "refused with 400: \"Unrecognized attribute(s) '…'\"";

/// All of them.
pub fn accepted() -> Vec<Accepts> {
    let fate = |row: &Attribute| match row.is_shown_only() {
        true => Fate::Shown,
        false => row.fate,
    };
    let tables = tables::ALL.iter().map(|(resource, table)| Accepts {
        resource,
        attributes: table.iter().map(|row| (row.name, fate(row))).collect(),
        unknown: UNRECOGNIZED,
    });
    let quota = Accepts {
        resource: "quota",
        attributes: quotas::accepted(),
        unknown: UNRECOGNIZED,
    };
    let all = tables.chain([quota]).chain(routers::accepted());
    all.collect()
}
