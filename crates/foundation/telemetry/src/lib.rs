//! What the process says about itself: its log, its metrics, its health.
//!
//! Promises:
//! - [`init`] and [`metrics_router`] may be called by several clouds in one process (tests): log and
//!   metrics belong to the process, and the first call sets them up;
//! - what is counted after [`counting`] returned is kept;
//! - `/metrics` is Prometheus text with the process's own figures (`process_*`, by the names that
//!   dashboards know) and `kilonova_build_info`;
//! - `/healthcheck` answers 200 `OK` or 503, within [`CHECK_TIMEOUT`] whatever a check does.

mod early;
mod health;
mod logs;
mod process;
mod recorder;
pub mod request;
mod settings;

pub use health::{CHECK_TIMEOUT, Checks, health_router};
pub use logs::{TelemetryError, init, reopen};
pub use recorder::{counting, metrics_router, upkeep};
pub use request::RequestId;
pub use settings::TelemetrySettings;
