//! The documents that tell which versions there are. They need no token.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use microversion::{Service, Version};
use serde_json::{Value, json};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;

/// Compute in the version headers.
pub const SERVICE: Service = Service {
    service_type: "compute",
    legacy_header: Some("x-openstack-nova-api-version"),
    min: Version::new(2, 1),
    max: Version::new(2, 104),
};

/// One of the two faces of the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Face {
    /// `/v2`: the API before microversions.
    Legacy,
    /// `/v2.1`.
    Current,
}

impl Face {
    const ALL: [Face; 2] = [Face::Legacy, Face::Current];

    pub fn id(self) -> &'static str {
        match self {
            Face::Legacy => "v2.0",
            Face::Current => "v2.1",
        }
    }

    /// Where its table of calls is mounted.
    pub fn mount(self) -> &'static str {
        match self {
            Face::Legacy => "/v2",
            Face::Current => "/v2.1",
        }
    }

    fn media_types(self) -> Value {
        let version = match self {
            Face::Legacy => "2",
            Face::Current => "2.1",
        };
        json!([{
            "base": "application/json",
            "type": format!("application/vnd.openstack.compute+json;version={version}"),
        }])
    }

    fn summary(self) -> Value {
        match self {
            Face::Legacy => json!({
                "id": self.id(), "status": "DEPRECATED", "version": "", "min_version": "",
                "updated": "2025-07-04T12:00:00Z",
            }),
            Face::Current => json!({
                "id": self.id(), "status": "CURRENT",
                "version": SERVICE.max.to_string(), "min_version": SERVICE.min.to_string(),
                "updated": "2013-07-23T11:33:21Z",
            }),
        }
    }
}

/// `GET /`: clients expect `v2.0` first.
pub fn list(base: &str) -> Value {
    let versions = Face::ALL.map(|face| {
        let mut summary = face.summary();
        summary["links"] = json!([{"rel": "self", "href": format!("{base}{}/", face.mount())}]);
        summary
    });
    json!({"versions": versions})
}

/// `GET /v2.1/` and `/v2/`.
pub fn document(base: &str, face: Face) -> Value {
    let mut summary = face.summary();
    summary["links"] = json!([
        {"rel": "self", "href": format!("{base}{}/", face.mount())},
        {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"},
    ]);
    summary["media-types"] = face.media_types();
    json!({"version": summary})
}

/// `GET /versions/{id}`: as [`document`], below the mount point.
pub async fn show(_: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let face = Face::ALL
        .into_iter()
        .find(|face| face.id() == call.path("id"));
    let face = face.ok_or_else(Fault::no_resource)?;
    Ok(Answer::json(
        document(&call.base.0, face).to_string().into_bytes(),
    ))
}

/// Any other path: what the client may have meant.
pub fn choices(base: &str, path: &str) -> Value {
    let choices = Face::ALL.map(|face| {
        json!({
            "id": face.id(),
            "status": face.summary()["status"],
            "links": [{"rel": "self", "href": format!("{base}{}{path}", face.mount())}],
            "media-types": face.media_types(),
        })
    });
    json!({"choices": choices})
}

/// A document as an answer.
pub fn answer(code: StatusCode, document: &Value) -> Response {
    let json = HeaderValue::from_static("application/json");
    (code, [(header::CONTENT_TYPE, json)], document.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_the_legacy_face_first_and_the_range_of_the_current_one() {
        let list = list("http://cloud/compute");
        assert_eq!(list["versions"][0]["id"], "v2.0");
        assert_eq!(list["versions"][0]["version"], "");
        let current = &list["versions"][1];
        assert_eq!(
            (&current["min_version"], &current["version"]),
            (&json!("2.1"), &json!("2.104"))
        );
        assert_eq!(current["links"][0]["href"], "http://cloud/compute/v2.1/");
    }
}
