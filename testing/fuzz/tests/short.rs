//! The part of fuzzing that every test run has: committed inputs and some seconds of their mutations, the same ones each
//! time. New ones are tried by `make fuzz`, so that a change is not refused for a fault that it did not make.

use std::path::Path;
use std::time::Duration;

use fuzz::{TARGETS, Target, run};

/// Of mutations, for each target: enough to notice what breaks easily. `make fuzz` has ten minutes.
const TIME: Duration = Duration::from_secs(3);

/// Where the random numbers begin; `KILONOVA_TEST_FUZZ_SEED` is another place.
#[allow(
    clippy::disallowed_methods,
    reason = "a switch for people who look for a fault"
)]
fn seed() -> u64 {
    let given = std::env::var("KILONOVA_TEST_FUZZ_SEED").ok();
    given.map_or(1, |text| text.parse().expect("a number"))
}

#[test]
fn every_target_holds_its_promises_on_its_corpus_and_on_mutations_of_it() {
    let seed = seed();
    let failures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-failures");
    println!("seed {seed}");
    for target in TARGETS {
        let ran = run::run(target, seed, TIME, &failures);
        let ran = ran.unwrap_or_else(|error| panic!("{error:#}"));
        println!(
            "{}: {} inputs, the slowest took {:?}",
            target.name, ran.inputs, ran.slowest
        );
    }
}

#[test]
fn a_target_that_panics_is_named_with_its_seed_and_its_input_is_kept() {
    fn no_zeros(bytes: &[u8]) {
        assert!(!bytes.contains(&0), "a zero");
    }
    let mut broken: Target = *fuzz::find("disk-image").expect("a target");
    broken.run = no_zeros;
    let failures = tempfile::tempdir().expect("a folder");
    let error = run::run(&broken, 5, TIME, failures.path()).expect_err("it panics");
    let text = format!("{error:#}");
    assert!(
        text.contains("seed 5") && text.contains("disk-image"),
        "{text}"
    );
    let kept = std::fs::read_dir(failures.path()).expect("the folder");
    let kept: Vec<_> = kept.flatten().map(|entry| entry.path()).collect();
    assert_eq!(kept.len(), 1);
    assert!(std::fs::read(&kept[0]).expect("the input").contains(&0));
}

#[test]
fn a_target_that_takes_too_much_memory_is_named_and_its_input_is_kept() {
    fn hungry(bytes: &[u8]) {
        // Written to, or the machine gives no memory for it.
        let much = vec![bytes.first().copied().unwrap_or(1) | 1; 600 << 20];
        assert_eq!(much.len(), 600 << 20);
    }
    let mut broken: Target = *fuzz::find("disk-image").expect("a target");
    broken.run = hungry;
    let failures = tempfile::tempdir().expect("a folder");
    let error = run::run(&broken, 5, TIME, failures.path()).expect_err("it takes too much");
    let text = format!("{error:#}");
    assert!(text.contains("KiB of memory at input 1"), "{text}");
}

#[test]
fn names_of_targets_are_sorted_and_each_has_a_corpus_of_small_files() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
    for target in TARGETS {
        let inputs = run::inputs(target).expect("a corpus");
        let size: usize = inputs.iter().map(Vec::len).sum();
        assert!(
            size <= 256 * 1024,
            "{}: {size} bytes are committed",
            target.name
        );
    }
}
