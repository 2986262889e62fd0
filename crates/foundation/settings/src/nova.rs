//! Every option of Nova 34, of the libraries that it reads its settings with, and of older releases, and what becomes of
//! it here: honoured, a hint that may be ignored (a warning says why), or refused, so that nobody relies on what is not
//! done. A `nova.conf` that is brought along gives a start, or all sentences at once that say what must change.
//!
//! The tables are groups: options of the same sections with the same fate.

mod clients;
mod default;
mod former;
mod libraries;
mod libvirt;
mod older;
mod refused;
mod sections;
#[cfg(test)]
mod tests;

pub(crate) use refused::refused;

/// Options with one fate.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Names of sections; one that ends with `*` stands for all that begin so.
    pub sections: &'static [&'static str],
    pub options: &'static [&'static str],
    pub fate: Fate,
}

/// What becomes of an option that a file sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A section of ours states it, by this name or as an older one of its own.
    Honoured,
    /// It may be ignored: why that breaks no promise. A warning says so.
    Hint(&'static str),
    /// It ends the start: why. Not when it is empty or one of the values in `unless`, which describe what is done here;
    /// words for true and false and numbers count as equal however they are written.
    Refused {
        unless: &'static [&'static str],
        why: &'static str,
    },
}

/// All groups. A section and a name are in one of them at most.
pub fn groups() -> impl Iterator<Item = &'static Group> {
    let tables = [
        default::GROUPS,
        sections::GROUPS,
        libvirt::GROUPS,
        clients::GROUPS,
        libraries::GROUPS,
        older::GROUPS,
    ];
    tables.into_iter().flatten()
}

/// Sections of older releases, whose options are all hints.
pub fn older_sections() -> &'static [&'static str] {
    older::SECTIONS
}

/// Names by which Nova still takes an option: the old and the new, as `section/option`.
pub fn former() -> &'static [(&'static str, &'static str)] {
    former::NAMES
}

impl Group {
    fn has(&self, section: &str, option: &str) -> bool {
        let here = |name: &&str| match name.strip_suffix('*') {
            Some(beginning) => section.starts_with(beginning),
            None => *name == section,
        };
        self.sections.iter().any(here) && self.options.contains(&option)
    }
}

impl Fate {
    /// Why a file with this value does not start a cloud.
    pub fn refusal(&self, value: &str) -> Option<&'static str> {
        self.refusal_of(value, &str::to_owned)
    }

    /// The same, of a value whose references are replaced: `replaced` does so for the harmless values.
    fn refusal_of(&self, value: &str, replaced: &dyn Fn(&str) -> String) -> Option<&'static str> {
        let Fate::Refused { unless, why } = self else {
            return None;
        };
        let value = plain(value);
        let harmless = unless
            .iter()
            .any(|harmless| plain(&replaced(harmless)) == value);
        (!value.is_empty() && !harmless).then_some(*why)
    }
}

/// The fate of an option by the name that a file gives it; none when Nova has never had it.
pub(crate) fn fate(section: &str, key: &str) -> Option<&'static Fate> {
    // oslo.config takes a hyphen for an underscore.
    let key = key.replace('-', "_");
    let (section, key) = newest(section, &key);
    let group = groups().find(|group| group.has(section, key));
    let older = || older::SECTIONS.contains(&section).then_some(&older::FATE);
    group.map(|group| &group.fate).or_else(older)
}

/// The name that Nova has for an option now.
pub(crate) fn newest<'a>(section: &'a str, key: &'a str) -> (&'a str, &'a str) {
    let is_it = |old: &str| old.split_once('/') == Some((section, key));
    let found = former().iter().find(|(old, _)| is_it(old));
    found
        .and_then(|(_, new)| new.split_once('/'))
        .unwrap_or((section, key))
}

/// Older names by which Nova still takes an option, as section and name.
pub(crate) fn former_names<'a>(
    section: &str,
    option: &str,
) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    let now = format!("{section}/{option}");
    let old = former().iter().filter(move |(_, new)| **new == *now);
    old.filter_map(|(old, _)| old.split_once('/'))
}

/// A value in the one form in which values are compared.
fn plain(value: &str) -> String {
    let value: String = value.split_whitespace().collect();
    let value = value.to_ascii_lowercase();
    match value.as_str() {
        "true" | "yes" | "on" | "y" | "t" => return "1".to_owned(),
        "false" | "no" | "off" | "n" | "f" => return "0".to_owned(),
        _ => {}
    }
    match value.parse::<f64>() {
        Ok(number) => number.to_string(),
        Err(_) => value,
    }
}

const FALSE: &[&str] = &["false"];
const TRUE: &[&str] = &["true"];

const fn honoured(sections: &'static [&'static str], options: &'static [&'static str]) -> Group {
    Group {
        sections,
        options,
        fate: Fate::Honoured,
    }
}

const fn hint(
    sections: &'static [&'static str],
    options: &'static [&'static str],
    why: &'static str,
) -> Group {
    Group {
        sections,
        options,
        fate: Fate::Hint(why),
    }
}

const fn refuse(
    sections: &'static [&'static str],
    options: &'static [&'static str],
    unless: &'static [&'static str],
    why: &'static str,
) -> Group {
    Group {
        sections,
        options,
        fate: Fate::Refused { unless, why },
    }
}
