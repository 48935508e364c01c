//! Generates client and server of the agent-to-agent protocol from `proto/sync.proto`, without a
//! protoc binary. Its messages are those of the crate `lb-wire`.

/// Writes `swarmlb.sync.v1.rs` to `OUT_DIR`.
pub(crate) fn generate() -> anyhow::Result<()> {
    let files = protox::compile(["proto/sync.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .extern_path(".swarmlb.sync.v1", "::lb_wire::proto")
        .codec_path("crate::sync::codec::Checked")
        .compile_fds(files)?;
    println!("cargo::rerun-if-changed=proto/sync.proto");
    Ok(())
}
