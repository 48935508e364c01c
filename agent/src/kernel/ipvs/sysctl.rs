//! The switches of IPVS in this network namespace: /proc/sys/net/ipv4/vs (kernel:
//! Documentation/networking/ipvs-sysctl.rst).
//!
//! They are the whole namespace's. Both that are turned on here only end what leads nowhere: a
//! connection whose destination was removed, and a client's bond to one that takes no more.

use lb_core::report::Problem;
use std::fs;
use std::path::{Path, PathBuf};

/// Where they may be: a container's own /proc/sys can't be written to, so deploy/stack.yml binds
/// the host's beside it.
const PLACES: [&str; 2] = ["/host/proc/sys/net/ipv4/vs", "/proc/sys/net/ipv4/vs"];

/// A switch, and what is lost without it.
const SWITCHES: [(&str, &str); 2] = [
    (
        "expire_nodest_conn",
        "UDP clients of a task that is gone get no answer for up to 5 minutes",
    ),
    (
        "expire_quiescent_template",
        "clients that stick to a task (swarmlb.affinity) stick to it while it is ending, too",
    ),
];

/// Turns them on; returns what is degraded where that is not possible.
pub(super) fn turn_on() -> Vec<Problem> {
    let place = PLACES.iter().map(Path::new).find(|place| place.exists());
    let missing = |(name, lost): (&str, &str)| Problem {
        object: format!("net.ipv4.vs.{name}"),
        message: format!(
            "it is 0 and can't be set: {lost}; bind the host's /proc/sys/net/ipv4 to /host/proc/sys/net/ipv4 in the agent's container, or set it on the host"
        ),
    };
    SWITCHES
        .into_iter()
        .filter(|(name, _)| {
            // A kernel without IPVS in this namespace has no such directory.
            place.is_none_or(|place| !set(&place.join(name), "1"))
        })
        .map(missing)
        .collect()
}

/// Puts them back to what the kernel begins with.
pub(super) fn turn_off() {
    for place in PLACES.map(PathBuf::from) {
        for (name, _) in SWITCHES {
            // Only tried: where it could not be written to, it was not turned on.
            set(&place.join(name), "0");
        }
    }
}

/// Sets a file's value, and returns whether it has that value.
fn set(file: &Path, value: &str) -> bool {
    let is = || fs::read_to_string(file).is_ok_and(|text| text.trim() == value);
    is() || (fs::write(file, value).is_ok() && is())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_that_stands_right_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("expire_nodest_conn");
        fs::write(&file, "1\n").unwrap();
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&file, permissions).unwrap();
        assert!(set(&file, "1"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "1\n");
    }

    #[test]
    fn a_switch_is_turned_and_one_that_is_missing_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("expire_nodest_conn");
        fs::write(&file, "0\n").unwrap();
        assert!(set(&file, "1"));
        assert!(!set(&dir.path().join("no/such"), "1"));
    }
}
