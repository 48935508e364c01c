//! A network namespace for one test. It ends with the test's thread.

use lb_netlink::route::{LO, Owner, Routes};
use nix::sched::{CloneFlags, unshare};
use std::process::Command;
use std::thread;

/// Who makes what the tests make: swarmlb.
pub(crate) const OWNER: Owner = Owner {
    protocol: 108,
    ifalias: "swarmlb",
};

/// Runs a test in a new network namespace in which `lo` is up. Without root there is none, and no test.
pub(crate) fn inside(test: impl FnOnce(Routes) + Send + 'static) {
    if !lb_support::rooted(thread::current().name().unwrap_or("this")) {
        return;
    }
    let run = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let mut routes = Routes::open(OWNER).unwrap();
        routes.set_up(LO).unwrap();
        test(routes);
    });
    if let Err(panic) = run.join() {
        std::panic::resume_unwind(panic);
    }
}

/// What a command prints, with single spaces; it must succeed.
pub(crate) fn run(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap())
        .args(words)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
        .collect()
}
