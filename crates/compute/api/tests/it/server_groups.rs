//! Server groups, and servers that are made in them.

use http::StatusCode;
use serde_json::{Value, json};

use crate::bare::{Cloud, PROJECT, message};
use crate::cloud::{self, ADMIN, MEMBER, NOWHERE, OTHER, plain};

const PATH: &str = "/os-server-groups";

/// A group with one policy, as asked for since 2.64.
fn group(name: &str, policy: &str) -> Value {
    json!({"server_group": {"name": name, "policy": policy}})
}

async fn make(cloud: &Cloud, who: &str, name: &str) -> String {
    let (code, made) = cloud.post(who, 64, PATH, group(name, "affinity")).await;
    assert_eq!(code, StatusCode::OK, "{made}");
    made["server_group"]["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

#[tokio::test]
async fn a_group_has_a_list_of_policies_before_one_policy_with_rules() {
    let cloud = Cloud::start().await;
    let old = json!({"server_group": {"name": " apart ", "policies": ["anti-affinity"]}});
    let (code, answer) = cloud.post("member", 1, PATH, old.clone()).await;
    assert_eq!(code, StatusCode::BAD_REQUEST, "a name has no outer spaces");
    assert!(answer.to_string().contains("name"), "{answer}");
    let old = json!({"server_group": {"name": "apart", "policies": ["anti-affinity"]}});
    let (code, made) = cloud.post("member", 1, PATH, old).await;
    assert_eq!(code, StatusCode::OK, "{made}");
    let id = made["server_group"]["id"].clone();
    assert_eq!(
        made["server_group"],
        json!({"id": id, "name": "apart", "policies": ["anti-affinity"], "metadata": {}, "members": []})
    );
    let path = format!("{PATH}/{}", id.as_str().expect("an id"));
    let (_, shown) = cloud.get("reader", 13, &path).await;
    assert_eq!(
        (
            &shown["server_group"]["project_id"],
            &shown["server_group"]["user_id"]
        ),
        (&json!(PROJECT), &json!("member"))
    );
    let (code, shown) = cloud.get("reader", 64, &path).await;
    assert_eq!(
        (code, &shown["server_group"]),
        (
            StatusCode::OK,
            &json!({"id": id, "name": "apart", "policy": "anti-affinity", "rules": {}, "members": [],
                "project_id": PROJECT, "user_id": "member"})
        )
    );
    let new = json!({"server_group": {"name": "two", "policy": "anti-affinity",
        "rules": {"max_server_per_host": "2"}}});
    let (_, made) = cloud.post("member", 64, PATH, new).await;
    assert_eq!(
        made["server_group"]["rules"],
        json!({"max_server_per_host": 2}),
        "{made}"
    );
}

#[tokio::test]
async fn what_makes_no_sense_of_a_group_is_refused() {
    let cloud = Cloud::start().await;
    let policies = |list: Value| json!({"server_group": {"name": "g", "policies": list}});
    for (minor, body) in [
        (1, json!({"server_group": {"name": "g"}})),
        (1, policies(json!([]))),
        (1, policies(json!(["affinity", "anti-affinity"]))),
        (1, policies(json!(["legacy"]))),
        // Soft policies came with 2.15, the single policy with 2.64.
        (14, policies(json!(["soft-affinity"]))),
        (63, group("g", "affinity")),
        (64, policies(json!(["affinity"]))),
        (
            64,
            json!({"server_group": {"name": "g", "policy": "affinity", "rules": {"x": 1}}}),
        ),
        (
            64,
            json!({"server_group": {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}}}),
        ),
    ] {
        let (code, answer) = cloud.post("member", minor, PATH, body.clone()).await;
        assert_eq!(code, StatusCode::BAD_REQUEST, "2.{minor} {body}: {answer}");
    }
    let soft = policies(json!(["soft-anti-affinity"]));
    let (code, _) = cloud.post("member", 15, PATH, soft).await;
    assert_eq!(code, StatusCode::OK);
    let rules = json!({"server_group": {"name": "g", "policy": "affinity", "rules": {"max_server_per_host": 2}}});
    let (code, answer) = cloud.post("member", 64, PATH, rules).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::BAD_REQUEST,
            "Only anti-affinity policy supports rules."
        )
    );
}

