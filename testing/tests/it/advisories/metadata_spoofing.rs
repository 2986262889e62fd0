//! A guest asks for another's metadata, or finds the signature by timing: OSSA-2013-033, 2014-024.
//!
//! That the proxy tells guests apart by something a neighbour cannot forge is tried on real networks, in the tests of
//! `network-plane` and the live tests. Here: the service behind it believes nothing without the signature.

use compute_metadata::{Settings, sign};
use http::{Request, StatusCode};
use secrecy::SecretString;
use testing::TestCloud;
use tower::ServiceExt;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_the_proxys_signature_for_just_this_server_learns_nothing() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let (one, two) = (
        cloud.boot(&demo, "one").await,
        cloud.boot(&demo, "two").await,
    );
    one.reaches("ACTIVE").await;
    two.reaches("ACTIVE").await;
    let secret = "the shared secret";
    let settings = Settings {
        shared_secret: SecretString::from(secret),
        dhcp_domain: "test".to_owned(),
        vendordata_jsonfile_path: None,
    };
    let router = compute_metadata::router(cloud.cloud().db.clone(), settings).expect("a router");
    let ask = async |server: &str, tenant: &str, signature: &str| {
        let request = Request::get("/openstack/latest/meta_data.json")
            .header("x-instance-id", server)
            .header("x-tenant-id", tenant)
            .header("x-instance-id-signature", signature)
            .body(axum::body::Body::empty())
            .expect("a request");
        router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer")
            .status()
    };
    let (project, right) = (demo.project_id.as_str(), sign(secret, &one.id));
    assert_eq!(ask(&one.id, project, &right).await, StatusCode::OK);
    for (what, server, tenant, signature) in [
        (
            "another server's signature",
            &two.id,
            project,
            right.clone(),
        ),
        (
            "another project",
            &one.id,
            "0123456789abcdef0123456789abcdef",
            right.clone(),
        ),
        ("no signature", &one.id, project, String::new()),
        ("half a signature", &one.id, project, right[..32].to_owned()),
        ("another secret", &one.id, project, sign("a guess", &one.id)),
    ] {
        let status = ask(server, tenant, &signature).await;
        assert!(status.is_client_error(), "{what}: {status}");
    }
}
