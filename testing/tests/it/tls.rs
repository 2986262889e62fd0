//! TLS at the doors, as a client sees it.

use serde_json::{Value, json};
use testing::{TestCloud, cloud::refusal};

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_with_a_certificate_of_its_own_speaks_tls_everywhere_and_says_so() {
    let cloud = TestCloud::with("[ssl]\nself_signed = true\n").await;
    let (url, console) = (cloud.cloud().url.clone(), cloud.cloud().console_url.clone());
    assert!(
        url.starts_with("https://") && console.starts_with("https://"),
        "{url} {console}"
    );
    let certificate = cloud.state_path().join("keys/tls/certificate.pem");
    let trusted = reqwest::Certificate::from_pem(&std::fs::read(&certificate).unwrap()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([trusted])
        .build()
        .unwrap();

    let password = &cloud.cloud().state.secrets.demo_password;
    let domain = json!({"name": "Default"});
    let login = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": "demo", "domain": domain, "password": password,
        }}},
        "scope": {"project": {"name": "demo", "domain": domain}},
    }});
    let asked = client
        .post(format!("{url}/identity/v3/auth/tokens"))
        .json(&login);
    let answer = asked.send().await.expect("TLS");
    assert_eq!(answer.status(), 201);
    let catalog: Value = answer.json().await.expect("JSON");
    let catalog = catalog["token"]["catalog"].to_string();
    assert!(
        catalog.contains("https://") && !catalog.contains("http://"),
        "{catalog}"
    );
    let page = client
        .get(format!("{console}/vnc_auto.html"))
        .send()
        .await
        .expect("TLS");
    assert_eq!(page.status(), 200);

    let stranger = reqwest::Client::new()
        .get(format!("{url}/healthcheck"))
        .send()
        .await;
    assert!(stranger.is_err(), "nobody has to trust it");
    let plain = url.replacen("https", "http", 1);
    assert!(
        reqwest::get(format!("{plain}/healthcheck")).await.is_err(),
        "not beside TLS"
    );
    let clouds = std::fs::read_to_string(cloud.state_path().join("clouds.yaml")).unwrap();
    assert_eq!(
        clouds
            .matches(&format!("cacert: {}", certificate.display()))
            .count(),
        2,
        "{clouds}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn listening_beyond_loopback_without_tls_needs_the_operators_word() {
    for option in ["[api]\nbind", "[api]\nmetadata_bind", "[console]\nbind"] {
        let why = refusal(&format!("{option} = 0.0.0.0:0\n")).await;
        let name = option.replace('\n', " ");
        assert!(
            why.contains(&name) && why.contains("allow_plaintext"),
            "{why}"
        );
    }
    for enough in ["allow_plaintext", "self_signed"] {
        let settings = format!("[api]\nbind = 0.0.0.0:0\n[ssl]\n{enough} = true\n");
        TestCloud::with(&settings).await.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_cannot_work_end_the_start() {
    for (settings, says) in [
        ("cert_file = /nowhere.pem", "key_file"),
        ("key_file = /nowhere.pem", "cert_file"),
        (
            "cert_file = /nowhere.pem\nkey_file = /nowhere.key",
            "/nowhere.pem",
        ),
        (
            "cert_file = /a\nkey_file = /b\nself_signed = true",
            "contradicts",
        ),
    ] {
        let why = refusal(&format!("[ssl]\n{settings}\n")).await;
        assert!(why.contains(says), "{settings}: {why}");
    }
}
