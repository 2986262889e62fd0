//! Tokens and application credentials as bytes: `crates/companions/identity`, asked through the front door.
//!
//! The first line of an input names what was really issued (`demo`, `admin`, `revoked`, `credential`, or `none`), each
//! further line changes it: `12=text` puts text over what is there, `12+text` between, `12-3` takes three characters
//! away. Whoever shows the result is let in exactly when it is what was issued and not taken back. After `packed`, the
//! rest is hexadecimal: the inside of a token, which is read or not, and read again as the same.

use axum::body::Body;
use http::{HeaderValue, Request, StatusCode};
use serde_json::json;

use crate::cloud::{self, Cloud};

pub const WORDS: &[&[u8]] = &[
    b"demo\n",
    b"admin\n",
    b"revoked\n",
    b"credential\n",
    b"none\n",
    b"packed\n",
    b"0-1\n",
    b"0+gAAAAA\n",
    b"999+=\n",
    b"999+==\n",
    b"180=A\n",
    b"9=A\n",
    b"32-1\n",
    b"32+:\n",
    b"\n0=",
    b"\n8-",
    b"ff",
    b"00",
    b"0103",
    b"%",
    b"\\u0000",
    b"'",
    b" ",
];

pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (base, edits) = text.split_once('\n').unwrap_or((&text, ""));
    if base == "packed" {
        let digits: String = edits.chars().filter(char::is_ascii_hexdigit).collect();
        let even = digits.len() & !1;
        identity::fuzz_payload(&hex::decode(&digits[..even]).expect("an even number of digits"));
        return;
    }
    cloud::with(|cloud| {
        let issued = match base {
            "demo" => cloud.word("$DEMO").to_owned(),
            "admin" => cloud.word("$ADMIN").to_owned(),
            "revoked" => cloud.word("$REVOKED").to_owned(),
            "credential" => format!("{}:{}", cloud.word("$CREDENTIAL"), cloud.word("$SECRET")),
            _ => String::new(),
        };
        let shown = edits.lines().fold(issued, changed);
        match base {
            "credential" => credential(cloud, &shown),
            _ => token(cloud, &shown),
        }
    });
}

/// The text after one change; a line that is none changes nothing.
fn changed(text: String, line: &str) -> String {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let (place, change) = line.split_at(digits);
    let mut chars: Vec<char> = text.chars().collect();
    let Ok(place) = place.parse::<usize>() else {
        return text;
    };
    let place = place.min(chars.len());
    let mut change = change.chars();
    let kind = change.next();
    let new: String = change.collect();
    let end = match kind {
        Some('=') => place.saturating_add(new.chars().count()),
        Some('+') => place,
        Some('-') => place.saturating_add(new.parse().unwrap_or(1)),
        _ => return text,
    };
    let new = if kind == Some('-') { "" } else { &new };
    chars.splice(place..end.min(chars.len()), new.chars());
    chars.into_iter().collect()
}

/// Shows a token to the identity service, and to compute, which asks in this process.
fn token(cloud: &Cloud, token: &str) {
    let Ok(value) = HeaderValue::from_bytes(token.as_bytes()) else {
        return;
    };
    let good = [cloud.word("$DEMO"), cloud.word("$ADMIN")].contains(&token);
    for path in ["/identity/v3/auth/tokens", "/compute/v2.1/servers"] {
        let request = Request::get(path)
            .header("x-auth-token", &value)
            .header("x-subject-token", &value)
            .body(Body::empty());
        let status = cloud.ask(request.expect("a request")).status;
        let expected = if good {
            StatusCode::OK
        } else {
            StatusCode::UNAUTHORIZED
        };
        assert_eq!(status, expected, "{path} with the token {token:?}");
    }
}

/// Logs in with an id and a secret, joined by a colon.
fn credential(cloud: &Cloud, shown: &str) {
    let (id, secret) = shown.split_once(':').unwrap_or((shown, ""));
    let good = id == cloud.word("$CREDENTIAL") && secret == cloud.word("$SECRET");
    let body = json!({"auth": {"identity": {
        "methods": ["application_credential"],
        "application_credential": {"id": id, "secret": secret},
    }}});
    let request =
        Request::post("/identity/v3/auth/tokens").header("content-type", "application/json");
    let request = request
        .body(Body::from(body.to_string()))
        .expect("a request");
    let answer = cloud.ask(request);
    let let_in = answer.headers.contains_key("x-subject-token");
    assert_eq!(let_in, good, "{} for {shown:?}", answer.status);
    let known = answer.status == StatusCode::CREATED || answer.status.is_client_error();
    assert!(known, "{} for {shown:?}", answer.status);
}

#[cfg(test)]
mod tests {
    use super::changed;

    #[test]
    fn lines_change_what_was_issued() {
        let after = |lines: &[&str]| {
            lines
                .iter()
                .fold("abcdef".to_owned(), |text, line| changed(text, line))
        };
        assert_eq!(after(&["1=XY"]), "aXYdef");
        assert_eq!(after(&["5=XY"]), "abcdeXY");
        assert_eq!(after(&["2+--"]), "ab--cdef");
        assert_eq!(after(&["2-3", "0-1"]), "bf");
        assert_eq!(
            after(&["99+!", "nonsense", "7", "99999999999999999999-1"]),
            "abcdef!"
        );
        assert_eq!(after(&["3-99999999999999999999"]), "abcef");
    }
}
