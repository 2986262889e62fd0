//! kill -9 in the middle of the first start: tables, secrets, keys, first users. The next start goes on.

use std::fmt::Write;
use std::time::Duration;

use crate::process::Process;

/// Lives of a start that is killed, in milliseconds. A start of the debug build takes one to three
/// seconds, most of it tables and hashes of passwords.
const LIVES: [u64; 7] = [40, 100, 200, 350, 550, 800, 1200];

/// The settings of a cloud on each engine that the environment offers.
async fn engines() -> Vec<(&'static str, String)> {
    let mut all = vec![("sqlite", String::new())];
    for (engine, variable) in [
        ("postgresql", "KILONOVA_TEST_POSTGRES"),
        ("mariadb", "KILONOVA_TEST_MARIADB"),
    ] {
        let Some(server) = sql::testing::server(variable) else {
            continue;
        };
        let mut settings = String::new();
        for section in ["database", "identity", "image", "network"] {
            let url = sql::testing::fresh_url(&server).await;
            writeln!(settings, "[{section}]\nconnection = {url}").unwrap();
        }
        all.push((engine, settings));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_killed_again_and_again_ends_in_a_whole_cloud() {
    for (engine, settings) in engines().await {
        let mut process = Process::prepare(&settings);
        for life in LIVES {
            process.die_after(Duration::from_millis(life));
        }
        process.up().await;
        for name in ["admin", "demo"] {
            process.log_in(name).await;
        }
        process.stop().await;
        let audit = process.audit();
        let said = String::from_utf8_lossy(&audit.stdout);
        assert!(audit.status.success(), "{engine}: {said}");
    }
}
