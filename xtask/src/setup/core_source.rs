//! The source of `core`, which the BPF build compiles (`-Z build-std=core`):
//! `lib/rustlib/src/rust` in the toolchain.
//!
//! rustup's component rust-src is the first choice. Where it cannot be fetched,
//! Debian's package of the same version is the same source: it is unpacked
//! into the cache (not installed) and linked into the toolchain.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Toolchain, cache_dir};
use crate::process::{find, read, root, run, say};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";
const SUITE: &str = "trixie-backports";

pub(super) fn ensure(toolchain: &Toolchain) -> Result<()> {
    let place = toolchain.sysroot.join("lib/rustlib/src/rust");
    if is_source(&place) {
        return Ok(());
    }
    say("Adding the source of the Rust library (component rust-src) for the BPF build.");
    let mut rustup = Command::new("rustup");
    match run(rustup
        .current_dir(root())
        .args(["component", "add", "rust-src"]))
    {
        Ok(()) if is_source(&place) => return Ok(()),
        Ok(()) => say("rustup is content, but the source is not there."),
        Err(error) => say(format_args!("rustup cannot add it: {error}.")),
    }
    let tree = from_debian(&toolchain.version).with_context(|| {
        format!(
            "the source of `core` {} is missing: run `rustup component add rust-src`",
            toolchain.version
        )
    })?;
    link(&tree, &place)?;
    say(format_args!(
        "Linked {} to {}.",
        place.display(),
        tree.display()
    ));
    Ok(())
}

fn is_source(place: &Path) -> bool {
    place.join("library/core/src/lib.rs").is_file() && place.join("library/Cargo.lock").is_file()
}

/// Puts a link at `place`; a dangling one from an emptied cache is replaced.
fn link(tree: &Path, place: &Path) -> Result<()> {
    if place.is_symlink() {
        fs::remove_file(place)?;
    }
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    symlink(tree, place).with_context(|| format!("cannot link {}", place.display()))
}

/// Fetches and unpacks Debian's package rust-src of this version.
fn from_debian(version: &str) -> Result<PathBuf> {
    let cache = cache_dir()?;
    let unpacked = cache.join(format!("rust-src-{version}"));
    let tree = unpacked.join(format!("usr/src/rustc-{version}"));
    if is_source(&tree) {
        return Ok(tree);
    }
    for needed in ["apt-get", "dpkg-deb"] {
        if find(needed).is_none() {
            bail!("there is no {needed} to fetch Debian's package with");
        }
    }
    if !Path::new(KEYRING).is_file() {
        bail!("there is no {KEYRING} to check Debian's package with");
    }
    let apt = PrivateApt::new(&cache.join("apt"))?;
    say(format_args!(
        "Fetching Debian's package rust-src {version} from {} ({SUITE}).",
        apt.mirror
    ));
    run(apt.command("apt-get").args(["-q", "update"]))?;
    let offered = read(apt.command("apt-cache").args(["madison", "rust-src"]))?;
    let Some(package) = matching(&offered, version) else {
        bail!(
            "{} ({SUITE}) offers no rust-src {version}, but:\n{offered}",
            apt.mirror
        );
    };
    run(apt
        .command("apt-get")
        .args(["-q", "download", &format!("rust-src={package}")]))?;
    let deb = fs::read_dir(&apt.dir)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .context("apt-get downloaded nothing")?;
    run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&unpacked))?;
    fs::remove_file(&deb)?;
    if !is_source(&tree) {
        bail!(
            "Debian's package {package} has no library in {}",
            tree.display()
        );
    }
    Ok(tree)
}

/// The first version in `apt-cache madison`'s table that is upstream's `version`.
fn matching<'a>(madison: &'a str, version: &str) -> Option<&'a str> {
    let versions = madison
        .lines()
        .filter_map(|line| line.split('|').nth(1).map(str::trim));
    versions.into_iter().find(|offered| {
        offered
            .strip_prefix(version)
            .is_some_and(|rest| rest.starts_with(['+', '-']))
    })
}

/// An apt with a configuration of its own: the machine's lists, sources and
/// installed packages stay as they are.
struct PrivateApt {
    dir: PathBuf,
    mirror: String,
}

impl PrivateApt {
    fn new(dir: &Path) -> Result<Self> {
        let mirror = machines_mirror();
        // A half-done earlier run must not leave a package behind that we take for ours.
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        for part in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(dir.join(part))?;
        }
        let source = format!("deb [signed-by={KEYRING}] {mirror} {SUITE} main\n");
        fs::write(dir.join("sources.list"), source)?;
        Ok(Self {
            dir: dir.to_owned(),
            mirror,
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.dir);
        let at = |name: &str| self.dir.join(name).display().to_string();
        for option in [
            format!("Dir::Etc::sourcelist={}", at("sources.list")),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State::lists={}", at("lists")),
            format!("Dir::Cache::archives={}", at("archives")),
            "Dir::Cache::pkgcache=".to_owned(),
            "Dir::Cache::srcpkgcache=".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "APT::Update::Post-Invoke=".to_owned(),
            // The cache is in a home directory, which the user _apt may not enter.
            format!(
                "APT::Sandbox::User={}",
                std::env::var("USER").unwrap_or_else(|_| "root".to_owned())
            ),
        ] {
            command.args(["-o", &option]);
        }
        command
    }
}

/// The mirror that the machine's own sources name.
fn machines_mirror() -> String {
    let targets = read(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]));
    targets
        .ok()
        .as_deref()
        .and_then(debian_mirror)
        .unwrap_or(DEFAULT_MIRROR)
        .to_owned()
}

/// The first address in a list that is a whole Debian archive.
fn debian_mirror(addresses: &str) -> Option<&str> {
    addresses
        .lines()
        .map(|line| line.trim().trim_end_matches('/'))
        .find(|line| line.ends_with("/debian"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_upstream_version_will_do() {
        let madison = " rust-src | 1.96.0+dfsg1-1~bpo13+1 | http://d trixie-backports/main\n \
                       rust-src | 1.95.01+dfsg1-1 | http://d trixie-backports/main\n \
                       rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://d trixie-backports/main\n";
        assert_eq!(matching(madison, "1.95.0"), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(matching(madison, "1.94.0"), None);
    }

    #[test]
    fn the_mirror_is_the_machines_archive_not_its_security_suite() {
        let listed = "http://m.example/debian-security/\nhttp://other.example/apt\nhttp://m.example/debian/\n";
        assert_eq!(debian_mirror(listed), Some("http://m.example/debian"));
        assert_eq!(debian_mirror("http://m.example/ubuntu\n"), None);
    }

    #[test]
    fn a_dangling_link_is_replaced() {
        let dir = std::env::temp_dir().join(format!("swarmlb-xtask-link-{}", std::process::id()));
        fs::create_dir_all(dir.join("tree")).unwrap();
        let place = dir.join("lib/src/rust");
        link(&dir.join("gone"), &place).unwrap();
        link(&dir.join("tree"), &place).unwrap();
        assert!(place.is_dir());
        fs::remove_dir_all(&dir).unwrap();
    }
}
