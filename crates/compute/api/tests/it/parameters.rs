//! What queries may say: every call refuses the names that it does not know from the version on that its table says.

use compute_api::parameters;
use compute_api::routes;
use microversion::Version;
use rest::parameters::Unknown;

use crate::cloud::{ADMIN, Cloud};

/// The path of a call of the tables; none for other verbs, and where nothing stands behind a part of it.
fn path(call: &str, server: &str) -> Option<String> {
    let path = call.strip_prefix("GET ")?;
    let path = path.replace("{server_id}", server);
    let path = path.replace("{flavor_id}", "1");
    (!path.contains('{')).then_some(path)
}

#[tokio::test]
async fn names_that_a_call_does_not_know_are_refused_from_its_version_on() {
    let cloud = Cloud::start().await;
    let server = cloud.boot("here").await;
    let lines = routes::table().lines();
    let mut refused_somewhere = 0;
    for table in parameters() {
        for call in table.calls {
            let Some(path) = path(call, &server) else {
                continue;
            };
            let line = lines
                .iter()
                .find(|line| format!("{} {}", line.verb, line.path) == **call);
            let range = line.expect("a call of the table").range;
            let first_refused = match table.unknown {
                Unknown::Refused => Some(Version::new(2, 1)),
                Unknown::RefusedSince(since) => Some(since),
                Unknown::Ignored(_) | Unknown::Read(_) => None,
            };
            let around = first_refused.map(|since| [since.minor.saturating_sub(1), since.minor]);
            let versions = around.unwrap_or([1, range.max.minor]);
            for minor in versions {
                let version = Version::new(2, minor);
                if !range.contains(version) {
                    continue;
                }
                let plain = cloud.get(ADMIN, minor, &path).await.code;
                let asked = format!("{path}?colour=red");
                let answer = cloud.get(ADMIN, minor, &asked).await;
                if first_refused.is_some_and(|since| version.at_least(since)) {
                    assert_eq!(answer.code, 400, "{asked} at {version}: {}", answer.body);
                    assert!(
                        answer.message().contains("colour"),
                        "{asked}: {}",
                        answer.message()
                    );
                    refused_somewhere += 1;
                } else {
                    assert_eq!(answer.code, plain, "{asked} at {version}: {}", answer.body);
                }
            }
        }
    }
    assert!(refused_somewhere > 20, "{refused_somewhere}");
}
