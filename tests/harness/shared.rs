//! One Swarm for all tests of a binary, and the locks that let a test run alone.

use std::path::Path;
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

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
#[track_caller]
pub fn is_root() -> bool {
    let test = std::thread::current();
    lb_support::rooted(test.name().unwrap_or("this test"))
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

/// Held for reading by tests that may run beside others, for writing by a test that runs alone.
static MACHINE: RwLock<()> = RwLock::new(());
static SHARED: OnceLock<Result<RwLock<Option<TestSwarm>>, String>> = OnceLock::new();

/// The right to load this machine, alone or together with others.
pub struct MachineLock {
    _held: Held,
}

enum Held {
    Together(#[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

/// Waits until no test runs that wants to be alone.
#[must_use]
pub fn together() -> MachineLock {
    let held = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    MachineLock {
        _held: Held::Together(held),
    }
}

/// Waits until no other test runs: for tests that change nodes, or measure time.
#[must_use]
pub fn alone() -> MachineLock {
    let held = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    MachineLock {
        _held: Held::Alone(held),
    }
}

/// The shared Swarm, locked for one test.
pub struct SharedSwarm {
    swarm: RwLockReadGuard<'static, Option<TestSwarm>>,
    _machine: MachineLock,
}

impl std::ops::Deref for SharedSwarm {
    type Target = Swarm;
    fn deref(&self) -> &Swarm {
        match &*self.swarm {
            Some(test) => &test.swarm,
            None => unreachable!("emptied at exit, when no test runs"),
        }
    }
}

/// The Swarm of three nodes that the tests of this binary share, with an agent on each.
///
/// # Panics
/// Where the Swarm does not come up: then no test can run.
#[must_use]
pub fn swarm(lab_binary: &Path, machine: MachineLock) -> SharedSwarm {
    swarm_with(lab_binary, machine, &[])
}

/// The Swarm of three nodes that the tests of this binary share, with an agent on each, as it is deployed with the compose
/// files `over` the agents' own. All tests of a binary name the same files.
///
/// # Panics
/// Where the Swarm does not come up: then no test can run.
#[must_use]
#[expect(clippy::panic, reason = "fails the test that calls it")]
pub fn swarm_with(lab_binary: &Path, machine: MachineLock, over: &[&Path]) -> SharedSwarm {
    let shared = SHARED.get_or_init(|| {
        take_down_at_exit();
        let test = deployed(lab_binary, ("lbswarm", 3), over);
        let test = test.map_err(|error| format!("{error:#}"))?;
        Ok(RwLock::new(Some(test)))
    });
    match shared {
        Ok(swarm) => SharedSwarm {
            swarm: swarm.read().unwrap_or_else(PoisonError::into_inner),
            _machine: machine,
        },
        Err(error) => panic!("no Swarm to test on: {error}"),
    }
}

/// A Swarm of its own, with an agent on every node.
pub fn with_agents(lab_binary: &Path, suite: &str, nodes: u8) -> Result<TestSwarm> {
    deployed(lab_binary, (suite, nodes), &[])
}

fn deployed(lab_binary: &Path, (suite, nodes): (&str, u8), over: &[&Path]) -> Result<TestSwarm> {
    let test = TestSwarm::up(lab_binary, suite, nodes)?;
    test.swarm.load_agent()?;
    test.swarm.deploy_agents_with(over)?;
    Ok(test)
}

/// Statics are not dropped at exit, so the C library is asked to do it.
#[expect(unsafe_code, reason = "no safe interface to atexit")]
fn take_down_at_exit() {
    extern "C" fn take_down() {
        if let Some(Ok(shared)) = SHARED.get()
            && let Ok(mut swarm) = shared.try_write()
        {
            swarm.take();
        }
    }
    // SAFETY: the handler is a plain function without captures that cannot unwind
    // into C: all it does is close a pipe and wait for a child.
    unsafe { libc::atexit(take_down) };
}
