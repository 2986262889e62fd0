//! Metrics: one recorder for the process, shown at `/metrics`.

use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::early::Early;
use crate::process;

/// Buckets of everything that is measured in seconds: from a cache hit to a slow migration.
const SECONDS: [f64; 15] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 600.0,
];

/// How often samples are folded into buckets; between scrapes they would only pile up.
const UPKEEP: Duration = Duration::from_secs(5);

/// The recorder of the process: what is counted is kept until there is an exporter.
static EARLY: LazyLock<Early> = LazyLock::new(|| {
    let early = Early::new(|| {
        handle();
    });
    if metrics::set_global_recorder(early.clone()).is_err() {
        tracing::warn!("another recorder was installed first: /metrics will stay empty");
    }
    process::started();
    early
});

/// The process's exporter, made by the first caller, which takes up to 200 ms.
fn handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let exporter = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .expect("the buckets are not empty")
            .build_recorder();
        let handle = exporter.handle();
        EARLY.pass_on(exporter);
        handle
    })
}

/// [`handle`] for tasks, which do not stand still for it.
async fn shown() -> Option<&'static PrometheusHandle> {
    tokio::task::spawn_blocking(handle).await.ok()
}

/// What is counted from now on is kept.
pub fn counting() {
    LazyLock::force(&EARLY);
}

/// Sets up the recorder where nobody did, and gives the route `/metrics`. `version` is shown in `kilonova_build_info`.
pub fn metrics_router(version: &'static str) -> Router {
    counting();
    metrics::gauge!("kilonova_build_info", "version" => version).set(1.0);
    Router::new().route("/metrics", get(show))
}

async fn show() -> impl IntoResponse {
    process::measure();
    let text = shown().await.map(PrometheusHandle::render);
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text.unwrap_or_default(),
    )
}

/// Folds samples into buckets for ever; the binary spawns it once.
pub async fn upkeep() {
    loop {
        // Not at once: the exporter is made here, when the start is over.
        tokio::time::sleep(UPKEEP).await;
        if let Some(exporter) = shown().await {
            exporter.run_upkeep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    #[tokio::test]
    async fn several_clouds_of_a_process_share_the_metrics() {
        crate::counting();
        metrics::gauge!("set_while_starting").set(1.0);
        let (first, second) = (metrics_router("1"), metrics_router("1"));
        metrics::counter!("ours_total", "kind" => "x").increment(2);
        metrics::histogram!("took_seconds").record(0.003);
        for router in [first, second] {
            let request = Request::get("/metrics")
                .body(Body::empty())
                .expect("request");
            let answer = router.oneshot(request).await.expect("answer");
            let body = answer.into_body().collect().await.expect("body").to_bytes();
            let text = String::from_utf8_lossy(&body);
            for line in [
                "set_while_starting 1",
                "ours_total{kind=\"x\"} 2",
                "took_seconds_bucket{le=\"0.005\"} 1",
                "kilonova_build_info{version=\"1\"} 1",
                "process_open_fds ",
                "process_resident_memory_bytes ",
            ] {
                assert!(text.contains(line), "{line} in {text}");
            }
        }
    }
}
