//! Flavors: who sees which, what operators may do, and how it looks at each version.

use http::StatusCode;
use serde_json::{Value, json};

use crate::bare::{Cloud, OTHER, PROJECT, message};

const LATEST: u16 = 104;

async fn made(cloud: &Cloud, id: &str, ram: u32, public: bool) {
    let body = json!({"flavor": {"id": id, "name": format!("m1.{id}"), "ram": ram, "vcpus": 1, "disk": 1,
        "os-flavor-access:is_public": public}});
    let (code, answer) = cloud.post("admin", 2, "/flavors", body).await;
    assert_eq!(code, StatusCode::OK, "{answer}");
}

fn ids(answer: &Value) -> Vec<&str> {
    let flavors = answer["flavors"].as_array().expect("a list");
    let ids = flavors.iter().map(|flavor| flavor["id"].as_str());
    ids.map(|id| id.expect("an id")).collect()
}

#[tokio::test]
async fn a_flavor_looks_as_its_version_says() {
    let cloud = Cloud::start().await;
    made(&cloud, "1", 64, true).await;
    let (_, old) = cloud.get("member", 1, "/flavors/1").await;
    assert_eq!(
        old["flavor"],
        json!({"id": "1", "name": "m1.1", "ram": 64, "disk": 1, "swap": "", "vcpus": 1, "rxtx_factor": 1.0,
            "OS-FLV-EXT-DATA:ephemeral": 0, "OS-FLV-DISABLED:disabled": false, "os-flavor-access:is_public": true,
            "links": [{"rel": "self", "href": "http://cloud/compute/v2.1/flavors/1"},
                {"rel": "bookmark", "href": "http://cloud/compute/flavors/1"}]})
    );
    let (_, new) = cloud.get("member", LATEST, "/flavors/1").await;
    assert_eq!(new["flavor"]["swap"], 0);
    assert_eq!(new["flavor"]["description"], Value::Null);
    assert_eq!(new["flavor"]["extra_specs"], json!({}));
    assert!(new["flavor"].get("rxtx_factor").is_none());
    let (code, answer) = cloud.get("member", LATEST, "/flavors/9").await;
    assert_eq!(
        (code, message(&answer)),
        (StatusCode::NOT_FOUND, "Flavor 9 could not be found.")
    );
}

