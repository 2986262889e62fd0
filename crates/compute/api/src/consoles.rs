//! Consoles of servers.

use std::sync::Arc;

use compute_control::servers::consoles;
use microversion::Versioned;
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::history::behaviour::EVERY_CONSOLE_TOKEN;
use crate::servers::actions::{ConsoleOutput, GetConsoleOutput};
use crate::words::NoQuery;

/// `POST …/remote-consoles`.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let request: CreateConsole = call.admit()?;
    let NewConsole { protocol, kind } = request.remote_console;
    let url = open(&api, &call, "server_id", kind, Some(protocol)).await?;
    let view = ConsoleView {
        protocol,
        kind,
        url,
    };
    call.render_under("remote_console", &view)
}

/// The action `os-getVNCConsole`.
pub async fn get_vnc(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let request: GetVncConsole = call.admit()?;
    let kind = match request.console.kind.as_str() {
        "novnc" => Kind::NoVnc,
        _ => Kind::XvpVnc,
    };
    old(&api, &call, kind).await
}

/// The action `os-getSPICEConsole`.
pub async fn get_spice(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let _: GetSpiceConsole = call.admit()?;
    old(&api, &call, Kind::SpiceHtml5).await
}

/// The action `os-getSerialConsole`.
pub async fn get_serial(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let _: GetSerialConsole = call.admit()?;
    old(&api, &call, Kind::Serial).await
}

async fn old(api: &Api, call: &Call, kind: Kind) -> Result<Answer, Fault> {
    let url = open(api, call, "id", kind, None).await?;
    call.render_under("console", &OldConsoleView { kind, url })
}

/// Opens a console of a kind that this cloud has; `protocol` must be the kind's own.
async fn open(
    api: &Api,
    call: &Call,
    id: &str,
    kind: Kind,
    protocol: Option<Protocol>,
) -> Result<String, Fault> {
    let (wanted, own) = match kind {
        Kind::NoVnc => (Some(consoles::Kind::NoVnc), Protocol::Vnc),
        Kind::Serial => (Some(consoles::Kind::Serial), Protocol::Serial),
        Kind::XvpVnc => (None, Protocol::Vnc),
        Kind::SpiceHtml5 | Kind::SpiceDirect => (None, Protocol::Spice),
        Kind::RdpHtml5 => (None, Protocol::Rdp),
        Kind::WebMks => (None, Protocol::Mks),
    };
    if protocol.is_some_and(|protocol| protocol != own) {
        return Err(Fault::bad_request("Invalid console type for this protocol"));
    }
    let Some(wanted) = wanted else {
        consoles::may_open(&api.control, &call.cx, call.path(id)).await?;
        let word = serde_json::to_value(kind).unwrap_or_default();
        let word = word.as_str().unwrap_or_default();
        return Err(Fault::bad_request(format!(
            "Unavailable console type {word}."
        )));
    };
    Ok(consoles::open(&api.control, &call.cx, call.path(id), wanted).await?)
}

/// The action `os-getConsoleOutput`.
pub async fn output(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let request: GetConsoleOutput = call.admit()?;
    let lines = request.get_console_output.length;
    let lines = lines.and_then(|lines| usize::try_from(lines).ok());
    let text = consoles::output(&api.control, &call.cx, call.path("id"), lines).await?;
    call.render(&ConsoleOutput {
        output: &printable(&text),
    })
}

/// The text without control characters but tabs and line feeds.
fn printable(text: &str) -> String {
    let strange = |c: char| matches!(c, '\u{0}'..='\u{8}' | '\u{b}'..='\u{1f}');
    text.replace(strange, "")
}

/// `GET /os-console-auth-tokens/{token}`.
pub async fn resolve(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    if !call.version.at_least(EVERY_CONSOLE_TOKEN) {
        return Err(Fault::bad_request(
            "The requested console type details are not accessible",
        ));
    }
    let found = consoles::resolve(&api.control, &call.cx, call.path("id")).await?;
    let view = ConnectionView {
        instance_uuid: &found.server_id,
        host: &found.host,
        port: found.port,
        internal_access_path: found.internal_access_path.as_deref(),
        tls_port: None,
    };
    call.render_under("console", &view)
}

/// Where a console token leads to, for proxies.
#[derive(Serialize, Versioned)]
pub struct ConnectionView<'v> {
    pub instance_uuid: &'v str,
    pub host: &'v str,
    pub port: u16,
    pub internal_access_path: Option<&'v str>,
    #[mv(since = "2.99")]
    pub tls_port: Option<u16>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateConsole {
    pub remote_console: NewConsole,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewConsole {
    pub protocol: Protocol,
    #[mv(wire = "type")]
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Versioned)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Vnc,
    Spice,
    Serial,
    Rdp,
    #[mv(since = "2.8")]
    Mks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Versioned)]
pub enum Kind {
    #[serde(rename = "novnc")]
    NoVnc,
    #[serde(rename = "xvpvnc")]
    XvpVnc,
    #[serde(rename = "spice-html5")]
    SpiceHtml5,
    #[serde(rename = "serial")]
    Serial,
    #[serde(rename = "rdp-html5")]
    RdpHtml5,
    #[mv(since = "2.8")]
    #[serde(rename = "webmks")]
    WebMks,
    #[mv(since = "2.99")]
    #[serde(rename = "spice-direct")]
    SpiceDirect,
}

/// `{"remote_console": …}`.
#[derive(Serialize, Versioned)]
pub struct ConsoleView {
    pub protocol: Protocol,
    #[mv(wire = "type")]
    pub kind: Kind,
    /// Holds a token that opens the console once.
    pub url: String,
}

/// `{"console": …}`, the answer to the actions that 2.6 replaced.
#[derive(Serialize, Versioned)]
pub struct OldConsoleView {
    #[mv(wire = "type")]
    pub kind: Kind,
    pub url: String,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct GetVncConsole {
    #[mv(wire = "os-getVNCConsole")]
    pub console: VncWanted,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct VncWanted {
    #[mv(wire = "type", one_of("novnc", "xvpvnc"))]
    pub kind: String,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct GetSpiceConsole {
    #[mv(wire = "os-getSPICEConsole")]
    pub console: SpiceWanted,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct SpiceWanted {
    #[mv(wire = "type", one_of("spice-html5"))]
    pub kind: String,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct GetSerialConsole {
    #[mv(wire = "os-getSerialConsole")]
    pub console: SerialWanted,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct SerialWanted {
    #[mv(wire = "type", one_of("serial"))]
    pub kind: String,
}
