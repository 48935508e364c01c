//! Suites in a guest: another kernel, another engine, and the stock mesh under ours.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use super::boot;
use super::fault::StaleBreakpoint;
use super::guest::Guest;
use super::machine::Machine;
use super::outcome_table::OutcomeTable;
use super::state;
use crate::process::{cargo, say};

/// Tests that look at programs, links and maps, or ask for what IPVS does not do. What they are
/// about is in the suite `ipvs` for the other datapath.
const EBPF_ONLY: [&str; 10] = [
    "stack_removal::",
    "lease::",
    "untouched::",
    "explain::",
    "silent_task::",
    "stranger_clients::",
    "own_networks::",
    "a_process_on_any_node_reaches_each_task_itself_at_its_own_port",
    "no_request_fails_while_tasks_and_agents_change_on_nodes_without_ipv6",
    "an_unconnected_datagram_to_a_published_port_by_ipv6_is_refused_at_once",
];

/// The suite of IPVS as lb-netlink speaks to it: that crate's test `ipvs`, which needs a kernel that has it.
/// It has no Swarm, and no part that is too slow: filters are about the other suites.
pub(crate) const NETLINK: &str = "netlink";

/// Where to run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Guests {
    /// Debian 12: engine 20.10, kernel 6.1
    Bookworm,
    /// Debian 13: engine 26.1, kernel 6.12
    Trixie,
    /// Debian unstable: engine 28.5, kernel 7
    Sid,
    /// One after the other
    All,
}

impl Guests {
    fn each(self) -> Vec<Guest> {
        match self {
            Self::Bookworm => vec![Guest::Bookworm],
            Self::Trixie => vec![Guest::Trixie],
            Self::Sid => vec![Guest::Sid],
            Self::All => vec![Guest::Bookworm, Guest::Trixie, Guest::Sid],
        }
    }
}

/// Suites, datapaths and filters of a run.
pub(crate) struct Wanted<'a> {
    /// The suites, as cargo names them, and [`NETLINK`].
    pub(crate) suites: &'a [&'a str],
    /// The suites on a Swarm run once by each of these, the IPVS suite if its datapath is among them.
    pub(crate) datapaths: &'a [&'a str],
    /// Only tests whose names contain one of these; all, if there are none. Not about [`NETLINK`].
    pub(crate) filters: &'a [&'a str],
    /// In place of these by eBPF, where they differ.
    pub(crate) ebpf_filters: Option<&'a [&'a str]>,
    /// A command after them, and what it is called.
    pub(crate) then: Option<(&'a str, &'a [OsString])>,
}

impl<'a> Wanted<'a> {
    fn filters_of(&self, suite: &str, datapath: Option<&str>) -> &'a [&'a str] {
        match (suite, datapath) {
            (NETLINK, _) => &[],
            (_, Some("ebpf")) => self.ebpf_filters.unwrap_or(self.filters),
            _ => self.filters,
        }
    }
}

/// No datapath of ours: what the stock mesh does in the same tests, for comparison. What fails
/// there is no failure.
pub(crate) const MESH: &str = "mesh";

