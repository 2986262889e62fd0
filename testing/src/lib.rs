//! A whole cloud in one process for tests that read as prose, used through HTTP as any client does.
//!
//! Ports are free ones, state lives in a temporary folder, nothing is mocked: the simulated
//! hypervisor is the only part that is not the real one, and live tests replace it too.

pub mod canaries;
pub mod cloud;
pub mod server;
pub mod user;
pub mod volumes;

pub use cloud::TestCloud;
pub use server::Server;
pub use user::{Answer, User};

use std::time::{Duration, Instant};

/// How long a condition may take on a busy machine before a test fails.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Asks until the answer is there.
///
/// # Panics
/// After [`TIMEOUT`], with what was waited for.
pub async fn until<T, F, Fut>(what: &str, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < TIMEOUT, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
