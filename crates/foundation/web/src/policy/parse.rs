//! The language of rules: checks joined by `and`, `or`, `not` and parentheses.
//!
//! Words end at white space; parentheses at the outer ends of a word are not part of it, so those of
//! `%(name)s` are. `not` binds tighter than `and`, and that tighter than `or`.
//!
//! Neutron adds `field:resource:name=value` and `field:resource:name=~^beginning`, about an attribute of the target.

use winnow::ModalResult;
use winnow::Parser;
use winnow::ascii::multispace0;
use winnow::combinator::{alt, cut_err, delimited, preceded, separated};
use winnow::error::{ContextError, ErrMode, FromExternalError};
use winnow::token::{literal, take_while};

use super::check::{Check, Left, Match, Piece, Template};

/// Parentheses and `not` within each other, more than any rule needs. Each takes some kilobytes of the stack in a debug
/// build.
const DEEPEST: usize = 50;

/// Why a text is not a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("not understood from {0:?} on")]
    Syntax(String),
    #[error("{0:?} is neither kind:match nor @ nor !")]
    NotACheck(String),
    #[error("{0:?}: only %(name)s may follow a per cent sign, or another one")]
    Template(String),
    #[error("{0:?}: rules that ask another server are not supported")]
    Remote(String),
    #[error("{0:?}: escapes in a constant are not supported")]
    Escape(String),
    #[error("{0:?}: expected field:resource:name=value, or =~^ and the beginning of the value")]
    Field(String),
    #[error("too many parentheses and negations")]
    TooDeep,
}

/// A rule in the language; the empty one lets everybody pass.
pub fn rule(text: &str) -> Result<Check, Malformed> {
    if text.is_empty() {
        return Ok(Check::Always(true));
    }
    if depth(text) > DEEPEST {
        return Err(Malformed::TooDeep);
    }
    (any, multispace0)
        .map(|(check, _)| check)
        .parse(text)
        .map_err(|error| {
            let cause = error
                .inner()
                .cause()
                .and_then(|cause| cause.downcast_ref::<Malformed>())
                .cloned();
            cause.unwrap_or_else(|| {
                let rest = text.get(error.offset()..).unwrap_or_default();
                Malformed::Syntax(rest.chars().take(40).collect())
            })
        })
}

/// How many parentheses and `not` of a rule are within each other, before it is known to be one.
fn depth(text: &str) -> usize {
    let (mut deepest, mut depth, mut negations) = (0, 0, 0);
    // What each open parenthesis added, the `not`s before it included.
    let mut open = Vec::new();
    for word in text.split_whitespace() {
        let inner = word.trim_start_matches('(');
        for _ in inner.len()..word.len() {
            open.push(negations + 1);
            depth += negations + 1;
            negations = 0;
        }
        if inner.eq_ignore_ascii_case("not") {
            negations += 1;
        }
        deepest = deepest.max(depth + negations);
        if !inner.eq_ignore_ascii_case("not") {
            negations = 0;
            for _ in inner.trim_end_matches(')').len()..inner.len() {
                depth -= open.pop().unwrap_or(0);
            }
        }
    }
    deepest
}

/// The old syntax: any of the inner lists, whose checks must all pass.
pub fn list(outer: &[Vec<String>]) -> Result<Check, Malformed> {
    if outer.is_empty() {
        return Ok(Check::Always(true));
    }
    let inner = outer.iter().filter(|inner| !inner.is_empty()).map(|inner| {
        let checks: Result<Vec<_>, _> = inner.iter().map(|word| check(word)).collect();
        checks.map(|checks| join(checks, Check::All))
    });
    let alternatives: Vec<_> = inner.collect::<Result<_, _>>()?;
    Ok(if alternatives.is_empty() {
        Check::Always(false)
    } else {
        join(alternatives, Check::Any)
    })
}

fn any(input: &mut &str) -> ModalResult<Check> {
    separated(1.., all, operator("or"))
        .map(|checks| join(checks, Check::Any))
        .parse_next(input)
}

fn all(input: &mut &str) -> ModalResult<Check> {
    separated(1.., one, operator("and"))
        .map(|checks| join(checks, Check::All))
        .parse_next(input)
}

fn one(input: &mut &str) -> ModalResult<Check> {
    let negation = preceded(operator("not"), cut_err(one)).map(|check| Check::Not(Box::new(check)));
    let group = delimited(
        literal("("),
        cut_err(any),
        cut_err((multispace0, literal(")"))),
    );
    preceded(multispace0, alt((negation, group, single))).parse_next(input)
}

