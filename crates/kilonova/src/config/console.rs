//! The sections about consoles. Names and defaults are Nova's where Nova has them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use settings::{MAX_SECONDS, Opt, Reader, Section};

/// `[vnc]`.
#[derive(Debug, Clone)]
pub struct VncSection {
    pub novncproxy_base_url: Option<String>,
    pub novnc_path: Option<PathBuf>,
}

impl Section for VncSection {
    const NAME: &'static str = "vnc";
    const ABOUT: &'static str = "Screens of servers in the browser.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::text(
                "novncproxy_base_url",
                "",
                "Address of the page for browsers; derived from `[console] bind` when empty.",
            ),
            Opt::path(
                "novnc_path",
                "",
                "Folder of noVNC (Debian package novnc). When empty: `novnc` in the state folder, \
                 else /usr/share/novnc.",
            ),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        VncSection {
            novncproxy_base_url: from.optional("novncproxy_base_url"),
            novnc_path: from.optional_path("novnc_path"),
        }
    }
}

/// `[serial_console]`.
#[derive(Debug, Clone)]
pub struct SerialSection {
    pub base_url: Option<String>,
}

impl Section for SerialSection {
    const NAME: &'static str = "serial_console";
    const ABOUT: &'static str = "Serial lines of servers.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[Opt::text(
            "base_url",
            "",
            "Address of the WebSocket for clients; derived from `[console] bind` when empty.",
        )];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        SerialSection {
            base_url: from.optional("base_url"),
        }
    }
}

/// `[console]`.
#[derive(Debug, Clone)]
pub struct ConsoleSection {
    pub bind: SocketAddr,
    pub allowed_origins: Vec<String>,
}

impl Section for ConsoleSection {
    const NAME: &'static str = "console";
    const ABOUT: &'static str = "The console proxy.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::text(
                "bind",
                "127.0.0.1:6080",
                "Address and port; port 0 takes a free one.",
            ),
            Opt::list(
                "allowed_origins",
                "",
                "Hosts of pages that may open consoles, beside the proxy's own.",
            ),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        ConsoleSection {
            bind: from
                .parsed("bind")
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 6080))),
            allowed_origins: from.list("allowed_origins"),
        }
    }
}

/// `[consoleauth]`.
#[derive(Debug, Clone)]
pub struct ConsoleAuthSection {
    pub token_ttl: Duration,
    pub check_interval: Duration,
    pub session_limit: Duration,
}

impl Section for ConsoleAuthSection {
    const NAME: &'static str = "consoleauth";
    const ABOUT: &'static str = "Who may open consoles, and for how long.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::seconds("token_ttl", "600", "How long a token may be used.")
                .seconds_range(1.0, MAX_SECONDS),
            Opt::seconds(
                "check_interval",
                "5",
                "Pause between two looks whether the user of an open console still has the right to it. It also \
                 ends when nobody can say so at three looks in a row.",
            )
            .seconds_range(1.0, 600.0),
            Opt::seconds(
                "session_limit",
                "43200",
                "How long a console may be open; then its user asks for it again.",
            )
            .seconds_range(1.0, MAX_SECONDS),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        ConsoleAuthSection {
            token_ttl: from.seconds("token_ttl"),
            check_interval: from.seconds("check_interval"),
            session_limit: from.seconds("session_limit"),
        }
    }
}
