//! Attaching programs to the host's root cgroup: they see the addresses that processes on the node
//! connect and send to.
//!
//! Other programs on it go on running. Processes of containers belong to it too; the programs tell them
//! from processes of the host by their network namespace.

use super::Failure;
use aya::programs::links::FdLink;
use aya::programs::{CgroupAttachMode, CgroupSockAddr};
use lb_core::backend::ebpf::Hook;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Usual mount points of cgroup version 2: alone, and beside version 1.
const USUAL: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// Attaches a loaded program to the root cgroup: the one at `named`, or one at a usual mount point.
pub(crate) fn link(
    program: &mut CgroupSockAddr,
    hook: Hook,
    named: Option<&Path>,
) -> Result<FdLink, Failure> {
    let cgroup = root(named)?;
    // A link never replaces another program; the kernel refuses every mode but the default one.
    let id = program
        .attach(cgroup, CgroupAttachMode::default())
        .map_err(|error| Failure::attach(hook, error))?;
    let link = program
        .take_link(id)
        .map_err(|error| Failure::attach(hook, error))?;
    link.try_into()
        .map_err(|error| Failure::attach(hook, error))
}

fn root(named: Option<&Path>) -> Result<File, Failure> {
    let candidates = match named {
        Some(path) => vec![path.to_owned()],
        None => USUAL.map(PathBuf::from).into(),
    };
    let found = candidates.iter().find_map(|path| {
        let directory = File::open(path).ok()?;
        let stat = fstatfs(&directory).ok()?;
        // Every cgroup except the root has the file `cgroup.type`.
        (stat.filesystem_type() == CGROUP2_SUPER_MAGIC && !path.join("cgroup.type").exists())
            .then_some(directory)
    });
    found.ok_or_else(|| Failure::NoCgroup {
        tried: candidates
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
            .join(" or "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_root_cgroup_is_named() {
        let refused = root(Some(Path::new("/proc"))).unwrap_err();
        assert!(refused.to_string().contains("/proc"), "{refused}");
    }
}