/// Runs what is wanted in each guest. What fails does not keep the rest from its turn, and the
/// guest ends whatever becomes of it. What the emulator did wrong is no outcome: it has one more try.
pub(crate) fn suites(guests: Guests, wanted: &Wanted<'_>) -> Result<()> {
    let programs = build(wanted.suites)?;
    let mut failed = Vec::new();
    for guest in guests.each() {
        let outcome = match in_new_guest(guest, &programs, wanted) {
            Err(error) if error.is::<StaleBreakpoint>() => {
                say(format_args!(
                    "{error:#}\nAll of it once more, in another guest."
                ));
                in_new_guest(guest, &programs, wanted)
            }
            outcome => outcome,
        };
        failed.extend(outcome?);
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

/// Boots a guest for [`in_guest`], and ends it.
fn in_new_guest(
    guest: Guest,
    programs: &[(&str, PathBuf)],
    wanted: &Wanted<'_>,
) -> Result<Vec<String>> {
    let machine = boot(guest, false, &[])?;
    let outcome = in_guest(&machine, guest, programs, wanted);
    machine.stop()?;
    outcome
}

/// Runs all of it in one guest; what failed, by name.
fn in_guest(
    machine: &Machine,
    guest: Guest,
    programs: &[(&str, PathBuf)],
    wanted: &Wanted<'_>,
) -> Result<Vec<String>> {
    let mut failed = Vec::new();
    let mut outcomes = OutcomeTable::default();
    for (suite, program) in programs {
        for datapath in runs(suite, wanted.datapaths) {
            let by = datapath.map_or_else(String::new, |datapath| format!(" by {datapath}"));
            let name = format!("{suite} on {guest}{by}");
            say(format_args!("==> suite {name}"));
            let begin = Instant::now();
            // The guest sees it at the same path.
            let log = state::directory().join("outcomes");
            // What the suite before it left is not its own.
            let _ = std::fs::remove_file(&log);
            let filters = wanted.filters_of(suite, datapath);
            let code = machine.run(&arguments(program, datapath, filters, &log))?;
            if code != ExitCode::SUCCESS && datapath != Some(MESH) {
                failed.push(name.clone());
            }
            let seconds = begin.elapsed().as_secs_f32();
            say(format_args!("<== suite {name}: {seconds:.0} s"));
            // Written once the program runs: where it did not, it has failed already.
            let told = std::fs::read_to_string(&log).unwrap_or_default();
            outcomes.add(datapath.unwrap_or(suite), &told);
        }
    }
    if let Some((name, command)) = wanted.then {
        let name = format!("{name} on {guest}");
        say(format_args!("==> {name}"));
        let begin = Instant::now();
        if machine.run(command)? != ExitCode::SUCCESS {
            failed.push(name.clone());
        }
        let seconds = begin.elapsed().as_secs_f32();
        say(format_args!("<== {name}: {seconds:.0} s"));
    }
    if wanted.datapaths.contains(&MESH) {
        say(format_args!("Outcomes on {guest}:\n{outcomes}"));
    }
    Ok(failed)
}

/// By which of the wanted datapaths a suite runs: once by each, where that is what it is about.
fn runs<'a>(suite: &str, wanted: &[&'a str]) -> Vec<Option<&'a str>> {
    let wanted = wanted.iter().copied();
    match suite {
        "swarm" => wanted.map(Some).collect(),
        // The stock mesh is not what it is about.
        "attack" => wanted
            .filter(|datapath| *datapath != MESH)
            .map(Some)
            .collect(),
        "ipvs" => wanted
            .filter(|datapath| *datapath == "ipvs")
            .map(Some)
            .collect(),
        // Its agents' kernel without agents.
        NETLINK => wanted
            .filter(|datapath| *datapath == "ipvs")
            .map(|_| None)
            .collect(),
        // No agents, and so no choice.
        _ => vec![None],
    }
}

/// The arguments of the command: settings, then the program. Tests run one by one: each is slow enough alone.
fn arguments(
    program: &Path,
    datapath: Option<&str>,
    filters: &[&str],
    log: &Path,
) -> Vec<OsString> {
    // Nobody reads notes there: what can't run has failed.
    let mut arguments = vec![OsString::from("env"), "CI=true".into()];
    arguments.extend(datapath.map(|datapath| format!("SWARMLB_DATAPATH={datapath}").into()));
    // How much load attacks make.
    let load = std::env::var("SWARMLB_ATTACK");
    arguments.extend(load.map(|load| format!("SWARMLB_ATTACK={load}").into()));
    arguments.extend([program.into(), "--test-threads=1".into()]);
    arguments.extend(["--logfile".into(), log.into()]);
    if datapath.is_some_and(|datapath| datapath != "ebpf") {
        for name in EBPF_ONLY {
            arguments.extend(["--skip".into(), name.into()]);
        }
    }
    arguments.extend(filters.iter().map(OsString::from));
    arguments
}

