//! Packages of the system: installed as root on Debian and Ubuntu; elsewhere the missing ones are named.

mod needed;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{find, is_root, run, say};
pub(super) use needed::{
    BENCH, BROWSER, CLIENTS, COMPILER, LAB, LISTED, PARSERS, PIP, PROXIES, VM,
};
use needed::{Need, Needed, VIRTIOFSD};

/// Where Debian has [`VIRTIOFSD`], which is in no search path.
const VIRTIOFSD_PLACES: [&str; 2] = ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"];

pub(super) fn ensure(needed: &Needed) -> Result<()> {
    let who = needed.who;
    let missing = missing(needed, is_there);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
    let names = names.join(", ");
    if find("apt-get").is_none() {
        bail!("{who} needs {names}: install what has them by your system's packages");
    }
    if !is_root() {
        bail!(
            "{who} needs {names}: run `sudo apt-get install {}`",
            choices(&missing, is_offered).join(" ")
        );
    }
    say(format_args!(
        "Installing what {who} needs and is not here: {names}."
    ));
    let _no_engine = NoServiceStarts::begin()?;
    // A foreign source that does not answer is no reason to stop: the install tells.
    if let Err(error) = run(apt().arg("update")) {
        say(format_args!(
            "{error}; trying with the package lists that are here."
        ));
    }
    let mut packages: Vec<&str> = missing
        .iter()
        .flat_map(|(_, packages)| *packages)
        .copied()
        .collect();
    packages.dedup();
    packages.retain(|package| is_offered(package));
    run(apt()
        .args(["install", "--yes", "--no-install-recommends"])
        .args(&packages))
    .with_context(|| format!("{who} needs {names}"))?;
    match missing_now(needed) {
        still if still.is_empty() => Ok(()),
        still => bail!(
            "{} installed, but still without {}",
            packages.join(" "),
            still.join(", ")
        ),
    }
}

fn is_there(program: &str) -> bool {
    match program {
        VIRTIOFSD => virtiofsd().is_some(),
        _ => find(program).is_some(),
    }
}

/// The path of virtiofsd, if it is installed.
pub(super) fn virtiofsd() -> Option<PathBuf> {
    let places = VIRTIOFSD_PLACES.map(PathBuf::from);
    find(VIRTIOFSD).or_else(|| places.into_iter().find(|path| path.is_file()))
}

fn missing(needed: &Needed, is_there: impl Fn(&str) -> bool) -> Vec<Need> {
    needed
        .programs
        .iter()
        .filter(|(program, _)| !is_there(program))
        .copied()
        .collect()
}

fn missing_now(needed: &Needed) -> Vec<&'static str> {
    missing(needed, is_there)
        .iter()
        .map(|(program, _)| *program)
        .collect()
}

/// For each program, the last of its packages that is offered; the last one where none is.
fn choices(missing: &[Need], is_offered: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let choice = |(_, packages): &Need| {
        let mut offered = packages.iter().filter(|package| is_offered(package));
        offered.next_back().or(packages.last()).copied()
    };
    let mut packages: Vec<_> = missing.iter().filter_map(choice).collect();
    packages.dedup();
    packages
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("-q").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// docker-cli is a package of its own only since Debian 13.
fn is_offered(package: &str) -> bool {
    let mut show = Command::new("apt-cache");
    show.args(["show", "--no-all-versions", package]);
    crate::process::read(&mut show).is_ok_and(|text| !text.is_empty())
}

/// While it lives, installed services are not started: the lab's engines run in
/// namespaces of their own, and one in the root namespace would set its FORWARD
/// chain to DROP.
struct NoServiceStarts(Option<PathBuf>);

impl NoServiceStarts {
    fn begin() -> Result<Self> {
        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return Ok(Self(None));
        }
        fs::write(policy, "#!/bin/sh\nexit 101\n").context("cannot write policy-rc.d")?;
        let guard = Self(Some(policy.to_owned()));
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
        Ok(guard)
    }
}

impl Drop for NoServiceStarts {
    fn drop(&mut self) {
        if let Some(policy) = &self.0
            && let Err(error) = fs::remove_file(policy)
        {
            say(format_args!(
                "Cannot remove {}: {error}; remove it by hand.",
                policy.display()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_package_that_brings_two_programs_is_named_once() {
        let missing = missing(&LAB, |program| !program.starts_with("docker"));
        assert_eq!(choices(&missing, |_| true), ["docker.io"]);
    }

    #[test]
    fn nothing_is_missing_where_all_is_there() {
        assert!(missing(&LAB, |_| true).is_empty());
    }

    /// QEMU's packages of Debian 13 and Ubuntu 24.04 do not bring it, and Debian 12 has no package of that name.
    #[test]
    fn what_shares_files_with_a_guest_is_looked_for_and_its_package_is_the_systems() {
        let missing = missing(&VM, |program| program != "virtiofsd");
        assert_eq!(choices(&missing, |_| true), ["virtiofsd"]);
        let debian_12 = |package: &str| package != "virtiofsd";
        assert_eq!(choices(&missing, debian_12), ["qemu-system-common"]);
    }
}
