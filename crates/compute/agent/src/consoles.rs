//! The consoles of servers that are here.

use std::sync::Arc;

use bus::{Context, Failure};
use compute_rpc::agent::{ConsoleEndpoint, ConsoleKind, ConsoleOutput, Endpoint};

use crate::Host;
use crate::failure::{of_driver, unsupported};

/// Most bytes of a console log that are ever read: Nova's `MAX_CONSOLE_BYTES`.
const MOST: usize = 100 * 1024;

/// The end of the console log, as text.
pub async fn output(
    host: Arc<Host>,
    _context: Context,
    message: ConsoleOutput,
) -> Result<String, Failure> {
    let console = host.driver.console();
    let console = console.ok_or_else(|| unsupported("show a console log"))?;
    let tail = console
        .log_tail(&message.server_id, MOST)
        .await
        .map_err(|error| of_driver(&error))?;
    let text = String::from_utf8_lossy(&tail).into_owned();
    Ok(match message.lines {
        Some(lines) => last_lines(&text, lines).to_owned(),
        None => text,
    })
}

/// The last lines of a text, as Nova counts them: what follows the last line break is a line too, an empty one
/// where the text ends with a break.
fn last_lines(text: &str, lines: usize) -> &str {
    if lines == 0 {
        return "";
    }
    let mut breaks = text.rmatch_indices('\n');
    match breaks.nth(lines - 1) {
        Some((at, _)) => &text[at + 1..],
        None => text,
    }
}

/// Where a console listens.
pub async fn endpoint(
    host: Arc<Host>,
    _context: Context,
    message: ConsoleEndpoint,
) -> Result<Endpoint, Failure> {
    let console = host
        .driver
        .console()
        .ok_or_else(|| unsupported("show a console"))?;
    let found = match message.kind {
        ConsoleKind::Vnc => console.vnc(&message.server_id).await,
        ConsoleKind::Serial => console.serial(&message.server_id).await,
    };
    Ok(match found.map_err(|error| of_driver(&error))? {
        hypervisor::Endpoint::Unix(path) => Endpoint::Unix(path),
        hypervisor::Endpoint::Tcp { host, port } => Endpoint::Tcp(host, port),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_the_end() {
        let text = "one\ntwo\nthree\n";
        assert_eq!(last_lines(text, 1), "");
        assert_eq!(last_lines(text, 3), "two\nthree\n");
        assert_eq!(last_lines(text, 9), text);
        assert_eq!(last_lines(text, 0), "");
        assert_eq!(last_lines("one\ntwo", 1), "two");
    }
}