#[tokio::test]
async fn names_and_ids_of_flavors_are_taken_once() {
    let cloud = Cloud::start().await;
    made(&cloud, "1", 64, true).await;
    for (id, name, why) in [
        ("1", "new", "Flavor with ID 1 already exists."),
        ("2", "m1.1", "Flavor with name m1.1 already exists."),
    ] {
        let body = json!({"flavor": {"id": id, "name": name, "ram": 1, "vcpus": 1, "disk": 0}});
        let (code, answer) = cloud.post("admin", 2, "/flavors", body).await;
        assert_eq!((code, message(&answer)), (StatusCode::CONFLICT, why));
    }
    let body = json!({"flavor": {"name": "mine", "ram": 1, "vcpus": 1, "disk": 0}});
    let (code, answer) = cloud.post("member", 2, "/flavors", body.clone()).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::FORBIDDEN,
            "Policy doesn't allow os_compute_api:os-flavor-manage:create to be performed."
        )
    );
    let (_, answer) = cloud.post("admin", 2, "/flavors", body).await;
    assert_eq!(answer["flavor"]["id"].as_str().map(str::len), Some(36));
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_cut_into_pages() {
    let cloud = Cloud::start().await;
    for (id, ram) in [("a", 512), ("b", 64), ("c", 256)] {
        made(&cloud, id, ram, true).await;
    }
    let (_, page) = cloud
        .get(
            "member",
            1,
            "/flavors?sort_key=memory_mb&sort_dir=desc&limit=2",
        )
        .await;
    assert_eq!(ids(&page), ["a", "c"]);
    let next = page["flavors_links"][0]["href"].as_str().expect("a link");
    assert_eq!(
        next,
        "http://cloud/compute/v2.1/flavors?limit=2&marker=c&sort_dir=desc&sort_key=memory_mb"
    );
    let path = next
        .strip_prefix("http://cloud/compute/v2.1")
        .expect("ours");
    let (_, page) = cloud.get("member", 1, path).await;
    assert_eq!(ids(&page), ["b"]);
    assert!(page.get("flavors_links").is_none());
    let (_, page) = cloud.get("member", 1, "/flavors/detail?minRam=100").await;
    assert_eq!(ids(&page), ["a", "c"]);
    let (_, page) = cloud.get("member", 102, "/flavors?name=m1.b").await;
    assert_eq!(ids(&page), ["b"]);
    let (_, page) = cloud.get("member", 1, "/flavors?limit=0").await;
    assert_eq!(page, json!({"flavors": []}));
    for (path, why) in [
        ("/flavors?minRam=x", "Invalid minRam filter [x]"),
        ("/flavors?minDisk=x", "Invalid minDisk filter [x]"),
        ("/flavors?marker=x", "marker [x] not found"),
        ("/flavors?is_public=x", "Invalid is_public filter [x]"),
    ] {
        let (code, answer) = cloud.get("admin", 1, path).await;
        assert_eq!((code, message(&answer)), (StatusCode::BAD_REQUEST, why));
    }
    assert_eq!(
        cloud.get("member", 74, "/flavors?x=1").await.0,
        StatusCode::OK
    );
    let (code, _) = cloud.get("member", 75, "/flavors?x=1").await;
    assert_eq!(code, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_private_flavor_is_there_only_for_those_it_is_open_to() {
    let cloud = Cloud::start().await;
    made(&cloud, "p", 64, true).await;
    made(&cloud, "x", 64, false).await;
    let open = |project| json!({"addTenantAccess": {"tenant": project}});
    assert_eq!(
        cloud.get("stranger", 1, "/flavors/x").await.0,
        StatusCode::NOT_FOUND
    );
    let (code, list) = cloud
        .post("admin", 7, "/flavors/x/action", open(OTHER))
        .await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(
        list,
        json!({"flavor_access": [{"flavor_id": "x", "tenant_id": OTHER}]})
    );
    assert_eq!(
        cloud.get("stranger", 1, "/flavors/x").await.0,
        StatusCode::OK
    );
    assert_eq!(
        cloud.get("member", 1, "/flavors/x").await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        ids(&cloud.get("stranger", 1, "/flavors").await.1),
        ["p", "x"]
    );
    assert_eq!(
        ids(&cloud.get("member", 1, "/flavors?is_public=None").await.1),
        ["p"]
    );
    assert_eq!(
        ids(&cloud.get("admin", 1, "/flavors?is_public=None").await.1),
        ["p", "x"]
    );
    assert_eq!(
        ids(&cloud.get("admin", 1, "/flavors?is_public=no").await.1),
        ["x"]
    );
    assert_eq!(ids(&cloud.get("admin", 1, "/flavors").await.1), ["p"]);

    let again = cloud
        .post("admin", 7, "/flavors/x/action", open(OTHER))
        .await;
    assert_eq!(again.0, StatusCode::CONFLICT);
    assert_eq!(
        message(&again.1),
        format!("Flavor access already exists for flavor x and project {OTHER} combination.")
    );
    // Whether the project is still there is not asked.
    for project in [PROJECT, "gone"] {
        let close = json!({"removeTenantAccess": {"tenant": project}});
        let (code, answer) = cloud.post("admin", 7, "/flavors/x/action", close).await;
        assert_eq!(code, StatusCode::NOT_FOUND);
        assert_eq!(
            message(&answer),
            format!("Flavor access not found for x / {project} combination.")
        );
    }
}

#[tokio::test]
async fn public_flavors_have_no_list_of_projects() {
    let cloud = Cloud::start().await;
    made(&cloud, "p", 64, true).await;
    let open = json!({"addTenantAccess": {"tenant": PROJECT}});
    let (code, _) = cloud
        .post("admin", 6, "/flavors/p/action", open.clone())
        .await;
    assert_eq!(code, StatusCode::OK);
    let (code, answer) = cloud.post("admin", 7, "/flavors/p/action", open).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::CONFLICT,
            "Can not add access to a public flavor."
        )
    );
    let (code, answer) = cloud.get("admin", 7, "/flavors/p/os-flavor-access").await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::NOT_FOUND,
            "Access list not available for public flavors."
        )
    );
}

