//! Rules between modules and crates: what is pure does no I/O, and data flows one
//! way (ARCHITECTURE.md): `watch` and `kernel` meet in `run` only.

use super::Finding;
use super::mentions::mentions;
use super::source::{Source, has_word};

/// Package and manifest of the crates without I/O.
pub(super) const PURE_CRATES: [(&str, &str); 3] = [
    ("lb-core", "agent/core/Cargo.toml"),
    ("lb-routes", "agent/routes/Cargo.toml"),
    ("lb-datapath", "ebpf/datapath/Cargo.toml"),
];

/// Crates that do I/O; also those whose names begin so (`tokio-stream`).
const IO_CRATES: [&str; 11] = [
    "tokio",
    "aya",
    "bollard",
    "netlink",
    "rtnetlink",
    "tonic",
    "hyper",
    "axum",
    "nix",
    "libc",
    "mio",
];

/// Words that code without I/O and without a clock does not use. Addresses of `std::net`
/// are plain values.
const IO_WORDS: [&str; 11] = [
    "std::fs",
    "std::process",
    "std::env",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
];

/// Module, and what it must not mention.
const ONE_WAY: [(&str, &[&str]); 3] = [
    ("agent/src/router", &["kernel", "watch", "sync", "run"]),
    ("agent/src/watch", &["kernel"]),
    ("agent/src/kernel", &["watch", "sync", "serve"]),
];

/// What every back end serves, and so none of them shapes.
const NEUTRAL: [&str; 2] = ["agent/core/src/desired", "agent/core/src/model"];

/// The layout of the maps.
const ABI: &str = "lb_abi";

pub(super) fn findings(files: &[Source]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(|file| [io(file), one_way(file), joins(file), neutral(file)])
        .flatten()
        .collect()
}

/// `named` are all packages that a pure crate is built with.
pub(super) fn impure_dependencies(manifest: &str, named: &[String]) -> Vec<Finding> {
    let does_io = |package: &str| {
        IO_CRATES.iter().any(|io| {
            package
                .strip_prefix(io)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    };
    let impure = named.iter().filter(|package| does_io(package));
    impure
        .map(|package| Finding {
            path: manifest.to_owned(),
            line: 0,
            what: format!("depends on {package}, which does I/O: this crate is pure"),
        })
        .collect()
}

fn io(file: &Source) -> Vec<Finding> {
    let pure = [
        "agent/core/src/",
        "agent/routes/src/",
        "agent/wire/src/",
        "ebpf/datapath/src/",
    ];
    if !pure.iter().any(|place| file.path.starts_with(place)) {
        return Vec::new();
    }
    let lines = file.code.iter().zip(1..);
    lines
        .flat_map(|(line, at)| {
            IO_WORDS
                .iter()
                .filter(|word| has_word(line, word))
                .map(move |word| (at, word))
        })
        .map(|(at, word)| {
            Finding::new(
                &file.path,
                at,
                format!("`{word}`: this crate does no I/O and has no clock"),
            )
        })
        .collect()
}

fn one_way(file: &Source) -> Vec<Finding> {
    let rules = ONE_WAY.iter().filter(|(place, _)| file.is_in(place));
    let forbidden: Vec<&str> = rules.flat_map(|(_, names)| *names).copied().collect();
    mentions(file)
        .into_iter()
        .filter(|(name, _)| forbidden.contains(&name.as_str()))
        .map(|(name, at)| {
            Finding::new(
                &file.path,
                at,
                format!("mentions crate::{name}: data flows the other way"),
            )
        })
        .collect()
}

/// Only the loop knows both sides.
fn joins(file: &Source) -> Vec<Finding> {
    let inside = file.path.strip_prefix("agent/src/");
    if inside.is_none_or(|inside| inside.starts_with("run")) {
        return Vec::new();
    }
    let mentioned = mentions(file);
    let at = |wanted: &str| {
        mentioned
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, at)| *at)
    };
    match (at("watch"), at("kernel")) {
        (Some(_), Some(line)) => vec![Finding::new(
            &file.path,
            line,
            "joins watch and kernel: only run.rs does".to_owned(),
        )],
        _ => Vec::new(),
    }
}

/// The desired state says nothing of how a back end keeps it. Tests of it may go on to a back end.
fn neutral(file: &Source) -> Vec<Finding> {
    if !NEUTRAL.iter().any(|place| file.is_in(place)) {
        return Vec::new();
    }
    let lines = file.code.iter().zip(1..);
    let abi = lines.filter(|(line, _)| has_word(line, ABI));
    let abi = abi.map(|(_, at)| (at, ABI));
    let backends = mentions(file)
        .into_iter()
        .filter(|(name, _)| name == "backend" && !file.path.ends_with("/tests.rs"))
        .map(|(_, at)| (at, "crate::backend"));
    abi.chain(backends)
        .map(|(at, what)| {
            let what = format!("mentions {what}: the desired state is every back end's");
            Finding::new(&file.path, at, what)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::printed;
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        printed(findings, &[(path, text)])
    }

    #[test]
    fn pure_crates_have_no_clock_but_addresses() {
        assert_eq!(
            check(
                "agent/core/src/backend/ebpf/plan.rs",
                "let t = std::time::Instant::now();"
            )
            .len(),
            1
        );
        assert_eq!(
            check("ebpf/datapath/src/a.rs", "use std::net::UdpSocket;").len(),
            1
        );
        assert!(
            check(
                "agent/core/src/backend/ebpf/plan.rs",
                "use std::net::Ipv4Addr; // no SystemTime"
            )
            .is_empty()
        );
        assert!(check("agent/src/run.rs", "std::time::Instant::now()").is_empty());
    }

    #[test]
    fn data_flows_one_way() {
        assert_eq!(
            check("agent/src/watch/docker.rs", "use crate::kernel::Maps;").len(),
            1
        );
        assert_eq!(
            check(
                "agent/src/kernel.rs",
                "use crate::{\n  links::A,\n  serve::{watch, B},\n};"
            )
            .len(),
            1
        );
        assert!(check("agent/src/kernel/bpf.rs", "use crate::kernel::watchdog;").is_empty());
    }

    #[test]
    fn only_the_loop_joins_both_sides() {
        let both = "use crate::{kernel, watch};";
        assert_eq!(check("agent/src/serve/status.rs", both).len(), 1);
        assert!(check("agent/src/run.rs", both).is_empty());
        assert!(check("agent/src/run/shutdown.rs", both).is_empty());
    }

    #[test]
    fn the_desired_state_is_no_back_ends() {
        let of_maps = "// As lb_abi has it.\nuse lb_abi::service::Frontend;";
        for path in [
            "agent/core/src/desired.rs",
            "agent/core/src/desired/service.rs",
            "agent/core/src/desired/incremental/tests.rs",
            "agent/core/src/model/snapshot.rs",
        ] {
            assert_eq!(
                check(path, of_maps),
                [format!(
                    "{path}:2: mentions lb_abi: the desired state is every back end's"
                )]
            );
        }
        assert!(check("agent/core/src/backend/ebpf/lower.rs", of_maps).is_empty());
        let lowers = "use crate::backend::ebpf::State;";
        assert_eq!(check("agent/core/src/desired/host.rs", lowers).len(), 1);
        assert!(check("agent/core/src/desired/incremental/tests.rs", lowers).is_empty());
    }

    #[test]
    fn dependencies_are_known_by_whole_names() {
        let named = ["tokio-stream", "ayat", "zerocopy", "aya"].map(str::to_owned);
        let found = impure_dependencies("x/Cargo.toml", &named);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
