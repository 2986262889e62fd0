//! What is acted on, as rules see it.

use std::borrow::Cow;

/// The attributes of the thing that an operation touches, for `%(name)s` in rules.
///
/// Names are whole: `target.user.domain_id` is one name. Few, so a list is quicker than a map.
#[derive(Clone, Debug, Default)]
pub struct Target<'a> {
    values: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Target<'a> {
    /// Nothing is known about it, for example for a list or a creation in no project.
    pub fn new() -> Target<'a> {
        Target::default()
    }

    /// A thing of this project: what most rules ask for.
    pub fn project(project_id: impl Into<Cow<'a, str>>) -> Target<'a> {
        Target::new().with("project_id", project_id)
    }

    /// The same with this attribute; the first of a name counts.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<Cow<'a, str>>,
        value: impl Into<Cow<'a, str>>,
    ) -> Target<'a> {
        self.values.push((name.into(), value.into()));
        self
    }

    /// The same with this attribute, or with `None` as rules spell it.
    #[must_use]
    pub fn with_option(
        self,
        name: impl Into<Cow<'a, str>>,
        value: Option<impl Into<Cow<'a, str>>>,
    ) -> Target<'a> {
        match value {
            Some(value) => self.with(name, value),
            None => self.with(name, "None"),
        }
    }

    /// The same with this attribute as `True` or `False`, as rules spell them.
    #[must_use]
    pub fn with_bool(self, name: impl Into<Cow<'a, str>>, value: bool) -> Target<'a> {
        self.with(name, if value { "True" } else { "False" })
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_ref())
    }
}
