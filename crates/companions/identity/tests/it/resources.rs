//! Domains, projects, users, groups, roles and the rest: what clients can keep here.

use serde_json::{Value, json};
use sql::sea_orm::ConnectionTrait;

use crate::cloud::{Cloud, password};

#[tokio::test]
async fn a_project_lives_from_creation_to_deletion() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let body = json!({"name": "p", "description": "d", "colour": "red", "tags": ["a", "b"]});
        let made = cloud
            .post("/v3/projects", json!({"project": body}))
            .await
            .expect(201)
            .body;
        let project = &made["project"];
        let id = project["id"].as_str().expect("id");
        assert_eq!(project["domain_id"], "default");
        assert_eq!(project["parent_id"], "default");
        assert_eq!(
            (&project["colour"], &project["is_domain"]),
            (&json!("red"), &json!(false))
        );
        assert_eq!(
            project["links"]["self"],
            format!("http://cloud/v3/projects/{id}")
        );
        let twin = cloud
            .post("/v3/projects", json!({"project": {"name": "p"}}))
            .await
            .expect(409);
        assert!(
            twin.message()
                .starts_with("Conflict occurred attempting to store project")
        );
        let child = cloud
            .make("projects", "project", json!({"name": "c", "parent_id": id}))
            .await;
        let path = format!("/v3/projects/{id}");
        cloud.delete(&path).await.expect(403);
        let shown = cloud
            .get(&format!("{path}?subtree_as_ids"))
            .await
            .expect(200)
            .body;
        let below = cloud
            .get(&format!("{path}?subtree_as_list=1"))
            .await
            .expect(200)
            .body;
        assert_eq!(below["project"]["subtree"][0]["project"]["id"], child);
        assert_eq!(shown["project"]["subtree"], json!({child.clone(): null}));
        for (query, found) in [
            ("tags=a,b", 1),
            ("tags-any=b,z", 1),
            ("not-tags=a", 0),
            ("name__startswith=p", 1),
        ] {
            let list = cloud
                .get(&format!("/v3/projects?{query}&parent_id=default&name=p"))
                .await
                .expect(200)
                .body;
            assert_eq!(
                list["projects"].as_array().expect("list").len(),
                found,
                "{query}"
            );
        }
        cloud
            .call("PUT", &format!("{path}/tags/new"), &cloud.admin, None, None)
            .await
            .expect(201);
        cloud.get(&format!("{path}/tags/new")).await.expect(204);
        let patched = cloud
            .patch(&path, json!({"project": {"name": "q", "colour": "blue"}}))
            .await
            .expect(200)
            .body;
        assert_eq!(
            (&patched["project"]["name"], &patched["project"]["colour"]),
            (&json!("q"), &json!("blue"))
        );
        cloud
            .delete(&format!("/v3/projects/{child}"))
            .await
            .expect(204);
        cloud.delete(&path).await.expect(204);
        cloud.get(&path).await.expect(404);
    }
}

#[tokio::test]
async fn a_domain_goes_only_when_disabled_and_takes_all_with_it() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let domain = cloud.make("domains", "domain", json!({"name": "d"})).await;
        let user = cloud
            .make("users", "user", json!({"name": "u", "domain_id": domain}))
            .await;
        let path = format!("/v3/domains/{domain}");
        cloud.delete(&path).await.expect(403);
        cloud
            .patch(&path, json!({"domain": {"enabled": false}}))
            .await
            .expect(200);
        cloud.delete(&path).await.expect(204);
        cloud.get(&path).await.expect(404);
        cloud.get(&format!("/v3/users/{user}")).await.expect(404);
    }
}

