//! How many tracked connections one port may have. The kernel's table is one for the whole machine.

use std::fs;

use crate::PlaneError;

/// For a machine whose table is large enough; a busy server has some thousands.
const USUAL: u32 = 16_384;
/// The largest table of a namespace; absent before the kernel's tracking is loaded.
const MOST: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

fn most() -> Option<u32> {
    fs::read_to_string(MOST).ok()?.trim().parse().ok()
}

/// The limit of a port: what the operator set, else the usual one, at most a quarter of the machine's table.
pub fn in_effect(set: Option<u32>) -> u32 {
    choose(set, most())
}

fn choose(set: Option<u32>, most: Option<u32>) -> u32 {
    set.unwrap_or_else(|| most.map_or(USUAL, |most| USUAL.min(most / 4)).max(1))
}

/// Refuses a limit that is none: with it, two guests could fill the table.
pub fn check(set: Option<u32>) -> Result<(), PlaneError> {
    match (set, most()) {
        (Some(limit), Some(most)) if limit > most / 2 => {
            Err(PlaneError::Connections { limit, most })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn one_port_gets_at_most_a_quarter_of_the_table_unless_an_operator_says_otherwise() {
        assert_eq!(choose(None, None), 16_384);
        assert_eq!(choose(None, Some(262_144)), 16_384);
        assert_eq!(choose(None, Some(8_192)), 2_048);
        assert_eq!(choose(Some(100), Some(8_192)), 100);
        assert_eq!(choose(None, Some(0)), 1);
    }
}
