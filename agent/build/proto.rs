//! Generates the agent-to-agent protocol from `proto/sync.proto`, without a protoc binary.

/// Writes `swarmlb.sync.v1.rs` to `OUT_DIR`.
pub(crate) fn generate() -> anyhow::Result<()> {
    let files = protox::compile(["proto/sync.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".swarmlb.sync.v1")
        .btree_map(".swarmlb.sync.v1")
        .compile_fds(files)?;
    println!("cargo::rerun-if-changed=proto/sync.proto");
    Ok(())
}