fn single(input: &mut &str) -> ModalResult<Check> {
    let text = word(input)?;
    if ["and", "or", "not"]
        .iter()
        .any(|operator| text.eq_ignore_ascii_case(operator))
    {
        return Err(ErrMode::Backtrack(ContextError::new()));
    }
    check(text)
        .map_err(|malformed| ErrMode::Cut(ContextError::from_external_error(input, malformed)))
}

/// The operator as a word of its own.
fn operator<'a>(name: &'static str) -> impl Parser<&'a str, (), ErrMode<ContextError>> {
    preceded(
        multispace0,
        word.verify(move |text: &str| text.eq_ignore_ascii_case(name)),
    )
    .void()
}

/// Everything up to white space, without closing parentheses at its end.
fn word<'a>(input: &mut &'a str) -> ModalResult<&'a str> {
    let start = *input;
    let run: &str = take_while(1.., |c: char| !c.is_whitespace()).parse_next(input)?;
    let text = run.trim_end_matches(')');
    if text.is_empty() || text.starts_with('(') {
        *input = start;
        return Err(ErrMode::Backtrack(ContextError::new()));
    }
    *input = &start[text.len()..];
    Ok(text)
}

/// One check: `@`, `!` or `kind:match`.
fn check(text: &str) -> Result<Check, Malformed> {
    match text {
        "@" => return Ok(Check::Always(true)),
        "!" => return Ok(Check::Always(false)),
        _ => {}
    }
    let (kind, right) = text
        .split_once(':')
        .ok_or_else(|| Malformed::NotACheck(text.to_owned()))?;
    let left = match kind {
        "rule" => return Ok(Check::Rule(right.to_owned())),
        "http" | "https" => return Err(Malformed::Remote(text.to_owned())),
        "field" => return field(right).ok_or_else(|| Malformed::Field(text.to_owned())),
        "role" => Left::Role,
        kind => match constant(kind)? {
            Some(constant) => Left::Literal(constant),
            None => Left::Attribute(kind.to_owned()),
        },
    };
    Ok(Check::Match(Match {
        left,
        right: template(right)?,
    }))
}

/// `resource:name=value`, where names may have colons. The resource is what the target is anyway. Of patterns only a
/// plain beginning is known: it is what Neutron's own rules have.
fn field(text: &str) -> Option<Check> {
    let (_, text) = text.split_once(':')?;
    let (name, value) = text.split_once('=')?;
    let left = match value.strip_prefix('~') {
        None => Left::Literal(value.to_owned()),
        Some(pattern) => {
            let beginning = pattern.strip_prefix('^').unwrap_or(pattern);
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_');
            if !beginning.chars().all(plain) {
                return None;
            }
            Left::Beginning(beginning.to_owned())
        }
    };
    if name.is_empty() {
        return None;
    }
    let right = Template(vec![Piece::Name(name.to_owned())]);
    Some(Check::Match(Match { left, right }))
}

/// The value of a Python constant as Python prints it, if this is one: quoted text, a number,
/// `True`, `False` or `None`.
fn constant(kind: &str) -> Result<Option<String>, Malformed> {
    for quote in ['\'', '"'] {
        if let Some(inner) = kind
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            if inner.contains('\\') || inner.contains(quote) {
                return Err(Malformed::Escape(kind.to_owned()));
            }
            return Ok(Some(inner.to_owned()));
        }
    }
    let digits = kind.strip_prefix('-').unwrap_or(kind);
    let number = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (kind == "0" || !digits.starts_with('0'));
    Ok((number || matches!(kind, "True" | "False" | "None")).then(|| kind.to_owned()))
}

/// Text with `%(name)s` for attributes of the target and `%%` for a per cent sign.
fn template(text: &str) -> Result<Template, Malformed> {
    let bad = || Malformed::Template(text.to_owned());
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            plain.push('%');
            rest = after;
            continue;
        }
        let (name, after) = after
            .strip_prefix('(')
            .and_then(|after| after.split_once(')'))
            .ok_or_else(bad)?;
        rest = after.strip_prefix('s').ok_or_else(bad)?;
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Name(name.to_owned()));
    }
    plain.push_str(rest);
    if !plain.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(Template(pieces))
}

fn join(mut checks: Vec<Check>, several: impl Fn(Vec<Check>) -> Check) -> Check {
    match checks.len() {
        1 => checks.remove(0),
        _ => several(checks),
    }
}
