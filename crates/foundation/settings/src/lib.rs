//! Settings: INI files as OpenStack operators write them, the environment, and defaults, merged.
//!
//! Each crate states its sections as tables of [`Opt`] and reads them into a typed struct
//! ([`Section`]). From the same tables come defaults, checks, warnings about unknown names, and the
//! operator's reference ([`reference`]).
//!
//! ```
//! use settings::{Opt, Reader, Section};
//!
//! struct Quota { servers: i64, driver: String }
//!
//! impl Section for Quota {
//!     const NAME: &'static str = "quota";
//!     const ABOUT: &'static str = "How much a project may have.";
//!     fn options() -> &'static [Opt] {
//!         const OPTIONS: &[Opt] = &[
//!             Opt::integer("instances", "10", "Servers of a project; -1 is no limit.").range(-1, i64::MAX),
//!             Opt::choice("driver", &["db", "none"], "db", "Who counts."),
//!         ];
//!         OPTIONS
//!     }
//!     fn read(from: &mut Reader<'_>) -> Self {
//!         Quota { servers: from.integer("instances"), driver: from.text("driver") }
//!     }
//! }
//!
//! let settings = settings::Settings::from_text("[quota]\ninstances = 20\n", &[settings::section::<Quota>()]).unwrap();
//! assert_eq!(settings.read::<Quota>().unwrap().servers, 20);
//! ```
//!
//! Promises:
//! - precedence, weakest first: defaults, `--config-file`s in the order given, files of `--config-dir`s
//!   by name, environment (`KILONOVA_<SECTION>_<KEY>`, `KILONOVA_<KEY>` for `[DEFAULT]`);
//! - the dialect is oslo.config's: `[DEFAULT]`, indented continuation lines, `#` inside values,
//!   quotes around a whole value, repeated keys for multi-valued options, `$key`, `${key}`, `$section.key`, `$$`;
//! - a value that does not parse stops the start with file, line, section, key and what is allowed;
//!   all such values are reported at once; secrets are never shown;
//! - a name that nobody knows is a warning with the nearest known name; what becomes of Nova's own options
//!   stands in tables ([`nova`]): some may be ignored, others end the start.
//!
//! This is the only place that reads the process environment.

pub mod common;
mod error;
mod interpolate;
pub mod nova;
mod option;
mod outside;
mod reader;
mod reference;
mod source;
#[cfg(test)]
mod tests;
mod warnings;

use std::collections::BTreeMap;

pub use error::{Problem, Problems, SettingsError};
pub use option::{Kind, MAX_SECONDS, Named, Opt, Section, SectionInfo, section};
pub use outside::{Outside, outside};
pub use reader::Reader;
pub use reference::reference;
pub use source::Sources;

use source::Found;

/// The merged settings of a process.
pub struct Settings {
    sections: Vec<SectionInfo>,
    files: Vec<source::File>,
    environment: BTreeMap<String, String>,
}