#[tokio::test]
async fn no_answer_and_no_table_shows_a_password() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let body = json!({"name": "u", "password": "hush-hush", "email": "u@x"});
    let made = cloud
        .post("/v3/users", json!({"user": body}))
        .await
        .expect(201)
        .body;
    assert_eq!(made["user"]["email"], "u@x");
    let id = made["user"]["id"].as_str().expect("id");
    let shown = cloud.get(&format!("/v3/users/{id}")).await.expect(200).body;
    for text in [made.to_string(), shown.to_string()] {
        assert!(
            !text.contains("hush") && !text.contains("$2b$") && !text.contains("password_hash"),
            "{text}"
        );
    }
    let file = std::fs::read(database_file(&cloud).await).expect("file");
    assert!(!file.windows(9).any(|part| part == b"hush-hush"));
}

async fn database_file(cloud: &Cloud) -> String {
    cloud
        .db
        .write()
        .execute_unprepared("PRAGMA wal_checkpoint(FULL)")
        .await
        .expect("checkpoint");
    let statement = "SELECT file FROM pragma_database_list WHERE name = 'main'";
    let backend = cloud.db.read().get_database_backend();
    let row = cloud
        .db
        .read()
        .query_one_raw(sql::sea_orm::Statement::from_string(backend, statement))
        .await
        .expect("query")
        .expect("row");
    row.try_get("", "file").expect("text")
}

#[tokio::test]
async fn a_wrong_body_is_told_where_it_is_wrong() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    for (body, message) in [
        (json!({}), "'user' is a required property"),
        (json!({"user": {}}), "'name' is a required property"),
        (
            json!({"user": {"name": ""}}),
            "Invalid input for field 'name': '' is too short",
        ),
        (
            json!({"user": {"name": "u", "enabled": "yes"}}),
            "Invalid input for field 'enabled': 'yes' is not of type 'boolean'",
        ),
    ] {
        assert_eq!(
            cloud.post("/v3/users", body).await.expect(400).message(),
            message
        );
    }
}

#[tokio::test]
async fn roles_reach_users_through_groups_domains_and_parents() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let user = cloud
            .make("users", "user", json!({"name": "u", "password": "pw"}))
            .await;
        let group = cloud.make("groups", "group", json!({"name": "g"})).await;
        let top = cloud
            .make("projects", "project", json!({"name": "top"}))
            .await;
        let sub = cloud
            .make(
                "projects",
                "project",
                json!({"name": "sub", "parent_id": top}),
            )
            .await;
        let member = cloud.id("roles", "member").await;
        cloud
            .put(&format!("/v3/groups/{group}/users/{user}"))
            .await
            .expect(204);
        let inherit = format!(
            "/v3/OS-INHERIT/projects/{top}/groups/{group}/roles/{member}/inherited_to_projects"
        );
        cloud.put(&inherit).await.expect(204);
        cloud
            .call("HEAD", &inherit, &cloud.admin, None, None)
            .await
            .expect(204);
        cloud
            .log_in(password("u", "pw", Some("top")))
            .await
            .expect(401);
        let token = cloud
            .log_in(password("u", "pw", Some("sub")))
            .await
            .expect(201)
            .subject();
        let listed = cloud
            .call("GET", "/v3/auth/projects", &token, None, None)
            .await
            .expect(200)
            .body;
        assert_eq!(listed["projects"][0]["id"], sub);
        let query = format!("/v3/role_assignments?effective&include_names&user.id={user}");
        let lines = cloud.get(&query).await.expect(200).body;
        let names: Vec<&Value> = lines["role_assignments"]
            .as_array()
            .expect("list")
            .iter()
            .map(|line| &line["role"]["name"])
            .collect();
        assert_eq!(names.len(), 2, "{lines}");
        assert!(names.contains(&&json!("member")) && names.contains(&&json!("reader")));
        cloud
            .delete(&format!("/v3/groups/{group}/users/{user}"))
            .await
            .expect(204);
        assert!(!cloud.works(&token).await);
    }
}

