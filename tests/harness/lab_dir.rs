//! The directory of one laboratory: what the next process needs to know of it.
//!
//! Everything else follows from the prefix: the names of namespaces and cgroups.
//! The description is written before anything is made, so that `lab down` can
//! remove whatever a crash left behind.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

const DESCRIPTION: &str = "lab.json";

/// Where `lab` keeps its laboratory unless told otherwise.
pub const DEFAULT: &str = "/tmp/swarmlb-lab";

/// The parameters of a laboratory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Begins the name of every kernel object of the laboratory.
    pub prefix: String,
    /// Number of nodes.
    pub nodes: u8,
    /// Number of managers: the first nodes.
    pub managers: u8,
    /// MTU of all links, in bytes.
    pub mtu: u16,
}

/// The directory, inside a laboratory's own, that holds the nodes' directories.
pub(crate) fn nodes_dir(prefix: &str) -> String {
    format!("{prefix}.lab")
}

/// A laboratory's directory.
#[derive(Clone, Debug)]
pub struct LabDir {
    path: PathBuf,
}

impl LabDir {
    /// The directory at `path`, whether or not it exists.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        // Processes are recognised by absolute paths.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { path }
    }

    /// Makes the directory; an error if a laboratory lives there already.
    pub fn create(path: &Path, description: &Description) -> Result<Self> {
        let dir = Self::at(path);
        let shown = dir.path.display();
        if dir.exists() {
            anyhow::bail!("a laboratory is already described in {shown}: take it `down` first");
        }
        fs::create_dir_all(&dir.path).with_context(|| format!("making {shown}"))?;
        let text = serde_json::to_string_pretty(description)?;
        fs::write(dir.path.join(DESCRIPTION), text)
            .with_context(|| format!("describing the laboratory in {shown}"))?;
        Ok(dir)
    }

    /// Whether a laboratory is described there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.join(DESCRIPTION).exists()
    }

    /// Reads the description.
    pub fn description(&self) -> Result<Description> {
        let path = self.path.join(DESCRIPTION);
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "no laboratory in {}: `cargo xtask lab up` makes one",
                self.path.display()
            )
        })?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of one node: its engine's data, its logs, its pid. The prefix
    /// is part of it, so that mounts out of it show whose they are.
    #[must_use]
    pub fn node(&self, prefix: &str, name: &str) -> PathBuf {
        self.path.join(nodes_dir(prefix)).join(name)
    }

    /// Removes the directory with all that is in it.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}
