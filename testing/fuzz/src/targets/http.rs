//! Whole requests: the front door's reading of them, and the handlers of all services.
//!
//! The bytes are what a client sends on one connection. Names such as `$DEMO` stand for what exists in the cloud (see
//! [`cloud`](crate::cloud)), `$LENGTH` for the number of bytes after the first empty line: mutation would never guess
//! them. Whatever is sent, nothing fails inside: no 5xx but 501 (not built) and 503 (busy, or the disk is full), and
//! every refusal has the form that clients of that service read.

use axum::body::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use crate::cloud::{self, Answer};

pub const WORDS: &[&[u8]] = &[
    b"\r\n\r\n",
    b"GET ",
    b"PUT ",
    b"POST ",
    b"PATCH ",
    b"DELETE ",
    b"HEAD ",
    b" HTTP/1.1\n",
    b"X-Auth-Token: $ADMIN\n",
    b"X-Auth-Token: $DEMO\n",
    b"X-Service-Token: $ADMIN\n",
    b"X-Subject-Token: $DEMO\n",
    b"X-Forwarded-For: 10.0.0.1\n",
    b"OpenStack-API-Version: compute 2.1\n",
    b"OpenStack-API-Version: compute latest\n",
    b"Content-Type: application/json\n",
    b"Content-Length: $LENGTH\n",
    b"Content-Length: 18446744073709551615\n",
    b"Transfer-Encoding: chunked\n",
    b"Expect: 100-continue\n",
    b"Range: bytes=0-1\n",
    b"Accept: application/json\n",
    b"/compute/v2.1/",
    b"/identity/v3/",
    b"/image/v2/images/",
    b"/network/v2.0/",
    b"/placement/",
    b"/volume/v3/",
    b"$SERVER",
    b"$IMAGE",
    b"$NETWORK",
    b"$PORT",
    b"$PROJECT",
    b"$USER",
    b"$FLAVOR",
    b"$VOLUME",
    b"/action",
    b"/detail",
    b"?limit=1&marker=",
    b"&sort_key=",
    b"%00",
    b"%ff",
    b"%2e%2e%2f",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":{\"a\":",
    b"-1",
    b"1e400",
    b"99999999999999999999",
    b"\"\"",
    b"=",
    b"&",
    b"/../",
    b"//",
    b";",
];

pub fn run(input: &[u8]) {
    cloud::with(|cloud| {
        let bytes = filled(input, &cloud.words);
        let (raw, answers) = cloud.send(&bytes);
        assert!(
            raw.is_empty() || raw.starts_with(b"HTTP/1.1 ") || raw.starts_with(b"HTTP/1.0 "),
            "no HTTP: {:?}",
            String::from_utf8_lossy(&raw[..raw.len().min(200)])
        );
        answers.iter().for_each(judge);
    });
}

