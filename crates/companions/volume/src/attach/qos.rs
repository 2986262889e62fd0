//! The QoS specs of a volume's type, as its hosts are told them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sql::sea_orm::{ConnectionTrait, DbErr};

use crate::db::properties;
use crate::db::store;
use crate::tables::qos;
use crate::tables::{Owner, volume, volume_type};

/// Limits that may grow with the volume.
const GROWING: [&str; 6] = [
    "read_iops_sec",
    "read_bytes_sec",
    "write_iops_sec",
    "write_bytes_sec",
    "total_iops_sec",
    "total_bytes_sec",
];

/// The specs that hosts are to enforce; none where the back end does.
pub(super) async fn for_hosts(
    db: &impl ConnectionTrait,
    row: &volume::Model,
) -> Result<Option<Value>, DbErr> {
    let kind = store::find::<volume_type::Entity>(db, &row.type_id).await?;
    let Some(id) = kind.and_then(|kind| kind.qos_id) else {
        return Ok(None);
    };
    let found = store::find::<qos::Entity>(db, &id).await?;
    if !found.is_some_and(|found| found.consumer.has_hosts()) {
        return Ok(None);
    }
    let specs = properties::of(db, Owner::Qos, &id).await?;
    let size = u64::try_from(row.size).unwrap_or_default();
    Ok((!specs.is_empty()).then(|| json!(of_size(specs, size))))
}

/// `X_per_gb` as `X` for a volume of so many GiB, at least `X_per_gb_min` and at most `X_max`, as Cinder reckons
/// (`_parse_connection_options`). What is no number stays, and the host refuses it.
fn of_size(mut specs: BTreeMap<String, String>, size: u64) -> BTreeMap<String, String> {
    for name in GROWING {
        let per_gb = format!("{name}_per_gb");
        let number = |key: &str| specs.get(key).map(|text| text.parse::<u64>());
        let least = number(&format!("{per_gb}_min")).unwrap_or(Ok(0));
        let most = number(&format!("{name}_max")).unwrap_or(Ok(u64::MAX));
        if let (Some(Ok(each)), Ok(least), Ok(most)) = (number(&per_gb), least, most) {
            let limit = each.saturating_mul(size).max(least).min(most);
            for key in [&per_gb, &format!("{per_gb}_min"), &format!("{name}_max")] {
                specs.remove(key);
            }
            specs.insert(name.to_owned(), limit.to_string());
        }
    }
    specs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_with_the_volume_between_their_bounds() {
        let of = |pairs: &[(&str, &str)], size| {
            let specs = pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            let specs = of_size(specs.collect(), size).into_iter();
            specs.map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>()
        };
        let growing = [
            ("total_iops_sec_per_gb", "10"),
            ("total_iops_sec_per_gb_min", "50"),
            ("total_iops_sec_max", "100"),
            ("read_bytes_sec", "7"),
            ("read_bytes_sec_max", "9"),
        ];
        for (size, limit) in [(1, 50), (7, 70), (11, 100)] {
            let expected = [
                "read_bytes_sec=7".to_owned(),
                "read_bytes_sec_max=9".to_owned(),
                format!("total_iops_sec={limit}"),
            ];
            assert_eq!(of(&growing, size), expected);
        }
        let odd = [("write_bytes_sec_per_gb", "much")];
        assert_eq!(of(&odd, 2), ["write_bytes_sec_per_gb=much"]);
    }
}
