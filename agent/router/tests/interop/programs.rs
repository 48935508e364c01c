//! The programs: whether they are here, and how they are run. None runs for more than a minute, or longer than its test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A program of Debian's.
pub(crate) struct Program {
    /// For messages.
    name: &'static str,
    /// As it may be called.
    called: &'static [&'static str],
    /// Arguments with which it ends well if it is here.
    probe: &'static [&'static str],
    /// What brings it.
    package: &'static str,
}

// Python's packages are those of the system, whatever Python is the first in PATH.
const PYTHON: &[&str] = &["/usr/bin/python3", "python3"];

pub(crate) const CURL: Program = Program {
    name: "curl",
    called: &["curl"],
    probe: &["--version"],
    package: "curl",
};

pub(crate) const NODE: Program = Program {
    name: "Node",
    called: &["node", "nodejs"],
    probe: &["--version"],
    package: "nodejs",
};

pub(crate) const WEBSOCKETS: Program = Program {
    name: "the Python package websockets",
    called: PYTHON,
    probe: &["-c", "import websockets"],
    package: "python3-websockets",
};

pub(crate) const GRPC: Program = Program {
    name: "the Python package grpcio",
    called: PYTHON,
    probe: &["-c", "import grpc"],
    package: "python3-grpcio",
};

pub(crate) const CHROMIUM: Program = Program {
    name: "Chromium",
    called: &["chromium", "chromium-browser", "google-chrome"],
    probe: &["--version"],
    package: "chromium",
};

/// A program that is here.
#[derive(Clone, Copy)]
pub(crate) struct Found(&'static str);

impl Program {
    /// How it is called here. If it is not, says that nothing is tested with it.
    #[track_caller]
    pub(crate) fn find(&self) -> Option<Found> {
        let here = |called: &&&str| {
            let mut probing = command(called);
            probing.args(self.probe);
            probing.output().is_ok_and(|it| it.status.success())
        };
        let found = self.called.iter().find(here);
        if found.is_none() {
            let why = format!(
                "{} is not installed; `cargo xtask setup --tests` does it on Debian and Ubuntu",
                self.package
            );
            lb_support::not_tested(&format!("the router with {}", self.name), &why);
        }
        found.map(|called| Found(called))
    }
}

impl Found {
    /// Runs it to its end; what it wrote. It has to end well.
    #[track_caller]
    pub(crate) fn run(self, arguments: &[&str]) -> String {
        self.run_with(None, arguments)
    }

    /// Runs it; it has to end badly.
    #[track_caller]
    pub(crate) fn fails(self, arguments: &[&str]) {
        let output = command(self.0).args(arguments).output().unwrap();
        assert!(!output.status.success(), "{} {arguments:?}", self.0);
    }

    #[track_caller]
    fn run_with(self, variable: Option<(&str, &str)>, arguments: &[&str]) -> String {
        let mut command = command(self.0);
        command.args(arguments).envs(variable);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success(),
            "{} {arguments:?}: {}\n{out}\n{err}",
            self.0,
            output.status
        );
        out
    }

    /// Runs a client's script of these tests to its end: with a port, the file of a certificate, and the name of a case.
    #[track_caller]
    pub(crate) fn run_script(self, script: &str, arguments: [&str; 3]) -> String {
        let script = path(script);
        let script = script.to_str().unwrap();
        // For Node's fetch, which is told in no other way which certificate to believe.
        let trusted = ("NODE_EXTRA_CA_CERTS", arguments[1]);
        let trusted = (trusted.1 != "-").then_some(trusted);
        self.run_with(trusted, &[&[script], arguments.as_slice()].concat())
    }

    /// Starts a script of these tests, and speaks with it.
    pub(crate) fn start(self, script: &str, arguments: &[&str]) -> Running {
        let mut child = command(self.0)
            .arg(path(script))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Running {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }
}

/// A script that runs.
pub(crate) struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// Waits for the next line that it says, which has to be this one.
    #[track_caller]
    pub(crate) fn says(&mut self, expected: &str) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), expected);
    }

    /// Tells it a line.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Waits until it has ended; has it ended well?
    pub(crate) fn ended_well(mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // `timeout` hands the signal on; one that has ended is known no more.
        let process = rustix::process::Pid::from_child(&self.child);
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// A program with a bound on its time. It asks no proxy.
fn command(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", "60", program]);
    for variable in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(variable);
        command.env_remove(variable.to_uppercase());
    }
    command
}

fn path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/interop/scripts")
        .join(script)
}
