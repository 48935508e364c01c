//! Programs that read requests with the parsers of others: started once, fed message by message.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A request, as a parser reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// It came to its end.
    pub(crate) whole: bool,
}

/// What a parser says of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) requests: Vec<Read>,
    pub(crate) error: Option<String>,
}

/// A program that runs.
pub(crate) struct Parser {
    pub(crate) name: &'static str,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Of which programs the parsers are: name, what it takes to run it, the script, the package of Debian.
const PROGRAMS: [(&str, &[&str], &str, &str); 3] = [
    ("h11", &["-c", "import h11"], "h11_parse.py", "python3-h11"),
    (
        "httptools",
        &["-c", "import httptools"],
        "httptools_parse.py",
        "python3-httptools",
    ),
    ("Node", &["--version"], "node_parse.js", "nodejs"),
];

/// All of them. The names and packages of those that are not installed, if any is missing.
pub(crate) fn start_all() -> Result<Vec<Parser>, String> {
    let (mut parsers, mut missing) = (Vec::new(), Vec::new());
    for (name, probe, script, package) in PROGRAMS {
        // Python's packages are those of the system, whatever Python is the first in PATH.
        let interpreters: &[&str] = match name {
            "Node" => &["node", "nodejs"],
            _ => &["/usr/bin/python3", "python3"],
        };
        let found = interpreters.iter().find(|it| runs(it, probe));
        match found {
            Some(interpreter) => parsers.push(Parser::start(name, interpreter, script)),
            None => missing.push(package),
        }
    }
    match missing.as_slice() {
        [] => Ok(parsers),
        missing => Err(format!(
            "not installed: {}; `cargo xtask setup --tests` does it on Debian and Ubuntu",
            missing.join(", ")
        )),
    }
}

fn runs(program: &str, probe: &[&str]) -> bool {
    let mut probing = Command::new(program);
    probing
        .args(probe)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    probing.status().is_ok_and(|status| status.success())
}

impl Parser {
    fn start(name: &'static str, interpreter: &str, script: &str) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/parsers");
        let mut child = Command::new(interpreter)
            .arg(scripts.join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            name,
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Hands bytes to it, and does not wait.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        self.input.write_all(&length).unwrap();
        self.input.write_all(bytes).unwrap();
        self.input.flush().unwrap();
    }

    /// What it says of them.
    pub(crate) fn reading(&mut self) -> Reading {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let text = |of: &Value| of.as_str().unwrap().to_owned();
        let requests = said["requests"].as_array().unwrap();
        let read = |request: &Value| Read {
            method: text(&request["method"]),
            target: text(&request["target"]),
            hosts: request["hosts"]
                .as_array()
                .unwrap()
                .iter()
                .map(text)
                .collect(),
            body: bytes(request["body"].as_str().unwrap()),
            whole: request["whole"].as_bool().unwrap(),
        };
        Reading {
            requests: requests.iter().map(read).collect(),
            error: said["error"].as_str().map(str::to_owned),
        }
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}
