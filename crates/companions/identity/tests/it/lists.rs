//! Lists on every engine: filters mean the same, pages together are the list, and what is asked for is what the whole
//! list holds of it.

use serde_json::{Value, json};

use crate::cloud::Cloud;

/// Names with signs that patterns of databases know, and letters whose case engines know differently.
const NAMES: &[&str] = &[
    "100%",
    "100 percent",
    "a_b",
    "aXb",
    "Alpha",
    "alpha",
    "ÄPFEL",
    "äpfel",
    "pipe|end",
    "back\\slash",
    "quote'd",
];

type Test = fn(&str) -> bool;

/// Filters, and whom they let through.
const FILTERS: &[(&str, Test)] = &[
    ("", |_| true),
    ("name=alpha", |name| name == "alpha"),
    ("name__contains=%25", |name| name.contains('%')),
    ("name__contains=_", |name| name.contains('_')),
    ("name__contains=%7C", |name| name.contains('|')),
    ("name__contains=%5C", |name| name.contains('\\')),
    ("name__contains=A", |name| name.contains('A')),
    ("name__startswith=a", |name| name.starts_with('a')),
    ("name__endswith=b", |name| name.ends_with('b')),
    ("name__contains=%27", |name| name.contains('\'')),
    ("name__iexact=%C3%84pfel", |name| {
        name.to_lowercase() == "äpfel"
    }),
    ("name__icontains=AL", |name| {
        name.to_lowercase().contains("al")
    }),
    ("name__istartswith=%C3%A4", |name| {
        name.to_lowercase().starts_with('ä')
    }),
    ("name__iendswith=B", |name| {
        name.to_lowercase().ends_with('b')
    }),
    ("name__contains=a&name__endswith=b", |name| {
        name.contains('a') && name.ends_with('b')
    }),
    ("name=nobody", |_| false),
    ("unknown=thing", |_| true),
];

fn items(body: &Value, key: &str) -> Vec<Value> {
    body[key].as_array().expect("a list").clone()
}

fn names(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|item| item["name"].as_str().expect("a name"))
        .collect()
}

/// All pages of two, one after the other.
async fn pages(cloud: &Cloud, key: &str, query: &str) -> Vec<Value> {
    pages_of(cloud, key, key, query).await
}

/// The same of a list at another place than its name.
async fn pages_of(cloud: &Cloud, place: &str, key: &str, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = Some(format!("/v3/{place}?{query}&limit=2"));
    while let Some(path) = next {
        let body = cloud.get(&path).await.expect(200).body;
        let page = items(&body, key);
        assert!(page.len() <= 2, "{path}");
        all.extend(page);
        let link = body["links"]["next"].as_str();
        assert_eq!(link.is_some(), body["truncated"] == true, "{path}");
        next = link.map(|link| link.trim_start_matches("http://cloud").to_owned());
    }
    all
}

