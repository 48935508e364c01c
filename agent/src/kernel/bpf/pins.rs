//! The directory of all pins: used only if no other user can write to it.
//!
//! A user who can write to it can remove pins, so that the next agent finds no datapath, or replace
//! them by other maps. A BPF file system may be open to everybody (`mount -t bpf` makes its
//! root a directory like /tmp), so that other users can make the directory before the agent does.

use super::load_error::LoadError;
use nix::libc::S_ISVTX;
use nix::unistd::geteuid;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Directory below the root of a BPF file system; everything in it belongs to swarmlb.
const OURS: &str = "swarmlb";
/// Mode of the directories: for the agent's user alone.
const MODE: u32 = 0o700;
/// Mode bits by which the group and others may write.
const OTHERS_WRITE: u32 = 0o022;

/// The pins of this version, below `root`.
pub(super) fn directory(root: &Path) -> PathBuf {
    root.join(OURS).join(format!("v{}", lb_abi::VERSION))
}

/// Makes the directory of this version, or uses the existing one if it belongs to the agent's user.
pub(super) fn make(root: &Path) -> Result<PathBuf, LoadError> {
    owned(root, root)?;
    let directory = directory(root);
    for path in [&root.join(OURS), &directory] {
        match DirBuilder::new().mode(MODE).create(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                owned(root, path)?;
                // Earlier versions of swarmlb let everybody read it.
                fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(failed(path))?;
            }
            made => made.map_err(failed(path))?,
        }
    }
    Ok(directory)
}

/// Removes every pin below `root`, of any version. Follows no symbolic link.
pub(super) fn clean(root: &Path) -> Result<(), LoadError> {
    let ours = root.join(OURS);
    match fs::symlink_metadata(&ours) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed(&ours))?,
    };
    owned(root, root)?;
    owned(root, &ours)?;
    for version in fs::read_dir(&ours).map_err(failed(&ours))? {
        let version = version.map_err(failed(&ours))?.path();
        owned(root, &version)?;
        remove(&version)?;
    }
    fs::remove_dir(&ours).map_err(failed(&ours))
}

/// Removes the directories that [`make`] made, if loading failed.
pub(super) fn undo(root: &Path) {
    // The error that led here is the one that matters; the parent stays if it is not empty.
    let _ = remove(&directory(root));
    let _ = fs::remove_dir(root.join(OURS));
}

/// Removes the pins of one version.
fn remove(version: &Path) -> Result<(), LoadError> {
    let mut pins = Vec::new();
    for pin in fs::read_dir(version).map_err(failed(version))? {
        pins.push(pin.map_err(failed(version))?.path());
    }
    // Links first, so that nothing runs on maps that are going: `LB_…` are maps.
    pins.sort_by_key(|pin| {
        pin.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("LB_"))
    });
    for pin in pins {
        fs::remove_file(&pin).map_err(failed(&pin))?;
    }
    fs::remove_dir(version).map_err(failed(version))
}

/// Checks that `path` is a directory in which no other user can make, replace or remove files of swarmlb.
fn owned(root: &Path, path: &Path) -> Result<(), LoadError> {
    // Symbolic links are not followed: another user may have made them.
    let found = fs::symlink_metadata(path).map_err(failed(path))?;
    let Some(flaw) = flaw(&found, path == root) else {
        return Ok(());
    };
    Err(LoadError::NotOurs {
        path: path.display().to_string(),
        flaw,
        root: root.display().to_string(),
    })
}

/// The flaw of a directory, if it has one. In a `shared` directory others may make files of their own.
fn flaw(found: &Metadata, shared: bool) -> Option<String> {
    let sticky = found.mode() & S_ISVTX != 0;
    if !found.is_dir() {
        Some("is not a directory".to_owned())
    } else if found.uid() != geteuid().as_raw() {
        Some(format!("belongs to user {}", found.uid()))
    } else if found.mode() & OTHERS_WRITE != 0 && !(shared && sticky) {
        Some(format!(
            "is writable by others (mode {:o})",
            found.mode() & 0o7777
        ))
    } else {
        None
    }
}

fn failed(path: &Path) -> impl FnOnce(Error) -> LoadError + use<> {
    let path = path.display().to_string();
    move |source| LoadError::Directory { path, source }
}
