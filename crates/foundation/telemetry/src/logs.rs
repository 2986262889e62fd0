//! The log: text or JSON lines, to standard error or a file.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::{TelemetrySettings, recorder};

/// Libraries that log each connection or statement as information.
const QUIET: &str =
    "sqlx=warn,sea_orm=warn,lapin=warn,hyper=warn,reqwest=warn,rustls=warn,h2=warn,tower=warn";

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("cannot write to the log file {path}")]
    LogFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the log levels '{0}' are not understood")]
    Levels(String),
}

/// Sets up the log and the metrics of this process; later calls change nothing. What is counted
/// before is lost, so it is called before anything is started.
///
/// # Errors
/// The log file cannot be opened, or the levels are not understood.
pub fn init(settings: &TelemetrySettings) -> Result<(), TelemetryError> {
    let filter = filter(settings)?;
    let (writer, colours) = match &settings.log_file {
        Some(path) => {
            let file = open(path).map_err(|source| TelemetryError::LogFile {
                path: path.clone(),
                source,
            })?;
            let log = LOG.get_or_init(|| LogFile {
                path: path.clone(),
                file: Mutex::new(file),
            });
            (BoxMakeWriter::new(move || log), false)
        }
        None => (BoxMakeWriter::new(io::stderr), io::stderr().is_terminal()),
    };
    install(settings.json, filter, writer, colours);
    recorder::counting();
    Ok(())
}

/// The file that the log goes to, when it goes to one.
static LOG: OnceLock<LogFile> = OnceLock::new();

/// A log file that can be moved away and opened anew.
struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl io::Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .flush()
    }
}

/// Opens the log file by its name again, so that one which was moved away (logrotate) is let go.
/// Does nothing for a log on standard error.
///
/// # Errors
/// The file cannot be opened; lines go on into the old one.
pub fn reopen() -> Result<(), TelemetryError> {
    let Some(log) = LOG.get() else {
        return Ok(());
    };
    let file = open(&log.path).map_err(|source| TelemetryError::LogFile {
        path: log.path.clone(),
        source,
    })?;
    *log.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
    Ok(())
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn filter(settings: &TelemetrySettings) -> Result<EnvFilter, TelemetryError> {
    let levels = match settings.levels.as_str() {
        "" if settings.debug => format!("debug,{QUIET}"),
        "" => format!("info,{QUIET}"),
        levels => levels.to_owned(),
    };
    EnvFilter::try_new(&levels).map_err(|_| TelemetryError::Levels(levels))
}

fn install<W>(json: bool, filter: EnvFilter, writer: W, colours: bool)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(colours);
    // An error only means that the log is set up already.
    let _ = match json {
        true => lines
            .json()
            .with_current_span(true)
            .with_span_list(true)
            .try_init(),
        false => lines.try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_file_that_cannot_be_opened_is_named() {
        let settings = TelemetrySettings {
            log_file: Some("/nowhere/log".into()),
            ..Default::default()
        };
        let error = init(&settings).expect_err("no such folder");
        assert_eq!(
            error.to_string(),
            "cannot write to the log file /nowhere/log"
        );
    }

    #[test]
    fn a_second_cloud_in_the_process_shares_the_log() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("log");
        let settings = TelemetrySettings {
            json: true,
            log_file: Some(path.clone()),
            ..Default::default()
        };
        init(&settings).expect("first");
        init(&TelemetrySettings::default()).expect("second");
        let span = tracing::info_span!("request", id = "req-1");
        span.in_scope(|| tracing::info!(server = 7, "hello"));
        let text = std::fs::read_to_string(&path).expect("log");
        let line = text
            .lines()
            .find(|line| line.contains("hello"))
            .expect("our line");
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(
            (&line["fields"]["server"], &line["span"]["id"]),
            (&7.into(), &"req-1".into())
        );

        // Rotated: the next lines are in a new file.
        let moved = folder.path().join("log.1");
        std::fs::rename(folder.path().join("log"), &moved).expect("moved");
        tracing::info!("before");
        reopen().expect("reopened");
        tracing::info!("after");
        let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a log");
        assert!(read(&moved).contains("before") && !read(&moved).contains("after"));
        let fresh = read(&folder.path().join("log"));
        assert!(fresh.contains("after") && !fresh.contains("before"));
    }
}
