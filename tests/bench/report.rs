//! Where results go, and what they were taken on.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use harness::shell;
use serde::Serialize;

use crate::figures::Table;

/// In a document, what follows this line is the last results.
const MARK: &str = "<!-- What follows is written by `cargo xtask bench --write`. -->\n";

/// Everything that one run has found.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    tables: Vec<Table>,
}

/// The machine and its kernel.
#[derive(Serialize)]
struct Machine {
    date: String,
    kernel: String,
    processor: String,
    cpus: usize,
    /// The kernel's guard of indirect calls, which every look-up in a map may pay for.
    indirect_branches: String,
}

impl Report {
    pub(crate) fn new(tables: Vec<Table>) -> Result<Self> {
        Ok(Self {
            machine: Machine::this()?,
            tables,
        })
    }

    pub(crate) fn json(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self)?;
        fs::write(path, json).with_context(|| format!("writing {}", path.display()))
    }

    /// Puts the results in the place of the last ones.
    pub(crate) fn document(&self, path: &Path) -> Result<()> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let kept = text.split_inclusive(MARK).next().unwrap_or_default();
        anyhow::ensure!(
            kept.ends_with(MARK),
            "{} has no line {MARK}",
            path.display()
        );
        fs::write(path, format!("{kept}\n{}", self.markdown()))
            .with_context(|| format!("writing {}", path.display()))
    }

    pub(crate) fn markdown(&self) -> String {
        let Machine {
            date,
            kernel,
            processor,
            cpus,
            indirect_branches,
        } = &self.machine;
        let mut text = format!(
            "{date}, Linux {kernel}, {cpus} CPUs {processor}; indirect branches: {indirect_branches}.\n"
        );
        for table in &self.tables {
            text.push('\n');
            text.push_str(&table.to_string());
        }
        text
    }
}

impl Machine {
    fn this() -> Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let models: Vec<&str> = processors
            .lines()
            .filter(|line| line.starts_with("model name"))
            .filter_map(|line| Some(line.split_once(": ")?.1))
            .collect();
        let guard = "/sys/devices/system/cpu/vulnerabilities/spectre_v2";
        let guard = fs::read_to_string(guard).unwrap_or_default();
        Ok(Self {
            date: shell::run("date -u +%F")?,
            kernel: shell::run("uname -r")?,
            processor: models.first().copied().unwrap_or("unknown").to_owned(),
            cpus: std::thread::available_parallelism()?.get(),
            indirect_branches: guard
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
        })
    }
}
