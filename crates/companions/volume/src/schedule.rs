//! Where a new volume goes: pools that fit, the one with the most free room first.

use serde_json::{Map, Value};

use crate::db::properties::Properties;

/// A pool of a back end.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// `HOST@BACKEND#POOL`.
    pub name: String,
    pub zone: String,
    /// Whether its service reported itself lately, is enabled and not frozen.
    pub usable: bool,
    pub total_gb: f64,
    pub free_gb: f64,
    /// GiB of the volumes on it.
    pub provisioned_gb: f64,
    /// GiB that may be promised for each that there is.
    pub over_subscription: f64,
    pub reserved_percentage: f64,
    /// What it says of itself.
    pub capabilities: Map<String, Value>,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// GiB more than there are.
    pub size: i64,
    /// Any of these; all zones when empty.
    pub zones: &'a [String],
    /// Extra specs of the type.
    pub specs: &'a Properties,
}

/// A filter: its name, as Cinder has it, and whether a pool passes.
type Filter = (&'static str, fn(&Pool, &Wanted<'_>) -> bool);

const FILTERS: [Filter; 4] = [
    ("ServiceIsUpFilter", |pool, _| pool.usable),
    ("AvailabilityZoneFilter", in_zone),
    ("CapacityFilter", has_room),
    ("CapabilitiesFilter", is_capable),
];

/// The pool for a new volume.
///
/// # Errors
/// A sentence for operators: the filter that left none.
pub fn choose<'p>(pools: &'p [Pool], wanted: &Wanted<'_>) -> Result<&'p Pool, String> {
    let mut left: Vec<&Pool> = pools.iter().collect();
    for (name, passes) in FILTERS {
        let before = left.len();
        left.retain(|pool| passes(pool, wanted));
        if left.is_empty() {
            return Err(format!("{name} left none of {before} pools"));
        }
    }
    let best = left
        .into_iter()
        .max_by(|a, b| a.free_gb.total_cmp(&b.free_gb));
    best.ok_or_else(|| "there is no pool".to_owned())
}

/// The same, of pools of which one is preferred while it fits: bytes that are there need not be copied.
///
/// # Errors
/// As [`choose`].
pub fn choose_near<'p>(
    pools: &'p [Pool],
    wanted: &Wanted<'_>,
    near: Option<&str>,
) -> Result<&'p Pool, String> {
    let near = pools.iter().find(|pool| Some(pool.name.as_str()) == near);
    match near.filter(|pool| fits(pool, wanted)) {
        Some(pool) => Ok(pool),
        None => choose(pools, wanted),
    }
}

/// Whether a pool fits a volume that is on it and becomes larger, or of another type.
pub fn fits(pool: &Pool, wanted: &Wanted<'_>) -> bool {
    FILTERS.iter().all(|(_, passes)| passes(pool, wanted))
}

fn in_zone(pool: &Pool, wanted: &Wanted<'_>) -> bool {
    wanted.zones.is_empty() || wanted.zones.contains(&pool.zone)
}

/// Volumes are sparse: both what is promised and what is free bound what may be promised more.
fn has_room(pool: &Pool, wanted: &Wanted<'_>) -> bool {
    #[allow(clippy::cast_precision_loss)] // GiB of real volumes are exact
    let size = wanted.size as f64;
    let reserved = pool.total_gb * pool.reserved_percentage / 100.0;
    let promised = (pool.provisioned_gb + size) / pool.total_gb.max(f64::EPSILON);
    promised <= pool.over_subscription && (pool.free_gb - reserved) * pool.over_subscription >= size
}

fn is_capable(pool: &Pool, wanted: &Wanted<'_>) -> bool {
    wanted.specs.iter().all(|(key, wish)| {
        let key = match key.split_once(':') {
            Some(("capabilities", key)) => key,
            // For others to read.
            Some(_) => return true,
            None => key,
        };
        let found = pool.capabilities.get(key);
        found.is_some_and(|found| satisfies(found, wish))
    })
}

/// Whether what a pool has is what an extra spec asks for.
fn satisfies(found: &Value, wish: &str) -> bool {
    if let Value::Array(any) = found {
        return any.iter().any(|found| satisfies(found, wish));
    }
    let text = match found {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    };
    let mut words = wish.split_whitespace();
    let (operator, operand) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let number = || Some((text.parse::<f64>().ok()?, operand.parse::<f64>().ok()?));
    let compare = |holds: fn(&f64, &f64) -> bool| number().is_some_and(|(a, b)| holds(&a, &b));
    match operator {
        "<is>" => is_true(&text) == is_true(operand),
        "<in>" => text.contains(operand),
        "<or>" => wish.split("<or>").any(|one| one.trim() == text),
        "=" | ">=" => compare(f64::ge),
        "<=" => compare(f64::le),
        "==" => compare(f64::eq),
        "!=" => compare(f64::ne),
        "s==" => text == operand,
        "s!=" => text != operand,
        "s<" => text.as_str() < operand,
        "s<=" => text.as_str() <= operand,
        "s>" => text.as_str() > operand,
        "s>=" => text.as_str() >= operand,
        _ => text == wish,
    }
}