#[tokio::test]
async fn extra_specs_are_kept_and_since_2_86_checked() {
    let cloud = Cloud::start().await;
    made(&cloud, "1", 64, true).await;
    let path = "/flavors/1/os-extra_specs";
    let body = json!({"extra_specs": {"hw:numa_nodes": 1, "own": "x", "part": 1.5}});
    let (code, answer) = cloud.post("admin", LATEST, path, body.clone()).await;
    assert_eq!((code, answer), (StatusCode::OK, body));
    let (_, answer) = cloud.get("reader", 1, path).await;
    assert_eq!(
        answer,
        json!({"extra_specs": {"hw:numa_nodes": "1", "own": "x", "part": "1.5"}})
    );
    let flavor = json!({"flavor": {"name": "n", "id": 2.5, "ram": 64, "vcpus": 1, "disk": 1}});
    let (_, made) = cloud.post("admin", 1, "/flavors", flavor).await;
    assert_eq!(made["flavor"]["id"], "2.5");
    let wrong = json!({"hw:numa_nodes": "none"});
    let key = format!("{path}/hw:numa_nodes");
    assert_eq!(
        cloud.put("admin", 85, &key, wrong.clone()).await.0,
        StatusCode::OK
    );
    let (code, answer) = cloud.put("admin", 86, &key, wrong).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::BAD_REQUEST,
            "Validation failed; 'none' is not a valid integer value."
        )
    );
    let (code, answer) = cloud.put("admin", 86, &key, json!({"own": "y"})).await;
    assert_eq!(
        (code, message(&answer)),
        (StatusCode::BAD_REQUEST, "Request body and URI mismatch")
    );
    let (_, answer) = cloud.get("reader", 1, &format!("{path}/own")).await;
    assert_eq!(answer, json!({"own": "x"}));
    let own = format!("{path}/own");
    assert_eq!(
        cloud.delete("member", 1, &own).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(cloud.delete("admin", 1, &own).await.0, StatusCode::OK);
    let (code, answer) = cloud.delete("admin", 1, &own).await;
    assert_eq!(
        (code, message(&answer)),
        (
            StatusCode::NOT_FOUND,
            "Flavor 1 has no extra specs with key own."
        )
    );
}

#[tokio::test]
async fn only_the_description_of_a_flavor_changes_until_it_goes() {
    let cloud = Cloud::start().await;
    made(&cloud, "1", 64, true).await;
    let body = json!({"flavor": {"description": "small"}});
    assert_eq!(
        cloud.put("admin", 54, "/flavors/1", body.clone()).await.0,
        StatusCode::NOT_FOUND
    );
    let (code, answer) = cloud.put("admin", 55, "/flavors/1", body).await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(answer["flavor"]["description"], "small");
    let more = json!({"flavor": {"description": "small", "ram": 1}});
    assert_eq!(
        cloud.put("admin", 55, "/flavors/1", more).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        cloud.delete("admin", 1, "/flavors/1").await.0,
        StatusCode::ACCEPTED
    );
    assert_eq!(
        cloud.delete("admin", 1, "/flavors/1").await.0,
        StatusCode::NOT_FOUND
    );
}