#[tokio::test]
async fn groups_belong_to_projects() {
    let cloud = Cloud::start().await;
    let ours = make(&cloud, "member", "ours").await;
    let theirs = make(&cloud, "stranger", "theirs").await;
    let names = async |who: &str, query: &str| {
        let (code, answer) = cloud.get(who, 64, &format!("{PATH}{query}")).await;
        assert_eq!(code, StatusCode::OK, "{answer}");
        let groups = answer["server_groups"].as_array().expect("a list").clone();
        let names = groups.iter().map(|group| group["name"].clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("reader", "").await, ["ours"]);
    assert_eq!(names("reader", "?all_projects=1").await, ["ours"]);
    assert_eq!(names("admin", "?all_projects").await, ["ours", "theirs"]);
    make(&cloud, "member", "second").await;
    assert_eq!(names("reader", "?limit=1").await, ["ours"]);
    assert_eq!(names("reader", "?limit=0&offset=1").await, ["second"]);
    let (code, _) = cloud.get("reader", 64, &format!("{PATH}?limit=-1")).await;
    assert_eq!(code, StatusCode::BAD_REQUEST);
    let (code, _) = cloud.get("reader", 75, &format!("{PATH}?colour=red")).await;
    assert_eq!(code, StatusCode::BAD_REQUEST);

    let strange = format!("{PATH}/{theirs}");
    for (who, path, code) in [
        ("reader", strange.as_str(), StatusCode::FORBIDDEN),
        ("admin", &strange, StatusCode::OK),
    ] {
        assert_eq!(cloud.get(who, 64, path).await.0, code, "{who}");
    }
    assert_eq!(
        cloud.delete("member", 1, &strange).await.0,
        StatusCode::FORBIDDEN
    );
    let own = format!("{PATH}/{ours}");
    assert_eq!(
        cloud.delete("reader", 1, &own).await.0,
        StatusCode::FORBIDDEN
    );
    let (code, _) = cloud.post("reader", 64, PATH, group("g", "affinity")).await;
    assert_eq!(code, StatusCode::FORBIDDEN);
    assert_eq!(
        cloud.delete("member", 1, &own).await.0,
        StatusCode::NO_CONTENT
    );
    for (code, answer) in [
        cloud.get("member", 1, &own).await,
        cloud.delete("member", 1, &own).await,
    ] {
        let why = format!("Instance group {ours} could not be found.");
        assert_eq!((code, message(&answer)), (StatusCode::NOT_FOUND, &*why));
    }
}

#[tokio::test]
async fn a_project_has_so_many_groups_and_no_more() {
    let cloud = Cloud::start().await;
    let quota = format!("/os-quota-sets/{PROJECT}");
    let set = json!({"quota_set": {"server_groups": 1}});
    cloud.put("admin", 50, &quota, set).await;
    make(&cloud, "member", "first").await;
    let (code, answer) = cloud.post("member", 64, PATH, group("g", "affinity")).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::FORBIDDEN,
            "Quota exceeded, too many server groups."
        )
    );
    let (_, answer) = cloud.get("reader", 1, "/limits").await;
    assert_eq!(answer["limits"]["absolute"]["totalServerGroupsUsed"], 1);
    let (_, answer) = cloud.get("admin", 50, &format!("{quota}/detail")).await;
    assert_eq!(
        answer["quota_set"]["server_groups"],
        json!({"in_use": 1, "limit": 1, "reserved": 0})
    );
    // Another user of the project, and another project, count for themselves.
    let (code, _) = cloud.post("admin", 64, PATH, group("g", "affinity")).await;
    assert_eq!(code, StatusCode::FORBIDDEN);
    make(&cloud, "stranger", "theirs").await;
}

