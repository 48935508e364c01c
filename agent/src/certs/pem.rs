//! PEM as SwarmKit writes it: keys have header lines, which RFC 7468 does not allow.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Contents of a key file.
pub(super) enum Key {
    /// A key, PKCS#8 or SEC1.
    Plain(PrivateKeyDer<'static>),
    /// A key that needs a passphrase.
    Encrypted,
    /// No key.
    None,
}

/// All certificates of `pem`, in order; none if there is none or one is broken.
pub(super) fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|certificates| !certificates.is_empty())
}

/// The first key of `pem`.
pub(super) fn key(pem: &[u8]) -> Key {
    let text = String::from_utf8_lossy(pem);
    if text.contains("ENCRYPTED") || text.contains("DEK-Info:") {
        return Key::Encrypted;
    }
    PrivateKeyDer::from_pem_slice(strip_headers(&text).as_bytes()).map_or(Key::None, Key::Plain)
}

/// Removes header lines (`kek-version: 0`, `raft-dek: …`) and the blank line that ends them. Base64 has no colon.
fn strip_headers(pem: &str) -> String {
    let mut stripped = String::with_capacity(pem.len());
    for line in pem.lines() {
        if !line.contains(':') && !line.trim().is_empty() {
            stripped.push_str(line);
            stripped.push('\n');
        }
    }
    stripped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_go_and_the_key_stays() {
        let with = "-----BEGIN PRIVATE KEY-----\nkek-version: 17\nraft-dek: EgrmH7kQ=\n\nMIGHAgEA\nMBMGByqG\n-----END PRIVATE KEY-----\n";
        assert_eq!(
            strip_headers(with),
            "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\nMBMGByqG\n-----END PRIVATE KEY-----\n"
        );
        let without = strip_headers(with);
        assert_eq!(strip_headers(&without), without);
    }

    #[test]
    fn keys_of_both_forms_are_read_with_headers() {
        let pair = rcgen::KeyPair::generate().unwrap();
        let pkcs8 = pair.serialize_pem();
        let swarm = pkcs8.replacen("-----\n", "-----\nkek-version: 0\nraft-dek: AbC=\n\n", 1);
        match (key(pkcs8.as_bytes()), key(swarm.as_bytes())) {
            (Key::Plain(a), Key::Plain(b)) => assert_eq!(a, b),
            _ => panic!("no key"),
        }
        let sec1 = "-----BEGIN EC PRIVATE KEY-----\nkek-version: 0\n\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n";
        assert!(matches!(
            key(sec1.as_bytes()),
            Key::Plain(PrivateKeyDer::Sec1(_))
        ));
    }

    #[test]
    fn locked_keys_are_told_apart_from_no_keys() {
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nkek-version: 17\n\nMIHeMEkG\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert!(matches!(key(locked.as_bytes()), Key::Encrypted));
        let legacy = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMHcC\n-----END EC PRIVATE KEY-----\n";
        assert!(matches!(key(legacy.as_bytes()), Key::Encrypted));
        assert!(matches!(key(b"nothing"), Key::None));
        assert!(matches!(key(b""), Key::None));
    }

    proptest! {
        #[test]
        fn no_file_is_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = key(&bytes);
            let _ = certificates(&bytes);
        }
    }
}
