//! Whether what `cargo xtask image` built is of the sources that are here now: an older agent would pass or fail for what
//! it was, and not for what it is.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use walkdir::{DirEntry, WalkDir};

/// Where the agent's sources are, and those of its BPF programs.
const SOURCES: [&str; 2] = ["agent", "ebpf"];
/// Extensions of source files.
const EXTENSIONS: [&str; 3] = ["rs", "toml", "proto"];
/// Directories and files of which nothing goes into a binary.
const NOT_BUILT: [&str; 4] = ["tests", "tests.rs", "examples", "benches"];

/// An error if `built` is older than the newest source below `repository`. Where no sources are, as in a virtual
/// machine, nothing is said.
pub(crate) fn check(built: &Path, repository: &Path) -> Result<()> {
    let Some((source, changed)) = newest(repository)? else {
        return Ok(());
    };
    ensure!(
        modified(built)? >= changed,
        "{} is older than {}: run `cargo xtask image`",
        built.display(),
        source.display()
    );
    Ok(())
}

/// The source that was changed last, and when.
fn newest(repository: &Path) -> Result<Option<(PathBuf, SystemTime)>> {
    let mut newest = None;
    let places = SOURCES.map(|place| repository.join(place));
    for place in places.iter().filter(|place| place.is_dir()) {
        let is_built = |entry: &DirEntry| NOT_BUILT.iter().all(|name| entry.file_name() != *name);
        for entry in WalkDir::new(place).into_iter().filter_entry(is_built) {
            let path = entry?.into_path();
            let extension = path.extension().unwrap_or_default();
            if !EXTENSIONS.iter().any(|known| extension == *known) {
                continue;
            }
            let changed = modified(&path)?;
            if newest.as_ref().is_none_or(|(_, last)| *last < changed) {
                newest = Some((path, changed));
            }
        }
    }
    Ok(newest)
}

fn modified(path: &Path) -> Result<SystemTime> {
    path.metadata()
        .and_then(|metadata| metadata.modified())
        .with_context(|| format!("when {} was changed", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;

    /// A file that was changed so many seconds after the epoch.
    fn put(repository: &Path, path: &str, seconds: u64) -> PathBuf {
        let path = repository.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(&path).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        file.set_modified(time).unwrap();
        path
    }

    #[test]
    fn an_archive_older_than_a_source_of_it_is_refused() {
        let repository = tempfile::tempdir().unwrap();
        let root = repository.path();
        let built = put(root, "target/dist/swarmlb-image.tar", 100);
        check(&built, root).expect("no sources, no check");

        put(root, "agent/src/run.rs", 99);
        put(root, "ebpf/abi/src/lib.rs", 100);
        for other in [
            "agent/core/README.md",
            "agent/core/src/backend/ebpf/plan/tests.rs",
            "agent/netlink/tests/kernel/main.rs",
            "tests/swarm/main.rs",
        ] {
            put(root, other, 200);
        }
        check(&built, root).expect("nothing that goes into it is newer");

        for source in [
            "ebpf/abi/src/lib.rs",
            "agent/proto/sync.proto",
            "agent/Cargo.toml",
        ] {
            let source = put(root, source, 101);
            let said = check(&built, root).unwrap_err().to_string();
            let (built, newer) = (built.display(), source.display());
            assert_eq!(
                said,
                format!("{built} is older than {newer}: run `cargo xtask image`")
            );
            fs::remove_file(source).unwrap();
        }
    }
}