/// Asks for servers in a group.
async fn create(cloud: &cloud::Cloud, who: &str, hint: Value, count: u32) -> cloud::Answer {
    let mut server = plain("member");
    server["max_count"] = json!(count);
    server["min_count"] = json!(count);
    let body = json!({"server": server, "os:scheduler_hints": {"group": hint}});
    cloud.ask(who, 74, "POST /servers", body).await
}

async fn new_group(cloud: &cloud::Cloud, who: &str) -> String {
    let made = cloud
        .ask(
            who,
            64,
            "POST /os-server-groups",
            group("g", "anti-affinity"),
        )
        .await;
    let id = made.body["server_group"]["id"].as_str();
    id.expect("an id").to_owned()
}

#[tokio::test]
async fn a_server_is_made_in_a_group_and_shows_it() {
    let cloud = cloud::Cloud::start().await;
    let id = new_group(&cloud, MEMBER).await;
    let path = format!("/os-server-groups/{id}");
    let made = create(&cloud, MEMBER, json!(id), 1).await;
    assert_eq!(made.code, 202, "{}", made.body);
    let server = made.body["server"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let shown = cloud.get(MEMBER, 64, &path).await.body;
    assert_eq!(shown["server_group"]["members"], json!([server]));
    let groups = async |minor| {
        let shown = cloud
            .get(MEMBER, minor, &format!("/servers/{server}"))
            .await;
        shown.body["server"].get("server_groups").cloned()
    };
    assert_eq!(groups(71).await, Some(json!([id])));
    assert_eq!(groups(70).await, None);
    let put = json!({"server": {"name": "other"}});
    let put = cloud
        .ask(MEMBER, 71, &format!("PUT /servers/{server}"), put)
        .await;
    assert_eq!(put.body["server"]["server_groups"], json!([id]));
    let listed = cloud.get(MEMBER, 71, "/servers/detail").await;
    assert_eq!(listed.body["servers"][0].get("server_groups"), None);
    let alone = cloud.create("alone").await;
    let alone = cloud.get(MEMBER, 71, &format!("/servers/{alone}")).await;
    assert_eq!(alone.body["server"]["server_groups"], json!([]));
    // The group goes, its servers stay.
    let gone = cloud
        .ask(MEMBER, 1, &format!("DELETE {path}"), Value::Null)
        .await;
    assert_eq!(gone.code, 204);
    assert_eq!(groups(71).await, Some(json!([])));
}

#[tokio::test]
async fn only_a_group_of_the_own_project_can_be_joined() {
    let cloud = cloud::Cloud::start().await;
    let theirs = new_group(&cloud, OTHER).await;
    for id in [NOWHERE, theirs.as_str()] {
        let refused = create(&cloud, MEMBER, json!(id), 1).await;
        let why = format!("Instance group {id} could not be found.");
        assert_eq!((refused.code, refused.message()), (400, &*why));
    }
    let listed = cloud.get(MEMBER, 1, "/servers").await;
    assert_eq!(listed.body["servers"], json!([]), "nothing was made");
    assert_eq!(create(&cloud, ADMIN, json!(theirs), 1).await.code, 202);
}

#[tokio::test]
async fn a_group_has_so_many_members_of_a_user_and_no_more() {
    let cloud = cloud::Cloud::start().await;
    let set = json!({"quota_class_set": {"server_group_members": 2}});
    let set = cloud
        .ask(ADMIN, 50, "PUT /os-quota-class-sets/default", set)
        .await;
    assert_eq!(set.code, 200, "{}", set.body);
    let id = new_group(&cloud, MEMBER).await;
    assert_eq!(create(&cloud, MEMBER, json!([id]), 2).await.code, 202);
    let refused = create(&cloud, MEMBER, json!(id), 1).await;
    assert_eq!(
        (refused.code, refused.message()),
        (403, "Quota exceeded, too many servers in group")
    );
    let listed = cloud.get(MEMBER, 1, "/servers").await;
    let servers = listed.body["servers"].as_array().expect("a list");
    assert_eq!(servers.len(), 2, "nothing more was made");
}
