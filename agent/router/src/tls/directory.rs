//! Directories with certificates and keys, read again whenever a file in them is another one.

use super::certificates::Certificates;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Longest file that is read: secrets have 500 KB at most (Docker Engine API, SecretCreate).
const LONGEST: u64 = 1 << 20;

/// Directories, and what was in them when they were read last.
#[derive(Debug, Default)]
pub(crate) struct Directories {
    paths: Vec<PathBuf>,
    seen: Option<Seen>,
}

/// Name, length and time of change of each file.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

impl Directories {
    /// These directories; a file in one of them hides files of its name in later ones. A directory may be missing.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, seen: None }
    }

    /// The certificates in them, if any file has changed since the last call.
    pub(crate) fn changed(&mut self) -> Option<Certificates> {
        let seen = self.look();
        if self.seen.as_ref() == Some(&seen) {
            return None;
        }
        let mut files = BTreeMap::new();
        for path in seen.keys() {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            match fs::read(path) {
                Ok(content) => drop(files.entry(name.to_owned()).or_insert(content)),
                Err(error) => tracing::warn!(path = %path.display(), %error, "a file is not read"),
            }
        }
        self.seen = Some(seen);
        let (certificates, problems) = Certificates::of(&files);
        for problem in problems {
            tracing::warn!(%problem, "a certificate is not used");
        }
        Some(certificates)
    }

    fn look(&self) -> Seen {
        self.paths.iter().flat_map(|path| entries(path)).collect()
    }
}

/// The files of a directory. Links are followed: mounted directories are changed at one stroke by them.
fn entries(directory: &Path) -> Vec<(PathBuf, (u64, Option<SystemTime>))> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| {
        let path = entry.path();
        let about = fs::metadata(&path).ok()?;
        let short = about.is_file() && about.len() <= LONGEST;
        short.then(|| (path, (about.len(), about.modified().ok())))
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::Directories;
    use std::fs;

    #[test]
    fn files_are_read_again_when_they_change_and_only_then() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        let mut directories = Directories::new(vec![missing.clone(), directory.path().into()]);
        assert!(directories.changed().is_some(), "the first time");
        assert!(directories.changed().is_none());
        fs::write(directory.path().join("file"), "content").unwrap();
        assert!(directories.changed().is_some());
        assert!(directories.changed().is_none());
        fs::create_dir(&missing).unwrap();
        fs::write(missing.join("file"), "more").unwrap();
        assert!(directories.changed().is_some());
        fs::remove_file(missing.join("file")).unwrap();
        assert!(directories.changed().is_some());
    }
}
