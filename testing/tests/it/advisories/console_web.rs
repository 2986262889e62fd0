//! The console's pages used against their visitor: OSSA-2015-005, 2021-002, 2026-006.

use testing::TestCloud;

use super::wrong_console::{open, token, with_screens};

#[tokio::test(flavor = "multi_thread")]
async fn no_path_redirects_anywhere_and_none_leaves_the_folder() {
    let cloud = TestCloud::start().await;
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let url = &cloud.cloud().console_url;
    for path in [
        "//evil.example/%2f..",
        "//evil.example",
        "/%2fevil.example/..",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/\\evil.example",
    ] {
        let answer = http
            .get(format!("{url}{path}"))
            .send()
            .await
            .expect("an answer");
        assert!(
            !answer.status().is_redirection(),
            "{path}: {:?}",
            answer.headers().get("location")
        );
        let text = answer.text().await.expect("a body");
        assert!(!text.contains("root:x:0:0"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_from_elsewhere_opens_no_console_and_does_not_use_the_token_up() {
    let cloud = with_screens().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "s").await;
    server.reaches("ACTIVE").await;
    let token = token(&server).await;
    for origin in [
        "http://evil.example",
        "null",
        "http://127.0.0.1:1",
        "file://",
    ] {
        assert_eq!(
            open(&cloud, &token, Some(origin)).await,
            Err(403),
            "{origin}"
        );
    }
    let own = cloud.cloud().console_url.clone();
    assert!(open(&cloud, &token, Some(&own)).await.is_ok());
    server.delete().await.vanishes().await;
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_writes_is_shown_as_text_and_never_as_a_page() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let server = cloud.boot(&demo, "<script>alert(1)</script>").await;
    server.reaches("ACTIVE").await;
    let answer = server
        .action(serde_json::json!({"os-getConsoleOutput": {}}))
        .await;
    let kind = answer
        .headers
        .get("content-type")
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{kind}");
    assert!(answer.body["output"].is_string(), "{}", answer.text);
    server.delete().await.vanishes().await;
}
