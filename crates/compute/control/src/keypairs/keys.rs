//! Public keys: their fingerprints, and new ones.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use compute_model::keypair::KeyType;
use md5::Md5;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, OtherNameValue,
    RsaKeySize, SanType,
};
use rsa::{Pkcs1v15Encrypt, RsaPublicKey};
use sha1::{Digest, Sha1};
use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::rand_core::OsRng;
use ssh_key::{LineEnding, PrivateKey, PublicKey};

use super::not_generated;
use crate::{ControlError, Result};

/// Bits of a generated RSA key: Nova's.
const BITS: usize = 2048;
/// What is written behind a generated public key: Nova's, for those who look for it.
const COMMENT: &str = "Generated-by-Nova";

/// A new key pair for SSH: public line and private key in OpenSSH's format. Takes a second of
/// processor time or more: not for the threads that serve requests.
///
/// # Errors
/// 503 when the system gives no randomness.
pub(super) fn generate() -> Result<(String, String)> {
    let failed = |error: ssh_key::Error| {
        tracing::error!(%error, "cannot generate a key pair");
        not_generated()
    };
    let pair = RsaKeypair::random(&mut OsRng, BITS).map_err(failed)?;
    let key = PrivateKey::new(KeypairData::from(pair), COMMENT).map_err(failed)?;
    let public = key.public_key().to_openssh().map_err(failed)?;
    let private = key.to_openssh(LineEnding::LF).map_err(failed)?;
    Ok((public, private.to_string()))
}

/// Microsoft's object id of a user's principal name.
const UPN: [u64; 10] = [1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
/// How long a generated certificate is valid: Nova's ten years.
const CERTIFICATE_LIFE: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// A new certificate with which a user logs in to Windows over WinRM: certificate and private key in PEM. The same
/// certificate as Nova's: signed by itself, for clients, with the user's id as name and as principal name at localhost.
///
/// # Errors
/// 503 when no key can be made.
pub(super) fn generate_certificate(user_id: &str) -> Result<(String, String)> {
    let failed = |error: rcgen::Error| {
        tracing::error!(%error, "cannot generate a certificate");
        not_generated()
    };
    let algorithm = &rcgen::PKCS_RSA_SHA256;
    let key = KeyPair::generate_rsa_for(algorithm, RsaKeySize::_2048).map_err(failed)?;
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name = DistinguishedName::new();
    wanted.distinguished_name.push(DnType::CommonName, user_id);
    let principal = OtherNameValue::Utf8String(format!("{user_id}@localhost"));
    wanted.subject_alt_names = vec![SanType::OtherName((UPN.to_vec(), principal))];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    wanted.not_before = SystemTime::now().into();
    wanted.not_after = wanted.not_before + CERTIFICATE_LIFE;
    let certificate = wanted.self_signed(&key).map_err(failed)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// The fingerprint of a public key or certificate: MD5 of an SSH key as OpenSSH printed it when
/// the API was made, SHA-1 of a certificate.
///
/// # Errors
/// 400 for what is no key of that kind.
pub(super) fn fingerprint(kind: KeyType, public_key: &str) -> Result<String> {
    let digest = match kind {
        KeyType::Ssh => ssh_blob(public_key).map(|blob| Md5::digest(blob).to_vec()),
        KeyType::X509 => certificate(public_key).map(|der| Sha1::digest(der).to_vec()),
    };
    let pairs = digest?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>();
    Ok(pairs.join(":"))
}

/// A short text that the owner of an SSH key can read, in base64: encrypted with an RSA key as PKCS #1 has it, version
/// 1.5, which is what Nova's clients decrypt. Empty where the key is too large, or too small for the text; none for a
/// key of another kind.
pub(super) fn encrypted(line: &str, text: &str) -> Option<String> {
    let key = PublicKey::from_openssh(line.trim()).ok()?;
    let own = RsaPublicKey::try_from(key.key_data().rsa()?).ok();
    let bytes = own.and_then(|own| {
        let encrypted = own.encrypt(&mut OsRng, Pkcs1v15Encrypt, text.as_bytes());
        encrypted.ok()
    });
    Some(bytes.map_or_else(String::new, |bytes| STANDARD.encode(bytes)))
}

fn ssh_blob(line: &str) -> Result<Vec<u8>> {
    let read = PublicKey::from_openssh(line.trim()).and_then(|key| key.to_bytes());
    read.map_err(|_| refused("failed to generate fingerprint"))
}

/// The DER of the first certificate in a PEM text.
fn certificate(pem: &str) -> Result<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let inside = pem
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(inside, _)| inside);
    let der = inside
        .map(|text| text.split_whitespace().collect::<String>())
        .and_then(|text| STANDARD.decode(text).ok());
    der.filter(|der| is_certificate(der)).ok_or_else(|| {
        refused("failed to generate X509 fingerprint. Error message: this is no certificate in PEM")
    })
}

/// Whether DER has the outer form of a certificate: a sequence of what is signed, an algorithm and
/// a signature, and nothing behind it.
fn is_certificate(der: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    let Some((SEQUENCE, mut inside, [])) = element(der) else {
        return false;
    };
    for tag in [SEQUENCE, SEQUENCE, BIT_STRING] {
        match element(inside) {
            Some((found, _, rest)) if found == tag => inside = rest,
            _ => return false,
        }
    }
    inside.is_empty()
}

