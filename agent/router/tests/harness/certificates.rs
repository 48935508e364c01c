//! Certificates that sign themselves.

use rcgen::{CertificateParams, KeyPair};
use std::fs;
use std::path::Path;

/// Puts a certificate and its key for these names into files; the certificate, PEM.
pub(crate) fn certificate(directory: &Path, file: &str, names: &[&str]) -> String {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    fs::write(directory.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    fs::write(directory.join(format!("{file}.crt")), certificate.pem()).unwrap();
    certificate.pem()
}
