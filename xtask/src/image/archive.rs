//! An image as `docker load` takes it: manifest, configuration, one layer.
//! A pure function of its content: entries are sorted, times are zero.

use anyhow::Result;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

/// A file of the image's root directory.
pub(super) struct Program {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Name and configuration of an image.
pub(super) struct Image<'a> {
    pub(super) names: &'a [&'a str],
    pub(super) environment: &'a [&'a str],
    pub(super) entrypoint: &'a [&'a str],
    pub(super) command: &'a [&'a str],
}

impl Image<'_> {
    /// The whole archive.
    pub(super) fn archive(&self, programs: &[Program]) -> Result<Vec<u8>> {
        let layer = layer(programs)?;
        let layer_digest = digest(&layer);
        let config = serde_json::to_vec(&json!({
            "architecture": architecture(),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Env": self.environment,
                "Entrypoint": self.entrypoint,
                "Cmd": self.command,
                "WorkingDir": "/",
            },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
            "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "cargo xtask image" }],
        }))?;
        let config_name = format!("{}.json", digest(&config));
        let layer_name = format!("{layer_digest}.tar");
        let manifest = serde_json::to_vec(&json!([{
            "Config": config_name,
            "RepoTags": self.names,
            "Layers": [layer_name],
        }]))?;
        let mut entries = [
            (config_name.as_str(), config.as_slice()),
            (layer_name.as_str(), layer.as_slice()),
            ("manifest.json", manifest.as_slice()),
        ];
        entries.sort_unstable();
        let mut archive = Builder::new(Vec::new());
        for (name, bytes) in entries {
            add(&mut archive, name, bytes, 0o644)?;
        }
        Ok(archive.into_inner()?)
    }
}

fn layer(programs: &[Program]) -> Result<Vec<u8>> {
    let mut sorted: Vec<&Program> = programs.iter().collect();
    sorted.sort_unstable_by_key(|program| &program.name);
    let mut layer = Builder::new(Vec::new());
    for program in sorted {
        add(&mut layer, &program.name, &program.bytes, 0o755)?;
    }
    Ok(layer.into_inner()?)
}

fn add(archive: &mut Builder<Vec<u8>>, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes.len().try_into()?);
    archive.append_data(&mut header, name, bytes)?;
    Ok(())
}

/// The architecture under the name that image formats use.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;
    use std::io::Read;

    fn sample(order: [&str; 2]) -> Vec<u8> {
        let programs = order.map(|name| Program {
            name: name.to_owned(),
            bytes: name.repeat(1000).into_bytes(),
        });
        let image = Image {
            names: &["a:1", "a:latest"],
            environment: &["PATH=/"],
            entrypoint: &["/a"],
            command: &["run"],
        };
        image.archive(&programs).unwrap()
    }

    fn unpack(bytes: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(bytes).entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 0);
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let name = entry.path().unwrap().display().to_string();
            files.insert(name, (entry.header().mode().unwrap(), content));
        }
        files
    }

    #[test]
    fn manifest_configuration_and_layer_agree() {
        let files = unpack(&sample(["a", "b"]));
        let manifest: Value = serde_json::from_slice(&files["manifest.json"].1).unwrap();
        assert_eq!(manifest[0]["RepoTags"], json!(["a:1", "a:latest"]));

        let config_name = manifest[0]["Config"].as_str().unwrap();
        let config = &files[config_name].1;
        assert_eq!(config_name, format!("{}.json", digest(config)));

        let layer = &files[manifest[0]["Layers"][0].as_str().unwrap()].1;
        let config: Value = serde_json::from_slice(config).unwrap();
        assert_eq!(
            config["rootfs"]["diff_ids"],
            json!([format!("sha256:{}", digest(layer))])
        );
        assert_eq!(config["config"]["Entrypoint"], json!(["/a"]));
    }

    #[test]
    fn the_layer_has_the_programs_executable() {
        let files = unpack(&sample(["b", "a"]));
        let manifest: Value = serde_json::from_slice(&files["manifest.json"].1).unwrap();
        let layer = unpack(&files[manifest[0]["Layers"][0].as_str().unwrap()].1);
        assert_eq!(layer.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(layer["b"], (0o755, b"b".repeat(1000)));
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        assert!(sample(["a", "b"]) == sample(["b", "a"]));
    }

    #[test]
    fn digests_are_sha256() {
        assert_eq!(
            digest(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
