//! The guests that can be booted.

use clap::ValueEnum;
use std::fmt;

/// A release of Debian, with its kernel and its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Guest {
    /// Debian 12: engine 20.10, kernel 6.1
    Bookworm,
    /// Debian 13: engine 26.1, kernel 6.12
    Trixie,
    /// Debian unstable: engine 28.5, kernel 7
    Sid,
}

/// Installed in every guest: an engine, what looks into the kernel, what makes load.
const PACKAGES: &[&str] = &[
    // Engines confine containers by it where it is there, as on nearly all machines with Debian or Ubuntu.
    "apparmor",
    "ca-certificates",
    "conntrack",
    "curl",
    "docker.io",
    "ethtool",
    "iperf3",
    "iproute2",
    "iptables",
    "iputils-ping",
    "ipvsadm",
    "kmod",
    "linux-image-cloud-amd64",
    "mount",
    "nftables",
    "openssh-server",
    "openssl",
    "procps",
    "strace",
    "tcpdump",
    "tini",
    "util-linux",
    "wrk",
];

impl Guest {
    /// The release's code name.
    pub(super) fn suite(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::Sid => "sid",
        }
    }

    /// The packages of its system.
    pub(super) fn packages(self) -> Vec<&'static str> {
        let mut packages = PACKAGES.to_vec();
        // A package of its own since Debian 13.
        if self != Self::Bookworm {
            packages.push("docker-cli");
        }
        packages
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.suite())
    }
}
