//! What becomes of the parameters that queries name: nothing is accepted and ignored. Each service states it in tables
//! that its readers of queries read too; documents and tests go over the tables of all.

use microversion::{Range, Version};

use crate::accepted::Fate;
use crate::{Line, Status, Verb};

/// What the queries of some calls may say; or their bodies ([`crate::bodies`]).
#[derive(Debug)]
pub struct Parameters {
    /// The calls that read them alike, as tables of calls show them: `GET /v2/images`.
    pub calls: &'static [&'static str],
    pub known: Vec<Parameter>,
    pub unknown: Unknown,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    /// The versions that know it; elsewhere it is an unknown name.
    pub range: Range,
    pub fate: Fate,
}

impl Parameter {
    /// One that every version knows.
    pub const fn new(name: &'static str, fate: Fate) -> Self {
        Self {
            name,
            range: Range::ALWAYS,
            fate,
        }
    }

    /// One that does what the real service does by it.
    pub const fn honoured(name: &'static str) -> Self {
        Self::new(name, Fate::Honoured)
    }
}

/// What happens to names that the calls do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// They change nothing: who does so too, or why.
    Ignored(&'static str),
    /// 400.
    Refused,
    /// 400 from this version on; before, they change nothing, as in the real service.
    RefusedSince(Version),
    /// They mean something all the same.
    Read(&'static str),
}

/// What a service's tables of parameters lack, in sentences: calls that read something stand in one each. A call whose
/// path ends in a name of a thing shows that thing, and stands in one only where its query means something.
pub fn gaps(calls: &[Line], tables: &[Parameters]) -> Vec<String> {
    let named: Vec<&str> = tables
        .iter()
        .flat_map(|table| table.calls.iter().copied())
        .collect();
    let built = calls.iter().filter(|call| call.status == Status::Built);
    let built: Vec<(String, &Line)> = built
        .map(|call| (format!("{} {}", call.verb, call.path), call))
        .collect();
    let lists = built
        .iter()
        .filter(|(_, call)| call.verb == Verb::Get && !call.path.ends_with('}'));
    let mut gaps: Vec<String> = lists
        .filter(|(text, _)| !named.contains(&text.as_str()))
        .map(|(text, _)| format!("{text}: what may its query say?"))
        .collect();
    for (at, name) in named.iter().enumerate() {
        if !built.iter().any(|(text, _)| text == name) {
            gaps.push(format!("{name}: there is no such call"));
        }
        if named[..at].contains(name) {
            gaps.push(format!("{name}: it stands in two tables"));
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::Access;

    fn line(verb: Verb, path: &'static str, status: Status) -> Line {
        Line {
            verb,
            path,
            action: None,
            range: Range::ALWAYS,
            access: Access::Open,
            success: StatusCode::OK,
            status,
        }
    }

    fn table(calls: &'static [&'static str]) -> Parameters {
        Parameters {
            calls,
            known: vec![Parameter::honoured("limit")],
            unknown: Unknown::Refused,
        }
    }

    #[test]
    fn a_list_without_a_table_is_a_gap_and_so_is_a_table_without_its_call() {
        let calls = [
            line(Verb::Get, "/things", Status::Built),
            line(Verb::Get, "/things/{id}", Status::Built),
            line(Verb::Get, "/later", Status::NotBuilt),
            line(Verb::Delete, "/things/{id}", Status::Built),
        ];
        let whole = [table(&["GET /things", "DELETE /things/{id}"])];
        assert_eq!(gaps(&calls, &whole), Vec::<String>::new());
        assert_eq!(gaps(&calls, &[]), ["GET /things: what may its query say?"]);
        let wrong = [
            table(&["GET /things", "GET /later"]),
            table(&["GET /things"]),
        ];
        assert_eq!(
            gaps(&calls, &wrong),
            [
                "GET /later: there is no such call",
                "GET /things: it stands in two tables"
            ]
        );
    }
}
