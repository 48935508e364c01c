//! Directories with certificates and keys, read again whenever a file in them is another one.
//!
//! A directory that cannot be read, for want of file descriptors or because a disk fails, takes no certificate away: what was
//! read of it before is used until it can be read again.

use super::certificates::Certificates;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest file that is read: secrets have 500 KB at most (Docker Engine API, SecretCreate).
const LONGEST: u64 = 1 << 20;

/// Directories, and what was in them when they were read last.
#[derive(Debug, Default)]
pub(crate) struct Directories {
    all: Vec<Directory>,
    /// The certificates that were in them, once they were looked at.
    last: Option<Arc<Certificates>>,
}

/// A directory, and what was in it when it was read last.
#[derive(Debug, Default)]
struct Directory {
    path: PathBuf,
    seen: Option<Seen>,
    /// Contents of its files, by name.
    files: BTreeMap<String, Vec<u8>>,
    /// Why it could not be read the last time, if it could not.
    problem: Option<String>,
}

/// Files by path, each by what changes with its content; `None`: nobody lets the router look at it.
type Seen = BTreeMap<PathBuf, Option<Version>>;

/// Length, and seconds and nanoseconds of the last changes of content and of inode (rights among them).
type Version = (u64, [i64; 4]);

/// What cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read: {source}", .path.display())]
struct ReadError {
    /// A directory, or a file in it.
    path: PathBuf,
    /// The kernel's word.
    source: io::Error,
}

impl Directories {
    /// These directories; a file in one of them hides files of its name in later ones. A directory may be missing.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        let directory = |path| Directory {
            path,
            ..Directory::default()
        };
        Self {
            all: paths.into_iter().map(directory).collect(),
            last: None,
        }
    }

    /// The certificates in them, if any file has changed since the last call.
    pub(crate) fn changed(&mut self) -> Option<Arc<Certificates>> {
        let mut changed = self.last.is_none();
        for directory in &mut self.all {
            changed |= directory.look();
        }
        if !changed {
            return None;
        }
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (name, content) in self.all.iter().flat_map(|directory| &directory.files) {
            let place = files.entry(name.clone());
            place.or_insert_with(|| content.clone());
        }
        let (certificates, problems) = Certificates::of(&files, self.last.as_deref());
        for problem in problems {
            tracing::warn!(%problem, "a certificate is not used");
        }
        let certificates = Arc::new(certificates);
        self.last = Some(certificates.clone());
        Some(certificates)
    }
}

impl Directory {
    /// Reads it, if a file has changed since it was read last. Was there one?
    fn look(&mut self) -> bool {
        match self.read() {
            Ok(changed) => {
                self.problem = None;
                changed
            }
            Err(error) => {
                // It is looked at every few seconds, and one line is enough.
                let problem = Some(error.to_string());
                if self.problem != problem {
                    tracing::warn!(%error, "what was read of a directory of certificates before is used");
                    self.problem = problem;
                }
                false
            }
        }
    }

    /// [`Self::look`]. Where it fails, nothing has changed, and all is read the next time.
    fn read(&mut self) -> Result<bool, ReadError> {
        let seen = list(&self.path)?;
        if self.seen.as_ref() == Some(&seen) {
            return Ok(false);
        }
        let mut files = BTreeMap::new();
        for (path, version) in &seen {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let content = match version {
                Some(_) => fs::read(path),
                None => Err(ErrorKind::PermissionDenied.into()),
            };
            match content {
                Ok(content) => drop(files.insert(name.to_owned(), content)),
                // It is gone since.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    tracing::warn!(path = %path.display(), %error, "a file is not read");
                }
                Err(source) => return Err(failed(path, source)),
            }
        }
        self.files = files;
        self.seen = Some(seen);
        Ok(true)
    }
}

/// The files of a directory; none where there is no such directory. Links are followed: mounted directories are changed at one
/// stroke by them.
fn list(directory: &Path) -> Result<Seen, ReadError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Seen::new()),
        Err(source) => return Err(failed(directory, source)),
    };
    let mut seen = Seen::new();
    for entry in entries {
        let path = entry.map_err(|source| failed(directory, source))?.path();
        match fs::metadata(&path) {
            Ok(about) if about.is_file() && about.len() <= LONGEST => {
                let content = (about.mtime(), about.mtime_nsec());
                let inode = (about.ctime(), about.ctime_nsec());
                let changed = [content.0, content.1, inode.0, inode.1];
                seen.insert(path, Some((about.len(), changed)));
            }
            Ok(_) => {}
            Err(error) => match error.kind() {
                // It is gone since, or a link to nowhere.
                ErrorKind::NotFound | ErrorKind::NotADirectory => {}
                ErrorKind::PermissionDenied => {
                    seen.insert(path, None);
                }
                _ => return Err(failed(&path, error)),
            },
        }
    }
    Ok(seen)
}

fn failed(path: &Path, source: io::Error) -> ReadError {
    ReadError {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