/// The suites' programs, built here: there is no compiler in the guest.
fn build<'a>(suites: &[&'a str]) -> Result<Vec<(&'a str, PathBuf)>> {
    suites
        .iter()
        .map(|suite| {
            let (package, test) = target(suite);
            let mut build = cargo();
            build.args(["test", "--locked", "--no-run", "--package", package]);
            build.args(["--test", test]);
            build.arg("--message-format=json-render-diagnostics");
            let told = told(&mut build)?;
            let program = told.lines().find_map(|line| program(line, test));
            let program = program.with_context(|| format!("cargo built no suite {suite}"))?;
            Ok((*suite, program))
        })
        .collect()
}

/// The package and the test that a suite is, as cargo names them.
fn target(suite: &str) -> (&str, &str) {
    match suite {
        NETLINK => ("lb-netlink", "ipvs"),
        _ => ("lb-tests", suite),
    }
}

/// Standard output; the rest, which may take minutes, goes to the terminal.
fn told(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the suites did not build");
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The program of a suite, if this is cargo's line about it.
fn program(line: &str, suite: &str) -> Option<PathBuf> {
    let line: Value = serde_json::from_str(line).ok()?;
    let is_suite =
        line.pointer("/target/name")? == suite && line.pointer("/target/kind/0")? == "test";
    let program = line.get("executable")?.as_str()?;
    is_suite.then(|| program.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_a_suite_is() {
        let line = r#"{"target":{"kind":["test"],"name":"swarm"},"executable":"/t/swarm-1"}"#;
        assert_eq!(program(line, "swarm"), Some("/t/swarm-1".into()));
        assert_eq!(program(line, "netns"), None);
        assert_eq!(program("not JSON", "swarm"), None);
    }

    #[test]
    fn a_suite_runs_by_the_datapaths_that_are_wanted_and_that_it_is_about() {
        let all = ["ebpf", "ipvs", MESH];
        assert_eq!(runs("swarm", &all), all.map(Some));
        assert_eq!(runs("attack", &all), [Some("ebpf"), Some("ipvs")]);
        assert_eq!(runs("ipvs", &all), [Some("ipvs")]);
        assert_eq!(runs("ipvs", &[MESH]), []);
        assert_eq!(runs("netns", &all), [None]);
        assert_eq!(runs(NETLINK, &all), [None]);
        assert_eq!(runs(NETLINK, &["ebpf"]), []);
    }

    #[test]
    fn by_ebpf_there_may_be_fewer_tests_and_netlinks_are_all_run() {
        let all = Wanted {
            suites: &[],
            datapaths: &[],
            filters: &["a", "b"],
            ebpf_filters: None,
            then: None,
        };
        assert_eq!(all.filters_of("swarm", Some("ebpf")), ["a", "b"]);
        let fewer = Wanted {
            ebpf_filters: Some(&["a"]),
            ..all
        };
        assert_eq!(fewer.filters_of("swarm", Some("ebpf")), ["a"]);
        assert_eq!(fewer.filters_of("swarm", Some("ipvs")), ["a", "b"]);
        assert_eq!(fewer.filters_of("ipvs", Some("ipvs")), ["a", "b"]);
        assert!(fewer.filters_of(NETLINK, None).is_empty());
    }

    #[test]
    fn settings_stand_before_the_program_and_names_after_it() {
        let log = Path::new("/t/outcomes");
        let arguments = arguments(Path::new("/t/swarm-1"), Some("ipvs"), &["balance"], log);
        let at = |word: &str| arguments.iter().position(|one| one == word).unwrap();
        assert!(at("/t/swarm-1") < at("--skip"));
        assert!(at("SWARMLB_DATAPATH=ipvs") < at("/t/swarm-1"));
        assert!(at("/t/swarm-1") < at("balance"));
    }
}
