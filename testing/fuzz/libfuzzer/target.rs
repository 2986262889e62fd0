//! The targets under libFuzzer; `KILONOVA_FUZZ_TARGET` names one. See `tools/fuzz.sh`.

#![no_main]

use std::sync::LazyLock;

use fuzz::{Target, find};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("KILONOVA_FUZZ_TARGET").expect("KILONOVA_FUZZ_TARGET names a target");
    find(&name).unwrap_or_else(|| panic!("no target {name}"))
});

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
