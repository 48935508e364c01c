//! Generates the messages of `proto/sync.proto`, without a protoc binary.

fn main() -> anyhow::Result<()> {
    let files = protox::compile(["../proto/sync.proto"], ["../proto"])?;
    prost_build::Config::new()
        .bytes([".swarmlb.sync.v1"])
        .btree_map([".swarmlb.sync.v1"])
        .skip_debug([".swarmlb.sync.v1.TokenKeys"])
        .compile_fds(files)?;
    println!("cargo::rerun-if-changed=../proto/sync.proto");
    Ok(())
}