/// Says nothing of values: some are secret.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files: Vec<_> = self.files.iter().map(|file| &file.path).collect();
        f.debug_struct("Settings")
            .field("files", &files)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads all `sources`. `sections` are all that this process knows of.
    ///
    /// # Errors
    /// A file cannot be read or is no INI file.
    pub fn load(sources: &Sources, sections: &[SectionInfo]) -> Result<Self, SettingsError> {
        let files = source::read_all(sources)?;
        Ok(Settings {
            sections: sections.to_vec(),
            files,
            environment: sources.environment.clone(),
        })
    }

    /// Settings of one text, as if it were a file called `settings.conf`; for tests.
    pub fn from_text(text: &str, sections: &[SectionInfo]) -> Result<Self, SettingsError> {
        Ok(Settings {
            sections: sections.to_vec(),
            files: vec![source::parse("settings.conf".into(), text)?],
            environment: BTreeMap::new(),
        })
    }

    /// Reads one section.
    ///
    /// # Errors
    /// All values of it that do not parse.
    pub fn read<S: Section>(&self) -> Result<S, Problems> {
        let mut reader = Reader::new(self, S::NAME, S::options());
        let read = S::read(&mut reader);
        match reader.into_problems() {
            problems if problems.is_empty() => Ok(read),
            problems => Err(Problems(problems)),
        }
    }

    /// What an operator should look at: unknown names, options of Nova that may be ignored, deprecated names.
    pub fn warnings(&self) -> Vec<String> {
        warnings::all(self)
    }

    /// Options of Nova that ask for what is not done here, a sentence for each: a process does not start with them.
    pub fn refusals(&self) -> Vec<String> {
        nova::refused(self)
    }

    /// Every known option with its value in effect, secrets as `***`, as an INI text.
    pub fn shown(&self) -> String {
        let mut text = String::new();
        for (name, options) in self.known() {
            text.push_str(&format!("[{name}]\n"));
            for opt in options {
                let values: Vec<String> = self
                    .lookup(&name, opt)
                    .into_iter()
                    .map(|found| found.value)
                    .collect();
                match (opt.secret, values.is_empty()) {
                    (true, false) => text.push_str(&format!("{} = ***\n", opt.name)),
                    (_, true) => text.push_str(&format!("{} = {}\n", opt.name, opt.default)),
                    _ => values
                        .iter()
                        .for_each(|value| text.push_str(&format!("{} = {value}\n", opt.name))),
                }
            }
            text.push('\n');
        }
        text
    }

    /// All sections with their tables: those that are stated, and those that options name.
    fn known(&self) -> Vec<(String, &'static [Opt])> {
        let mut all = Vec::new();
        for info in &self.sections {
            all.push((info.name.to_owned(), info.options));
            let named = info.named.iter();
            all.extend(named.flat_map(|named| {
                let by = info.options.iter().find(|opt| opt.name == named.by);
                let found = by.and_then(|opt| self.lookup(info.name, opt).pop());
                let names = found.map(|found| reader::split(&found.value));
                let names = names.unwrap_or_default().into_iter();
                names.map(|name| (name, named.options))
            }));
        }
        all
    }

    /// What was set for `opt`, before interpolation, the strongest last; empty when nothing was.
    fn lookup(&self, section: &str, opt: &Opt) -> Vec<Found> {
        let mut names = vec![(section, opt.name)];
        names.extend(opt.former_names(section));
        for (section, key) in &names {
            let variable = source::variable(section, key);
            if let Some(value) = self.environment.get(&variable) {
                return vec![Found::in_environment(variable, value)];
            }
        }
        // A newer name wins over an older one wherever they are written.
        names
            .iter()
            .map(|(section, key)| {
                self.files
                    .iter()
                    .flat_map(|file| file.get(section, key))
                    .collect::<Vec<_>>()
            })
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    /// The value that `$name` or `$section.name` stands for, before its own interpolation.
    fn named(&self, section: &str, key: &str) -> Option<String> {
        let known = self
            .known()
            .into_iter()
            .filter(|(name, _)| name == section)
            .flat_map(|(_, options)| options)
            .find(|opt| opt.name == key);
        match known {
            Some(opt) => {
                let set = self.lookup(section, opt).pop().map(|found| found.value);
                Some(set.unwrap_or_else(|| opt.default.to_owned()))
            }
            None => {
                let set = self
                    .files
                    .iter()
                    .rev()
                    .find_map(|file| file.get(section, key).pop());
                set.map(|found| found.value)
            }
        }
    }
}

/// A section with nothing set: every option at its default.
///
/// # Panics
/// When a default does not parse: a mistake in a constant table.
pub fn defaults<S: Section>() -> S {
    let settings = Settings {
        sections: vec![section::<S>()],
        files: Vec::new(),
        environment: BTreeMap::new(),
    };
    settings
        .read()
        .unwrap_or_else(|problems| panic!("defaults of [{}] must parse: {problems}", S::NAME))
}
