//! Consoles of servers.

use microversion::Versioned;
use serde::{Deserialize, Serialize};

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
