//! `stats --watch` as a script and an operator meet it.

use crate::agent::{Agent, command};
use lb_core::report::{Counters, Stats};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

/// Ends the child also when a test fails.
struct Running {
    child: Child,
    out: Option<BufReader<ChildStdout>>,
}

impl Running {
    fn start(agent: &Agent, arguments: &[&str]) -> Self {
        let mut child = command(&agent.socket)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().map(BufReader::new);
        Self { child, out }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.as_mut().unwrap().read_line(&mut line).unwrap();
        assert_ne!(line, "", "it ended");
        line
    }

    /// The exit code and what was said on standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut said = String::new();
                let err = self.child.stderr.as_mut().unwrap();
                err.read_to_string(&mut said).unwrap();
                return (status.code(), said);
            }
            assert!(start.elapsed() < Duration::from_secs(10), "it goes on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn interrupt(&self) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// From now on, the first task gets 1,000 connections and 5 MB per second.
fn steady_traffic(agent: &Agent) {
    let start = Instant::now();
    agent.change(|swarm| {
        swarm.counters = Box::new(move |task| {
            let ms = u64::try_from(start.elapsed().as_millis()).unwrap();
            match task {
                "t1" => Counters {
                    new: ms,
                    bytes_in: 5_000 * ms,
                    ..Counters::default()
                },
                _ => Counters::default(),
            }
        });
    });
}

fn near(text: &str, expected: f64) -> bool {
    let number: f64 = text.parse().unwrap();
    (number / expected - 1.0).abs() < 0.2
}

#[test]
fn rates_are_those_of_the_traffic() {
    let agent = Agent::start();
    steady_traffic(&agent);
    let arguments = ["stats", "--watch", "0.5", "--service", "shop_vote"];
    let mut running = Running::start(&agent, &arguments);
    let mut block = || -> Vec<String> {
        // Heading, service, three tasks, ended tasks, empty line.
        (0..7).map(|_| running.line()).collect()
    };
    let first = block();
    let right = |row: &str, cells: usize| -> Vec<String> {
        let words: Vec<&str> = row.split_whitespace().collect();
        words[words.len() - cells..]
            .iter()
            .map(|w| (*w).to_owned())
            .collect()
    };
    assert_eq!(right(&first[0], 4), ["NEW/S", "PKTS/S", "IN/S", "OUT/S"]);
    assert!(
        first[2].trim_start().starts_with("shop_vote.1 "),
        "{first:?}"
    );
    assert_eq!(right(&first[2], 4), ["-"; 4]);
    for _ in 0..2 {
        let later = block();
        for row in [1, 2] {
            let cells = right(&later[row], 6);
            assert!(near(&cells[0], 1000.0), "{later:?}");
            assert_eq!(cells[1], "0", "{later:?}");
            assert!(near(&cells[2], 5.0), "{later:?}");
            assert_eq!(cells[3..], ["MB", "0", "B"], "{later:?}");
        }
        assert_eq!(right(&later[3], 6), ["0", "0", "0", "B", "0", "B"]);
        assert_eq!(right(&later[5], 4), ["-"; 4], "ended tasks have no rate");
    }
    running.interrupt();
    assert_eq!(running.end(), (Some(0), String::new()));
}

#[test]
fn json_is_one_report_per_line() {
    let agent = Agent::start();
    steady_traffic(&agent);
    let mut running = Running::start(&agent, &["stats", "--json", "--watch", "0.1"]);
    let mut before = 0;
    for _ in 0..3 {
        let stats: Stats = serde_json::from_str(&running.line()).unwrap();
        let now = stats.services[1].total.new;
        assert!(now > before);
        before = now;
    }
}

#[test]
fn it_ends_quietly_when_nobody_reads_on() {
    let agent = Agent::start();
    let mut running = Running::start(&agent, &["stats", "--watch", "0.1"]);
    running.line();
    running.out = None;
    assert_eq!(running.end(), (Some(0), String::new()));
}

#[test]
fn an_agent_that_goes_and_comes_back_is_waited_for() {
    let mut agent = Agent::start();
    let mut running = Running::start(&agent, &["stats", "--watch", "0.1"]);
    running.line();
    agent.stop();
    let mut said = BufReader::new(running.child.stderr.take().unwrap());
    let mut message = String::new();
    said.read_line(&mut message).unwrap();
    assert!(
        message.starts_with("lbctl: no agent answers at "),
        "{message}"
    );
    assert!(running.child.try_wait().unwrap().is_none());
    agent.change(|swarm| swarm.missing = ["n3".into()].into());
    agent.serve();
    while !running
        .line()
        .starts_with("not counted: what came in through gamma")
    {}
}
