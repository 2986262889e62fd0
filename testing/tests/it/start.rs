//! What keeps a cloud from starting is said at once, with what to do about it.

use std::path::{Path, PathBuf};

use testing::cloud::refusal;
use testing::{TestCloud, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_the_option_to_change() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address");
    for (section, option) in [
        ("api", "bind"),
        ("console", "bind"),
        ("api", "metadata_bind"),
    ] {
        let said = refusal(&format!("[{section}]\n{option} = {address}\n")).await;
        assert!(
            said.contains(&format!("cannot listen on {address}")),
            "{said}"
        );
        assert!(said.contains(&format!("[{section}] {option}")), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_folder_is_refused() {
    let cloud = TestCloud::start().await;
    let folder = cloud.state_path();
    let said = refusal(&format!("[DEFAULT]\nstate_path = {}\n", folder.display())).await;
    assert!(
        said.contains(&format!("process {}", std::process::id())),
        "{said}"
    );
    assert!(said.contains("state_path"), "{said}");
    // The first does not notice.
    let demo = cloud.demo().await;
    cloud
        .boot(&demo, "undisturbed")
        .await
        .reaches("ACTIVE")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_written_is_named() {
    for (section, url, says) in [
        (
            "database",
            "sqlite:/proc/kilonova.sqlite",
            "/proc/kilonova.sqlite",
        ),
        (
            "identity",
            "sqlite:/proc/kilonova.sqlite",
            "/proc/kilonova.sqlite",
        ),
        (
            "image",
            "sqlite:/proc/kilonova.sqlite",
            "/proc/kilonova.sqlite",
        ),
        (
            "network",
            "sqlite:/proc/kilonova.sqlite",
            "/proc/kilonova.sqlite",
        ),
        ("database", "sqlite:/", "/"),
        ("database", "oracle://x", "oracle"),
    ] {
        let said = refusal(&format!("[{section}]\nconnection = {url}\n")).await;
        assert!(said.contains(says), "{url}: {said}");
    }
}

/// Databases and brokers may start after us, so each is tried for half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_or_broker_that_does_not_answer_is_named_without_its_password() {
    let cases = [
        (
            "[database]\nconnection = postgres://kilonova:hidden@127.0.0.1:1/kilonova\npool_timeout = 1\n",
            "postgres",
        ),
        (
            "[database]\nconnection = mysql://kilonova:hidden@127.0.0.1:1/kilonova\npool_timeout = 1\n",
            "mysql",
        ),
        (
            "[DEFAULT]\ntransport_url = rabbit://guest:hidden@127.0.0.1:1/\n",
            "transport_url",
        ),
    ];
    let refused = futures::future::join_all(cases.map(|(settings, _)| refusal(settings))).await;
    for (said, (_, names)) in refused.iter().zip(cases) {
        assert!(
            said.contains("127.0.0.1:1") && said.contains(names),
            "{said}"
        );
        assert!(!said.contains("hidden"), "a password is shown: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_made_is_named_with_the_option_to_change() {
    let said = refusal("[DEFAULT]\nstate_path = /proc/kilonova\n").await;
    assert!(
        said.contains("/proc/kilonova") && said.contains("state_path"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_all_named_at_once() {
    let said = refusal(
        "[fake]\nhosts = many\nmemory_mb = 0\n[network]\nplane = ether\n[api]\nbind = here\n\
         [filter_scheduler]\nenabled_filters = ComputeFilter,NoSuchFilter\n",
    )
    .await;
    for part in [
        "hosts",
        "many",
        "memory_mb",
        "plane",
        "ether",
        "bind",
        "here",
        "NoSuchFilter",
    ] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    let said = refusal("[fake]\nfail_start_of = (\n").await;
    assert!(said.contains("fake driver") && said.contains('('), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_stop_a_cloud_from_working_or_contradict_each_other_end_the_start() {
    for (settings, says) in [
        ("[DEFAULT]\nhost = ../../evil\n", "must be a host name"),
        ("[DEFAULT]\nhost = a b\n", "must be a host name"),
        (
            "[DEFAULT]\nreport_interval = 0\n",
            "a number of seconds from 0.1",
        ),
        ("[DEFAULT]\nreport_interval = nan\n", "report_interval"),
        ("[DEFAULT]\nreport_interval = 1e300\n", "report_interval"),
        (
            "[DEFAULT]\nsync_power_state_interval = 0\n",
            "sync_power_state_interval",
        ),
        ("[DEFAULT]\nservice_down_time = 0\n", "service_down_time"),
        ("[DEFAULT]\nlong_rpc_timeout = 0\n", "long_rpc_timeout"),
        (
            "[DEFAULT]\nram_allocation_ratio = 0\n",
            "ram_allocation_ratio",
        ),
        ("[consoleauth]\ntoken_ttl = 0\n", "token_ttl"),
        (
            "[DEFAULT]\nreport_interval = 100\nservice_down_time = 1\n",
            "service_down_time = 1 must be longer than report_interval = 100",
        ),
        (
            "[DEFAULT]\ndefault_schedule_zone = internal\n",
            "internal_service_availability_zone",
        ),
        (
            "[api]\nbind = 127.0.0.1:7\n[console]\nbind = 127.0.0.1:7\n",
            "the same address",
        ),
    ] {
        let said = refusal(settings).await;
        assert!(said.contains(says), "{settings}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_file_that_is_missing_or_broken_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken.yaml");
    std::fs::write(&broken, "\"context_is_admin\": \"role:admin and (\"\n").expect("written");
    for section in ["oslo_policy", "identity", "image", "network"] {
        for file in [folder.path().join("none.yaml"), broken.clone()] {
            let file = file.display();
            let said = refusal(&format!("[{section}]\npolicy_file = {file}\n")).await;
            assert!(said.contains(&file.to_string()), "{section}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transport_that_is_none_is_named() {
    let said = refusal("[DEFAULT]\ntransport_url = http://example.org/\n").await;
    assert!(said.contains("transport_url"), "{said}");
}

#[tokio::test]
async fn a_start_does_not_forget_what_nova_would_promise() {
    let said = refusal("[glance]\nverify_glance_signatures = true\n").await;
    assert!(
        said.contains(
            "[glance] verify_glance_signatures = true: signatures of images are not verified"
        ),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn back_ends_of_volumes_that_share_files_are_refused() {
    let two = |one: &str, other: &str| {
        format!(
            "[volume]\nenabled_backends = fast, slow\n[fast]\nvolume_dir = $state_path/{one}\n\
             [slow]\nvolume_dir = $state_path/{other}\n"
        )
    };
    for (one, other) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
        let said = refusal(&two(one, other)).await;
        assert!(said.contains("share files"), "{said}");
    }
    let said = refusal(&format!("{}nonsense = 1\n", two("a", "b"))).await;
    assert!(said.contains("[slow] nonsense"), "{said}");
    assert!(said.contains("there is no such option"), "{said}");
    let said = refusal("[volume]\nenabled_backends = fast\n").await;
    assert!(said.contains("[fast] volume_dir"), "{said}");
}

/// The files below a folder that this process has open.
fn open(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc/self/fd").expect("a list");
    let files = all.flatten().filter_map(|one| one.path().read_link().ok());
    files.filter(|file| file.starts_with(folder)).collect()
}

/// A process may have many clouds one after the other, as this one has.
#[test]
fn a_cloud_that_nobody_has_any_more_keeps_no_file_open() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = runtime.block_on(async {
        let cloud = TestCloud::start().await;
        let demo = cloud.demo().await;
        cloud.boot(&demo, "one").await.reaches("ACTIVE").await;
        let folder = cloud.state_path().canonicalize().expect("its folder");
        assert!(!open(&folder).is_empty(), "it is open while it runs");
        folder
    });
    runtime.shutdown_timeout(testing::TIMEOUT);
    // The threads of SQLite end by themselves.
    let another = tokio::runtime::Runtime::new().expect("a runtime");
    another.block_on(until("its files are closed", || async {
        open(&folder).is_empty().then_some(())
    }));
}
