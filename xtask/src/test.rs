//! `cargo xtask test`: everything that has to hold before a change is merged, in
//! the order of what it costs. Stops at the first step that fails. CI runs this.

use std::env;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::process::{cargo, find, is_root, run, say, target_dir};
use crate::vm::{self, Guests, Wanted};
use crate::{image, setup, tidy};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to run
    #[arg(long, value_enum, default_value_t = Suite::All)]
    suite: Suite,
    /// Run the suites datapath, ipvs and swarm in a virtual machine instead, or the named one
    #[arg(long, value_enum, value_name = "GUEST")]
    vm: Option<Guests>,
    /// With --vm: only tests whose names contain one of these
    #[arg(long, num_args = 1.., value_name = "NAME", requires = "vm")]
    filter: Vec<String>,
    /// With --vm: the Swarm suite only by these; `mesh`, without agents, is for comparison
    #[arg(long, num_args = 1.., value_name = "DATAPATH", requires = "vm", value_parser = WAYS)]
    datapath: Vec<String>,
}

/// As `swarmlb run --datapath` names them.
const DATAPATHS: [&str; 2] = ["ipvs", "ebpf"];
/// Those, and the stock mesh.
const WAYS: [&str; 3] = [DATAPATHS[0], DATAPATHS[1], vm::MESH];

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// Formatting, lints, dependencies, the repository's rules, unit tests
    Host,
    /// Fixtures of the datapath in the kernel (root)
    Datapath,
    /// Real traffic between network namespaces (root)
    Netns,
    /// A Swarm of three nodes on this machine (root, Docker's engine)
    Swarm,
    /// The core of that in a virtual machine that has the stock mesh, by both datapaths (root)
    Vm,
    /// What users do, in virtual machines, by both datapaths and by the stock mesh (root)
    Scenarios,
    /// All but that one
    All,
}

/// The suites of `tests/`, as cargo names them.
const ROOT_SUITES: [(Suite, &str); 4] = [
    (Suite::Datapath, "datapath"),
    (Suite::Netns, "netns"),
    (Suite::Swarm, "swarm"),
    (Suite::Vm, "vm"),
];

/// The verb.
pub(crate) fn run_verb(args: &Args) -> Result<()> {
    let begin = Instant::now();
    let wants = |suite| args.suite == suite || args.suite == Suite::All;
    let mut left_out = Vec::new();

    step("setup of the BPF build", setup::bpf)?;
    let guests = (args.suite == Suite::Scenarios).then_some(Guests::All);
    if let Some(guests) = args.vm.or(guests) {
        return in_guests(args, guests);
    }
    if wants(Suite::Host) {
        host()?;
    }
    for (suite, name) in ROOT_SUITES.into_iter().filter(|(suite, _)| wants(*suite)) {
        match obstacle(suite) {
            None => root_suite(suite, name)?,
            // Asked for by name, or where nobody reads notes: not to run is to fail.
            Some(why) if args.suite != Suite::All || in_ci() => {
                bail!("suite {name} cannot run: {why}")
            }
            Some(why) => left_out.push(format!("Left out: suite {name}, because {why}.")),
        }
    }
    for note in &left_out {
        say(note);
    }
    let all = if left_out.is_empty() {
        "Everything"
    } else {
        "Everything else"
    };
    say(format_args!(
        "{all} passed in {:.0} s.",
        begin.elapsed().as_secs_f32()
    ));
    Ok(())
}

fn in_guests(args: &Args, guests: Guests) -> Result<()> {
    let suites: &[&str] = match args.suite {
        Suite::All => &["datapath", "ipvs", "swarm"],
        Suite::Datapath => &["datapath"],
        Suite::Netns => &["netns"],
        Suite::Swarm => &["swarm"],
        Suite::Scenarios => &["ipvs", "swarm"],
        Suite::Host | Suite::Vm => {
            bail!("a virtual machine runs datapath, netns, swarm and scenarios only")
        }
    };
    let mut filters: Vec<&str> = args.filter.iter().map(String::as_str).collect();
    if args.suite == Suite::Scenarios && filters.is_empty() {
        filters = vm::scenarios::tests();
    }
    let named: Vec<&str> = args.datapath.iter().map(String::as_str).collect();
    let wanted = Wanted {
        suites,
        datapaths: if named.is_empty() { &WAYS } else { &named },
        filters: &filters,
    };
    step("suites in virtual machines", || vm::suites(guests, &wanted))
}

