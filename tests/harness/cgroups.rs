//! Cgroups that a laboratory's engines leave behind when they are killed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const ROOT: &str = "/sys/fs/cgroup";

/// The parent cgroup, in every hierarchy, of all tasks of the laboratory `prefix`.
#[must_use]
pub fn parent(prefix: &str) -> String {
    format!("/{prefix}.lab")
}

/// Where that cgroup exists: once with the unified hierarchy, many times with v1.
#[must_use]
pub fn existing(prefix: &str) -> Vec<PathBuf> {
    let name = parent(prefix);
    let name = name.trim_start_matches('/');
    let hierarchies = subdirectories(Path::new(ROOT));
    let candidates = std::iter::once(PathBuf::from(ROOT)).chain(hierarchies);
    let mut found: Vec<_> = candidates
        .map(|h| h.join(name))
        .filter(|path| path.is_dir())
        .collect();
    // Two names of one hierarchy (cpu and cpuacct, say) show the same directory.
    found.sort();
    found.dedup_by_key(|path| path.canonicalize().unwrap_or_default());
    found
}

/// Removes them with all below; their processes must have ended.
pub fn remove(prefix: &str) -> Result<()> {
    for path in existing(prefix) {
        remove_tree(&path)?;
    }
    Ok(())
}

fn remove_tree(path: &Path) -> Result<()> {
    for child in subdirectories(path) {
        remove_tree(&child)?;
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing cgroup {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let directories = entries.filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|e| e.path()).collect()
}
