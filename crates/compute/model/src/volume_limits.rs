//! How much a guest may read and write on a volume: the QoS specs of its type that hosts enforce.
//!
//! The names are those that Nova's libvirt driver takes (`nova/virt/libvirt/volume/volume.py`). It ignores others; here
//! they are refused.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::guest_hardware::{DiskLimits, Rates};

/// Limits of one volume in one guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeLimits {
    /// What the guest may do for as long as it likes.
    pub rates: DiskLimits,
    /// What it may do for a moment, each beside a rate.
    pub bursts: DiskLimits,
    /// Bytes that count as one operation; larger ones count as several. 0: each is one.
    pub operation_bytes: u64,
}

/// The largest number that QEMU takes (`THROTTLE_VALUE_MAX`).
const LARGEST: u64 = 1_000_000_000_000_000;

impl VolumeLimits {
    pub fn is_none(&self) -> bool {
        *self == VolumeLimits::default()
    }

    /// Reads QoS specs: an object of texts.
    ///
    /// # Errors
    /// A name that is unknown, a value that is no number, or limits that no hypervisor takes together, as a sentence.
    pub fn of(specs: &Value) -> Result<Self, String> {
        let mut limits = VolumeLimits::default();
        let specs = specs.as_object().ok_or("its QoS specs are no object")?;
        for (name, value) in specs {
            let number = match value {
                Value::String(text) => text.parse().ok(),
                other => other.as_u64(),
            };
            let number = number.filter(|number| *number <= LARGEST).ok_or_else(|| {
                format!("its QoS spec {name:.60} is {value}, which is no number of 0 to {LARGEST}")
            })?;
            *limits.named(name).ok_or_else(|| {
                format!("its type has the QoS spec {name:.60}, which hosts here cannot enforce")
            })? = number;
        }
        match limits.clash() {
            Some(why) => Err(format!("its QoS specs {why}")),
            None => Ok(limits),
        }
    }

    fn named(&mut self, name: &str) -> Option<&mut u64> {
        if name == "size_iops_sec" {
            return Some(&mut self.operation_bytes);
        }
        let (kind, name) = match name.strip_suffix("_max") {
            Some(name) => (&mut self.bursts, name),
            None => (&mut self.rates, name),
        };
        let (direction, unit) = name.split_once('_')?;
        let rates = match unit {
            "bytes_sec" => &mut kind.bytes,
            "iops_sec" => &mut kind.operations,
            _ => return None,
        };
        match direction {
            "total" => Some(&mut rates.total),
            "read" => Some(&mut rates.read),
            "write" => Some(&mut rates.write),
            _ => None,
        }
    }

    /// Why no hypervisor would take these together (QEMU's `throttle_is_valid`).
    fn clash(&self) -> Option<String> {
        let pairs = [
            ("bytes_sec", self.rates.bytes, self.bursts.bytes),
            ("iops_sec", self.rates.operations, self.bursts.operations),
        ];
        for (unit, rates, bursts) in pairs {
            let both = |of: Rates| of.total > 0 && (of.read > 0 || of.write > 0);
            if both(rates) || both(bursts) {
                return Some(format!(
                    "limit total_{unit} together with read_{unit} or write_{unit}"
                ));
            }
            for (direction, rate, burst) in [
                ("total", rates.total, bursts.total),
                ("read", rates.read, bursts.read),
                ("write", rates.write, bursts.write),
            ] {
                if burst > 0 && rate == 0 {
                    return Some(format!(
                        "have {direction}_{unit}_max without {direction}_{unit}"
                    ));
                }
                if burst > 0 && burst < rate {
                    return Some(format!(
                        "have a {direction}_{unit}_max below {direction}_{unit}"
                    ));
                }
            }
        }
        let counted = self.rates.operations != Rates::default();
        (self.operation_bytes > 0 && !counted)
            .then(|| "have size_iops_sec without a limit of operations".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_names_of_nova_are_read() {
        let specs = json!({
            "read_bytes_sec": "1000", "read_bytes_sec_max": "3000", "write_bytes_sec": "2000",
            "total_iops_sec": 50, "total_iops_sec_max": "50", "size_iops_sec": "4096",
        });
        let read = VolumeLimits::of(&specs).expect("limits");
        let rates = |total, read, write| Rates { total, read, write };
        assert_eq!(read.rates.bytes, rates(0, 1000, 2000));
        assert_eq!(read.bursts.bytes, rates(0, 3000, 0));
        assert_eq!(read.rates.operations, rates(50, 0, 0));
        assert_eq!(read.bursts.operations, rates(50, 0, 0));
        assert_eq!(read.operation_bytes, 4096);
        assert!(VolumeLimits::of(&json!({})).expect("none").is_none());
    }

    #[test]
    fn what_would_not_be_enforced_is_refused_in_a_sentence() {
        for (specs, why) in [
            (json!({"minIOPS": "5"}), "which hosts here cannot enforce"),
            (
                json!({"total_bytes": "5"}),
                "which hosts here cannot enforce",
            ),
            (json!({"total_iops_sec": "many"}), "is no number"),
            (json!({"total_iops_sec": "-1"}), "is no number"),
            (
                json!({"total_iops_sec": 1_000_000_000_000_001_u64}),
                "is no number",
            ),
            (
                json!({"total_iops_sec": "5", "write_iops_sec": "5"}),
                "total_iops_sec together with",
            ),
            (
                json!({"read_bytes_sec_max": "5"}),
                "read_bytes_sec_max without read_bytes_sec",
            ),
            (
                json!({"read_bytes_sec": "6", "read_bytes_sec_max": "5"}),
                "a read_bytes_sec_max below read_bytes_sec",
            ),
            (
                json!({"size_iops_sec": "5", "read_bytes_sec": "6"}),
                "size_iops_sec without",
            ),
            (json!(["read_bytes_sec"]), "no object"),
        ] {
            let said = VolumeLimits::of(&specs).expect_err("refused");
            assert!(said.contains(why), "{specs}: {said}");
        }
    }
}
