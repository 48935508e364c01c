//! A node's Docker engine: started, asked, killed.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::node::Node;
use crate::{procs, slow, wait};

/// Inside the node, where a real one has it.
const SOCKET: &str = "/run/docker.sock";
/// The agent's, for operators.
const AGENT: &str = "/run/swarmlb/agent.sock";
/// The engine's, and that of the containerd it starts.
const PID_FILES: [&str; 2] = ["/run/docker.pid", "/run/docker/containerd/containerd.pid"];
const LOG: &str = "dockerd.log";
const START_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

impl Node {
    /// Starts the node's engine and returns once it answers.
    pub fn start_engine(&self, cgroup: &str) -> Result<()> {
        let mut dockerd = self.command("dockerd")?;
        self.forget_dead_engine()?;
        // Tasks get a cgroup that names the laboratory, so that it can be removed.
        dockerd.args([
            "--host",
            &format!("unix://{SOCKET}"),
            "--cgroup-parent",
            cgroup,
        ]);
        let pid = self.spawn(&mut dockerd, LOG)?;
        wait::until(
            &format!("the engine of {}", self.name),
            START_TIMEOUT,
            || {
                if self.engine_answers() {
                    return Ok(Some(()));
                }
                if !procs::is_alive(pid) {
                    bail!("the engine of {} ended:\n{}", self.name, self.engine_log());
                }
                Ok(None)
            },
        )
    }

    /// The last lines of the engine's log, for error messages.
    #[must_use]
    pub fn engine_log(&self) -> String {
        self.log(LOG)
    }

    /// Whether the engine answers now.
    #[must_use]
    pub fn engine_answers(&self) -> bool {
        self.ask(SOCKET, "/_ping")
            .is_ok_and(|answer| answer.contains("200 OK"))
    }

    /// The engine's pid.
    pub fn engine_pid(&self) -> Result<u32> {
        let [engine, _] = PID_FILES;
        self.recorded_pid(engine)
    }

    /// Kills the engine as an OOM killer would. Its containerd goes with it;
    /// containers and their shims stay.
    pub fn kill_engine(&self) -> Result<()> {
        procs::kill_now(self.engine_pid()?)?;
        wait::until(
            &format!("the engine of {} to end", self.name),
            ANSWER_TIMEOUT,
            || {
                let pids = PID_FILES
                    .iter()
                    .filter_map(|file| self.recorded_pid(file).ok());
                Ok((!pids.into_iter().any(procs::is_alive)).then_some(()))
            },
        )
    }

    /// An engine takes the zombie of its predecessor for a running one. Where the
    /// machine's first process is slow to reap, only removing the pid files helps.
    fn forget_dead_engine(&self) -> Result<()> {
        for file in PID_FILES {
            if self
                .recorded_pid(file)
                .is_ok_and(|pid| !procs::is_alive(pid))
            {
                std::fs::remove_file(self.path(file)?)?;
            }
        }
        Ok(())
    }

    fn recorded_pid(&self, file: &str) -> Result<u32> {
        let text = std::fs::read_to_string(self.path(file)?)
            .with_context(|| format!("{} has no engine", self.name))?;
        text.trim()
            .parse()
            .with_context(|| format!("{file} of {}", self.name))
    }

    /// `GET path` of the engine's API.
    pub fn api(&self, path: &str) -> Result<Value> {
        self.get(SOCKET, path)
    }

    /// `GET path` of the socket of the node's agent: what `lbctl` asks, without starting a program.
    pub fn agent_api(&self, path: &str) -> Result<Value> {
        self.get(AGENT, path)
    }

    fn get(&self, socket: &str, path: &str) -> Result<Value> {
        let answer = self.ask(socket, path)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.lines().next().unwrap_or_default();
        if status.split(' ').nth(1) != Some("200") {
            bail!(
                "{}: GET {path} answered `{status}`: {}",
                self.name,
                body.trim()
            );
        }
        serde_json::from_str(body).with_context(|| format!("{}: GET {path}", self.name))
    }

    /// Do other mount namespaces hear of no mounts on the host's `/run`?
    pub fn keeps_mounts_private(&self) -> Result<bool> {
        let told = self.exec(
            "findmnt",
            &["--noheadings", "--output", "PROPAGATION", "/run"],
        )?;
        Ok(told.trim().starts_with("private"))
    }

    /// Is the engine one of those that don't know the capabilities BPF and PERFMON?
    pub fn is_old_engine(&self) -> Result<bool> {
        let version = self.api("/version")?;
        let version = version.get("Version").and_then(Value::as_str);
        let major = version.and_then(|version| version.split('.').next()?.parse().ok());
        let major: u32 = major.with_context(|| format!("{}: no version", self.name))?;
        Ok(major < 23)
    }

    /// HTTP/1.0 spares us chunks: the answer ends where the connection ends.
    fn ask(&self, socket: &str, path: &str) -> Result<String> {
        let mut stream = UnixStream::connect(self.path(socket)?)
            .with_context(|| format!("nobody listens at {socket} of {}", self.name))?;
        stream.set_read_timeout(Some(slow::longer(ANSWER_TIMEOUT)))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}
