//! A network namespace per test.

use lb_netlink::socket::NetlinkSocket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::sched::{CloneFlags, unshare};
use std::process::Command;

/// Runs `test` on a thread with a namespace of its own, which goes with the thread. Its loopback
/// is up. Without root there is no test, but in CI there must be.
pub(crate) fn in_namespace(what: &str, test: impl FnOnce(&mut NetlinkSocket) + Send + 'static) {
    if !lb_support::rooted(what) {
        return;
    }
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        run("ip", &["link", "set", "lo", "up"]);
        test(&mut NetlinkSocket::open(NETLINK_NETFILTER).unwrap());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
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
