//! A network namespace per test.

use lb_netlink::socket::Wire;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::sched::{CloneFlags, unshare};
use std::io::Write as _;
use std::process::Command;

/// Runs `test` on a thread with a namespace of its own, which goes with the thread. Its loopback
/// is up. Without root there is no test, but in CI there must be.
pub(crate) fn in_namespace(what: &str, test: impl FnOnce(&mut Wire) + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        let why = "making a network namespace needs root";
        assert!(std::env::var_os("CI").is_none(), "{what}: {why}");
        not_tested(what, why);
        return;
    }
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        run("ip", &["link", "set", "lo", "up"]);
        test(&mut Wire::open(NETLINK_NETFILTER).unwrap());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

pub(crate) fn not_tested(what: &str, why: &str) {
    writeln!(std::io::stderr(), "NOT TESTED: {what}: {why}").unwrap();
}

/// What a program prints, in the namespace of the thread that asks.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}
