//! Processes that are measured: started, watched, and ended with the value.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use harness::netns::Netns;
use harness::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::kept::Kept;

/// Longest time from a program's start until it serves.
pub(super) const START: Duration = Duration::from_secs(10);

/// A process and its children.
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts it.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        Ok(Self { child })
    }

    /// Waits until it accepts connections.
    pub(super) fn wait(&self, netns: &Netns, port: u16) -> Result<()> {
        wait::until(&format!("port {port}"), START, || {
            let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port));
            Ok(netns.run(connect)?.ok().map(drop))
        })
    }

    /// Waits until the task's answer comes through it: some accept connections before they know of the task.
    pub(super) fn wait_for_task(&self, netns: &Netns, port: u16) -> Result<()> {
        let what = format!("the task behind port {port}");
        wait::until(&what, START, || {
            let ask = || Kept::open(port)?.ask();
            Ok(netns.run(ask)?.ok())
        })
    }

    /// Sends it a signal, and its children none.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let process = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(process, signal).with_context(|| format!("sending {signal} to {process}"))
    }

    /// Waits until it has ended; after `grace` it is killed, as the engine does.
    pub(super) fn wait_for_end(mut self, grace: Duration) -> Result<()> {
        let killed_at = Instant::now() + grace;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= killed_at {
                self.child.kill()?;
                self.child.wait()?;
                return Ok(());
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Processor time of it and its children so far, in seconds.
    pub(super) fn processor_time(&self) -> Result<f64> {
        /// `_SC_CLK_TCK`, which is 100 on all architectures that Linux still has.
        const TICKS: f64 = 100.0;
        let mut ticks = 0;
        for process in self.all()? {
            let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
            // Behind the name, which may have blanks: state is field 3, utime 14 and stime 15 (proc(5)).
            let (_, fields) = stat.rsplit_once(')').context("a stat without a name")?;
            let fields: Vec<&str> = fields.split_whitespace().collect();
            for field in [11, 12] {
                let text = fields.get(field).context("a short stat")?;
                ticks += text.parse::<u64>()?;
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let ticks = ticks as f64;
        Ok(ticks / TICKS)
    }

    /// Resident memory of it and its children, in KiB.
    pub(super) fn resident_kib(&self) -> Result<u64> {
        let mut sum = 0;
        for process in self.all()? {
            let status = fs::read_to_string(format!("/proc/{process}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let text = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
            sum += text.parse::<u64>()?;
        }
        Ok(sum)
    }

    fn all(&self) -> Result<Vec<u32>> {
        let first = self.child.id();
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children"))?;
        let mut all = vec![first];
        for child in children.split_whitespace() {
            all.push(child.parse()?);
        }
        Ok(all)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its number may be another process's by now.
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // nginx's master ends its workers on SIGTERM only.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
