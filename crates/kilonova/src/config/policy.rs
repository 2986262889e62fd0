//! `[oslo_policy]`: compute's, where Nova has it.

use std::path::PathBuf;

use settings::{Opt, Reader, Section, common};

/// Who may do what with compute.
#[derive(Debug, Clone)]
pub struct PolicySection {
    pub policy_file: Option<PathBuf>,
}

impl Section for PolicySection {
    const NAME: &'static str = "oslo_policy";
    const ABOUT: &'static str = "Who may do what with compute.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[common::POLICY_FILE];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        PolicySection {
            policy_file: from.existing_file("policy_file"),
        }
    }
}
