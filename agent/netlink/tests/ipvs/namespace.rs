//! A network namespace of a test's own, and what others say about it.

use lb_netlink::ipvs::{Dest, Error, Ipvs, Service, ServiceId};
use lb_support::not_tested;
use nix::sched::{CloneFlags, unshare};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Runs a test with IPVS of a new network namespace, one at a time: lists that `ipvsadm` prints
/// are wrong if servers come and go meanwhile, whatever their namespace.
pub(super) fn with_ipvs(test: impl FnOnce(&mut Ipvs) + Send + 'static) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    beside_others(test);
}

/// Runs something with IPVS of a new network namespace, which goes with its thread.
pub(super) fn beside_others(test: impl FnOnce(&mut Ipvs) + Send + 'static) {
    let ran = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|errno| format!("no network namespace can be made: {errno}"))?;
        match Ipvs::open() {
            Ok(mut ipvs) => {
                // Without any address the kernel takes each for a broadcast, and refuses it.
                ip("link set lo up");
                test(&mut ipvs);
            }
            Err(Error::Absent) => return Err(Error::Absent.to_string()),
            Err(error) => panic!("{error:?}"),
        }
        Ok(())
    });
    match ran.join() {
        Ok(Ok(())) => {}
        Ok(Err(why)) => not_tested("IPVS", &why),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Runs one of the guest's programs in this thread's network namespace. `None` if it isn't there.
pub(super) fn program(words: &str) -> Option<String> {
    let mut words = words.split(' ');
    let output = Command::new(words.next()?).args(words).output().ok()?;
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

pub(super) fn ip(words: &str) {
    program(&format!("ip {words}")).unwrap();
}

/// Columns apart.
pub(super) fn words(text: &str) -> Vec<String> {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect()
}

/// Does `ipvsadm` print them, all else being its headings? Not asked where it isn't there.
pub(super) fn assert_printed(have: &BTreeMap<ServiceId, (Service, Vec<Dest>)>) {
    let Some(text) = program("ipvsadm -Ln") else {
        return not_tested("what ipvsadm prints", "it isn't there");
    };
    let printed = words(&text);
    let mut count = 3;
    for (service, dests) in have.values() {
        let head = words(&format!("{} {}", service.id, service.scheduler)).concat();
        let from = printed.iter().position(|line| line.starts_with(&head));
        let from = from.unwrap_or_else(|| panic!("no `{head}` in\n{text}"));
        for dest in dests {
            // It has no name for this method.
            let line = format!("-> {dest} 0 0").replace("Bypass", "(null)");
            assert!(printed[from..].contains(&line), "no `{line}` in\n{text}");
        }
        count += 1 + dests.len();
    }
    assert_eq!(printed.len(), count, "more than that:\n{text}");
}
