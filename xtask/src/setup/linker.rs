//! bpf-linker, which makes one BPF object of the crates' LLVM bitcode. Its LLVM
//! must be able to read what the compiler's LLVM writes, so it is linked to the
//! toolchain's own libLLVM where the toolchain has one as a shared library.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Toolchain, cache_dir};
use crate::process::{cargo, read, run, say};

/// The oldest that knows this compiler's LLVM, and the one that is installed.
const VERSION: (u32, u32, u32) = (0, 13, 0);

pub(super) fn ensure(toolchain: &Toolchain) -> Result<()> {
    // Run, not only looked for: it may be linked to a toolchain that is gone.
    let found = read(Command::new("bpf-linker").arg("--version")).ok();
    if found
        .as_deref()
        .and_then(version)
        .is_some_and(|found| found >= VERSION)
    {
        return Ok(());
    }
    if let Some(found) = found {
        say(format_args!(
            "{found} is too old for this compiler and will be replaced."
        ));
    }
    let (major, minor, patch) = VERSION;
    let mut install = cargo();
    install.args(["install", "bpf-linker", "--locked", "--force", "--version"]);
    install.arg(format!("{major}.{minor}.{patch}"));
    install
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    match toolchains_llvm(&toolchain.sysroot)? {
        Some(llvm) => {
            say("Building bpf-linker against the toolchain's own LLVM; this takes a minute.");
            let prefix = cache_dir()?.join(format!("llvm-{}", toolchain.version));
            install
                .env("LLVM_PREFIX", &prefix)
                .env("RUSTFLAGS", llvm.linked_from(&prefix)?);
        }
        None => say("Building bpf-linker against the system's LLVM; this takes a minute."),
    }
    run(&mut install).context(
        "bpf-linker cannot be built; install one from https://github.com/aya-rs/bpf-linker by hand",
    )?;
    let works = read(Command::new("bpf-linker").arg("--version"))
        .context("bpf-linker is installed but does not run: is cargo's bin directory in PATH?")?;
    say(format_args!("Installed {works}."));
    Ok(())
}

/// `bpf-linker 0.13.0 …` as numbers.
fn version(told: &str) -> Option<(u32, u32, u32)> {
    let mut parts = told
        .split_whitespace()
        .nth(1)?
        .split(['.', '-', '+'])
        .map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// A libLLVM that a toolchain ships as a shared library.
struct SharedLlvm {
    dir: PathBuf,
    /// `libLLVM.so.22.1-rust-1.95.0-stable`: also its soname.
    file: String,
}

fn toolchains_llvm(sysroot: &Path) -> Result<Option<SharedLlvm>> {
    let dir = sysroot.join("lib");
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names
        .into_iter()
        .find(|name| name.starts_with("libLLVM.so."))
        .map(|file| SharedLlvm { dir, file }))
}

impl SharedLlvm {
    /// Makes `prefix` look like an installed LLVM; returns the compiler flags
    /// that let what is linked to it find the library again.
    fn linked_from(&self, prefix: &Path) -> Result<String> {
        let lib = prefix.join("lib");
        if lib.exists() {
            fs::remove_dir_all(&lib)?;
        }
        fs::create_dir_all(&lib)?;
        for name in ["libLLVM.so", &self.file] {
            symlink(self.dir.join(&self.file), lib.join(name))?;
        }
        Ok(format!("-C link-arg=-Wl,-rpath,{}", self.dir.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(version("bpf-linker 0.13.0"), Some((0, 13, 0)));
        assert!(version("bpf-linker 0.9.15").unwrap() < VERSION);
        assert!(version("bpf-linker 0.14.1-dev (abc)").unwrap() > VERSION);
        assert_eq!(version("bpf-linker"), None);
    }
}
