//! Finding and ending the processes of a laboratory.

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::fs::MetadataExt as _;
use std::process::Child;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab_dir::nodes_dir;

/// Whether a process with this pid runs; one that waits to be reaped does not.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    net_inode(pid).is_some()
}

/// The network namespace of a running process.
#[must_use]
pub fn net_inode(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/net"))
        .ok()
        .map(|metadata| metadata.st_ino())
}

/// Command line of a process.
#[must_use]
pub fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .replace('\0', " ")
        .trim_end()
        .to_owned()
}

/// All running processes in one of these network namespaces, or with a mount out of
/// the nodes' directories. Engines, shims, containers and whatever was started inside a node have
/// such a mount, whoever their parent is by now and whatever namespaces they made.
#[must_use]
pub fn of_lab(namespaces: &BTreeSet<u64>, prefix: &str) -> Vec<u32> {
    // A bind mount names its root as a path of the file system it comes from, which
    // need not begin at the machine's root: so only the end of the path counts.
    let mark = format!("/{}/node", nodes_dir(prefix));
    all()
        .filter(|pid| belongs(*pid, namespaces, &mark))
        .collect()
}

fn belongs(pid: u32, namespaces: &BTreeSet<u64>, mark: &str) -> bool {
    if net_inode(pid).is_some_and(|inode| namespaces.contains(&inode)) {
        return true;
    }
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(3))
        .any(|root| root.contains(mark))
}

fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = std::process::id();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(move |p| *p != own)
}

/// Ends a process at once. One that is gone already is no error.
pub fn kill_now(pid: u32) -> Result<()> {
    let target = Pid::from_raw(i32::try_from(pid)?);
    match kill(target, Signal::SIGKILL) {
        Err(error) if error != nix::errno::Errno::ESRCH => {
            Err(error).with_context(|| format!("killing {pid}"))
        }
        _ => Ok(()),
    }
}

/// Collects a child's exit code whenever it ends, so that it does not stay a zombie.
pub fn reap_later(mut child: Child) {
    std::thread::spawn(move || child.wait());
}