fn is_true(text: &str) -> bool {
    matches!(
        text.to_lowercase().as_str(),
        "1" | "t" | "true" | "on" | "y" | "yes"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pool(name: &str, free: f64) -> Pool {
        let capabilities = json!({"volume_backend_name": "file", "multiattach": true, "disks": 4});
        Pool {
            name: name.to_owned(),
            zone: "nova".to_owned(),
            usable: true,
            total_gb: 100.0,
            free_gb: free,
            provisioned_gb: 0.0,
            over_subscription: 2.0,
            reserved_percentage: 0.0,
            capabilities: capabilities.as_object().cloned().unwrap_or_default(),
        }
    }

    fn chosen(
        pools: &[Pool],
        size: i64,
        zones: &[&str],
        specs: &[(&str, &str)],
    ) -> Result<String, String> {
        let zones: Vec<String> = zones.iter().map(|zone| (*zone).to_owned()).collect();
        let specs = specs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let wanted = Wanted {
            size,
            zones: &zones,
            specs: &specs,
        };
        choose(pools, &wanted).map(|pool| pool.name.clone())
    }

    #[test]
    fn the_pool_with_the_most_room_is_chosen() {
        let pools = [pool("a", 10.0), pool("b", 30.0), pool("c", 20.0)];
        assert_eq!(chosen(&pools, 1, &[], &[]), Ok("b".to_owned()));
    }

    #[test]
    fn a_copy_stays_near_its_origin_where_that_fits() {
        let pools = [pool("a", 10.0), pool("b", 30.0)];
        let specs = Properties::new();
        let at = |near, size| {
            let zones = &[];
            let wanted = Wanted {
                size,
                zones,
                specs: &specs,
            };
            choose_near(&pools, &wanted, near).map(|pool| pool.name.clone())
        };
        assert_eq!(at(Some("a"), 1).as_deref(), Ok("a"));
        assert_eq!(at(Some("a"), 25).as_deref(), Ok("b"));
        assert_eq!(at(Some("gone"), 1).as_deref(), Ok("b"));
        assert_eq!(at(None, 1).as_deref(), Ok("b"));
    }

    #[test]
    fn more_may_be_promised_than_there_is_but_not_without_end() {
        let full = Pool {
            provisioned_gb: 150.0,
            ..pool("a", 40.0)
        };
        assert!(chosen(std::slice::from_ref(&full), 50, &[], &[]).is_ok());
        assert!(chosen(std::slice::from_ref(&full), 51, &[], &[]).is_err());
        assert!(chosen(&[pool("a", 10.0)], 21, &[], &[]).is_err());
        let reserved = Pool {
            reserved_percentage: 5.0,
            ..pool("a", 10.0)
        };
        assert!(chosen(&[reserved], 11, &[], &[]).is_err());
    }

    #[test]
    fn the_filter_that_leaves_none_is_named() {
        let pools = [pool("a", 10.0)];
        let why = |found: Result<String, String>| {
            found
                .expect_err("none")
                .split(' ')
                .next()
                .map(str::to_owned)
        };
        assert_eq!(
            why(chosen(&pools, 1, &["moon"], &[])).as_deref(),
            Some("AvailabilityZoneFilter")
        );
        let down = [Pool {
            usable: false,
            ..pool("a", 10.0)
        }];
        assert_eq!(
            why(chosen(&down, 1, &[], &[])).as_deref(),
            Some("ServiceIsUpFilter")
        );
        let specs = [("volume_backend_name", "ceph")];
        assert_eq!(
            why(chosen(&pools, 1, &[], &specs)).as_deref(),
            Some("CapabilitiesFilter")
        );
    }

    #[test]
    fn extra_specs_are_compared_by_their_operators() {
        let pools = [pool("a", 10.0)];
        for (key, wish, fits) in [
            ("volume_backend_name", "file", true),
            ("capabilities:volume_backend_name", "<in> fil", true),
            ("multiattach", "<is> True", true),
            ("multiattach", "<is> False", false),
            ("disks", ">= 4", true),
            ("disks", "== 5", false),
            ("disks", "<or> 3 <or> 4", true),
            ("nothing", "x", false),
            ("other:scope", "x", true),
        ] {
            assert_eq!(
                chosen(&pools, 1, &[], &[(key, wish)]).is_ok(),
                fits,
                "{key} {wish}"
            );
        }
    }
}
