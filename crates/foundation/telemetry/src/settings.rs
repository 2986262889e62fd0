//! Our options in `[DEFAULT]`; the names are oslo.log's where it has one.

use std::path::PathBuf;

use settings::{Opt, Reader, Section};

/// How to log.
#[derive(Debug, Clone, Default)]
pub struct TelemetrySettings {
    /// More detail from our own code.
    pub debug: bool,
    /// One JSON object a line instead of text.
    pub json: bool,
    /// Where to; standard error when `None`.
    pub log_file: Option<PathBuf>,
    /// Levels by target, in the language of tracing's `EnvFilter`; empty for the default.
    pub levels: String,
}

impl Section for TelemetrySettings {
    const NAME: &'static str = "DEFAULT";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::boolean("debug", "false", "Log what only helps to find a fault."),
            Opt::boolean(
                "use_json",
                "false",
                "Log a JSON object a line instead of text.",
            ),
            Opt::path(
                "log_file",
                "",
                "Log to this file instead of standard error. It is opened for appending.",
            )
            .formerly(&["log-file", "logfile"]),
            Opt::text(
                "log_levels",
                "",
                "Levels by target, such as `info,sqlx=warn,bus=trace`; wins over `debug`.",
            ),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let levels = from.text("log_levels");
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&levels) {
            from.refuse("log_levels", error.to_string());
        }
        TelemetrySettings {
            debug: from.boolean("debug"),
            json: from.boolean("use_json"),
            log_file: from.optional_path("log_file"),
            levels,
        }
    }
}
