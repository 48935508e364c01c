//! Routing on the machine, for as long as any laboratory stands.
//!
//! New network namespaces, those of containers included, inherit `ip_forward`
//! from the root namespace. On a real node the engine has set it there; in the
//! laboratory the engines can set it in their nodes' namespaces only. So the
//! first laboratory sets it, remembers what it was, and the last one restores it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
/// One file per laboratory, and one with the value to restore.
const REGISTER: &str = "/run/swarmlb-labs";
const FORMER: &str = "ip_forward.before";

/// Turns routing on and notes that the laboratory `prefix` wants it.
pub fn want(prefix: &str) -> Result<()> {
    let _lock = lock()?;
    let former = Path::new(REGISTER).join(FORMER);
    if !former.exists() {
        fs::write(&former, fs::read(IP_FORWARD)?)?;
    }
    fs::write(entry(prefix), "")?;
    fs::write(IP_FORWARD, "1").with_context(|| format!("setting {IP_FORWARD}"))
}

/// Takes the note back; the last laboratory restores what was before the first.
pub fn release(prefix: &str) -> Result<()> {
    if !Path::new(REGISTER).exists() {
        return Ok(());
    }
    let _lock = lock()?;
    let _ = fs::remove_file(entry(prefix));
    let others = fs::read_dir(REGISTER)?
        .flatten()
        .any(|e| e.file_name() != FORMER);
    if others {
        return Ok(());
    }
    let former = Path::new(REGISTER).join(FORMER);
    if let Ok(value) = fs::read(&former) {
        fs::write(IP_FORWARD, value).with_context(|| format!("restoring {IP_FORWARD}"))?;
    }
    fs::remove_dir_all(REGISTER).with_context(|| format!("removing {REGISTER}"))
}

/// The note of the laboratory `prefix`, if there is one.
#[must_use]
pub fn note(prefix: &str) -> Option<PathBuf> {
    Some(entry(prefix)).filter(|path| path.exists())
}

fn entry(prefix: &str) -> PathBuf {
    Path::new(REGISTER).join(prefix)
}

/// The directory is the lock; whoever waited for one that is gone makes a new one.
fn lock() -> Result<Flock<File>> {
    loop {
        fs::create_dir_all(REGISTER).with_context(|| format!("making {REGISTER}"))?;
        let Ok(directory) = File::open(REGISTER) else {
            continue;
        };
        let locked = Flock::lock(directory, FlockArg::LockExclusive)
            .map_err(|(_, error)| error)
            .with_context(|| format!("locking {REGISTER}"))?;
        let current = fs::metadata(REGISTER).map(|now| now.ino()).ok();
        if current == Some(locked.metadata()?.ino()) {
            return Ok(locked);
        }
    }
}
