//! How much it takes to answer a rule, with all the rules that it refers to: bounded when they are read, since answers
//! are given while a request waits, on a worker's stack.

use std::collections::HashMap;

use super::check::Check;
use super::{Compiled, FALLBACK, PolicyError};

/// Checks within each other, over all rules that refer to each other. Nova's own go five deep; each level takes some
/// hundred bytes of a stack of two MiB, which has the request on it already.
pub(super) const DEEPEST: usize = 200;

/// Checks that one answer may need. References that meet again are counted each time, since they are asked each time.
pub(super) const LARGEST: usize = 100_000;

/// Of a check and all that it refers to.
#[derive(Clone, Copy)]
struct Size {
    deep: usize,
    checks: usize,
}

const ONE: Size = Size { deep: 1, checks: 1 };

/// Follows every reference once.
///
/// # Errors
/// A rule met again while it is still being followed is a cycle; one that is larger than the bounds is too large.
pub(super) fn bound(compiled: &Compiled) -> Result<(), PolicyError> {
    let mut names: Vec<_> = compiled.rules.keys().map(String::as_str).collect();
    names.sort_unstable();
    let mut walk = Walk {
        compiled,
        seen: HashMap::new(),
    };
    names
        .into_iter()
        .try_for_each(|name| walk.rule(name, 0).map(drop))
}

struct Walk<'a> {
    compiled: &'a Compiled,
    /// None while a rule is followed.
    seen: HashMap<&'a str, Option<Size>>,
}

impl<'a> Walk<'a> {
    /// The size of a rule that is met `above` checks below the one where the walk began.
    fn rule(&mut self, name: &'a str, above: usize) -> Result<Size, PolicyError> {
        let rule = || name.to_owned();
        let size = match self.seen.get(name) {
            Some(Some(size)) => *size,
            Some(None) => return Err(PolicyError::Cycle { rule: rule() }),
            None => match self.compiled.rules.get(name) {
                Some(entry) => {
                    self.seen.insert(name, None);
                    let size = self.check(&entry.check, name, above)?;
                    self.seen.insert(name, Some(size));
                    size
                }
                None if self.compiled.rules.contains_key(FALLBACK) => self.rule(FALLBACK, above)?,
                None => {
                    tracing::warn!(
                        rule = name,
                        "a policy rule refers to this rule, which does not exist: it denies"
                    );
                    ONE
                }
            },
        };
        if above + size.deep > DEEPEST || size.checks > LARGEST {
            return Err(PolicyError::TooLarge { rule: rule() });
        }
        Ok(size)
    }

    /// The size of a check of rule `of`.
    fn check(&mut self, check: &'a Check, of: &'a str, above: usize) -> Result<Size, PolicyError> {
        // Before the next step down, so that the walk itself is bounded too.
        if above > DEEPEST {
            return Err(PolicyError::TooLarge {
                rule: of.to_owned(),
            });
        }
        let above = above + 1;
        let inner = match check {
            Check::Always(_) | Check::Match(_) => return Ok(ONE),
            Check::Not(inner) => self.check(inner, of, above)?,
            Check::All(checks) | Check::Any(checks) => {
                let mut all = Size { deep: 0, checks: 0 };
                for check in checks {
                    let one = self.check(check, of, above)?;
                    all.deep = all.deep.max(one.deep);
                    all.checks = all.checks.saturating_add(one.checks);
                }
                all
            }
            Check::Rule(name) => self.rule(name, above)?,
        };
        Ok(Size {
            deep: inner.deep + 1,
            checks: inner.checks.saturating_add(1),
        })
    }
}