/// The first element of DER: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Four bytes are 4 GiB: no request is that long.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0usize, |length, byte| length << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn refused(reason: &str) -> ControlError {
    ControlError::Invalid {
        why: format!("Keypair data is invalid: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `ssh-keygen -t ed25519`; the fingerprint by `ssh-keygen -l -E md5`.
    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPUgh7W6KgMJWcEhOrZ+IMiKPo09/GUIuM5UGTpFwzLc somebody";
    const ED25519_MD5: &str = "dc:5f:21:35:86:62:22:5a:0f:a0:0e:68:61:13:bf:73";
    /// Made by `openssl req -x509`; the fingerprint by `openssl x509 -fingerprint -sha1`.
    const PEM: &str = "-----BEGIN CERTIFICATE-----
MIIBbjCCARWgAwIBAgIUbsHEtWpszavdHYb3R36UXU5My64wCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBdTAgFw0yNjExMjIwMzExMjhaGA8yMTI2MTAyOTAzMTEyOFow
DDEKMAgGA1UEAwwBdTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABD45X0Yj3INa
5iZCSOmmuz2qd+Dxe7OyH6JnBC8RenBs6HSCMYymj3A9q4DMSDHhxzCZeJoAQMXA
JEmXKPQhPpSjUzBRMB0GA1UdDgQWBBRIxRVu/frbMur99qyPGGAbFBoDtjAfBgNV
HSMEGDAWgBRIxRVu/frbMur99qyPGGAbFBoDtjAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0cAMEQCIHFGS84FADZneo+pK4p5XEpjYzXRKIrQnmZdDosCMdDQ
AiBa2bRqJFbAZ2XyVOSbXYXJmTeK+IR+6XHUFXi9NDMkag==
-----END CERTIFICATE-----";
    const PEM_SHA1: &str = "20:cc:a1:8b:db:13:11:aa:04:83:4b:c6:50:1f:29:c5:ed:0a:5f:b0";

    #[test]
    fn fingerprints_are_those_of_the_usual_tools() {
        let of = |kind, key| fingerprint(kind, key).expect("a key");
        assert_eq!(of(KeyType::Ssh, ED25519), ED25519_MD5);
        assert_eq!(of(KeyType::X509, PEM), PEM_SHA1);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for (kind, key) in [
            (KeyType::Ssh, ""),
            (KeyType::Ssh, "ssh-rsa"),
            (KeyType::Ssh, "ssh-rsa AAAA comment"),
            (KeyType::Ssh, "ssh-rsa !!!! comment"),
            (KeyType::Ssh, PEM),
            (KeyType::X509, ED25519),
            (
                KeyType::X509,
                "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
            ),
        ] {
            assert!(fingerprint(kind, key).is_err(), "{key}");
        }
    }

    #[test]
    fn a_generated_certificate_is_the_users_own() {
        let (certificate, private) = generate_certificate("0123abcd").expect("a certificate");
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert_eq!(
            fingerprint(KeyType::X509, &certificate)
                .expect("a certificate")
                .len(),
            59
        );
        let der = super::certificate(&certificate).expect("DER");
        let tells = |text: &[u8]| der.windows(text.len()).any(|part| part == text);
        assert!(tells(b"0123abcd@localhost"));
    }

    /// `ssh_key` 0.6.7 converts a private key with its first prime twice, which is no key.
    fn decryption(key: &PrivateKey) -> rsa::RsaPrivateKey {
        let pair = key.key_data().rsa().expect("a key of RSA");
        let number = |number| rsa::BigUint::try_from(number).expect("a number");
        let primes = vec![number(&pair.private.p), number(&pair.private.q)];
        let [n, e, d] = [&pair.public.n, &pair.public.e, &pair.private.d].map(number);
        rsa::RsaPrivateKey::from_components(n, e, d, primes).expect("a key")
    }

    #[test]
    fn what_is_encrypted_for_a_key_is_read_by_its_owner_alone() {
        let (public, private) = generate().expect("a pair");
        let key = PrivateKey::from_openssh(&private).expect("a private key");
        let own = decryption(&key);
        let text = "correct horse \u{e4}";
        let told = encrypted(&public, text).expect("for this key");
        assert_ne!(
            Some(&told),
            encrypted(&public, text).as_ref(),
            "padded at random"
        );
        let bytes = STANDARD.decode(&told).expect("base64");
        assert_eq!(bytes.len(), BITS / 8);
        let read = own.decrypt(Pkcs1v15Encrypt, &bytes).expect("for its owner");
        assert_eq!(read, text.as_bytes());
        let (_, other) = generate().expect("another pair");
        let other = PrivateKey::from_openssh(&other).expect("a private key");
        let other = decryption(&other);
        let stolen = other.decrypt(Pkcs1v15Encrypt, &bytes).ok();
        assert_ne!(stolen.as_deref(), Some(text.as_bytes()));
        assert_eq!(
            encrypted(&public, &"x".repeat(BITS / 8)),
            Some(String::new()),
            "too long for the key"
        );
        assert_eq!(encrypted(ED25519, text), None);
        assert_eq!(encrypted("ssh-rsa AAAA", text), None);
    }

    #[test]
    fn a_generated_pair_belongs_together() {
        let (public, private) = generate().expect("a pair");
        let key = PrivateKey::from_openssh(&private).expect("a private key");
        assert_eq!(key.public_key().to_openssh().expect("a line"), public);
        assert!(public.starts_with("ssh-rsa ") && public.ends_with(" Generated-by-Nova"));
        assert_eq!(fingerprint(KeyType::Ssh, &public).expect("a key").len(), 47);
    }
}