#[tokio::test]
async fn filters_and_pages_mean_the_same_on_every_engine() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let domain = json!({"name": "of lists"});
        let domain = cloud.make("domains", "domain", domain).await;
        for name in NAMES {
            for (kind, one) in [
                ("users", "user"),
                ("groups", "group"),
                ("projects", "project"),
            ] {
                let body = json!({"name": name, "domain_id": domain});
                cloud.make(kind, one, body).await;
            }
        }
        for kind in ["users", "groups", "projects"] {
            for (filter, test) in FILTERS {
                let query = format!("domain_id={domain}&{filter}");
                let path = format!("/v3/{kind}?{query}");
                let body = cloud.get(&path).await.expect(200).body;
                let found = items(&body, kind);
                let mut sorted = names(&found);
                sorted.sort_unstable();
                let mut wanted: Vec<&str> =
                    NAMES.iter().copied().filter(|name| test(name)).collect();
                wanted.sort_unstable();
                assert_eq!(sorted, wanted, "{path}");
                let paged = pages(&cloud, kind, &query).await;
                assert_eq!(names(&paged), names(&found), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn tags_and_fields_without_a_column_are_looked_for_page_by_page() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        for (at, tags) in [
            json!(["a"]),
            json!(["a", "b"]),
            json!(["ab"]),
            json!([]),
            json!(["b"]),
        ]
        .into_iter()
        .enumerate()
        {
            let body = json!({"name": format!("p{at}"), "tags": tags});
            cloud.make("projects", "project", body).await;
            let email = if at % 2 == 0 {
                "even@example.org"
            } else {
                "odd@example.org"
            };
            let body = json!({"name": format!("u{at}"), "email": email, "enabled": at != 4});
            cloud.make("users", "user", body).await;
        }
        let own = "name__startswith=p";
        for (filter, wanted) in [
            ("tags=a", &["p0", "p1"][..]),
            ("tags=a,b", &["p1"]),
            ("tags-any=a,b", &["p0", "p1", "p4"]),
            ("not-tags=a,b", &["p0", "p2", "p3", "p4"]),
            ("not-tags-any=a,b", &["p2", "p3"]),
        ] {
            let found = pages(&cloud, "projects", &format!("{filter}&{own}")).await;
            assert_eq!(names(&found), wanted, "{filter}");
        }
        for (filter, wanted) in [
            ("email=odd@example.org", &["u1", "u3"][..]),
            ("email__startswith=even&enabled=true", &["u0", "u2"]),
            ("name__startswith=u&enabled=false", &["u4"]),
        ] {
            let found = pages(&cloud, "users", filter).await;
            assert_eq!(names(&found), wanted, "{filter}");
        }
    }
}

/// Whether an assignment is what a filter names.
fn is(item: &Value, filter: &str, id: &str) -> bool {
    let at = match filter {
        "role.id" => &item["role"]["id"],
        "user.id" => &item["user"]["id"],
        "group.id" => &item["group"]["id"],
        "scope.project.id" => &item["scope"]["project"]["id"],
        _ => &item["scope"]["domain"]["id"],
    };
    at == id
}

#[tokio::test]
async fn assignments_that_are_asked_for_are_those_of_the_whole_list() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let make = async |kind: &str, one: &str, body: Value| cloud.make(kind, one, body).await;
        let home = make("domains", "domain", json!({"name": "home"})).await;
        let inside = |name: &str| json!({"name": name, "domain_id": home});
        let top = make("projects", "project", inside("top")).await;
        let below = json!({"name": "below", "domain_id": home, "parent_id": top});
        let below = make("projects", "project", below).await;
        let user = make("users", "user", inside("user")).await;
        let member = make("users", "user", inside("member")).await;
        let group = make("groups", "group", inside("group")).await;
        let manager = cloud.id("roles", "manager").await;
        let reader = cloud.id("roles", "reader").await;
        for path in [
            format!("groups/{group}/users/{member}"),
            format!("projects/{top}/users/{user}/roles/{manager}"),
            format!("projects/{below}/groups/{group}/roles/{reader}"),
            format!("domains/{home}/groups/{group}/roles/{reader}"),
            format!("OS-INHERIT/domains/{home}/users/{user}/roles/{reader}/inherited_to_projects"),
            format!(
                "OS-INHERIT/projects/{top}/groups/{group}/roles/{manager}/inherited_to_projects"
            ),
        ] {
            cloud.put(&format!("/v3/{path}")).await.expect(204);
        }
        let list = async |query: &str| {
            let path = format!("/v3/role_assignments?{query}");
            items(&cloud.get(&path).await.expect(200).body, "role_assignments")
        };
        for effective in ["", "effective"] {
            let all = list(effective).await;
            for (filter, id) in [
                ("role.id", &manager),
                ("role.id", &reader),
                ("user.id", &user),
                ("user.id", &member),
                ("group.id", &group),
                ("scope.project.id", &top),
                ("scope.project.id", &below),
                ("scope.domain.id", &home),
                ("scope.project.id", &user),
            ] {
                if (filter, effective) == ("group.id", "effective") {
                    continue;
                }
                let found = list(&format!("{filter}={id}&{effective}")).await;
                let wanted: Vec<_> = all.iter().filter(|item| is(item, filter, id)).collect();
                assert_eq!(
                    found.iter().collect::<Vec<_>>(),
                    wanted,
                    "{filter} {effective}"
                );
                let both = format!("{filter}={id}&role.id={reader}&{effective}");
                let both = list(&both).await;
                let wanted = wanted
                    .into_iter()
                    .filter(|item| is(item, "role.id", &reader));
                if filter != "role.id" {
                    assert_eq!(
                        both,
                        wanted.cloned().collect::<Vec<_>>(),
                        "{filter} {effective}"
                    );
                }
            }
            let named = list(&format!("include_names&{effective}")).await;
            assert_eq!(named.len(), all.len());
            let unnamed = named.iter().find(|item| item["role"]["name"].is_null());
            assert_eq!(unnamed, None);
            let tree = list(&format!(
                "scope.project.id={top}&include_subtree&{effective}"
            ))
            .await;
            let within = |item: &&Value| {
                is(item, "scope.project.id", &top) || is(item, "scope.project.id", &below)
            };
            assert_eq!(tree.len(), all.iter().filter(within).count(), "{effective}");
            let two = format!("/v3/role_assignments?limit=2&{effective}");
            let two = cloud.get(&two).await.expect(200).body;
            assert_eq!(items(&two, "role_assignments"), all[..2]);
            assert_eq!(two["truncated"], true);
        }
        // The user's inherited role reaches both projects, with what it implies.
        let reached = list(&format!("user.id={user}&role.id={reader}&effective")).await;
        assert_eq!(reached.len(), 2, "{reached:?}");
    }
}