/// The input with its names replaced.
fn filled(input: &[u8], words: &[(&'static str, String)]) -> Vec<u8> {
    let bytes = replaced(input, |rest| {
        let found = words
            .iter()
            .find(|(name, _)| rest.starts_with(name.as_bytes()));
        found.map(|(name, text)| (name.len(), text.clone()))
    });
    const LENGTH: &[u8] = b"$LENGTH";
    let length = body(&bytes).map_or(0, <[u8]>::len);
    replaced(&bytes, |rest| {
        let is_length = rest.starts_with(LENGTH);
        is_length.then(|| (LENGTH.len(), length.to_string()))
    })
}

fn replaced(input: &[u8], name: impl Fn(&[u8]) -> Option<(usize, String)>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some((first, after)) = rest.split_first() {
        match name(rest).filter(|_| *first == b'$') {
            Some((length, text)) => {
                bytes.extend(text.as_bytes());
                rest = &rest[length..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// What follows the first empty line.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let after = |mark: &[u8]| {
        let at = bytes.windows(mark.len()).position(|part| part == mark)?;
        Some(&bytes[at + mark.len()..])
    };
    // The mark that comes first leaves the longer rest.
    let rests = [after(b"\n\n"), after(b"\r\n\r\n")];
    rests.into_iter().flatten().max_by_key(|rest| rest.len())
}

/// Panics when an answer is none that clients expect.
fn judge(answer: &Answer) {
    let Answer {
        method,
        path,
        status,
        headers,
        body,
    } = answer;
    let text = || String::from_utf8_lossy(&body[..body.len().min(500)]);
    let internal = status.is_server_error()
        && *status != StatusCode::NOT_IMPLEMENTED
        && *status != StatusCode::SERVICE_UNAVAILABLE;
    assert!(!internal, "{method} {path}: {status}: {}", text());
    if method != Method::HEAD && (status.is_client_error() || status.is_server_error()) {
        let formed = is_fault(path, *status, headers, body);
        assert!(
            formed,
            "{method} {path}: {status} without a fault: {}",
            text()
        );
    }
}

/// Whether this is a refusal in the form of the service at this path.
fn is_fault(path: &str, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> bool {
    let code = u64::from(status.as_u16());
    let is_of = |service: &str| {
        let rest = path.strip_prefix(service);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let says = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let of_identity = json["error"]["code"] == code && says(&json["error"]["message"]);
    // The token was refused before the service was asked, in the words of keystonemiddleware.
    let of_middleware = of_identity && matches!(code, 401 | 503);
    let kind = headers.get(http::header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let starts = |text: &str| text.contains(&format!("{code} "));
    let of_webob = match kind.split(';').next() {
        Some("application/json") => {
            says(&json["message"]) && json["code"].as_str().is_some_and(starts)
        }
        Some("text/html" | "text/plain") => std::str::from_utf8(body).is_ok_and(starts),
        _ => false,
    };
    if is_of("/compute") || is_of("/volume") {
        // Of Nova and Cinder: the kind of fault is the only key.
        let fault = json.as_object().and_then(|object| object.values().next());
        let of_kind = fault.is_some_and(|fault| fault["code"] == code && says(&fault["message"]));
        // Before the service is asked: a path that nobody has, a body that is too large.
        let of_front = (code == 404 && of_webob) || (code == 413 && kind.starts_with("text/plain"));
        of_middleware || of_kind || of_front
    } else if is_of("/placement") {
        let error = &json["errors"][0];
        of_middleware || (error["status"] == code && says(&error["detail"]))
    } else if is_of("/network") {
        let error = &json["NeutronError"];
        of_middleware || (says(&error["type"]) && says(&error["message"]))
    } else if is_of("/image") {
        of_middleware || of_webob
    } else {
        of_identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_what_is_there_and_the_length_for_that_of_the_body() {
        let words = [("$SERVERS", "no".to_owned()), ("$SERVER", "id".to_owned())];
        let sent = |text: &str| String::from_utf8(filled(text.as_bytes(), &words)).expect("text");
        assert_eq!(sent("GET /$SERVER/$SERVERS $ $"), "GET /id/no $ $");
        assert_eq!(sent("L: $LENGTH\n\n{$SERVER}"), "L: 4\n\n{id}");
        assert_eq!(sent("L: $LENGTH\r\n\r\nab\n\nc"), "L: 5\r\n\r\nab\n\nc");
        assert_eq!(sent("L: $LENGTH"), "L: 0");
    }

    #[test]
    fn a_refusal_has_the_form_of_its_service() {
        let formed = |path: &str, status: u16, kind: &'static str, body: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", http::HeaderValue::from_static(kind));
            let status = StatusCode::from_u16(status).expect("a status");
            is_fault(path, status, &headers, &Bytes::from_static(body.as_bytes()))
        };
        let json = "application/json";
        let nova = r#"{"itemNotFound": {"code": 404, "message": "gone"}}"#;
        assert!(formed("/compute/v2.1/x", 404, json, nova));
        assert!(!formed("/compute/v2.1/x", 400, json, nova), "another code");
        assert!(!formed("/compute/v2.1/x", 404, json, ""));
        let placement = r#"{"errors": [{"status": 404, "title": "T", "detail": "gone"}]}"#;
        assert!(formed("/placement/x", 404, json, placement));
        assert!(!formed("/placement/x", 404, json, nova));
        assert!(formed("/volume/v3/x", 404, json, nova));
        assert!(!formed("/volume/v3/x", 404, json, placement));
        let page = "<h1>404 Not Found</h1>";
        assert!(formed("/compute/x", 404, "text/html; charset=UTF-8", page));
        let neutron = r#"{"NeutronError": {"type": "T", "message": "gone", "detail": ""}}"#;
        assert!(formed("/network/v2.0/x", 404, json, neutron));
        assert!(!formed("/network/v2.0/x", 404, json, nova));
        let keystone = r#"{"error": {"code": 401, "message": "who?"}}"#;
        assert!(formed("/identity/v3", 401, json, keystone));
        assert!(formed("/network/v2.0/x", 401, json, keystone));
        assert!(!formed("/networks", 404, json, neutron), "no service");
        let glance = r#"{"message": "gone", "code": "404 Not Found", "title": "Not Found"}"#;
        assert!(formed("/image/v2", 404, json, glance));
        assert!(formed(
            "/image/v2",
            404,
            "text/html; charset=UTF-8",
            "<h1>404 Not Found</h1>"
        ));
        assert!(!formed("/image/v2", 404, "text/html", ""));
    }
}
