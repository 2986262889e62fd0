//! What a token carries inside: who, for what scope, by which methods, from when to when.
//!
//! The bytes are packed tightly (an identifier of 32 hexadecimal digits takes 17) and encrypted
//! with Fernet, so a token stays below 255 characters. Unlike Keystone's, the time of issue has
//! microseconds: a token made right after a revocation is told from one made right before.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

/// First byte of the packed form.
const VERSION: u8 = 1;

/// Methods of authentication with their bit.
pub const METHODS: &[(&str, u8)] = &[
    ("password", 1),
    ("token", 2),
    ("application_credential", 4),
    ("totp", 8),
];

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Unscoped,
    Project(String),
    Domain(String),
    System,
}

/// The inside of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Who logged in (for a trust: the trustee).
    pub user_id: String,
    pub methods: u8,
    pub scope: Scope,
    pub issued_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// 16 random bytes each: the token's own, and the one of the first token in its chain.
    pub audit_ids: Vec<[u8; 16]>,
    pub trust_id: Option<String>,
    pub application_credential_id: Option<String>,
}

impl Payload {
    /// Names of the methods.
    pub fn method_names(&self) -> Vec<&'static str> {
        let used = METHODS.iter().filter(|(_, bit)| self.methods & bit != 0);
        used.map(|(name, _)| *name).collect()
    }

    /// The audit ids as shown.
    pub fn audit_names(&self) -> Vec<String> {
        self.audit_ids
            .iter()
            .map(|id| URL_SAFE_NO_PAD.encode(id))
            .collect()
    }

    /// The packed form.
    pub fn pack(&self) -> Vec<u8> {
        let (kind, scope_id) = match &self.scope {
            Scope::Unscoped => (0, None),
            Scope::Project(id) => (1, Some(id.as_str())),
            Scope::Domain(id) => (2, Some(id.as_str())),
            Scope::System => (3, None),
        };
        let mut out = vec![VERSION, self.methods, kind];
        out.extend(self.issued_at.timestamp_micros().to_be_bytes());
        out.extend(self.expires_at.timestamp_micros().to_be_bytes());
        put_id(&mut out, Some(&self.user_id));
        put_id(&mut out, scope_id);
        put_id(&mut out, self.trust_id.as_deref());
        put_id(&mut out, self.application_credential_id.as_deref());
        for id in &self.audit_ids {
            out.extend(id);
        }
        out
    }

    /// Reads the packed form; `None` when it is no token of ours.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let [VERSION, methods, kind, rest @ ..] = bytes else {
            return None;
        };
        let mut rest = rest;
        let issued_at = DateTime::from_timestamp_micros(i64::from_be_bytes(take(&mut rest)?))?;
        let expires_at = DateTime::from_timestamp_micros(i64::from_be_bytes(take(&mut rest)?))?;
        let user_id = take_id(&mut rest)??;
        let scope_id = take_id(&mut rest)?;
        let scope = match (kind, scope_id) {
            (0, None) => Scope::Unscoped,
            (1, Some(id)) => Scope::Project(id),
            (2, Some(id)) => Scope::Domain(id),
            (3, None) => Scope::System,
            _ => return None,
        };
        let trust_id = take_id(&mut rest)?;
        let application_credential_id = take_id(&mut rest)?;
        let mut audit_ids = Vec::new();
        while !rest.is_empty() {
            audit_ids.push(take(&mut rest)?);
        }
        Some(Payload {
            user_id,
            methods: *methods,
            scope,
            issued_at,
            expires_at,
            audit_ids,
            trust_id,
            application_credential_id,
        })
    }
}

/// Marks an identifier that was packed from hexadecimal digits; no text is that long.
const PACKED: u8 = 0xff;

fn put_id(out: &mut Vec<u8>, id: Option<&str>) {
    let id = id.unwrap_or_default();
    let lower = !id.bytes().any(|byte| byte.is_ascii_uppercase());
    match hex::decode(id) {
        Ok(bytes) if bytes.len() == 16 && lower => {
            out.push(PACKED);
            out.extend(bytes);
        }
        _ => {
            let text = &id.as_bytes()[..id.len().min(usize::from(PACKED) - 1)];
            out.push(text.len() as u8);
            out.extend(text);
        }
    }
}

fn take_id(rest: &mut &[u8]) -> Option<Option<String>> {
    let [length] = take(rest)?;
    if length == PACKED {
        let bytes: [u8; 16] = take(rest)?;
        return Some(Some(hex::encode(bytes)));
    }
    let (text, after) = rest.split_at_checked(usize::from(length))?;
    *rest = after;
    let text = String::from_utf8(text.to_vec()).ok()?;
    Some((!text.is_empty()).then_some(text))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(scope: Scope) -> Payload {
        Payload {
            user_id: "0123456789abcdef0123456789abcdef".to_owned(),
            methods: 3,
            scope,
            issued_at: sql::micros(Utc::now()),
            expires_at: sql::micros(Utc::now()),
            audit_ids: vec![[7; 16], [9; 16]],
            trust_id: None,
            application_credential_id: Some("my-own-id".to_owned()),
        }
    }

    #[test]
    fn what_is_packed_reads_back_for_every_scope() {
        for scope in [
            Scope::Unscoped,
            Scope::System,
            Scope::Domain("default".to_owned()),
            Scope::Project("0123456789ABCDEF0123456789ABCDEF".to_owned()),
        ] {
            let payload = sample(scope);
            assert_eq!(Payload::unpack(&payload.pack()), Some(payload));
        }
    }

    #[test]
    fn cut_or_foreign_bytes_are_no_token() {
        let packed = sample(Scope::Unscoped).pack();
        for end in 0..packed.len() - 32 {
            assert_eq!(Payload::unpack(&packed[..end]), None, "{end}");
        }
        assert_eq!(Payload::unpack(b"hello"), None);
    }
}
