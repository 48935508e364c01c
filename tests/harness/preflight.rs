//! Checks before a laboratory is built: root, and the programs that it runs.

use std::path::Path;

use anyhow::{Result, ensure};

/// Programs, each with the Debian package that has it.
const TOOLS: [(&str, &str); 8] = [
    ("docker", "docker.io"),
    ("dockerd", "docker.io"),
    ("ethtool", "ethtool"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
];

/// An error that names what is missing, and where to get it.
pub(crate) fn check() -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the laboratory needs root: try it with sudo"
    );
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<_> = std::env::split_paths(&path).collect();
    let is_missing = |tool: &str| {
        !directories
            .iter()
            .any(|d: &std::path::PathBuf| is_file(d, tool))
    };
    let missing: Vec<_> = TOOLS
        .iter()
        .filter(|(tool, _)| is_missing(tool))
        .map(|(tool, package)| format!("{tool} (Debian: {package})"))
        .collect();
    ensure!(
        missing.is_empty(),
        "not found in PATH: {}",
        missing.join(", ")
    );
    Ok(())
}

fn is_file(directory: &Path, name: &str) -> bool {
    directory.join(name).is_file()
}
