//! What is needed by whom, and the packages of Debian and Ubuntu that bring it.

/// Programs that belong together.
pub(in crate::setup) struct Needed {
    /// The user of the packages, for messages.
    pub(super) who: &'static str,
    /// What is needed.
    pub(super) programs: &'static [Need],
}

/// A program, and the packages that may bring it. All that are offered are installed; to who installs by hand, the last of
/// them is named.
pub(super) type Need = (&'static str, &'static [&'static str]);

/// Shares files with a virtual machine.
pub(super) const VIRTIOFSD: &str = "virtiofsd";

/// For unit tests in network namespaces, which read what the kernel was told with them.
pub(in crate::setup) const LISTED: Needed = Needed {
    who: "the tests of the kernel's tables",
    programs: &[("ip", &["iproute2"]), ("nft", &["nftables"])],
};

/// For tests that ask parsers of HTTP other than the router's what they read. Python's packages are known by a file of
/// theirs.
pub(in crate::setup) const PARSERS: Needed = Needed {
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
pub(in crate::setup) const CLIENTS: Needed = Needed {
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
pub(in crate::setup) const BROWSER: Needed = Needed {
    who: "the test of the router with a browser",
    programs: &[("chromium", &["chromium-browser", "chromium"])],
};

/// For a Swarm on this machine.
pub(in crate::setup) const LAB: Needed = Needed {
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
        ("sysctl", &["procps"]),
        // By it the engine loads what the kernel does not load by itself.
        ("modprobe", &["kmod"]),
    ],
};

/// For measurements on that Swarm.
pub(in crate::setup) const BENCH: Needed = Needed {
    who: "the bench",
    programs: &[("wrk", &["wrk"])],
};

/// For measurements of the HTTP router: what loads it, and what it is compared with.
pub(in crate::setup) const PROXIES: Needed = Needed {
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
pub(in crate::setup) const PIP: Needed = Needed {
    who: "what comes from PyPI",
    programs: &[("pip3", &["python3-pip"])],
};

/// For the fuzzer: libFuzzer is built with it.
pub(in crate::setup) const COMPILER: Needed = Needed {
    who: "the fuzzer",
    programs: &[("c++", &["g++"])],
};

/// For a virtual machine with another kernel.
pub(in crate::setup) const VM: Needed = Needed {
    who: "the virtual machine",
    programs: &[
        ("qemu-system-x86_64", &["qemu-system-x86"]),
        // A package of its own since QEMU 8; before (Debian 12) a part of QEMU's.
        (VIRTIOFSD, &["qemu-system-common", VIRTIOFSD]),
        ("debootstrap", &["debootstrap"]),
        ("mke2fs", &["e2fsprogs"]),
        ("ssh", &["openssh-client"]),
    ],
};
