//! `cargo xtask test`: everything that has to hold before a change is merged, in
//! the order of what it costs. Stops at the first step that fails. CI runs this.

mod host;
mod libtest;
mod long;
mod repeat;
mod table;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, ValueEnum};
use lb_support::in_ci;

use crate::process::{cargo, find, is_root, run, say};
use crate::vm::{self, Guests, Wanted};
use crate::{bench, compare, fuzz, image, mutants, setup};

#[derive(clap::Args)]
#[command(group(ArgGroup::new("narrow").args(["vm", "repeat"])))]
pub(crate) struct Args {
    /// The suite to run
    #[arg(long, value_enum, default_value_t = Suite::All)]
    suite: Suite,
    /// Run the suites datapath, ipvs, swarm and attack in a virtual machine instead, or the named one
    #[arg(long, value_enum, value_name = "GUEST")]
    vm: Option<Guests>,
    /// Look for flaky tests: run the tests of the suites host, datapath, netns, swarm and attack so many times,
    /// whatever fails, and show which failed
    #[arg(long, value_name = "N", value_parser = repeat::times)]
    repeat: Option<u32>,
    /// With --vm or --repeat: only tests whose names contain one of these
    #[arg(long, num_args = 1.., value_name = "NAME", requires = "narrow")]
    filter: Vec<String>,
    /// With --vm: the suites on a Swarm only by these; `mesh`, without agents, is for comparison
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
    /// Each fuzz target for a moment, from its seeds
    Fuzz,
    /// Fixtures of the datapath in the kernel (root)
    Datapath,
    /// Real traffic between network namespaces (root)
    Netns,
    /// A Swarm of three nodes on this machine (root, Docker's engine)
    Swarm,
    /// Attacks on that Swarm, by each kind of attacker (root, Docker's engine)
    Attack,
    /// One short round of `cargo xtask bench`, to see that it works (root, Docker's engine)
    Bench,
    /// The core of the Swarm's suite, and one short round of `cargo xtask compare`, in a virtual machine that has the stock mesh, by both datapaths (root)
    Vm,
    /// Scenarios of users, in virtual machines, by both datapaths and by the stock mesh (root)
    Scenarios,
    /// All but that one
    All,
}

/// Those that need root; the suites of `tests/` as cargo names them.
const ROOT_SUITES: [(Suite, &str); 6] = [
    (Suite::Datapath, "datapath"),
    (Suite::Netns, "netns"),
    (Suite::Swarm, "swarm"),
    (Suite::Attack, "attack"),
    (Suite::Bench, "bench"),
    (Suite::Vm, "vm"),
];

