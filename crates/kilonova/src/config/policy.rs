//! Policy files: each service reads one of its own.

use std::path::PathBuf;

use settings::{Opt, Reader, Section};

/// The option of every service's section.
pub(super) const OPTION: Opt = Opt::path(
    "policy_file",
    "",
    "Rules of this service that replace the defaults (`policy.yaml` or JSON). Read again on SIGHUP.",
);

/// What the option says.
pub(super) fn file(from: &mut Reader<'_>) -> Option<PathBuf> {
    let file = from.optional_path("policy_file");
    // Without this check, a mistyped name would silently mean the defaults.
    if file.as_ref().is_some_and(|file| !file.exists()) {
        from.refuse("policy_file", "there is no such file".to_owned());
    }
    file
}

/// `[oslo_policy]`: compute's, where Nova has it.
#[derive(Debug, Clone)]
pub struct PolicySection {
    pub policy_file: Option<PathBuf>,
}

impl Section for PolicySection {
    const NAME: &'static str = "oslo_policy";
    const ABOUT: &'static str = "Who may do what with compute.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[OPTION];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        PolicySection {
            policy_file: file(from),
        }
    }
}