fn host() -> Result<()> {
    step("setup of the checks", setup::tests)?;
    step("formatting", || {
        run(cargo().args(["fmt", "--all", "--check"]))
    })?;
    step("lints of the host crates", || {
        let mut clippy = cargo();
        clippy.args([
            "clippy",
            "--locked",
            "--workspace",
            "--exclude",
            "lb-programs",
            "--exclude",
            "lb-bench-programs",
            "--all-targets",
        ]);
        run(clippy.args(["--", "--deny", "warnings"]))
    })?;
    step("lints of the BPF programs", bpf_lints)?;
    step("dependencies", || {
        // Advisories would need a database from the network, which changes under a
        // change that is tested: they are for a scheduled run.
        let mut deny = cargo();
        deny.args([
            "deny",
            "--locked",
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ]);
        run(&mut deny)
    })?;
    step("rules of the repository", tidy::run_verb)?;
    step("unit tests", || {
        let mut test = cargo();
        run(test.args([
            "test",
            "--locked",
            "--workspace",
            "--exclude",
            "lb-programs",
            "--exclude",
            "lb-bench-programs",
            "--exclude",
            "lb-tests",
        ]))
    })?;
    step("unit tests of the harness", || {
        run(cargo().args([
            "test",
            "--locked",
            "--package",
            "lb-tests",
            "--lib",
            "--bins",
        ]))
    })
}

/// Clippy for the BPF target, which has no prebuilt `core`.
fn bpf_lints() -> Result<()> {
    let mut clippy = cargo();
    clippy.args([
        "clippy",
        "--locked",
        "--package",
        "lb-programs",
        "--package",
        "lb-bench-programs",
        "--target",
        "bpfel-unknown-none",
    ]);
    // A target directory of its own: other flags for the same crates.
    clippy
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(target_dir().join("bpf-lints"));
    clippy.args(["--", "--deny", "warnings"]);
    let flags = format!("--cfg=bpf_target_arch=\"{}\"", env::consts::ARCH);
    run(clippy
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags))
}

fn root_suite(suite: Suite, name: &str) -> Result<()> {
    if suite == Suite::Swarm {
        step("images", || {
            image::agent().and_then(|_| image::whoami()).map(drop)
        })?;
    }
    step(&format!("suite {name}"), || {
        if suite == Suite::Vm {
            let wanted = Wanted {
                suites: &["ipvs", "swarm"],
                datapaths: &DATAPATHS,
                filters: &vm::scenarios::SHORT,
            };
            return vm::suites(Guests::Bookworm, &wanted);
        }
        run(cargo().args(["test", "--locked", "--package", "lb-tests", "--test", name]))
    })
}

/// Why a suite cannot run here, and what to do.
fn obstacle(suite: Suite) -> Option<String> {
    if !is_root() {
        let why =
            "it makes network namespaces and loads BPF programs, which needs root: run it as root";
        return Some(why.to_owned());
    }
    // Network tools for both; setup says what it cannot install.
    if suite != Suite::Datapath
        && let Err(error) = setup::lab()
    {
        return Some(format!("{error:#}"));
    }
    if suite == Suite::Swarm && find("dockerd").is_none() {
        return Some("there is no dockerd: run `cargo xtask setup --lab`".to_owned());
    }
    None
}

fn in_ci() -> bool {
    env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Runs one step, and says its name and its time.
fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    say(format_args!("==> {name}"));
    let begin = Instant::now();
    work().with_context(|| {
        format!(
            "step \"{name}\" failed after {:.1} s",
            begin.elapsed().as_secs_f32()
        )
    })?;
    say(format_args!(
        "<== {name}: {:.1} s",
        begin.elapsed().as_secs_f32()
    ));
    Ok(())
}
