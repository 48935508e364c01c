//! A guest's system: installed once, kept in the cache until what it is made of changes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::guest::Guest;
use crate::process::{find, remove_tree, run, say};
use crate::setup;

const INIT: &str = include_str!("init.sh");
const MIRROR: &str = "http://deb.debian.org/debian";
/// Room for the system and for what engines write.
const SIZE: &str = "12G";

/// Files that qemu boots: kernel, initrd and disk.
pub(super) struct System {
    /// The root file system.
    pub(super) disk: PathBuf,
    /// The kernel.
    pub(super) kernel: PathBuf,
    /// The initial RAM disk, which mounts the root file system.
    pub(super) initrd: PathBuf,
}

/// The guest's system, installed now if it is not in the cache.
pub(super) fn ensure(guest: Guest) -> Result<System> {
    let directory = setup::cache_dir()?.join(format!("vm-{guest}-{}", inputs(guest)));
    let system = System {
        disk: directory.join("disk"),
        kernel: directory.join("kernel"),
        initrd: directory.join("initrd"),
    };
    if directory.exists() {
        return Ok(system);
    }
    say(format_args!(
        "Installing Debian {guest} for the virtual machine; this takes some minutes."
    ));
    let making = directory.with_extension("new");
    remove_tree(&making)?;
    let root = making.join("root");
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    install(guest, &root)
        .and_then(|()| pack(&making, &root))
        // Half a system must not be found by the next run, nor lie around.
        .inspect_err(|_| drop(remove_tree(&making)))?;
    fs::rename(&making, &directory)
        .with_context(|| format!("cannot put {} in place", directory.display()))?;
    Ok(system)
}

/// Changes when the system has to be installed anew.
fn inputs(guest: Guest) -> String {
    let mut hash = Sha256::new();
    for part in guest.packages().into_iter().chain([INIT, MIRROR, SIZE]) {
        hash.update(part);
        hash.update([0]);
    }
    hash.finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn install(guest: Guest, root: &Path) -> Result<()> {
    let mut bootstrap = Command::new(find("debootstrap").context("there is no debootstrap")?);
    bootstrap
        .arg("--variant=minbase")
        .arg(format!("--include={}", guest.packages().join(",")))
        .arg(guest.suite())
        .arg(root)
        .arg(MIRROR)
        .env("DEBIAN_FRONTEND", "noninteractive");
    // Its hundreds of lines matter only when it fails; its own log tells then.
    let output = bootstrap.output().context("cannot start debootstrap")?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stdout);
        let last: Vec<&str> = told.lines().rev().take(5).collect();
        bail!(
            "debootstrap of {guest} failed: {}",
            last.into_iter().rev().collect::<Vec<_>>().join("; ")
        );
    }
    let init = root.join("swarmlb-init");
    fs::write(&init, INIT).context("cannot write the guest's init")?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    let archives = root.join("var/cache/apt/archives");
    remove_tree(&archives)
}

/// Makes a disk of the tree; kernel and initrd go beside it.
fn pack(making: &Path, root: &Path) -> Result<()> {
    for (prefix, name) in [("vmlinuz-", "kernel"), ("initrd.img-", "initrd")] {
        let file = newest(&root.join("boot"), prefix)?;
        fs::copy(&file, making.join(name))
            .with_context(|| format!("cannot copy {}", file.display()))?;
    }
    let mkfs = find("mke2fs").context("there is no mke2fs")?;
    run(Command::new(mkfs)
        .args(["-q", "-t", "ext4", "-E", "lazy_itable_init=1", "-d"])
        .arg(root)
        .arg(making.join("disk"))
        .arg(SIZE))?;
    remove_tree(root)
}

fn newest(directory: &Path, prefix: &str) -> Result<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy());
            name.is_some_and(|name| name.starts_with(prefix))
        })
        .collect();
    names.sort();
    names
        .pop()
        .with_context(|| format!("the guest has no {prefix}*: was its kernel installed?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_guest_has_a_system_of_its_own() {
        let [old, new] = [Guest::Bookworm, Guest::Trixie].map(inputs);
        assert_eq!(old.len(), 12);
        assert_ne!(old, new);
    }
}
