//! Fuzz targets: code that reads what strangers send, fed with input that no test would think of.
//!
//! A target is a function of bytes and a row in [`TARGETS`]. It panics when something that must hold does not: the code
//! panicked, took what it promises to refuse, or gave more than was asked. Three things run the same table:
//!
//! - `make test`: the committed inputs of `corpus/<name>/`, then some seconds of their mutations ([`run`]);
//! - `make fuzz`: libFuzzer, which is led by what code an input reaches (`libfuzzer/`), ten minutes for each target;
//! - `cargo run -p fuzz`: the mutations of `make test` for as long as wanted, or one input again.
//!
//! To add a target: a file in `targets/`, a row here, and a few small valid inputs in `corpus/<name>/`, since mutation
//! gets far only from something valid. An input that once failed is kept there too.

mod cloud;
mod mutate;
pub mod run;
mod targets;

use targets::{disk_image, http, policy, qemu_arguments, settings, tokens};

/// Something that can be fuzzed.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name on command lines, and of its folder below `corpus/`.
    pub name: &'static str,
    /// What it promises, for the list of targets.
    pub about: &'static str,
    /// Panics when a promise is broken.
    pub run: fn(&[u8]),
    /// Words that the code under test looks for; mutation puts them in.
    pub words: &'static [&'static [u8]],
}

/// Every target, sorted by name.
pub const TARGETS: &[Target] = &[
    Target {
        name: "disk-image",
        about: "whatever the data, the inspector ends; what it accepts names no other file and is of its stated format",
        run: disk_image::run,
        words: disk_image::WORDS,
    },
    Target {
        name: "http",
        about: "whatever comes on a connection, nothing fails inside, and every refusal has the form of its service",
        run: http::run,
        words: http::WORDS,
    },
    Target {
        name: "policy",
        about: "a policy file that is refused changes no answer; one that is taken grants nothing that it does not say",
        run: policy::run,
        words: policy::WORDS,
    },
    Target {
        name: "qemu-arguments",
        about: "no description yields an option, a key, a file or a device of QEMU that was not meant",
        run: qemu_arguments::run,
        words: qemu_arguments::WORDS,
    },
    Target {
        name: "settings",
        about: "a settings file is read, or refused by option and line; secrets are in no message",
        run: settings::run,
        words: settings::WORDS,
    },
    Target {
        name: "tokens",
        about: "tokens and application credentials let in exactly who was issued them",
        run: tokens::run,
        words: tokens::WORDS,
    },
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
