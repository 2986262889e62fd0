//! What the users by which services ask each other may, and what nobody but the cloud's own may.

use http::Method;
use secrecy::ExposeSecret;
use serde_json::json;
use testing::{TestCloud, User};

async fn service(cloud: &TestCloud, name: &str) -> User {
    let running = cloud.cloud();
    let password = running.state.secrets.service(name);
    User::log_in(&running.url, name, password.expose_secret(), "service").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_a_service_does_its_work_and_nothing_else() {
    let mut cloud = TestCloud::start().await;
    let (admin, demo) = (cloud.admin().await, cloud.demo().await);
    let server = cloud.boot(&demo, "mine").await;
    let key = json!({"keypair": {"name": "k", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDgOzVUXHDf7Jm8T6TwWzZ8mvCzLFLbLfH5CBzq2p8Qf x"}});
    demo.post("/compute/v2.1/os-keypairs", &key)
        .await
        .expect(200);
    let private = cloud.image(&demo).await;
    for name in ["nova", "neutron", "glance"] {
        let user = service(&cloud, name).await;
        let refused: &[(Method, String)] = &[
            (
                Method::DELETE,
                format!("/identity/v3/users/{}", demo.user_id),
            ),
            (Method::GET, "/identity/v3/users".to_owned()),
            (Method::GET, "/identity/v3/credentials".to_owned()),
            (
                Method::DELETE,
                format!("/identity/v3/projects/{}", demo.project_id),
            ),
            (Method::GET, format!("/compute/v2.1/servers/{}", server.id)),
            (
                Method::DELETE,
                format!("/compute/v2.1/servers/{}", server.id),
            ),
            (
                Method::GET,
                "/compute/v2.1/servers/detail?all_tenants=1".to_owned(),
            ),
            (
                Method::GET,
                format!("/compute/v2.1/os-keypairs?user_id={}", demo.user_id),
            ),
            (Method::GET, "/compute/v2.1/os-hypervisors".to_owned()),
            (Method::DELETE, format!("/image/v2/images/{private}")),
            (Method::GET, "/network/v2.0/quotas".to_owned()),
        ];
        for (method, path) in refused {
            // Before 2.10 key pairs are always one's own, whatever the query says.
            let version = [("openstack-api-version", "compute 2.10")];
            let answer = user.send(method.clone(), path, &version, None).await;
            let status = answer.status.as_u16();
            let nothing = path.ends_with("/credentials") && answer.body["credentials"] == json!([]);
            let own = path.ends_with("/quotas") && status == 403;
            assert!(
                matches!(status, 403 | 404) || nothing || own,
                "{name}: {method} {path}: {status} {}",
                answer.text
            );
        }
    }
    let running = cloud.cloud();
    let placement = running.state.secrets.service("placement");
    let idle = User::try_log_in(
        &running.url,
        "placement",
        placement.expose_secret(),
        "service",
    );
    assert!(idle.await.is_err(), "it has nothing to do");
    let nova = running.state.secrets.service("nova");
    let other = User::try_log_in(&running.url, "neutron", nova.expose_secret(), "service");
    assert!(other.await.is_err(), "each has a password of its own");
    admin.get("/identity/v3/users").await.expect(200);
    cloud.audit().await;
    cloud.stop().await;
}
