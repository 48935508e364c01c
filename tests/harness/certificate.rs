//! Certificates that sign themselves, made by openssl.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::shell;

/// Makes a certificate for these hosts, by name or address, and its key: the files `NAME.crt` and `NAME.key` in `dir`.
pub fn self_signed(dir: &Path, name: &str, hosts: &[&str]) -> Result<[PathBuf; 2]> {
    let files = ["crt", "key"].map(|end| dir.join(format!("{name}.{end}")));
    let hosts = hosts.iter().map(|host| match host.parse::<IpAddr>() {
        Ok(address) => format!("IP:{address}"),
        Err(_) => format!("DNS:{host}"),
    });
    let hosts: Vec<String> = hosts.collect();
    let subject = format!("/CN={name}");
    let alternatives = format!("subjectAltName={}", hosts.join(","));
    let [certificate, key] = &files;
    shell::stdout(
        Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-subj", &subject, "-addext", &alternatives])
            .arg("-keyout")
            .arg(key)
            .arg("-out")
            .arg(certificate),
    )?;
    Ok(files)
}