/// The verb.
pub(crate) fn run_verb(args: &Args) -> Result<()> {
    let begin = Instant::now();
    let wants = |suite| args.suite == suite || args.suite == Suite::All;
    let mut left_out = Vec::new();

    step("setup of the BPF build", setup::bpf)?;
    if let Some(times) = args.repeat {
        return repeat_suites(args, times);
    }
    let guests = (args.suite == Suite::Scenarios).then_some(Guests::All);
    if let Some(guests) = args.vm.or(guests) {
        return in_guests(args, guests);
    }
    if wants(Suite::Host) {
        host::suite()?;
    }
    if wants(Suite::Fuzz) {
        step("suite fuzz", fuzz::quick)?;
    }
    if args.suite == Suite::All {
        step("changes that tests notice", mutants::short)?;
    }
    for (suite, name) in ROOT_SUITES.into_iter().filter(|(suite, _)| wants(*suite)) {
        match why_left_out(args, suite, name)? {
            None => {
                let skipped = long::left_out(args.suite, suite);
                root_suite(suite, name, skipped, begin)?;
                left_out.extend(skipped.iter().map(long::Test::note));
            }
            Some(note) => left_out.push(note),
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

/// The note on a suite that can't run here. Where it was asked for by name, or nobody reads notes, it is the error.
fn why_left_out(args: &Args, suite: Suite, name: &str) -> Result<Option<String>> {
    match obstacle(suite) {
        Some(why) if args.suite != Suite::All || in_ci() => {
            bail!("suite {name} cannot run: {why}")
        }
        why => Ok(why.map(|why| format!("Left out: suite {name}, because {why}."))),
    }
}

/// Looks for flaky tests in the suites that consist of tests.
fn repeat_suites(args: &Args, times: u32) -> Result<()> {
    let wants = |suite| args.suite == suite || args.suite == Suite::All;
    let mut runs = Vec::new();
    if wants(Suite::Host) {
        runs.push(repeat::Run::of("unit-tests", host::UNIT_TESTS));
        runs.push(repeat::Run::of("harness", host::HARNESS_TESTS));
    }
    let is_of_tests = |suite| !matches!(suite, Suite::Bench | Suite::Vm);
    for (suite, name) in ROOT_SUITES {
        if !wants(suite) || !is_of_tests(suite) {
            continue;
        }
        match why_left_out(args, suite, name)? {
            Some(note) => say(note),
            None => {
                images(suite)?;
                runs.push(repeat::Run::of(
                    name,
                    &["--package", "lb-tests", "--test", name],
                ));
            }
        }
    }
    if runs.is_empty() {
        bail!("only the suites host, datapath, netns, swarm and attack can be repeated");
    }
    step("repeated tests", || {
        repeat::run_all(times, &runs, &args.filter)
    })
}

fn in_guests(args: &Args, guests: Guests) -> Result<()> {
    let suites: &[&str] = match args.suite {
        Suite::All if args.filter.is_empty() => {
            &["datapath", vm::NETLINK, "ipvs", "swarm", "attack"]
        }
        Suite::All => &["datapath", "ipvs", "swarm", "attack"],
        Suite::Datapath => &["datapath"],
        Suite::Netns => &["netns"],
        Suite::Swarm => &["swarm"],
        Suite::Attack => &["attack"],
        Suite::Scenarios => &["ipvs", "swarm"],
        Suite::Host | Suite::Fuzz | Suite::Bench | Suite::Vm => {
            bail!("a virtual machine runs datapath, netns, swarm, attack and scenarios only")
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
        ebpf_filters: None,
        then: None,
    };
    step("suites in virtual machines", || vm::suites(guests, &wanted))
}

/// Runs a suite without the tests in `skipped`. `begin`: when the first suite began.
fn root_suite(suite: Suite, name: &str, skipped: &[long::Test], begin: Instant) -> Result<()> {
    images(suite)?;
    step(&format!("suite {name}"), || match suite {
        Suite::Vm => in_one_guest(begin.elapsed()),
        Suite::Bench => bench::quick(),
        _ => {
            let mut tests = cargo();
            tests.args(["test", "--locked", "--package", "lb-tests", "--test", name]);
            tests.arg("--");
            for test in skipped {
                tests.args(["--skip", test.name]);
            }
            run(&mut tests)
        }
    })
}

/// The images that a suite on a Swarm deploys.
fn images(suite: Suite) -> Result<()> {
    if !matches!(suite, Suite::Swarm | Suite::Attack) {
        return Ok(());
    }
    step("images", || {
        image::agent().and_then(|_| image::whoami()).map(drop)
    })
}

/// With a slower start than this, the comparison would not end within the 90 minutes that CI has: it measures the
/// machine more than swarmlb there. All suites together take CI's machine about an hour.
const COMPARED_WITHIN: Duration = Duration::from_secs(55 * 60);

/// Runs everything that CI wants of a virtual machine, in one guest, and compares, unless the suites before it took too
/// long.
fn in_one_guest(before: Duration) -> Result<()> {
    let compare = (before <= COMPARED_WITHIN)
        .then(compare::Quick::build)
        .transpose()?;
    let wanted = Wanted {
        suites: &[vm::NETLINK, "ipvs", "swarm"],
        datapaths: &DATAPATHS,
        filters: &vm::scenarios::SHORT,
        // All others ran on this machine's own kernel.
        ebpf_filters: Some(&vm::scenarios::SHORT_EBPF),
        then: compare
            .as_ref()
            .map(|quick| ("short comparison", &quick.command[..])),
    };
    vm::suites(Guests::Bookworm, &wanted)?;
    match compare {
        Some(compare) => compare.show(),
        None => {
            say(format_args!(
                "Left out: the short comparison, because the suites before it took {} minutes, more than {}. Run \
                 `cargo xtask compare --quick`.",
                before.as_secs() / 60,
                COMPARED_WITHIN.as_secs() / 60
            ));
            Ok(())
        }
    }
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
    if matches!(suite, Suite::Swarm | Suite::Attack | Suite::Bench) && find("dockerd").is_none() {
        return Some("there is no dockerd: run `cargo xtask setup --lab`".to_owned());
    }
    None
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