#[tokio::test]
async fn roles_of_a_place_come_in_pages_by_name() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let user = cloud.id("users", "demo").await;
        let project = cloud.id("projects", "demo").await;
        let place = format!("projects/{project}/users/{user}/roles");
        for name in ["zebra", "ant", "bee", "cow"] {
            let role = cloud.make("roles", "role", json!({"name": name})).await;
            cloud.put(&format!("/v3/{place}/{role}")).await.expect(204);
        }
        let elsewhere = cloud.make("roles", "role", json!({"name": "dog"})).await;
        let system = format!("/v3/system/users/{user}/roles/{elsewhere}");
        cloud.put(&system).await.expect(204);
        let body = cloud.get(&format!("/v3/{place}")).await.expect(200).body;
        let found = items(&body, "roles");
        assert_eq!(names(&found), ["ant", "bee", "cow", "member", "zebra"]);
        let id = found[0]["id"].as_str().expect("an id");
        let link = format!("http://cloud/v3/roles/{id}");
        assert_eq!(found[0]["links"]["self"], link);
        let paged = pages_of(&cloud, &place, "roles", "").await;
        assert_eq!(paged, found);
        let paged = pages_of(&cloud, &place, "roles", "name__contains=e").await;
        assert_eq!(names(&paged), ["bee", "member", "zebra"]);
    }
}

#[tokio::test]
async fn endpoints_of_a_project_are_filtered_and_paged() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let project = cloud.id("projects", "demo").await;
        let place = format!("OS-EP-FILTER/projects/{project}/endpoints");
        let service = json!({"type": "compute"});
        let service = cloud.make("services", "service", service).await;
        let body = cloud.get(&format!("/v3/{place}")).await.expect(200).body;
        assert_eq!(body["endpoints"], json!([]), "nothing is chosen");
        for interface in ["public", "internal", "admin"] {
            let url = format!("http://{interface}/");
            let body = json!({"service_id": service, "interface": interface, "url": url});
            let endpoint = cloud.make("endpoints", "endpoint", body).await;
            cloud
                .put(&format!("/v3/{place}/{endpoint}"))
                .await
                .expect(204);
        }
        let body = cloud.get(&format!("/v3/{place}")).await.expect(200).body;
        let found = items(&body, "endpoints");
        assert_eq!(found.len(), 3);
        assert_eq!(pages_of(&cloud, &place, "endpoints", "").await, found);
        let public = pages_of(&cloud, &place, "endpoints", "interface=public").await;
        assert_eq!(public.len(), 1);
        assert_eq!(public[0]["url"], "http://public/");
    }
}

#[tokio::test]
async fn events_of_revocation_are_those_since_a_moment_and_at_most_so_many() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        for _ in 0..3 {
            let token = cloud.demo().await;
            let gone = cloud.call("DELETE", "/v3/auth/tokens", &token, Some(&token), None);
            gone.await.expect(204);
        }
        let events = async |query: &str| {
            let path = format!("/v3/OS-REVOKE/events?{query}");
            cloud.get(&path).await.expect(200).body
        };
        let all = events("").await;
        let found = items(&all, "events");
        assert_eq!(found.len(), 3, "{all}");
        assert!(
            found
                .iter()
                .all(|event| event["audit_id"].is_string() && event["id"].is_null())
        );
        let first = events("limit=2").await;
        assert_eq!(items(&first, "events"), found[..2]);
        assert_eq!(first["truncated"], true);
        let since = found[2]["revoked_at"].as_str().expect("a moment");
        assert_eq!(
            items(&events(&format!("since={since}")).await, "events"),
            found[2..]
        );
        assert_eq!(
            events("since=2999-01-01T00:00:00Z").await["events"],
            json!([])
        );
    }
}
