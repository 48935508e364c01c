//! One Swarm for all tests of a binary, and the right to run them.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Result;

use crate::lab_dir::Description;
use crate::reaper::Reaper;
use crate::swarm::Swarm;

/// Whether tests that make namespaces can run here. In CI they must; elsewhere a
/// test that cannot run says so and ends.
///
/// # Panics
/// Without root in CI.
#[must_use]
#[expect(
    clippy::panic,
    clippy::print_stderr,
    reason = "speaks to whoever runs the tests"
)]
pub fn is_root() -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    let reason = "this test makes network namespaces and needs root: run it with sudo";
    if std::env::var("CI").is_ok_and(|ci| ci == "true") {
        panic!("{reason}");
    }
    eprintln!("skipped: {reason}");
    false
}

/// A Swarm that is taken down with this value, or when this process ends.
#[derive(Debug)]
pub struct TestSwarm {
    /// The Swarm.
    pub swarm: Swarm,
    // Dropped after the handle; takes the laboratory down.
    _reaper: Reaper,
}

impl TestSwarm {
    /// Brings a laboratory up whose reaper is `lab_binary`. `suite` names it: several
    /// test processes may run at the same time.
    pub fn up(lab_binary: &Path, suite: &str, nodes: u8) -> Result<Self> {
        let prefix = format!("{suite}{}", std::process::id());
        let dir = std::env::temp_dir().join(format!("swarmlb-{prefix}"));
        let reaper = Reaper::start(lab_binary, &dir)?;
        let description = Description {
            prefix,
            nodes,
            managers: 1,
            mtu: 1500,
        };
        let swarm = Swarm::up(&dir, description)?;
        Ok(Self {
            swarm,
            _reaper: reaper,
        })
    }
}

static SHARED: OnceLock<Result<Mutex<Option<TestSwarm>>, String>> = OnceLock::new();

/// The right to use the shared Swarm; one test has it at a time.
pub struct Turn(MutexGuard<'static, Option<TestSwarm>>);

impl std::ops::Deref for Turn {
    type Target = Swarm;
    fn deref(&self) -> &Swarm {
        match &*self.0 {
            Some(test) => &test.swarm,
            None => unreachable!("emptied at exit, when no test runs"),
        }
    }
}

/// Waits for the turn on a Swarm of three nodes that the tests of this binary share.
///
/// # Panics
/// Where the Swarm does not come up: then no test can run.
#[expect(clippy::panic, reason = "fails the test that calls it")]
pub fn turn(lab_binary: &Path) -> Turn {
    let shared = SHARED.get_or_init(|| {
        take_down_at_exit();
        let test = TestSwarm::up(lab_binary, "lbswarm", 3).map_err(|error| format!("{error:#}"))?;
        Ok(Mutex::new(Some(test)))
    });
    match shared {
        // A test that failed leaves its guards' work done: services are removed.
        Ok(swarm) => Turn(swarm.lock().unwrap_or_else(PoisonError::into_inner)),
        Err(error) => panic!("no Swarm to test on: {error}"),
    }
}

/// Statics are not dropped at exit, so the C library is asked to do it.
#[expect(unsafe_code, reason = "no safe interface to atexit")]
fn take_down_at_exit() {
    extern "C" fn take_down() {
        if let Some(Ok(shared)) = SHARED.get()
            && let Ok(mut swarm) = shared.try_lock()
        {
            swarm.take();
        }
    }
    // SAFETY: the handler is a plain function without captures that cannot unwind
    // into C: all it does is close a pipe and wait for a child.
    unsafe { libc::atexit(take_down) };
}
