//! `[ssl]`: TLS of the listeners. The names of certificate and key are oslo.service's.

use std::path::PathBuf;

use settings::{Opt, Reader, Section};

/// `[ssl]`.
#[derive(Debug, Clone, Default)]
pub struct SslSection {
    /// Both or none.
    pub files: Option<(PathBuf, PathBuf)>,
    pub self_signed: bool,
    pub allow_plaintext: bool,
}

impl SslSection {
    /// Whether the listeners speak TLS.
    pub fn is_on(&self) -> bool {
        self.files.is_some() || self.self_signed
    }
}

impl Section for SslSection {
    const NAME: &'static str = "ssl";
    const ABOUT: &'static str = "TLS of the listeners: front door, console proxy, metadata.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::path(
                "cert_file",
                "",
                "Certificate (PEM, the server's first, then those that lead to its root). With `key_file`, \
                 every listener speaks TLS and nothing else. Read again on SIGHUP.",
            ),
            Opt::path("key_file", "", "Private key of `cert_file` (PEM)."),
            Opt::boolean(
                "self_signed",
                "false",
                "Speak TLS with a certificate that the cloud makes itself, in `keys/tls` of the state folder; \
                 `clouds.yaml` names it, others must be told to trust it.",
            ),
            Opt::boolean(
                "allow_plaintext",
                "false",
                "Listen without TLS on addresses beyond loopback: passwords and tokens can then be read on the \
                 way. For a proxy in front that speaks TLS, on a network that nobody else reaches.",
            ),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let (certificate, key) = (
            from.optional_path("cert_file"),
            from.optional_path("key_file"),
        );
        let self_signed = from.boolean("self_signed");
        let allow_plaintext = from.boolean("allow_plaintext");
        let files = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                from.refuse("cert_file", "needs key_file beside it".to_owned());
                None
            }
            (None, Some(_)) => {
                from.refuse("key_file", "needs cert_file beside it".to_owned());
                None
            }
        };
        if files.is_some() && self_signed {
            from.refuse("self_signed", "contradicts cert_file".to_owned());
        }
        SslSection {
            files,
            self_signed,
            allow_plaintext,
        }
    }
}
