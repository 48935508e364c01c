//! Taking a laboratory down, whatever state it is in, and showing that it is gone.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::Result;

use crate::lab_dir::{LabDir, nodes_dir};
use crate::netns::Netns;
use crate::{cgroups, forwarding, procs, wait};

const END_TIMEOUT: Duration = Duration::from_secs(20);

/// Removes the laboratory described in `dir`. Nothing happens if there is none.
pub fn down(dir: &LabDir) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    remove(&dir.description()?.prefix)?;
    dir.remove()
}

/// Removes all kernel objects of the laboratory `prefix`, also where its directory is
/// lost.
pub fn remove(prefix: &str) -> Result<()> {
    end_processes(prefix)?;
    for netns in namespaces(prefix) {
        netns.delete()?;
    }
    // A cgroup is busy for a moment after its last process has gone.
    wait::until("the tasks' cgroups to empty", END_TIMEOUT, || {
        Ok(cgroups::remove(prefix).is_ok().then_some(()))
    })?;
    forwarding::release(prefix)
}

/// Objects of the laboratory `prefix` that are left on this machine.
#[must_use]
pub fn residue(prefix: &str) -> Residue {
    let processes = processes(prefix);
    let mark = format!("/{}/node", nodes_dir(prefix));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let links = fs::read_dir("/sys/class/net")
        .into_iter()
        .flatten()
        .flatten();
    let links = links.map(|link| link.file_name().to_string_lossy().into_owned());
    let own_link = |link: &String| link.starts_with("node") || link == "client";
    Residue {
        namespaces: namespaces(prefix)
            .iter()
            .map(|netns| netns.name().to_owned())
            .collect(),
        processes: processes
            .iter()
            .map(|p| format!("{p} {}", procs::command_line(*p)))
            .collect(),
        mounts: mounts
            .lines()
            .filter(|line| line.contains(&mark))
            .map(str::to_owned)
            .collect(),
        links: links.filter(own_link).collect(),
        cgroups: cgroups::existing(prefix)
            .iter()
            .map(|c| c.display().to_string())
            .collect(),
        notes: forwarding::note(prefix)
            .iter()
            .map(|n| n.display().to_string())
            .collect(),
    }
}

/// Kernel objects that outlived their laboratory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Residue {
    /// Named network namespaces.
    pub namespaces: Vec<String>,
    /// Processes, each with its command line.
    pub processes: Vec<String>,
    /// Mounts in the machine's own mount namespace.
    pub mounts: Vec<String>,
    /// Links in the machine's own network namespace.
    pub links: Vec<String>,
    /// Cgroups of tasks.
    pub cgroups: Vec<String>,
    /// Notes that routing is wanted.
    pub notes: Vec<String>,
}

impl Residue {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Residue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("namespace", &self.namespaces),
            ("process", &self.processes),
            ("mount", &self.mounts),
            ("link", &self.links),
            ("cgroup", &self.cgroups),
            ("note", &self.notes),
        ];
        for (kind, names) in kinds {
            for name in names {
                writeln!(out, "{kind} {name}")?;
            }
        }
        Ok(())
    }
}

/// Kills until nothing is left: what dies may have started something meanwhile.
fn end_processes(prefix: &str) -> Result<()> {
    wait::until("the laboratory's processes to end", END_TIMEOUT, || {
        let left = processes(prefix);
        for pid in &left {
            procs::kill_now(*pid)?;
        }
        Ok(left.is_empty().then_some(()))
    })
}

fn processes(prefix: &str) -> Vec<u32> {
    let inodes: BTreeSet<u64> = namespaces(prefix)
        .iter()
        .filter_map(|netns| netns.inode().ok())
        .collect();
    procs::of_lab(&inodes, prefix)
}

fn namespaces(prefix: &str) -> Vec<Netns> {
    Netns::with_prefix(&format!("{prefix}-"))
}
