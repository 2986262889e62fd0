//! Who may do what: rules in the language of oslo.policy, so that operators' files work as they are.
//!
//! A service lists its rules once, as data ([`Rule`]); an operator's `policy.yaml` (or `.json`)
//! replaces the checks of some. Both are compiled to trees, which [`Policy::enforce`] walks;
//! [`Policy::reload`] swaps them while requests run.
//!
//! Answers are those of oslo.policy, with these differences, all of which deny more:
//! - a rule that cannot be parsed, refers to itself, or calls out (`http:`) is an error when it is
//!   read, not a rule that silently denies;
//! - an attribute that the caller does not have matches nothing of the target, not even `None`; only
//!   the constant does (`domain_id:None`), for the attributes that callers may have.

mod check;
mod file;
mod guard;
mod parse;
mod size;
mod target;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use arc_swap::ArcSwap;

use check::Check;
pub use file::FileError;
pub use guard::Guard;
pub use parse::Malformed;
pub use target::Target;

/// What a rule may ask about the caller. `auth::Caller` implements it.
pub trait Subject {
    /// The caller's attribute, as a rule names it (`user_id`, `project_id`, `system_scope`, …).
    fn attribute(&self, name: &str) -> Option<&str>;
    /// Whether callers may have this attribute and this one does not, as `domain_id` of a token for
    /// a project. Where nothing is said, no attribute is missed and the constant `None` matches none.
    fn lacks(&self, _name: &str) -> bool {
        false
    }
    /// The caller's roles, implied ones included.
    fn roles(&self) -> &[String];
    /// Roles of the service token that came along.
    fn service_roles(&self) -> &[String];
}

/// What a token can be scoped to. A token without any scope counts as project, as in oslo.policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    System,
    Domain,
    Project,
}

/// One rule of a service: its name, who passes by default, and what it guards.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// As in the policy file, for example `os_compute_api:servers:create`.
    pub name: &'static str,
    /// The default check, for example `rule:project_member_or_admin`.
    pub check: &'static str,
    /// Tokens of another scope are refused whatever the check says; empty for any scope.
    pub scope_types: &'static [Scope],
    pub description: &'static str,
    /// The method and path of each request that the rule guards; empty for rules that others use.
    pub operations: &'static [(&'static str, &'static str)],
}

/// The caller may not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Policy doesn't allow {rule} to be performed.")]
pub struct Denied {
    /// The name of the rule that denied.
    pub rule: String,
}

/// Why a set of rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The policy file cannot be read.
    #[error("policy file {path}")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The policy file is not a flat mapping of names to rules.
    #[error("policy file {path}")]
    File {
        path: PathBuf,
        #[source]
        source: FileError,
    },
    /// A rule of the policy file is none.
    #[error("policy file {path}")]
    Rule {
        path: PathBuf,
        #[source]
        source: Box<PolicyError>,
    },
    /// The check of a rule is not in the language.
    #[error("policy rule {rule}")]
    Malformed {
        rule: String,
        #[source]
        source: Malformed,
    },
    /// A rule needs itself to be answered.
    #[error("policy rule {rule} refers to itself")]
    Cycle { rule: String },
    /// To answer a rule, too many others would have to be asked.
    #[error(
        "policy rule {rule} takes too much to answer: rules may refer to others {} deep and need {} checks in all",
        size::DEEPEST,
        size::LARGEST
    )]
    TooLarge { rule: String },
    /// The service lists a rule twice.
    #[error("policy rule {rule} is listed twice")]
    Duplicate { rule: &'static str },
}

/// The rules of a service, as an operator wants them.
pub struct Policy {
    defaults: Vec<&'static [Rule]>,
    file: Option<PathBuf>,
    compiled: ArcSwap<Compiled>,
}

struct Compiled {
    rules: HashMap<String, Entry>,
}

struct Entry {
    check: Check,
    scope_types: &'static [Scope],
}

/// The rule that says who is an administrator.
pub const IS_ADMIN: &str = "context_is_admin";

/// The rule that answers for unknown ones, if the operator defines it.
const FALLBACK: &str = "default";

impl Policy {
    /// The tables of a service without changes.
    pub fn new(defaults: &[&'static [Rule]]) -> Result<Policy, PolicyError> {
        Policy::load(defaults, None)
    }

    /// The tables of a service with the changes in `file`, which must exist.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn load(defaults: &[&'static [Rule]], file: Option<&Path>) -> Result<Policy, PolicyError> {
        let compiled = compiled(defaults, file)?;
        Ok(Policy {
            defaults: defaults.to_vec(),
            file: file.map(Path::to_path_buf),
            compiled: ArcSwap::from_pointee(compiled),
        })
    }

