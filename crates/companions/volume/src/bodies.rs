//! What bodies may say, and what becomes of each name: a table for each kind of body, beside the type that it is read as.
//! [`rest::bodies::gaps`] compares tables, types and calls.

mod actions;
mod groups;
mod operators;
mod volumes;

use microversion::Shape;
use rest::accepted::Fate;
use rest::bodies::Body;
use rest::parameters::Parameters;

const ALL: &[&[&Body]] = &[volumes::ALL, actions::ALL, groups::ALL, operators::ALL];

/// What bodies of all calls may say, for documents and for tests that walk them.
pub fn bodies() -> Vec<Parameters> {
    let all = ALL.iter().flat_map(|some| some.iter());
    all.map(|body| body.table()).collect()
}

/// A body of which all is honoured.
const fn whole(
    calls: &'static [&'static str],
    shape: &'static Shape,
    honoured: &'static [&'static str],
) -> Body {
    Body {
        calls,
        shape,
        honoured,
        others: &[],
        open: &[],
    }
}

/// A body in which nothing is looked at.
const fn unseen(calls: &'static [&'static str], name: &'static [(&'static str, Fate)]) -> Body {
    Body {
        calls,
        shape: &Shape::Any,
        honoured: &[],
        others: name,
        open: &[],
    }
}

/// The action's name says all.
const UNSEEN: Fate = Fate::Hint("whatever it holds: not looked at, as in Cinder");

/// What a host says of itself.
const CONNECTOR: Fate = Fate::Within(
    "`host` is read, and where an attachment begins `mode` and `mountpoint` too; the rest says how a host reaches other kinds \
     of back ends",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_stands_in_a_table_that_has_its_names() {
        let all: Vec<&Body> = ALL.iter().flat_map(|some| some.iter().copied()).collect();
        let gaps = rest::bodies::gaps(&crate::calls(), &all);
        assert!(gaps.is_empty(), "{gaps:#?}");
    }
}
