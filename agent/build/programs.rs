//! The BPF object that the agent embeds.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The BPF object, from the `ebpf` crate, at `$OUT_DIR/programs`.
///
/// Cargo runs cargo: nothing stable lets a crate depend on another one's binary
/// for another target. `RUSTC_BOOTSTRAP` is set for that one build only; it lets a
/// stable compiler build `core` for BPF (docs/adr/0001).
pub(crate) fn build() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let source =
        Path::new(&env::var_os("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set")?)
            .join("../ebpf");
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rerun-if-changed=../Cargo.lock");
    let target = match env::var("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
        "big" => "bpfeb-unknown-none",
        _ => "bpfel-unknown-none",
    };
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    // Apart from the outer build's directory: cargo holds a lock on that.
    let directory = out.join("programs-target");
    let flags = [
        "--cfg",
        &format!("bpf_target_arch=\"{arch}\""),
        "-Ctarget-cpu=v3",
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
        // With it, LLVM may not turn a small memset into stores, and fails.
        "-Clink-arg=--disable-expand-memcpy-in-order",
    ]
    .join("\x1f");
    let output = Command::new(env::var_os("CARGO").context("CARGO is not set")?)
        .args([
            "build",
            "--locked",
            "--release",
            "--package",
            "lb-programs",
            "-Zbuild-std=core",
            "--target",
            target,
        ])
        .arg("--target-dir")
        .arg(&directory)
        .current_dir(&source)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env_remove("RUSTC")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .output()
        .context("cargo could not be started for the BPF programs")?;
    if !output.status.success() {
        bail!(
            "the BPF programs did not build; if bpf-linker or the source of `core` is missing, run `cargo xtask setup`\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let object = directory.join(target).join("release/lb-programs");
    fs::copy(&object, out.join("programs"))
        .with_context(|| format!("{} was not built", object.display()))?;
    Ok(())
}