#[tokio::test]
async fn services_endpoints_regions_and_limits_are_kept() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let service = cloud
            .make(
                "services",
                "service",
                json!({"type": "compute", "name": "nova"}),
            )
            .await;
        let wrong = json!({"endpoint": {"service_id": service, "interface": "public", "url": "http://$(planet)s"}});
        cloud.post("/v3/endpoints", wrong).await.expect(400);
        let url = json!({"service_id": service, "interface": "public", "url": "http://x/v2.1", "region": "Two"});
        let endpoint = cloud.make("endpoints", "endpoint", url).await;
        assert_eq!(
            cloud.get("/v3/regions/Two").await.expect(200).body["region"]["id"],
            "Two"
        );
        cloud.delete("/v3/regions/Two").await.expect(403);
        let catalog = cloud.get("/v3/auth/catalog").await.expect(200).body;
        assert!(catalog.to_string().contains("http://x/v2.1"));
        let limit = json!({"service_id": service, "resource_name": "servers", "default_limit": 10});
        cloud
            .post(
                "/v3/registered_limits",
                json!({"registered_limits": [limit]}),
            )
            .await
            .expect(201);
        cloud
            .post(
                "/v3/registered_limits",
                json!({"registered_limits": [limit]}),
            )
            .await
            .expect(409);
        let project = cloud.id("projects", "demo").await;
        let own = json!({"service_id": service, "resource_name": "servers", "resource_limit": 3, "project_id": project});
        cloud
            .post("/v3/limits", json!({"limits": [own]}))
            .await
            .expect(201);
        let found = cloud
            .get(&format!(
                "/v3/limits?project_id={project}&resource_name=servers"
            ))
            .await
            .expect(200)
            .body;
        assert_eq!(found["limits"][0]["resource_limit"], 3);
        cloud
            .delete(&format!("/v3/endpoints/{endpoint}"))
            .await
            .expect(204);
        cloud
            .delete(&format!("/v3/services/{service}"))
            .await
            .expect(204);
    }
}

#[tokio::test]
async fn lists_come_in_pages_that_lead_to_each_other() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let mut path = "/v3/users?limit=2".to_owned();
    let mut names = Vec::new();
    loop {
        let page = cloud.get(&path).await.expect(200).body;
        names.extend(
            page["users"]
                .as_array()
                .expect("list")
                .iter()
                .map(|user| user["name"].clone()),
        );
        match page["links"]["next"].as_str() {
            Some(next) => path = next.trim_start_matches("http://cloud").to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["admin", "demo", "nova"]);
}

#[tokio::test]
async fn a_project_sees_only_the_endpoints_chosen_for_it() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let service = cloud
            .make("services", "service", json!({"type": "compute"}))
            .await;
        let endpoint =
            json!({"service_id": service, "interface": "public", "url": "http://only/v2.1"});
        let endpoint = cloud.make("endpoints", "endpoint", endpoint).await;
        let project = cloud.id("projects", "demo").await;
        let catalog = async || {
            let token = cloud.demo().await;
            cloud
                .call("GET", "/v3/auth/catalog", &token, None, None)
                .await
                .expect(200)
                .body
                .to_string()
        };
        assert!(catalog().await.contains("http://cloud/volume"));
        let bond = format!("/v3/OS-EP-FILTER/projects/{project}/endpoints/{endpoint}");
        cloud.put(&bond).await.expect(204);
        cloud
            .call("HEAD", &bond, &cloud.admin, None, None)
            .await
            .expect(204);
        assert!(catalog().await.contains("http://only/v2.1"));
        assert!(!catalog().await.contains("http://cloud/volume"));
        cloud.delete(&bond).await.expect(204);
        let group = json!({"name": "g", "filters": {"service_id": service}});
        let group = cloud
            .make("OS-EP-FILTER/endpoint_groups", "endpoint_group", group)
            .await;
        cloud
            .put(&format!(
                "/v3/OS-EP-FILTER/endpoint_groups/{group}/projects/{project}"
            ))
            .await
            .expect(204);
        assert!(!catalog().await.contains("http://cloud/volume"));
        cloud
            .delete(&format!("/v3/OS-EP-FILTER/endpoint_groups/{group}"))
            .await
            .expect(204);
        assert!(catalog().await.contains("http://cloud/volume"));
    }
}
