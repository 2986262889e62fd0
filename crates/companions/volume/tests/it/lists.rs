//! Lists: filters, order, pages, counts.

use http::Method;
use rest::accepted::Fate;
use serde_json::{Value, json};

use crate::{ADMIN, ALICE, Answer, BOB, Cinder};

fn names(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let all = body["volumes"].as_array().expect("a list");
    all.iter()
        .map(|one| one["name"].as_str().unwrap_or("-").to_owned())
        .collect()
}

async fn filled(cinder: &Cinder) {
    for (name, size, color) in [
        ("c", 1, "red"),
        ("a", 3, "red"),
        ("b", 2, "blue"),
        ("A", 1, "blue"),
    ] {
        let wish = json!({"name": name, "size": size, "metadata": {"color": color}});
        cinder.volume(ALICE, wish).await;
    }
    cinder.volume(BOB, json!({"name": "other"})).await;
}

#[tokio::test]
async fn lists_are_filtered_and_sorted() {
    for cinder in Cinder::all().await {
        filled(&cinder).await;
        for (query, found) in [
            ("", vec!["A", "b", "a", "c"]),
            ("?sort=size:asc,name:asc", vec!["A", "c", "b", "a"]),
            ("?sort_key=size&sort_dir=desc", vec!["a", "b", "A", "c"]),
            ("?name=a", vec!["a"]),
            ("?name~=a", vec!["a"]),
            ("?size=1", vec!["A", "c"]),
            ("?status=available&size=2", vec!["b"]),
            ("?status=error", vec![]),
            ("?bootable=true", vec![]),
            ("?metadata={'color':'red'}", vec!["a", "c"]),
            (
                "?metadata=%7B%22color%22%3A%20%22blue%22%7D",
                vec!["A", "b"],
            ),
            ("?created_at=gt:2020-01-01T00:00:00&size=3", vec!["a"]),
            ("?created_at=lt:2020-01-01T00:00:00", vec![]),
            ("?consumes_quota=false", vec![]),
            ("?limit=2&offset=1", vec!["b", "a"]),
            ("?limit=0", vec![]),
        ] {
            let answer = cinder
                .get(ALICE, &format!("/volumes/detail{query}"))
                .await
                .is(200);
            let mut found: Vec<_> = found.into_iter().map(str::to_owned).collect();
            // SQLite compares parts without regard to case.
            if query == "?name~=a" && names(&answer).len() == 2 {
                found = vec!["A".to_owned(), "a".to_owned()];
            }
            assert_eq!(names(&answer), found, "{query}");
        }
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_loss() {
    for cinder in Cinder::all().await {
        filled(&cinder).await;
        for path in ["/volumes", "/volumes/detail"] {
            let mut all = Vec::new();
            let mut next = format!("{path}?limit=1&sort=size:asc&with_count=true");
            for _ in 0..6 {
                let answer = cinder.get(ALICE, &next).await.is(200);
                let body = answer.json();
                assert_eq!(body["count"], 4);
                all.extend(names(&answer));
                let Some(href) = body["volumes_links"][0]["href"].as_str() else {
                    break;
                };
                next = href.split_once("/v3").expect("a link").1.to_owned();
            }
            assert_eq!(all, ["c", "A", "b", "a"]);
        }
        let missing = format!("/volumes?marker={}", uuid::Uuid::new_v4());
        cinder.get(ALICE, &missing).await.is(404);
    }
}

#[tokio::test]
async fn only_administrators_see_all_projects() {
    let cinder = Cinder::start().await;
    filled(&cinder).await;
    let count = async |token, path: &str| names(&cinder.get(token, path).await.is(200)).len();
    assert_eq!(count(ALICE, "/volumes?all_tenants=1").await, 4);
    assert_eq!(count(ADMIN, "/volumes").await, 0);
    assert_eq!(count(ADMIN, "/volumes?all_tenants=1").await, 5);
    assert_eq!(
        count(ADMIN, "/volumes?all_tenants=1&project_id=b0b").await,
        1
    );
    assert_eq!(count(ADMIN, "/volumes?all_tenants=1&colour=red").await, 0);
    let refused = cinder.get(ALICE, "/volumes?project_id=b0b").await.is(400);
    assert!(refused.says().contains("Invalid filters project_id"));
    let dropped = cinder
        .at(30, ALICE, Method::GET, "/volumes?project_id=b0b", None)
        .await;
    assert_eq!(names(&dropped.is(200)).len(), 4);
}

#[tokio::test]
async fn a_summary_counts() {
    for cinder in Cinder::all().await {
        filled(&cinder).await;
        let of = async |token, query: &str| {
            let answer = cinder.get(token, &format!("/volumes/summary{query}")).await;
            answer.is(200).json()["volume-summary"].clone()
        };
        let own: Value = of(ALICE, "").await;
        let colors = json!({"color": ["blue", "red"]});
        assert_eq!(
            own,
            json!({"total_count": 4, "total_size": 7, "metadata": colors})
        );
        assert_eq!(of(ADMIN, "?all_tenants=1").await["total_count"], 5);
        assert_eq!(
            of(ADMIN, "").await,
            json!({"total_count": 0, "total_size": 0, "metadata": {}})
        );
    }
}

/// What becomes of a parameter whose value nothing has, and which is no number, no flag and no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    /// The answer is another one, or the parameter is refused.
    Something,
    /// The answer is the same.
    Nothing,
    /// As of a name that nobody knows: refused from 3.31 on, before the answer is the same.
    Unknown,
}

impl Becomes {
    /// What the tables say of it.
    fn of(fate: Fate, token: &str) -> Becomes {
        let member = token != ADMIN;
        match fate {
            Fate::Hint(_) => Becomes::Nothing,
            Fate::Within(what) if member && what.ends_with("for others an unknown name") => {
                Becomes::Unknown
            }
            Fate::Within(what) if member && what.starts_with("for administrators") => {
                Becomes::Nothing
            }
            _ => Becomes::Something,
        }
    }
}

/// Asks for a list with a parameter, and without.
async fn becomes(cinder: &Cinder, token: &str, (path, said): (&str, &str), expected: Becomes) {
    let asked = format!("{path}?{said}");
    let plain = cinder.get(token, path).await.is(200).json();
    let answer = cinder.get(token, &asked).await;
    match (expected, answer.status.as_u16()) {
        (Becomes::Nothing, _) => assert_eq!(answer.is(200).json(), plain, "{asked} {token}"),
        (Becomes::Something, 200) => assert_ne!(answer.json(), plain, "{asked} {token}"),
        (Becomes::Something, code) => {
            assert!(matches!(code, 400 | 404), "{asked} {token}: {code}");
        }
        (Becomes::Unknown, _) => {
            let why = answer.is(400).says();
            assert!(why.starts_with("Invalid filters "), "{asked}: {why}");
            let before = async |path: &str| {
                let answer = cinder.at(30, token, Method::GET, path, None).await;
                answer.is(200).json()
            };
            assert_eq!(before(&asked).await, before(path).await, "{asked}");
        }
    }
}

#[tokio::test]
async fn every_parameter_of_a_list_changes_the_answer_or_is_refused_or_says_why_not() {
    for cinder in Cinder::all().await {
        filled(&cinder).await;
        cinder.volume(ADMIN, json!({"name": "own"})).await;
        let tables = volume::parameters();
        for path in ["/volumes", "/volumes/detail", "/types"] {
            let call = format!("GET {path}");
            let mut tables = tables.iter();
            let table = tables.find(|table| table.calls.contains(&call.as_str()));
            let table = table.expect("a table");
            for token in [ADMIN, ALICE] {
                for known in &table.known {
                    let value = match known.name {
                        "all_tenants" | "with_count" => "1",
                        _ => "zz",
                    };
                    let said = format!("{}={value}", known.name);
                    let expected = Becomes::of(known.fate, token);
                    becomes(&cinder, token, (path, &said), expected).await;
                }
            }
            becomes(&cinder, ADMIN, (path, "colour=red"), Becomes::Something).await;
            becomes(&cinder, ALICE, (path, "colour=red"), Becomes::Unknown).await;
        }
    }
}
