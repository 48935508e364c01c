//! The test service's image, made without an engine and without a registry.
//!
//! An archive as `docker load` takes it: one layer with the static `whoami`, and one
//! configuration per tag. The tags differ in what a rolling update must tell apart.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{pattern, shell};

/// The image that services run unless told otherwise; answers with version 1.
pub const WHOAMI: &str = "whoami:1";
/// An image that answers with version 2, to update to.
pub const WHOAMI_NEXT: &str = "whoami:2";
/// An image with a health check of its own (`/healthz`, each 500 ms).
pub const WHOAMI_HEALTHCHECK: &str = "whoami:healthcheck";

const HEALTH_INTERVAL_NS: u64 = 500_000_000;

/// Writes the archive of all the tags into `dir` and returns its path.
pub fn whoami_archive(dir: &Path) -> Result<PathBuf> {
    let layer = layer(&whoami_binary()?)?;
    let plain =
        json!({ "Entrypoint": ["/whoami"], "ExposedPorts": { "80/tcp": {}, "80/udp": {} } });
    let with = |key: &str, value: Value| {
        let mut config = plain.clone();
        if let Some(config) = config.as_object_mut() {
            config.insert(key.to_owned(), value);
        }
        config
    };
    let health = json!({
        "Test": ["CMD", "/whoami", "health", "http://127.0.0.1:80/healthz"],
        "Interval": HEALTH_INTERVAL_NS, "Timeout": HEALTH_INTERVAL_NS, "Retries": 1,
    });
    let images = [
        (WHOAMI, with("Env", json!(["VERSION=1"]))),
        (WHOAMI_NEXT, with("Env", json!(["VERSION=2"]))),
        (WHOAMI_HEALTHCHECK, with("Healthcheck", health)),
    ];
    let path = dir.join("whoami.tar");
    let file = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
    write_archive(file, &layer, &images)?;
    Ok(path)
}

fn write_archive(out: impl Write, layer: &[u8], images: &[(&str, Value)]) -> Result<()> {
    let layer_digest = sha256(layer);
    let layer_path = format!("{layer_digest}/layer.tar");
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut archive = tar::Builder::new(out);
    append(&mut archive, &layer_path, 0o644, layer)?;
    let mut manifest = Vec::new();
    for (tag, config) in images {
        let image = serde_json::to_vec(&json!({
            "architecture": architecture,
            "os": "linux",
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
        }))?;
        let name = format!("{}.json", sha256(&image));
        append(&mut archive, &name, 0o644, &image)?;
        manifest.push(json!({ "Config": name, "RepoTags": [tag], "Layers": [layer_path] }));
    }
    append(
        &mut archive,
        "manifest.json",
        0o644,
        &serde_json::to_vec(&manifest)?,
    )?;
    archive.into_inner()?.flush().context("writing the image")
}

fn layer(binary: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(binary)
        .and_then(|mut file| file.read_to_end(&mut content))
        .with_context(|| format!("reading {}", binary.display()))?;
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, "whoami", 0o755, &content)?;
    Ok(layer.into_inner()?)
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    path: &str,
    mode: u32,
    data: &[u8],
) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(mode);
    archive
        .append_data(&mut header, path, data)
        .with_context(|| format!("adding {path}"))
}

fn sha256(data: &[u8]) -> String {
    pattern::hex(Sha256::new_with_prefix(data))
}

/// `$SWARMLB_WHOAMI`, or what Cargo builds (quickly, where nothing has changed).
fn whoami_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SWARMLB_WHOAMI") {
        return Ok(path.into());
    }
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "lb-tests",
            "--bin",
            "whoami",
        ])
        .args(["--target", &target, "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // FROM scratch there is no libc to load.
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    let messages = shell::stdout(&mut build).context("building the test service")?;
    let executable = messages.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    let executable = executable.context("Cargo names no executable of the test service")?;
    ensure!(executable.exists(), "{} is not there", executable.display());
    Ok(executable)
}
