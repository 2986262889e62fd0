//! Typed values out of a section.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use crate::interpolate::interpolate;
use crate::source::Found;
use crate::{Kind, Opt, Problem, Settings};

/// Reads one section. Getters panic when asked for an option that the section's table does not
/// have (a mistake that every start and every test meets); a value that does not parse is noted and
/// read as the default.
#[derive(Debug)]
pub struct Reader<'a> {
    settings: &'a Settings,
    section: &'a str,
    options: &'static [Opt],
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(settings: &'a Settings, section: &'a str, options: &'static [Opt]) -> Self {
        Reader {
            settings,
            section,
            options,
            problems: Vec::new(),
        }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// A text; empty when not set.
    pub fn text(&mut self, name: &str) -> String {
        self.value(name, |text| Some(text.to_owned()))
            .unwrap_or_default()
    }

    /// A text, `None` when not set.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// A whole number; 0 when not set and without default.
    pub fn integer<T: TryFrom<i64> + Default>(&mut self, name: &str) -> T {
        self.optional_integer(name).unwrap_or_default()
    }

    /// A whole number, `None` when not set.
    pub fn optional_integer<T: TryFrom<i64>>(&mut self, name: &str) -> Option<T> {
        let Kind::Integer { min, max } = self.opt(name).kind else {
            panic!("[{}] {name} is no integer in its table", self.section)
        };
        self.value(name, |text| {
            let number: i64 = text.parse().ok()?;
            (min..=max)
                .contains(&number)
                .then_some(number)?
                .try_into()
                .ok()
        })
    }

    /// A decimal number; 0 when not set and without default.
    pub fn float(&mut self, name: &str) -> f64 {
        self.optional_float(name).unwrap_or_default()
    }

    /// A decimal number, `None` when not set.
    pub fn optional_float(&mut self, name: &str) -> Option<f64> {
        let Kind::Float { min, max } = self.opt(name).kind else {
            panic!("[{}] {name} is no float in its table", self.section)
        };
        self.value(name, |text| {
            text.parse()
                .ok()
                .filter(|number| (min..=max).contains(number))
        })
    }

    /// True or false, in any of oslo's spellings; false when not set and without default.
    pub fn boolean(&mut self, name: &str) -> bool {
        self.value(name, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Some(true),
            "false" | "0" | "off" | "no" => Some(false),
            _ => None,
        })
        .unwrap_or_default()
    }

    /// A length of time, given in seconds; zero when not set and without default.
    pub fn seconds(&mut self, name: &str) -> Duration {
        let Kind::Seconds { min, max } = self.opt(name).kind else {
            panic!(
                "[{}] {name} is no length of time in its table",
                self.section
            )
        };
        self.value(name, |text| {
            let seconds: f64 = text.parse().ok()?;
            let seconds = (min..=max).contains(&seconds).then_some(seconds)?;
            Duration::try_from_secs_f64(seconds).ok()
        })
        .unwrap_or_default()
    }

    /// Values separated by commas, without empty ones.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        self.value(name, |text| Some(split(text)))
            .unwrap_or_default()
    }

    /// `key:value` pairs separated by commas.
    pub fn map(&mut self, name: &str) -> BTreeMap<String, String> {
        self.value(name, |text| {
            split(text)
                .iter()
                .map(|pair| {
                    pair.split_once(':')
                        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
                })
                .collect()
        })
        .unwrap_or_default()
    }

    /// Every line of a repeatable option, weakest source first.
    pub fn multi(&mut self, name: &str) -> Vec<String> {
        let opt = self.opt(name);
        let found = self.settings.lookup(self.section, opt);
        let mut values = Vec::new();
        for found in found.into_iter().filter(|found| !found.value.is_empty()) {
            match self.interpolated(&found.value) {
                Ok(value) => values.push(value),
                Err(why) => self.note(opt, found, why),
            }
        }
        values
    }

    /// A path; empty when not set.
    pub fn path(&mut self, name: &str) -> PathBuf {
        PathBuf::from(self.text(name))
    }

    /// A path, `None` when not set.
    pub fn optional_path(&mut self, name: &str) -> Option<PathBuf> {
        self.optional(name).map(PathBuf::from)
    }

    /// A path of a file that must be there, `None` when not set: a mistyped name must not mean the default.
    pub fn existing_file(&mut self, name: &str) -> Option<PathBuf> {
        let file = self.optional_path(name);
        if file.as_ref().is_some_and(|file| !file.exists()) {
            self.refuse(name, "there is no such file");
        }
        file
    }

    /// A text that does not show itself.
    pub fn secret(&mut self, name: &str) -> SecretString {
        assert!(
            self.opt(name).secret,
            "[{}] {name} is no secret in its table",
            self.section
        );
        SecretString::from(self.text(name))
    }

    /// A secret, `None` when not set.
    pub fn optional_secret(&mut self, name: &str) -> Option<SecretString> {
        assert!(
            self.opt(name).secret,
            "[{}] {name} is no secret in its table",
            self.section
        );
        self.optional(name).map(SecretString::from)
    }

    /// A value of a type of one's own, such as an address or an enum of choices; its error text
    /// becomes the problem. `None` when not set or wrong.
    pub fn parsed<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let opt = self.opt(name);
        let (found, text) = self.effective(opt)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(opt, found, error.to_string());
                opt.default.parse().ok()
            }
        }
    }

    /// Notes that an option's value is wrong for a reason that only its owner sees.
    pub fn refuse(&mut self, name: &str, why: impl Into<String>) {
        let opt = self.opt(name);
        let found = self.settings.lookup(self.section, opt).pop();
        self.note(opt, found.unwrap_or_else(|| default_of(opt)), why.into());
    }

    /// Reads a section by its name, one of those that an option of this section lists. What stands there and is in no
    /// table is a problem: its owner would miss it.
    pub fn named<T>(
        &mut self,
        name: &str,
        options: &'static [Opt],
        read: impl FnOnce(&mut Reader<'_>) -> T,
    ) -> T {
        let mut reader = Reader::new(self.settings, name, options);
        reader.refuse_unknown();
        let read = read(&mut reader);
        self.problems.extend(reader.into_problems());
        read
    }

    /// Whether files or environment have anything for an option.
    pub fn is_set(&self, name: &str) -> bool {
        !self
            .settings
            .lookup(self.section, self.opt(name))
            .is_empty()
    }

    /// Whether another section that is stated has this name.
    pub fn is_section(&self, name: &str) -> bool {
        name == "DEFAULT" || self.settings.sections.iter().any(|info| info.name == name)
    }

    fn refuse_unknown(&mut self) {
        for file in &self.settings.files {
            let here = file
                .entries
                .iter()
                .filter(|entry| entry.section == self.section);
            for entry in here {
                if !self.options.iter().any(|opt| opt.name == entry.key) {
                    self.problems.push(Problem {
                        place: file.place(entry),
                        section: self.section.to_owned(),
                        key: entry.key.clone(),
                        value: entry.value.clone(),
                        why: "there is no such option".to_owned(),
                    });
                }
            }
        }
    }

    fn opt(&self, name: &str) -> &'static Opt {
        self.options
            .iter()
            .find(|opt| opt.name == name)
            .unwrap_or_else(|| panic!("[{}] has no option {name} in its table", self.section))
    }

    fn value<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let opt = self.opt(name);
        let (found, text) = self.effective(opt)?;
        let allowed = match opt.kind {
            Kind::Choice(choices) => choices.contains(&text.as_str()),
            _ => true,
        };
        match parse(&text).filter(|_| allowed) {
            Some(value) => Some(value),
            None => {
                self.note(opt, found, format!("must be {}", opt.kind.allowed()));
                parse(opt.default)
            }
        }
    }

    /// The value in effect with its references replaced; `None` when empty.
    fn effective(&mut self, opt: &'static Opt) -> Option<(Found, String)> {
        let found = self.settings.lookup(self.section, opt).pop();
        let found = found.unwrap_or_else(|| default_of(opt));
        let text = self
            .interpolated(&found.value)
            .and_then(|text| match opt.secret {
                true => from_file(text),
                false => Ok(text),
            });
        match text {
            Ok(text) if text.is_empty() => None,
            Ok(text) => Some((found, text)),
            Err(why) => {
                self.note(opt, found, why);
                None
            }
        }
    }

    fn interpolated(&self, text: &str) -> Result<String, String> {
        interpolate(text, self.section, &|section, key| {
            self.settings.named(section, key)
        })
    }

    fn note(&mut self, opt: &Opt, found: Found, why: String) {
        self.problems.push(Problem {
            place: found.place,
            section: self.section.to_owned(),
            key: opt.name.to_owned(),
            value: if opt.secret {
                "***".to_owned()
            } else {
                found.value
            },
            why,
        });
    }
}

/// What begins the value of a secret option that lies in a file, such as a systemd credential or a mounted secret.
const FILE: &str = "file:";

/// Bytes of a file with a secret: a file that has no end, such as `/dev/zero`, must not fill the memory.
const LARGEST_SECRET: u64 = 64 * 1024;

/// The value of a secret: the text itself, or the content of the file that it names, without the line's end.
fn from_file(text: String) -> Result<String, String> {
    let Some(path) = text.strip_prefix(FILE) else {
        return Ok(text);
    };
    let mut content = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_SECRET + 1).read_to_string(&mut content));
    let read = read.map_err(|error| format!("cannot read {path}: {error}"))?;
    if read as u64 > LARGEST_SECRET {
        return Err(format!("{path} is longer than {LARGEST_SECRET} bytes"));
    }
    match content.trim_end_matches(['\n', '\r']) {
        "" => Err(format!("{path} is empty")),
        secret => Ok(secret.to_owned()),
    }
}

fn default_of(opt: &Opt) -> Found {
    Found {
        place: "default".to_owned(),
        value: opt.default.to_owned(),
    }
}

pub(crate) fn split(text: &str) -> Vec<String> {
    let parts = text.split([',', '\n']).map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}