    /// Reads the file again. After an error everything stays as it was: a file that is missing for the
    /// moment must not mean the defaults.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn reload(&self) -> Result<(), PolicyError> {
        let compiled = compiled(&self.defaults, self.file.as_deref())?;
        self.compiled.store(compiled.into());
        Ok(())
    }

    /// Whether the caller may do what the rule guards, to this target. An unknown rule denies.
    pub fn enforce(
        &self,
        rule: &str,
        subject: &dyn Subject,
        target: &Target<'_>,
    ) -> Result<(), Denied> {
        let compiled = self.compiled.load();
        let allowed = compiled.entry(rule).is_some_and(|entry| {
            let in_scope =
                entry.scope_types.is_empty() || entry.scope_types.contains(&scope_of(subject));
            in_scope && compiled.passes(&entry.check, subject, target)
        });
        if allowed {
            Ok(())
        } else {
            Err(Denied {
                rule: rule.to_owned(),
            })
        }
    }

    /// Whether there is such a rule: the service lists it, or the operator added it.
    pub fn knows(&self, rule: &str) -> bool {
        self.compiled.load().rules.contains_key(rule)
    }

    /// What follows `prefix` in the names of rules, the operator's own included: the attributes about
    /// which there are rules, for a prefix like `get_port:`.
    pub fn rules_below(&self, prefix: &str) -> Vec<String> {
        let compiled = self.compiled.load();
        let names = compiled.rules.keys();
        let mut found: Vec<String> = names
            .filter_map(|name| name.strip_prefix(prefix))
            .map(str::to_owned)
            .collect();
        found.sort_unstable();
        found
    }

    /// Whether the caller is an administrator of this service: what [`IS_ADMIN`] says, as an
    /// operator may have changed it. Whatever else asks about administrators asks here.
    pub fn is_admin(&self, subject: &dyn Subject) -> bool {
        self.enforce(IS_ADMIN, subject, &Target::new()).is_ok()
    }

    /// The tables of the service, in order, for documentation and for tests that walk them.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> + '_ {
        self.defaults.iter().flat_map(|table| table.iter())
    }
}

/// The defaults with what the file replaces.
fn compiled(defaults: &[&'static [Rule]], file: Option<&Path>) -> Result<Compiled, PolicyError> {
    let replaced = read(file)?;
    compile(defaults, &replaced).map_err(|source| match file {
        Some(path) => PolicyError::Rule {
            path: path.to_owned(),
            source: Box::new(source),
        },
        None => source,
    })
}

impl Compiled {
    fn entry(&self, name: &str) -> Option<&Entry> {
        self.rules.get(name).or_else(|| self.rules.get(FALLBACK))
    }

    fn passes(&self, check: &Check, subject: &dyn Subject, target: &Target<'_>) -> bool {
        match check {
            Check::Always(answer) => *answer,
            Check::Not(inner) => !self.passes(inner, subject, target),
            Check::All(checks) => checks
                .iter()
                .all(|check| self.passes(check, subject, target)),
            Check::Any(checks) => checks
                .iter()
                .any(|check| self.passes(check, subject, target)),
            Check::Rule(name) => self
                .entry(name)
                .is_some_and(|entry| self.passes(&entry.check, subject, target)),
            Check::Match(matching) => matching.holds(subject, target),
        }
    }
}

fn scope_of(subject: &dyn Subject) -> Scope {
    let has = |name| {
        subject
            .attribute(name)
            .is_some_and(|value| !value.is_empty())
    };
    if has("system_scope") {
        Scope::System
    } else if has("domain_id") {
        Scope::Domain
    } else {
        Scope::Project
    }
}

fn read(file: Option<&Path>) -> Result<Vec<(String, file::Text)>, PolicyError> {
    let Some(path) = file else {
        return Ok(Vec::new());
    };
    let text = std::fs::read_to_string(path).map_err(|source| PolicyError::Unreadable {
        path: path.to_path_buf(),
        source,
    })?;
    file::read(&text).map_err(|source| PolicyError::File {
        path: path.to_path_buf(),
        source,
    })
}

/// The trees of all rules; what the file says wins, the scopes stay those of the service.
fn compile(
    defaults: &[&'static [Rule]],
    changes: &[(String, file::Text)],
) -> Result<Compiled, PolicyError> {
    let mut rules = HashMap::new();
    for rule in defaults.iter().flat_map(|table| table.iter()) {
        let check = parse::rule(rule.check).map_err(|source| PolicyError::Malformed {
            rule: rule.name.to_owned(),
            source,
        })?;
        let entry = Entry {
            check,
            scope_types: rule.scope_types,
        };
        if rules.insert(rule.name.to_owned(), entry).is_some() {
            return Err(PolicyError::Duplicate { rule: rule.name });
        }
    }
    for (name, text) in changes {
        let parsed = match text {
            file::Text::Rule(rule) => parse::rule(rule),
            file::Text::List(list) => parse::list(list),
        };
        let check = parsed.map_err(|source| PolicyError::Malformed {
            rule: name.clone(),
            source,
        })?;
        let scope_types = rules
            .get(name)
            .map_or(&[][..], |entry: &Entry| entry.scope_types);
        rules.insert(name.clone(), Entry { check, scope_types });
    }
    // Rules written as `is_admin:True` mean the same administrators.
    if rules.contains_key(IS_ADMIN) {
        for (_, entry) in rules.iter_mut().filter(|(name, _)| *name != IS_ADMIN) {
            entry.check.name_admins(IS_ADMIN);
        }
    }
    let compiled = Compiled { rules };
    size::bound(&compiled)?;
    Ok(compiled)
}
